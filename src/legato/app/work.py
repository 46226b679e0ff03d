"""One work order on its way: its inputs as objects, its outputs into the store, the call between them.

Rule: an output is in the store before anyone hears of it.
"""

import contextlib
import importlib
import reprlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from legato.app.checkpoints import Checkpoints
from legato.app.wiring import open_shelf, open_store
from legato.domain.artifacts import Artifact
from legato.domain.elements import GATHERED, Family, unpack
from legato.domain.elsewhere import Reference
from legato.domain.errors import UserCodeError
from legato.domain.graph import Graph
from legato.domain.messages import Given, LoadRequest, Sample, Watched, WorkOrder
from legato.formats import Formats, elsewhere, form_of, type_name
from legato.pipeline.annotations import show
from legato.pipeline.collect import Collected, for_formats
from legato.pipeline.context import Context, Running, install
from legato.pipeline.fingerprint import Fingerprints, Sources
from legato.pipeline.gathered import Gathered, inner_of
from legato.pipeline.matching import holds
from legato.platforms import Say

if TYPE_CHECKING:
    from legato.app.environments import Lock
    from legato.domain.keys import Read
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
        self.request = request
        self._locks: dict[str, Lock] = {}
        self.modules: frozenset[str] = frozenset()
        self.closures: dict[str, frozenset[str]] = {}
        self.store: Store = open_store(self.state)
        self.shelf: Formats = open_shelf(sources.first_party, collected.formats)
        _import_evaluations(collected.graph)

    def lock(self, asked: object) -> "Lock":
        """Return what a step's `packages=` stands for, read once."""
        from legato.app.environments import read_lock  # few steps have packages of their own

        told = str(asked)
        if told not in self._locks:
            self._locks[told] = read_lock(self.root, self.state, asked)
        return self._locks[told]

    def watched(self, watched: Watched) -> Watched:
        """Return what loading read, locks of packages among it."""
        files = {*watched.files, *(lock.path for lock in self._locks.values())}
        return msgspec.structs.replace(watched, files=tuple(sorted(files)))

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
        self._kept = bench.store if order.keeps else open_store(self.folder)
        self.shelf = bench.shelf
        self.checkpoints = Checkpoints(bench.state)
        self.seen: tuple[Read, ...] | None = None
        """The files that a program was seen to read; None: this process reads them, and is watched."""

    def value(self, given: Given, form: object = None) -> object:
        """Return one input as its parameter's annotation asks for it."""
        if given.artifact.format == GATHERED:
            return self._gathered(given, inner_of(form))
        wanted = form_of(form)
        if wanted == elsewhere.REMOTE and elsewhere.has_address(given.artifact):
            return elsewhere.remote(None, given.artifact)
        path = self.place_named(given) if wanted == "pathlib.Path" else self.place(given)
        return self.shelf.load(path, given.artifact, form=form, allow_unsafe=True)

    def _gathered(self, given: Given, form: object) -> Gathered[object]:
        """Return all that a fanned-out step made; each is loaded when it is asked for."""
        family = unpack(self.store.path(given.artifact.digest).read_bytes())
        return Gathered(_Elements(self, given.parameter, family, for_formats(form)), family.missing)

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

    def keep_all(self, node: str, values: Mapping[str, object]) -> dict[str, Artifact]:
        """Save all outputs of a step, paths last: another value may still read from what a path gives away.

        Raises:
            UserCodeError: One of them is not of the type that the step is annotated with.
        """
        for field, value in values.items():
            self._refuse_mismatch(node, field, value)
        ordered = sorted(values, key=lambda field: isinstance(values[field], Path))
        kept = {
            field: self.keep(
                field, values[field], self.bench.collected.result_annotation(node, field), beside=values
            )
            for field in ordered
        }
        return {field: kept[field] for field in values}

    def _refuse_mismatch(self, node: str, field: str, value: object) -> None:
        annotation = self.bench.collected.result_annotation(node, field)
        if isinstance(value, Reference) or holds(annotation, value):
            return
        what, wanted, kind = f"{node}.{field}" if field else node, show(annotation), type_name(type(value))
        told = "None" if value is None else f"{reprlib.repr(value)} of type {kind}"
        raise UserCodeError(
            f"{what} returned {told}, not the {wanted} it is annotated with",
            hint=f"return one on every path, or write: -> {wanted} | None"
            if value is None
            else f"return what the annotation says, or write: -> {kind}",
        )

    def keep(
        self, field: str, value: object, hint: object = None, *, beside: Mapping[str, object] | None = None
    ) -> Artifact:
        """Save one output into the store; what lies in a folder of `lg.out_folder()` is moved there.

        `beside` holds the other outputs by field: what two of them share is copied instead.
        """
        name = f"{field}.output"
        folder = self.folder
        if isinstance(value, Path):
            others = [other for key, other in (beside or {}).items() if key != field]
            folder = self.folder / ("out" if self._gives_away(value, others) else name)
        saved = self.shelf.save(value, folder, hint=hint, name=name)
        placed = self._kept.put_path(saved.path, move=True)
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

    def _gives_away(self, path: Path, others: Iterable[object]) -> bool:
        """Say whether a path lies in a folder that we made for the step, and no other output reaches into it."""
        out, real = (self.folder / "out").resolve(), path.resolve()
        if not real.is_relative_to(out) or real == out:
            return False
        paths = [other.resolve() for other in others if isinstance(other, Path)]
        return not any(real.is_relative_to(other) or other.is_relative_to(real) for other in paths)

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
                    step=order.element or order.node,
                    attempt=order.attempt,
                    environment=order.environment,
                ),
                say=self._sample,
                folder=self._new_folder,
                checkpoints=lambda: self.checkpoints.open(order.key, self._new_folder),
            )
        )
        try:
            return collected.functions[node](**arguments)
        finally:
            _flush()

    def tell(self, values: Mapping[str, float]) -> None:
        """Say metrics that are known at the end."""
        self._sample(values, None)

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


def _flush() -> None:
    """Write out what the step printed; streams that it closed have nothing to lose."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


class _Elements(Mapping[str, object]):
    """What the elements of a fanned-out step made, each read when it is asked for and then forgotten."""

    def __init__(self, work: Work, parameter: str, family: Family, form: object) -> None:
        self._work = work
        self._parameter = parameter
        self._items = family.items
        self._form = form

    def __getitem__(self, key: str) -> object:
        artifact = self._items[key]
        place = f"{self._parameter}/{artifact.digest[7:]}"
        return self._work.value(Given(parameter=place, artifact=artifact, path=""), self._form)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items
