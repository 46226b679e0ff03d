"""Restricts a graph to what some targets need.

Rule: a part of a graph is a graph: its order, its names and its wiring stay as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from legato.domain.elements import split_target
from legato.domain.errors import ConfigurationError, MissingError
from legato.pipeline.choosing import choose
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.order import closure
from legato.pipeline.others.targets import asked_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from legato.domain.graph import Graph, Node


def select(graph: Graph, targets: Sequence[str]) -> Graph:
    """Return the part of `graph` that `targets` need: what they depend on, and the checks of that.

    A check that guards a node of the part belongs to it; so does one that judges only what the part makes.

    Args:
        graph: A whole pipeline.
        targets: Names of nodes or artifacts, or of elements (`training[store=berlin]`); none: the whole graph.

    Raises:
        MissingError: There is no node or artifact of that name.
        ConfigurationError: A parameter of the part has no value.
    """
    part = part_of(graph, targets)
    _refuse_without_value(part)
    return part


def part_of(graph: Graph, targets: Sequence[str]) -> Graph:
    """Return the part of `graph` that `targets` need, though a parameter of it may have no value yet.

    Raises:
        MissingError: There is no node or artifact of that name.
    """
    targets = asked_for(graph, targets)
    return graph if not targets else _part(graph, targets)


def _part(graph: Graph, targets: Sequence[str]) -> Graph:
    makers = graph.makers()
    needs = {node.name: needed_by(node, makers) for node in graph.nodes}
    names = {**makers, **{name: name for name in needs}}
    for target in targets:
        if split_target(target)[0] not in names:
            raise MissingError(
                f"the pipeline has no step or artifact {target!r}",
                hint=did_you_mean(target, names, "steps and artifacts"),
            )
    kept = closure(needs, [names[split_target(target)[0]] for target in targets])
    for node in graph.nodes:
        if node.kind == "check" and node.inputs and kept.issuperset(needs[node.name]):
            kept.add(node.name)
    nodes = [node for node in graph.nodes if node.name in kept]
    return msgspec.structs.replace(graph, nodes=choose(nodes, targets, makers))


def needed_by(node: Node, makers: Mapping[str, str]) -> list[str]:
    """Return the names of the nodes that `node` directly needs: for its inputs, and those it comes after."""
    condition = (makers[node.when],) if node.when else ()
    return list(dict.fromkeys([*(makers[taken.artifact] for taken in node.inputs), *condition, *node.after]))


def _refuse_without_value(graph: Graph) -> None:
    for node in graph.nodes:
        for setting in node.settings:
            if setting.wire:
                continue
            name = setting.shared or f"{node.name}.{setting.name}"
            typed = f" ({setting.type})" if setting.type else ""
            raise ConfigurationError(
                f"the parameter `{setting.name}`{typed} of {node.name} has no value",
                hint=f"give it one: -p {name}=VALUE, or a default",
                where=str(node.place),
            )
