"""What a search tries: its dimensions and its goal, as the node of the graph says them.

Rule: values are canonical JSON texts (`wire`) everywhere but inside the study, so that a trial's key is the run's.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from legato.domain.digests import canonical
from legato.domain.graph import Struct

MAXIMIZE: Final = "maximize"


class Target(Struct, frozen=True, kw_only=True):
    """One parameter of one step that a dimension sets."""

    step: str
    name: str


class Dimension(Struct, frozen=True, kw_only=True):
    """One thing that is searched.

    Attributes:
        name: As the author called it: `training.lr`, or the name of a shared parameter.
        kind: `floats`, `ints`, `choice`.
        low: Least value; `high`: greatest, both tried.
        log: Search the exponent.
        step: Distance of neighbouring values; 0: none for floats, 1 for ints.
        wires: For `choice`: the values.
        default: The value that it has without a search; empty for none.
    """

    name: str
    kind: str
    targets: tuple[Target, ...]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float = 0.0
    wires: tuple[str, ...] = ()
    default: str = ""


class Search(Struct, frozen=True, kw_only=True):
    """What a node of kind `tune` is told.

    Attributes:
        objective: The artifact that is judged.
        metric: Its metric; empty where the artifact is the number itself.
        direction: `maximize` or `minimize`.
        evaluates: The artifact is an evaluation, of which metrics are computed.
        part: Nodes that each trial runs anew.
        sampler: `tpe` or `random`.
        pruner: `median`, `hyperband`, or empty.
    """

    objective: str
    step: str
    metric: str
    direction: str
    evaluates: bool
    space: tuple[Dimension, ...]
    part: tuple[str, ...]
    sampler: str = "tpe"
    pruner: str = ""

    @property
    def goal(self) -> str:
        """What is looked at, as people call it."""
        return self.metric or self.objective

    def better(self, one: float, other: float) -> bool:
        """Say whether one value is better than another."""
        return one > other if self.direction == MAXIMIZE else one < other


def read_search(detail: Mapping[str, Any]) -> Search:
    """Return what a node's detail says."""
    return msgspec.convert(detail, Search)


def plain_of(dimension: Dimension, wire: str) -> Any:  # noqa: ANN401 - a float, an int or a text
    """Return a value as the study holds it: a number, or for a choice its wire form."""
    return wire if dimension.kind == "choice" else msgspec.json.decode(wire)


def wire_of(dimension: Dimension, plain: Any) -> str:  # noqa: ANN401 - as `plain_of` returns it
    """Return what the study proposes as canonical JSON.

    >>> wire_of(Dimension(name="a.b", kind="floats", targets=()), 0.5)
    '0.5'
    """
    if dimension.kind == "choice":
        return str(plain)
    return canonical(float(plain) if dimension.kind == "floats" else int(plain)).decode()


def holds(dimension: Dimension, wire: str) -> bool:
    """Say whether a value lies in a dimension.

    >>> holds(Dimension(name="a.b", kind="ints", targets=(), low=2, high=4), "3")
    True
    """
    if dimension.kind == "choice":
        return wire in dimension.wires
    value = msgspec.json.decode(wire)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if not dimension.low <= value <= dimension.high:
        return False
    step = dimension.step or (1 if dimension.kind == "ints" else 0)
    turns = (value - dimension.low) / step if step else 0.0
    return abs(turns - round(turns)) < 1e-9  # noqa: PLR2004 - what dividing floats leaves over
