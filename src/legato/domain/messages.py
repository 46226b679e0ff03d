"""What the control plane and its jobs say to each other: one JSON object a line.

Rule: a worker's line is a claim, parsed and checked by the engine before it is believed. Format:
docs/formats/worker.md.
"""

from collections.abc import Mapping
from typing import Any, Final

from legato.domain.artifacts import Artifact
from legato.domain.graph import Graph, Input, Output, Setting, Struct
from legato.domain.keys import Ingredient, Read

WORKER_FORMAT: Final = 1


class Override(Struct, frozen=True, kw_only=True):
    """One parameter value from outside.

    `text` is as typed; `wire` is JSON from a file; an empty `step` means all that name it.
    """

    step: str
    name: str
    text: str | None = None
    wire: str | None = None
    origin: str = "option"


class LoadRequest(Struct, frozen=True, kw_only=True):
    """Ask a loader to import a pipeline and describe it.

    Attributes:
        root: The repository's root, absolute.
        pipeline: The pipeline file, relative to the root.
        state: The state folder (`.legato`), absolute.
    """

    root: str
    pipeline: str
    state: str
    overrides: tuple[Override, ...] = ()
    format: int = WORKER_FORMAT


class Fingerprint(Struct, frozen=True, kw_only=True):
    """What code adds to a recipe: kinds `closure`, `code`, `value`, `package`, `platform`, `uses`."""

    ingredients: tuple[Ingredient, ...]
    warnings: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


class Watched(Struct, frozen=True, kw_only=True):
    """What loading read: files and folders (absolute), variables by name with a digest of their value."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}


class Loaded(Struct, frozen=True, kw_only=True, tag_field="reply", tag="loaded"):
    """A loader's good answer. `notes`: what a person should know of the pipeline though it stops nothing."""

    graph: Graph
    fingerprints: Mapping[str, Fingerprint]
    watched: Watched = Watched()
    fork: str = "pipeline"
    fork_note: str = ""
    notes: tuple[str, ...] = ()


class Refused(Struct, frozen=True, kw_only=True, tag_field="reply", tag="refused"):
    """A loader's or worker's bad answer; `error` names the class in `legato.domain.errors`."""

    error: str
    message: str
    hint: str = ""
    where: str = ""
    details: str = ""


class Given(Struct, frozen=True, kw_only=True):
    """One input as a worker gets it: where its bytes lie, and how to read them."""

    parameter: str
    artifact: Artifact
    path: str


class WorkOrder(Struct, frozen=True, kw_only=True):
    """One execution of one node.

    Attributes:
        node: Name of the node; `function` is found by it in the loaded pipeline.
        run: Number of the run.
        key: Base key: equal on every retry.
        folder: A private folder for this execution, absolute; its outputs are written below it.
        root: The repository's root, absolute.
        element: Where `node` is fanned out: the name of the element that this is one execution of.
        post_mortem: Open a debugger where the step raises; for a job that has a terminal.
        keeps: Its outputs go into the store; False: into its own folder, which is removed when it has ended.
    """

    node: str
    kind: str
    run: int
    key: str
    attempt: int
    folder: str
    root: str
    inputs: tuple[Given, ...] = ()
    wiring: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    settings: tuple[Setting, ...] = ()
    detail: Mapping[str, Any] = {}
    environment: str = "local"
    element: str = ""
    post_mortem: bool = False
    keeps: bool = True
    format: int = WORKER_FORMAT


class Sample(Struct, frozen=True, kw_only=True, tag_field="say", tag="sample"):
    """Metrics that the step logged."""

    values: Mapping[str, float]
    step: int | None = None


class Finished(Struct, frozen=True, kw_only=True, tag_field="say", tag="finished"):
    """The step succeeded; its outputs are in the store.

    Attributes:
        reads: Files of the repository that it opened.
        modules: Files of first-party modules in `sys.modules` at its end that its closure does not hold.
    """

    outputs: Mapping[str, Artifact]
    reads: tuple[Read, ...] = ()


class Failed(Struct, frozen=True, kw_only=True, tag_field="say", tag="failed"):
    """The step raised. `details` is the user's own traceback."""

    error: str
    message: str
    details: str = ""
    hint: str = ""


WorkerMessage = Sample | Finished | Failed
LoaderReply = Loaded | Refused
