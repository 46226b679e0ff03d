"""The graph of a trial: the part of the pipeline that its values reach, what it starts from, and its score.

Rule: only values differ from trial to trial; a step of a trial is an element of the pipeline's own, with its key.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from legato.domain.artifacts import Artifact
from legato.domain.graph import Graph, Input, Node, Output, Setting
from legato.engine.kinds import Acted, Call, Inputs
from legato.engine.schedule import Budget
from legato.tune.space import Search
from legato.tune.trials import told

GIVEN: Final = "given"
SCORE: Final = "score"


class GivenKind:
    """An artifact that a trial starts from: it is known already."""

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the artifact."""
        artifact = msgspec.convert(node.detail["artifact"], Artifact)
        acted = Acted(outputs={"": artifact}, changed=False)
        return Call(recipe=None, inputs=inputs, act=lambda _action: acted)


def share_of(whole: Budget, slot: int, slots: int) -> Budget:
    """Return what one of so many trials may use."""
    return Budget(
        cpus=whole.cpus / slots,
        memory_bytes=whole.memory_bytes // slots,
        gpus=whole.gpus[slot::slots],
        pools={name: math.floor(size / slots) for name, size in whole.pools.items()},
    )


class TrialGraph:
    """The graph of a trial: the part of the pipeline that its values reach, what it starts from, and its score."""

    def __init__(self, graph: Graph, node: Node, read: Search, inputs: Inputs) -> None:
        self._node = node
        self._read = read
        part = set(read.part)
        self._part = [other for other in graph.nodes if other.name in part]
        self._given = tuple(_given(name, artifact) for name, artifact in inputs.items())
        self._dimensions = {
            (t.step, t.name): dimension.name for dimension in read.space for t in dimension.targets
        }

    def side_by_side(self, whole: Budget) -> int:
        """Return how many trials fit beside each other; at least one."""
        words = [node.words for node in self._part]
        room = [whole.cpus // min(whole.cpus, max(one.cpus for one in words))]
        memory = max(one.memory_bytes for one in words)
        if memory and whole.memory_bytes:
            room.append(whole.memory_bytes // memory)
        if gpus := max(one.gpus for one in words):
            room.append(len(whole.gpus) // gpus)
        room += [whole.pools.get(one.pool, 1.0) // 1 for one in words if one.pool]
        return max(1, int(min(room)))

    def shown(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the values by `step.name`, as people read them."""
        return {f"{step}.{name}": str(told(values[key])) for (step, name), key in self._dimensions.items()}

    def of(self, number: int, values: Mapping[str, str]) -> Graph:
        """Return the graph of one trial; its steps are elements of the pipeline's own."""
        names = {
            node.name: node.name if node.axes else f"{node.name}[{self._node.name}={number}]"
            for node in self._part
        }
        nodes = [*self._given, *(self._set(node, names, values) for node in self._part)]
        if self._read.evaluates:
            nodes.append(self._score(number))
        return Graph(nodes=tuple(nodes))

    def _set(self, node: Node, names: Mapping[str, str], values: Mapping[str, str]) -> Node:
        settings = tuple(self._setting(node, one, values) for one in node.settings)
        after = tuple(names[name] for name in node.after if name in names)
        name = names[node.name]
        template = "" if name == node.name else node.name
        return msgspec.structs.replace(node, name=name, settings=settings, after=after, template=template)

    def _setting(self, node: Node, setting: Setting, values: Mapping[str, str]) -> Setting:
        dimension = self._dimensions.get((node.name, setting.name))
        if dimension is None:
            return setting
        wire = values[dimension]
        return msgspec.structs.replace(setting, wire=wire, shown=str(told(wire)), origin="tune")

    def _score(self, number: int) -> Node:
        return Node(
            name=f"{self._node.name}.{SCORE}[{self._node.name}={number}]",
            kind="gates",
            inputs=(Input(parameter="evaluation", artifact=self._read.objective),),
            outputs=(Output(artifact=score_of(self._node)),),
            detail={"model": "", "gates": []},
        )


def score_of(node: Node) -> str:
    """Return the artifact that holds the metrics of a trial."""
    return f"{node.name}.{SCORE}"


def _given(name: str, artifact: Artifact) -> Node:
    detail = {"artifact": msgspec.to_builtins(artifact)}
    return Node(name=f"{name} (given)", kind=GIVEN, outputs=(Output(artifact=name),), detail=detail)
