"""The graph: names, wiring, resources of a pipeline, as plain data that crosses processes.

Rule: no fingerprints and no values of inputs in here; those make a plan. Format: docs/formats/graph.md.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

GRAPH_FORMAT: Final = 1
DEFAULT_TIMEOUT_S: Final = 24 * 3600.0


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every structure of the domain is: frozen, by keyword, small on the wire."""


class Place(Struct, frozen=True, kw_only=True):
    """Where the user wrote something; `file` is relative to the repository."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """Return `file:line`, as terminals and editors link it."""
        return f"{self.file}:{self.line}" if self.file else ""


class Input(Struct, frozen=True, kw_only=True):
    """One parameter without default: which artifact it takes, and in which form.

    Attributes:
        parameter: The function's parameter.
        artifact: The name of the artifact it is wired to.
        type: The annotation as text, for people (`polars.DataFrame`); empty when there is none.
        part: Empty: the artifact, element by element where both are fanned out. `element`: one element of the
            list or mapping that the artifact is, along the axis named like the parameter. `gathered`: all
            elements of the fanned-out artifact.
    """

    parameter: str
    artifact: str
    type: str = ""
    part: str = ""


class Output(Struct, frozen=True, kw_only=True):
    """One artifact that a node makes.

    Attributes:
        artifact: Its name in the graph.
        field: The field of the NamedTuple or dataclass it comes from; empty for a single result.
        type: The annotation as text; empty when there is none.
        path: For commands: the fixed path the script writes, relative to the repository; else empty.
    """

    artifact: str
    field: str = ""
    type: str = ""
    path: str = ""


class Setting(Struct, frozen=True, kw_only=True):
    """One hyperparameter with the value of this run.

    Attributes:
        wire: The value as canonical JSON (see `legato.pipeline.values`), which is what the key sees.
        shown: The value as Python would print it.
        origin: `default`, `config`, `file`, `option`, `using`, `matrix` (each element of the node has its own).
        shared: The name of the `lg.parameter` it follows, or empty.
    """

    name: str
    wire: str
    shown: str
    type: str = ""
    origin: str = "default"
    shared: str = ""


class AxisValue(Struct, frozen=True, kw_only=True):
    """One value of a matrix: the key that names it, and the value as in `Setting`."""

    key: str
    wire: str
    shown: str


class Axis(Struct, frozen=True, kw_only=True):
    """What a node is fanned out over.

    Attributes:
        name: Of the parameter (`matrix=`) or of the input (`each=`) that differs from element to element.
        values: The literal values of a matrix.
        source: For `each=`: the artifact whose elements it runs over; known when that is made.
    """

    name: str
    values: tuple[AxisValue, ...] = ()
    source: str = ""


class Coordinate(Struct, frozen=True, kw_only=True):
    """Where an element stands on one axis; `shown` is the key as names hold it."""

    axis: str
    key: str
    shown: str


class Words(Struct, frozen=True, kw_only=True):
    """The words an author puts on a step: what it needs and may do. None of the first group is in the key.

    Attributes:
        cpus: Cores that it may use at once.
        memory_bytes: Memory that it may use, or 0 for no stated need.
        timeout_s: Wall seconds until its process tree is killed.
        retries: How often it is tried again after a failure.
        retry_on: Kinds of failure, and names of exceptions, that are tried again; empty: all.
        backoff_s: Seconds before the first retry; each later one waits twice as long.
        gpus: How many GPUs it has to itself.
        pool: The named pool that it takes a place of; empty for none.
        tolerate: Share of the elements that it gathers, in [0, 1], that may have failed.
        secrets: Names of variables it may see that are not in the key.
        env: Names of variables it may see that are in the key.
        cache: False: runs each time.
        cache_age_s: How old a result may be before it runs again; 0 is any age.
        effect: Acts outside this machine.
    """

    cpus: float = 1.0
    memory_bytes: int = 0
    timeout_s: float = DEFAULT_TIMEOUT_S
    retries: int = 0
    secrets: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    cache: bool = True
    cache_age_s: float = 0.0
    effect: bool = False
    retry_on: tuple[str, ...] = ()
    backoff_s: float = 1.0
    gpus: int = 0
    pool: str = ""
    tolerate: float = 0.0


class Node(Struct, frozen=True, kw_only=True):
    """One thing of the graph. `kind` says who runs it; the engine never reads `detail`.

    Attributes:
        kind: `dataset`, `step`, `check`, `command`, `gates`, `package`, `register`, `deploy`.
        after: Names of nodes that must have succeeded first though no artifact flows (checks, gates).
        detail: What only the runner of this kind reads (a dataset's address, a model's gates).
        axes: What it is fanned out over; such a node is a template, of which each element becomes a node.
        chosen: By axis: the keys, as names show them, of the elements that are wanted; all where it is silent.
        template: The node that it is an element of; empty for any other.
        at: Where it stands on each axis of its template.
        when: The artifact that says whether it is wanted; empty: always.
        wanted: False where a parameter says that it is not.
    """

    name: str
    kind: str
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    settings: tuple[Setting, ...] = ()
    words: Words = Words()
    after: tuple[str, ...] = ()
    place: Place = Place()
    detail: Mapping[str, Any] = {}
    axes: tuple[Axis, ...] = ()
    chosen: Mapping[str, tuple[str, ...]] = {}
    template: str = ""
    at: tuple[Coordinate, ...] = ()
    when: str = ""
    wanted: bool = True


class Trigger(Struct, frozen=True, kw_only=True):
    """What starts a run, and with what.

    Attributes:
        name: What `legato run --for` takes; no two are equal.
        kind: `pull_request`, `push`, `tag`, `schedule`, `drift`, `new_data`.
        targets: What is run, as a person would type it.
        patterns: Of branches or tags; a `*` at the end stands for any rest.
        cron: When, in five fields; of a schedule.
        tz: The time zone of `cron`.
        of: The endpoints or datasets that are watched.
        at_most: How often it may start a run, as written (`1 a day`).
        params: Values by `STEP.NAME` or `NAME`, as plain JSON.
        scheduled: Parameters that get the date that the run is for.
        environment: Where the run may have effects.
        refresh: Datasets whose source is looked at first; `*` for all.
    """

    name: str
    kind: str
    targets: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    cron: str = ""
    tz: str = "UTC"
    of: tuple[str, ...] = ()
    at_most: str = ""
    params: Mapping[str, str] = {}
    scheduled: tuple[str, ...] = ()
    environment: str = "local"
    refresh: tuple[str, ...] = ()
    place: Place = Place()


class Graph(Struct, frozen=True, kw_only=True):
    """A whole pipeline: nodes in an order in which each follows what it needs, and what starts runs of it."""

    nodes: tuple[Node, ...]
    format: int = GRAPH_FORMAT
    triggers: tuple[Trigger, ...] = ()

    def node(self, name: str) -> Node:
        """Return the node called `name`; raises KeyError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def makers(self) -> dict[str, str]:
        """Return, for each artifact, the name of the node that makes it."""
        return {output.artifact: node.name for node in self.nodes for output in node.outputs}
