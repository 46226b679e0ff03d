"""One work order on its way: its inputs as objects, its outputs into the store, the call between them.

Rule: an output is in the store before anyone hears of it.
"""

import contextlib
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from legato.app.wiring import open_shelf, open_store
from legato.domain.artifacts import Artifact
from legato.domain.graph import Graph
from legato.domain.messages import Given, LoadRequest, Sample, WorkOrder
from legato.formats import Formats, form_of
from legato.pipeline.collect import Collected
from legato.pipeline.context import Context, Running, install
from legato.pipeline.fingerprint import Fingerprints, Sources
from legato.platforms import Say

if TYPE_CHECKING:
    from legato.store import Store

_ENCODER = msgspec.json.Encoder()


class Workbench:
    """What every work order of one loaded pipeline shares.

    Args:
        collected: The pipeline, imported.
        sources: Which code it was compiled from.
        fingerprints: What its code reaches.
        request: Where the repository and its state are.
    """

    def __init__(
        self, collected: Collected, sources: Sources, fingerprints: Fingerprints, request: LoadRequest
    ) -> None:
        self.collected = collected
        self.sources = sources
        self.fingerprints = fingerprints
        self.root = Path(request.root)
        self.state = Path(request.state)
        self.modules: frozenset[str] = frozenset()
        self.closures: dict[str, frozenset[str]] = {}
        self.store: Store = open_store(self.state)
        self.shelf: Formats = open_shelf(sources.first_party, collected.formats)
        _import_evaluations(collected.graph)

    def closure(self, node: str) -> frozenset[str]:
        """Return the first-party files that a node's key holds already."""
        function = self.collected.functions.get(node)
        if function is None:
            return frozenset()
        if node not in self.closures:
            found = self.fingerprints.of(function, uses=self.collected.uses.get(node, ()))
            self.closures[node] = frozenset(found.modules)
        return self.closures[node]


def _import_evaluations(graph: Graph) -> None:
    """Import their format, which needs numpy, here once where a step makes one, and not in each that does."""
    made = (output.type for node in graph.nodes for output in node.outputs)
    if any(type_.endswith("Evaluation") for type_ in made):
        with contextlib.suppress(ImportError):  # said with a hint when there is one to be saved
            importlib.import_module("legato.formats.evaluations")


class Work:
    """One order on its way."""

    def __init__(self, bench: Workbench, order: WorkOrder, say: Say) -> None:
        self.bench = bench
        self.order = order
        self.folder = Path(order.folder)
        self._say = say
        self.store = bench.store
        self.shelf = bench.shelf

    def value(self, given: Given, form: object = None) -> object:
        """Return one input as its parameter's annotation asks for it."""
        path = self.place_named(given) if form_of(form) == "pathlib.Path" else self.place(given)
        return self.shelf.load(path, given.artifact, form=form, allow_unsafe=True)

    def place(self, given: Given) -> Path:
        """Return where an input's bytes lie, to be read: the store's own file, or a placed folder."""
        return self.place_named(given) if given.artifact.tree else self.store.path(given.artifact.digest)

    def place_named(self, given: Given) -> Path:
        """Return a private copy or link of an input's bytes, under the name that they came with."""
        artifact = given.artifact
        name = Path(str(artifact.about.get("name", ""))).name or given.parameter
        target = self.folder / "inputs" / given.parameter / name
        if not target.exists():
            self.store.place(artifact.digest, artifact.tree, target)
        return target

    def keep(self, field: str, value: object, hint: object = None) -> Artifact:
        """Save one output into the store."""
        name = f"{field}.output"
        folder = (
            self.folder / name if isinstance(value, Path) else self.folder
        )  # a file may be returned twice
        saved = self.shelf.save(value, folder, hint=hint, name=name)
        placed = self.store.put_path(saved.path, move=True)
        return Artifact(
            digest=placed.digest,
            size_bytes=placed.size_bytes,
            format=saved.format,
            type=saved.type,
            tree=placed.tree,
            classes=saved.classes,
            unsafe=saved.unsafe,
            about=saved.about,
        )

    def call(self, node: str) -> object:
        """Call the function of `node` with this order's inputs and parameters."""
        collected = self.bench.collected
        arguments: dict[str, object] = {
            given.parameter: self.value(given, collected.annotation(node, given.parameter))
            for given in self.order.inputs
        }
        arguments |= collected.settings(node, self.order.settings)
        order = self.order
        install(
            Context(
                Running(
                    number=order.run,
                    key=order.key,
                    step=order.node,
                    attempt=order.attempt,
                    environment=order.environment,
                ),
                say=self._sample,
                folder=self._new_folder,
            )
        )
        try:
            return collected.functions[node](**arguments)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def _sample(self, values: Mapping[str, float], step: int | None) -> None:
        self._say(_ENCODER.encode(Sample(values=values, step=step)))

    def _new_folder(self) -> Path:
        parent = self.folder / "out"
        parent.mkdir(exist_ok=True)
        folder = parent / str(len(list(parent.iterdir())))
        folder.mkdir()
        return folder

    def given(self, parameter: str) -> Given:
        """Return one input by its parameter."""
        return next(given for given in self.order.inputs if given.parameter == parameter)
