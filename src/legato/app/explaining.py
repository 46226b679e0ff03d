"""Why a step would run, or ran, as `legato why` tells it: with places in the code, and where parameters came from.

Rule: texts of earlier runs come from git alone; nothing is run and nothing written.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from legato.app.locating import Texts, located, text_at, text_now
from legato.app.looking import reading, run_number, run_of
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.keys import Reason
from legato.domain.plan import PlannedStep
from legato.engine import read
from legato.engine.plan import Forecast
from legato.engine.read import RunRow
from legato.engine.tracing import Past, explain_past
from legato.ledger import Reader

if TYPE_CHECKING:
    from legato.app.opening import Opened

_FROM: Final = {
    "default": "the default in the code",
    "config": "legato.toml",
    "file": "the file of --params",
    "option": "-p",
    "using": "using(…)",
    "matrix": "matrix=",
}


def with_places(opened: "Opened", found: Forecast, step: PlannedStep) -> PlannedStep:
    """Return a step of a plan with where its causes are written, and where its parameters came from."""
    origins = {
        (node.name, setting.name): _FROM.get(setting.origin, setting.origin)
        for node in found.nodes.values()
        for setting in node.settings
    }

    def before(name: str) -> Texts:
        last = opened.results.last_of(name)
        return text_at(
            opened.project.root, _clean_commit(opened.ledger, last.run) if last is not None else ""
        )

    reasons = located(step.reasons, before, text_now(opened.project.root))
    return msgspec.structs.replace(step, reasons=_sourced(reasons, origins))


def why_then(folder: Path, what: str, step: str) -> PlannedStep:
    """Return why a step ran in a past run, or whose result it took; imports no user code.

    Raises:
        MissingError: There is no such run, or the step was no part of it.
        ConfigurationError: `what` names no run.
    """
    with reading(folder) as (project, ledger):
        number = run_number(ledger, what)
        if number is None:
            raise ConfigurationError(f"--run {what!r} names no run", hint="write --run 17 or --run latest")
        run, past = run_of(ledger, number), Past(ledger)
        found = explain_past(ledger, past, number, step)
        if found is None:
            steps = ", ".join(dict.fromkeys(row.step for row in read.executions(ledger, number)))
            raise MissingError(
                f"{step} was no part of run {number}", hint=f"its steps: {steps[:400] or 'none'}"
            )

        def before(name: str) -> Texts:
            last = past.before(number, name)
            return text_at(project.root, _clean_commit(ledger, last.run) if last is not None else "")

        commit = _clean_commit(ledger, number)
        after = text_at(project.root, commit) if commit else _unknown
        reasons = located(found.reasons, before, after)
        named = (name.rpartition(".") for name in run.parameters)
        given = {(whose, parameter): "given to that run" for whose, _, parameter in named}
        return msgspec.structs.replace(found, reasons=_sourced(reasons, given))


def with_places_between(
    root: Path, before: RunRow, after: RunRow, reasons: tuple[Reason, ...]
) -> tuple[Reason, ...]:
    """Return the causes by which two runs differ, with where they are written in the second one."""
    old = text_at(root, before.commit if not before.dirty else "")
    new = text_at(root, after.commit) if after.commit and not after.dirty else _unknown
    return located(reasons, lambda _: old, new)


def _unknown(_: str) -> str | None:
    return None


def _clean_commit(ledger: Reader, number: int) -> str:
    """Return the commit that holds all that a run saw of the repository; empty where none does."""
    run = read.run(ledger, number)
    return run.commit if run is not None and not run.dirty else ""


def _sourced(reasons: tuple[Reason, ...], origins: Mapping[tuple[str, str], str]) -> tuple[Reason, ...]:
    """Return reasons whose parameters say where their value came from."""
    found = []
    for reason in reasons:
        note = reason.note
        if reason.cause.kind == "parameter" and (reason.step, reason.cause.name) in origins:
            note = f"from {origins[reason.step, reason.cause.name]}"
        found.append(msgspec.structs.replace(reason, note=note, because=_sourced(reason.because, origins)))
    return tuple(found)
