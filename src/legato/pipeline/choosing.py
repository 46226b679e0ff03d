"""Says which elements of fanned-out nodes a run needs: `training[store=berlin]`, and what that depends on.

Rule: what is not known to be needless is needed; a node between two choices gets what either asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from legato.domain.elements import shown_key, split_target
from legato.domain.errors import MissingError
from legato.pipeline.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from legato.domain.graph import Axis, Node

Wanted = dict[str, set[str] | None]
"""Shown keys by axis; None: all."""


def choose(nodes: Sequence[Node], targets: Iterable[str], makers: Mapping[str, str]) -> tuple[Node, ...]:
    """Return the nodes, in their order, each with the elements that `targets` need.

    Args:
        nodes: Each follows what it needs.
        targets: Names of nodes or artifacts, some with an element behind: `training[store=berlin]`.
        makers: The node that makes each artifact.

    Raises:
        MissingError: A target names an axis or an element that there is not.
    """
    known = {node.name: node for node in nodes}
    wanted: dict[str, Wanted] = {}
    for target in targets:
        name, keys = split_target(target)
        node = known[makers.get(name, name)]
        _refuse_unknown(node, target, keys)
        _add(wanted, node, {axis: {key} for axis, key in keys.items()})
    for node in reversed(nodes):
        asked = wanted.get(node.name, {})
        for name, aligned in _needed(node, makers):
            if name in known:
                _add(wanted, known[name], asked if aligned else {})
    return tuple(_chosen(node, wanted.get(node.name)) for node in nodes)


def _needed(node: Node, makers: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Return what a node needs, and whether element by element."""
    found = [(makers[item.artifact], item.part != "gathered") for item in node.inputs]
    found += [(makers[node.when], True)] if node.when else []
    return found + [(name, True) for name in node.after]


def _add(wanted: dict[str, Wanted], node: Node, asked: Wanted) -> None:
    """Let a node be wanted also where `asked` says; an axis that it is silent about is wanted wholly."""
    before = wanted.get(node.name)
    now: Wanted = {}
    for axis in node.axes:
        new = asked.get(axis.name)
        old = before.get(axis.name) if before is not None else set()
        now[axis.name] = None if new is None or old is None else old | new
    wanted[node.name] = now


def _chosen(node: Node, wanted: Wanted | None) -> Node:
    if wanted is None:
        return node
    chosen = {axis: tuple(sorted(keys)) for axis, keys in wanted.items() if keys is not None}
    return msgspec.structs.replace(node, chosen=chosen) if chosen else node


def _refuse_unknown(node: Node, target: str, keys: Mapping[str, str]) -> None:
    axes: dict[str, Axis] = {axis.name: axis for axis in node.axes}
    if "[" in target and not axes:
        raise MissingError(
            f"{node.name} is not fanned out, so there is no {target}", hint=f"legato run {node.name}"
        )
    if "[" in target and not keys:
        raise MissingError(f"{target!r} names no element", hint=f"write '{node.name}[{next(iter(axes))}=…]'")
    for axis, key in keys.items():
        if axis not in axes:
            raise MissingError(
                f"{node.name} is not fanned out over {axis!r}, so there is no {target}",
                hint=did_you_mean(axis, axes, "axes"),
            )
        values = [shown_key(value.key) for value in axes[axis].values]
        if values and key not in values:
            raise MissingError(
                f"{node.name} has no element {axis}={key}", hint=did_you_mean(key, values, "elements")
            )
