"""The worker: runs one work order in a process of its own, and says what came of it.

Rule: whatever happens is said, unless the process ends; what the step read and imported is said with its outputs.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from legato.app.elements import take_elements
from legato.app.failures import own_traceback, said_by
from legato.app.kinds import JUDGEMENT, NOTE, SERVABLE, put_json
from legato.app.own_packages import PACKAGES
from legato.app.packaging import package_model
from legato.app.reads import ReadRecorder
from legato.app.work import Work, Workbench
from legato.domain.artifacts import Artifact
from legato.domain.errors import LegatoError, UserCodeError
from legato.domain.evaluation import Evaluation
from legato.domain.messages import Failed, Finished, WorkOrder
from legato.domain.verdicts import Gate
from legato.platforms import Say

_ORDER = msgspec.json.Decoder(WorkOrder)
_ENCODER = msgspec.json.Encoder()
COMMANDS: Final = "legato.app.commands"
"""The module that runs programs; whoever forks jobs that do imports it before."""
_NO_INPUT: Final = "EOF when reading a line"
"""What `input()` says where nobody types."""
_WITHOUT_A_TERMINAL: Final = (
    "a step of a run has no terminal; `legato debug STEP` gives it this one, for breakpoint() and input()"
)


def execute(bench: Workbench, payload: bytes, say: Say) -> None:
    """Run one order and say what came of it."""
    order = _ORDER.decode(payload)
    try:
        if PACKAGES in order.detail:
            from legato.app.apart import hand_over  # few steps have packages of their own

            hand_over(bench, order, say)
            return
        _seed(order)
        message: Finished | Failed = _finish(Work(bench, order, say))
    except LegatoError as error:
        details = error.details if isinstance(error, UserCodeError) else ""
        message = Failed(error=type(error).__name__, message=error.message, hint=error.hint, details=details)
    except SystemExit:  # the platform tells how a process ended
        raise
    except BaseException as error:  # noqa: BLE001 - the user's code may raise anything
        if order.post_mortem:
            _post_mortem(bench, error)
        message = _failed(bench, error)
    _tell(message, say)


def _tell(message: Finished | Failed, say: Say) -> None:
    """Say what came of an order, or why nobody can be told."""
    try:
        say(_ENCODER.encode(message))
    except OSError as error:
        sys.stderr.write(
            f"the step closed file descriptors that it had not opened, so its result could not be told ({error})\n"
            "hint: close only what the step itself opens\n"
        )
        raise SystemExit(1) from None


def _seed(order: WorkOrder) -> None:
    """Let a step that draws from the generators everyone shares draw the same again, and no other step."""
    seed = hashlib.sha256(order.key.encode()).digest()
    if (common := sys.modules.get("random")) is not None:
        common.seed(seed)
    if (arrays := sys.modules.get("numpy.random")) is not None:
        arrays.seed([int.from_bytes(seed[at : at + 4]) for at in range(0, len(seed), 4)])


def _finish(work: Work) -> Finished:
    recorder = ReadRecorder(work.bench.root, work.bench.state, work.bench.modules)
    with recorder:
        outputs = KINDS[work.order.kind](work)
    reads = work.seen
    if reads is None:
        reads = recorder.reads(work.bench.sources, work.bench.closure(work.order.node))
    return Finished(outputs=outputs, reads=reads)


def _failed(bench: Workbench, error: BaseException) -> Failed:
    """Return what the user's own code raised, told by their own frames."""
    text = said_by(error).strip() or "(no message)"
    return Failed(
        error=type(error).__name__,
        message=f"{type(error).__name__}: {text}",
        details=own_traceback(error, bench.root),
        hint=_WITHOUT_A_TERMINAL if text == _NO_INPUT or type(error).__name__ == "BdbQuit" else "",
    )


def _post_mortem(bench: Workbench, error: BaseException) -> None:
    import pdb  # noqa: T100 - asked for by the user

    sys.stderr.write(own_traceback(error, bench.root))
    pdb.post_mortem(error.__traceback__)


def _step(work: Work) -> dict[str, Artifact]:
    node = work.order.node
    result = work.call(node)
    kept = work.keep_all(node, work.bench.collected.fields(node, result))
    work.checkpoints.ended(work.order.key)
    return kept


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
    folder = work.folder / "servable"
    package_model(work, folder)
    placed = work.store.put_path(folder, move=True)
    artifact = Artifact(digest=placed.digest, size_bytes=placed.size_bytes, format=SERVABLE, tree=True)
    return {"": artifact}


def _command(work: Work) -> dict[str, Artifact]:
    from legato.app.commands import run_command  # few pipelines run programs: `COMMANDS`

    return run_command(work)


KINDS: Mapping[str, Callable[[Work], dict[str, Artifact]]] = {
    "step": _step,
    "check": _check,
    "champion": _champion,
    "gates": _gates,
    "package": _package,
    "command": _command,
    "elements": take_elements,
}
