"""The worker: runs one work order in a process of its own, and says what came of it.

Rule: outputs are in the store before they are said; what the step read and imported is said with them.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from legato.app.commands import files_of, fingerprint, run_command
from legato.app.failures import own_traceback
from legato.app.kinds import JUDGEMENT, NOTE, SERVABLE, put_json
from legato.app.reads import ReadRecorder
from legato.app.wiring import open_shelf, open_store
from legato.domain.artifacts import Artifact
from legato.domain.errors import LegatoError, UserCodeError
from legato.domain.evaluation import Evaluation
from legato.domain.messages import Failed, Finished, Given, LoadRequest, Sample, WorkOrder
from legato.domain.verdicts import Gate
from legato.formats import Formats, form_of
from legato.pipeline.collect import Collected
from legato.pipeline.context import Context, Running, install
from legato.pipeline.fingerprint import Fingerprints, Sources
from legato.platforms import Say
from legato.store import Store

_ORDER = msgspec.json.Decoder(WorkOrder)
_ENCODER = msgspec.json.Encoder()


class Workbench:
    """What every work order of one loaded pipeline shares.

    Args:
        collected: The pipeline, imported.
        sources: Which code it was compiled from.
        fingerprints: What its code reaches.
        request: Where the repository and its state are.
    """

    def __init__(self, collected: Collected, sources: Sources, fingerprints: Fingerprints, request: LoadRequest) -> None:
        self.collected = collected
        self.sources = sources
        self.fingerprints = fingerprints
        self.root = Path(request.root)
        self.state = Path(request.state)
        self.store: Store = open_store(self.state)
        self.shelf: Formats = open_shelf(sources.first_party, collected.formats)

    def command_files(self, node: str) -> tuple[str, ...]:
        """Return the files of a command's checkout."""
        return files_of(fingerprint(self.fingerprints, self.root, self.collected.graph.node(node)))

    def closure(self, node: str) -> frozenset[str]:
        """Return the first-party files that a node's key holds already."""
        function = self.collected.functions.get(node)
        if function is None:
            return frozenset()
        return frozenset(self.fingerprints.of(function, uses=self.collected.uses.get(node, ())).modules)

    def execute(self, payload: bytes, say: Say) -> None:
        """Run one order; whatever happens is said, unless the process ends."""
        order = _ORDER.decode(payload)
        work = Work(self, order, say)
        try:
            message: Finished | Failed = work.finish()
        except LegatoError as error:
            details = error.details if isinstance(error, UserCodeError) else ""
            message = Failed(error=type(error).__name__, message=error.message, hint=error.hint, details=details)
        except Exception as error:  # noqa: BLE001 - the top loop of a worker: the user's code may raise anything
            message = work.failed(error)
        say(_ENCODER.encode(message))


class Work:
    """One order on its way."""

    def __init__(self, bench: Workbench, order: WorkOrder, say: Say) -> None:
        self.bench = bench
        self.order = order
        self.folder = Path(order.folder)
        self._say = say
        self.store = bench.store
        self.shelf = bench.shelf

    def finish(self) -> Finished:
        """Run the order's kind and return what it made."""
        run = KINDS[self.order.kind]
        recorder = ReadRecorder(self.bench.root, self.bench.state)
        with recorder:
            outputs = run(self)
        return Finished(outputs=outputs, reads=recorder.reads(self.bench.sources, self.bench.closure(self.order.node)))

    def failed(self, error: Exception) -> Failed:
        """Return what the user's own code raised, told by their own frames."""
        details = own_traceback(error, self.bench.root)
        text = str(error).strip() or "(no message)"
        return Failed(error=type(error).__name__, message=f"{type(error).__name__}: {text}", details=details)

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
        saved = self.shelf.save(value, self.folder / "outputs" / (field or "value"), hint=hint)
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
                Running(number=order.run, key=order.key, step=order.node, attempt=order.attempt),
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


def _step(work: Work) -> dict[str, Artifact]:
    node = work.order.node
    result = work.call(node)
    collected = work.bench.collected
    return {
        field: work.keep(field, value, collected.result_annotation(node, field))
        for field, value in collected.fields(node, result).items()
    }


def _check(work: Work) -> dict[str, Artifact]:
    found = work.call(work.order.node)
    if found is not None:
        raise UserCodeError(
            f"check {work.order.node!r} returned {found!r:.200}, which says nothing",
            hint="a check fails by `assert` or by raising, and returns nothing",
        )
    return {}


def _champion(work: Work) -> dict[str, Artifact]:
    """Score the champion; that it cannot be scored is a finding, which the gate judges as inconclusive."""
    (output,) = work.order.outputs
    try:
        result = work.bench.collected.fields(work.order.node, work.call(work.order.node))[output.field]
        return {output.field: work.keep(output.field, result)}
    except Exception as error:  # noqa: BLE001 - an old model on new code may raise anything
        note = f"the champion could not be scored: {type(error).__name__}: {error}"
        sys.stderr.write(note + "\n")
        return {output.field: put_json(work.store, note, NOTE)}


def _gates(work: Work) -> dict[str, Artifact]:
    from legato.checks import judge

    evaluation = work.value(work.given("evaluation"))
    champion, note = None, str(work.order.detail.get("champion_note", ""))
    for given in work.order.inputs:
        if given.parameter == "champion":
            if given.artifact.format == NOTE:
                note = note or str(msgspec.json.decode(work.store.path(given.artifact.digest).read_bytes()))
            else:
                champion = work.value(given)
    gates = msgspec.convert(work.order.detail["gates"], tuple[Gate, ...])
    assert isinstance(evaluation, Evaluation)  # noqa: S101 - wiring was checked when the pipeline was collected
    judgement = judge(evaluation, champion, gates, champion_note=note)
    return {"": put_json(work.store, judgement, JUDGEMENT)}


def _package(work: Work) -> dict[str, Artifact]:
    from legato.app.packaging import package_model

    folder = work.folder / "servable"
    package_model(work, folder)
    placed = work.store.put_path(folder, move=True)
    artifact = Artifact(digest=placed.digest, size_bytes=placed.size_bytes, format=SERVABLE, tree=True)
    return {"": artifact}


KINDS: Mapping[str, Callable[[Work], dict[str, Artifact]]] = {
    "step": _step,
    "check": _check,
    "champion": _champion,
    "gates": _gates,
    "package": _package,
    "command": run_command,
}
