"""Walks a cause to its root: through the inputs that changed, up to what is no input.

Rule: two results of a step, or a result and a recipe, are compared as keys compare them; nothing is guessed. What
past runs do not tell ends the walk.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from legato.domain.artifacts import Artifact, Result
from legato.domain.events import ResultFetched, decode
from legato.domain.keys import Cause, Origin, Reason, Recipe, causes
from legato.domain.plan import Decision, PlannedStep
from legato.engine import read
from legato.engine.plan import Forecast
from legato.engine.results import Results, result_event
from legato.ledger import Reader

_INPUT: Final = "input"
_MOST: Final = 200
"""A walk ends after so many steps upward."""
_DATASET: Final = "dataset/"


class Past:
    """What the ledger tells of results: who made which bytes, in which run."""

    def __init__(self, ledger: Reader) -> None:
        self._ledger = ledger
        self._made: dict[int, dict[str, tuple[str, Result]]] = {}

    def maker(self, run: int, digest: str) -> tuple[str, Result] | None:
        """Return the step of a run that had an output of this digest, and the result it computed or reused."""
        if run not in self._made:
            self._made[run] = {}
            for row in read.executions(self._ledger, run):
                found = read.result(self._ledger, row.key) if row.state in {"computed", "reused"} else None
                for artifact in found.outputs.values() if found else ():
                    self._made[run].setdefault(artifact.digest, (row.step, found)) if found else None
        return self._made[run].get(digest)

    def before(self, run: int, step: str) -> Result | None:
        """Return the last result that a step had before the one that a run made."""
        rows = self._ledger.query("result_before", run=run, step=step)
        return result_event(rows[0]["payload"]).result if rows else None

    def origin(self, result: Result, source: str = "") -> Origin:
        """Return who made a result."""
        if not source:
            rows = self._ledger.query("result_by_key", key=result.key)
            payload = rows[0]["payload"] if rows else b""
            event = decode(payload.encode() if isinstance(payload, str) else payload) if rows else None
            source = event.source if isinstance(event, ResultFetched) else ""
        run = None if source else read.run(self._ledger, result.run)
        return Origin(
            run=result.run,
            finished_at=result.finished_at,
            maker=result.maker,
            actor=run.actor if run is not None else "",
            source=source,
        )

    def between(
        self, step: str, before: Result, after: Recipe, now: "Upstream", seen: frozenset[str] = frozenset()
    ) -> tuple[Reason, ...]:
        """Return why a recipe is another than that of an earlier result, each cause walked to its root."""
        old = {one.name: one.digest for one in before.recipe if one.kind == _INPUT}
        new = {one.name: one.digest for one in after if one.kind == _INPUT}
        found = []
        for cause in causes(before.recipe, after):
            because: tuple[Reason, ...] = ()
            if cause.kind == _INPUT and cause.name in old and cause.name in new and step not in seen:
                digests = _digest(old[cause.name]), _digest(new[cause.name])
                because = self._input(cause.name, before.run, digests, now, seen | {step})
            found.append(Reason(step=step, cause=cause, because=because))
        return tuple(found)

    def _input(
        self, name: str, run: int, digests: tuple[str, str], now: "Upstream", seen: frozenset[str]
    ) -> tuple[Reason, ...]:
        """Return why an input that was the first digest in `run` is the second one now."""
        was, is_ = self.maker(run, digests[0]), now.maker(name, digests[1])
        if was is None or is_ is None or len(seen) > _MOST:
            return ()
        step, made = is_
        if is_dataset(made):
            return (_data(step, made, was[1]),)
        return self.between(step, was[1], made.recipe, now, seen) or (
            Reason(
                step=step, cause=Cause(kind="step", name=step, change="made something else from the same")
            ),
        )


class Upstream:
    """Who made the inputs of what is explained: the steps of one past run."""

    def __init__(self, past: Past, run: int) -> None:
        self._past = past
        self._run = run

    def maker(self, parameter: str, digest: str) -> tuple[str, Result] | None:  # noqa: ARG002 - others need it
        """Return the step that made an input, and its result."""
        return self._past.maker(self._run, digest)


class _Planned(Upstream):
    """The steps of a plan, as far as their results are known."""

    def __init__(self, found: Forecast, results: Results) -> None:
        self._found = found
        self._results = results
        self._made: dict[str, tuple[str, Result]] | None = None

    def maker(self, parameter: str, digest: str) -> tuple[str, Result] | None:  # noqa: ARG002 - any step will do
        """Return the step of the plan whose result serves and has this digest."""
        if self._made is None:
            self._made = {}
            for step in self._found.steps:
                result = self._results.find(step.key) if step.decision is Decision.REUSE else None
                for artifact in result.outputs.values() if result else ():
                    if result is not None:
                        self._made.setdefault(artifact.digest, (step.name, result))
        return self._made.get(digest)


def is_dataset(result: Result) -> bool:
    """Say whether a result is data that came from outside."""
    return any(one.kind == "kind" and one.digest.startswith(_DATASET) for one in result.recipe)


def _digest(text: str) -> str:
    return text.partition(" ")[0]


def _data(step: str, after: Result, before: Result) -> Reason:
    """Return that a dataset changed, in rows where both are tables that say so, else in bytes."""
    new, old = _first(after), _first(before)
    note = ""
    if new is not None and old is not None:
        rows = [artifact.about.get("rows") for artifact in (old, new)]
        if all(isinstance(number, int) for number in rows):
            note = f"{rows[0]:,} -> {rows[1]:,} rows"
        elif old.size_bytes != new.size_bytes:
            note = f"{old.size_bytes:,} -> {new.size_bytes:,} bytes"
    place = str(new.about.get("dataset", "")) if new is not None else ""
    cause = Cause(
        kind="dataset",
        name=step,
        change="changed",
        before=old.digest[7:19] if old is not None else "",
        after=new.digest[7:19] if new is not None else "",
    )
    return Reason(step=step, cause=cause, place=place, note=note)


def _first(result: Result) -> Artifact | None:
    return next(iter(result.outputs.values()), None)


def explain(found: Forecast, results: Results, past: Past, step: PlannedStep) -> PlannedStep:
    """Return a step of a plan with its causes walked to their roots, or with who made the result that serves."""
    if step.decision is Decision.REUSE:
        result = results.find(step.key)
        learned = results.learned(result.key) if result is not None else None
        origin = past.origin(result, learned.source if learned else "") if result is not None else None
        return msgspec.structs.replace(step, origin=origin)
    return msgspec.structs.replace(step, reasons=_roots(found, results, past, step, frozenset()))


def _roots(
    found: Forecast, results: Results, past: Past, step: PlannedStep, seen: frozenset[str]
) -> tuple[Reason, ...]:
    last = results.last_of(step.name) if step.recipe and _compares(step.causes) else None
    if last is not None:
        reasons = past.between(step.name, last, step.recipe, _Planned(found, results))
        if reasons:
            return reasons
    planned = {one.name: one for one in found.steps}
    reasons = ()
    for cause in step.causes:
        because: tuple[Reason, ...] = ()
        upstream = planned.get(cause.name)
        if (
            cause.kind in {"input of", "step"}
            and upstream is not None
            and cause.name not in {*seen, step.name}
        ):
            because = _roots(found, results, past, upstream, seen | {step.name})
        reasons += (Reason(step=step.name, cause=cause, because=because),)
    return reasons


def _compares(given: Sequence[Cause]) -> bool:
    """Say whether the causes are differences of two recipes."""
    return not any(cause.kind in {"file", "folder", "result", "step", "option", "word"} for cause in given)


def explain_past(ledger: Reader, past: Past, number: int, step: str) -> PlannedStep | None:
    """Return why a step ran in a past run, or whose result it took there; None where it was no part of the run."""
    rows = [row for row in read.executions(ledger, number) if row.step == step]
    if not rows:
        return None
    row = rows[-1]
    result = read.result(ledger, row.key) if row.state in {"computed", "reused"} else None
    if result is None:
        cause = Cause(
            kind="step",
            name=step,
            change=f"{row.state}: {row.message.splitlines()[0]}" if row.message else row.state,
        )
        return PlannedStep(name=step, kind=row.kind, decision=Decision.RUN, causes=(cause,), key=row.key)
    known = PlannedStep(
        name=step,
        kind=row.kind,
        decision=Decision.REUSE,
        key=result.base,
        made_by=result.run,
        recipe=result.recipe,
    )
    if row.state == "reused":
        return msgspec.structs.replace(known, origin=past.origin(result))
    before = past.before(number, step)
    if before is None:
        reasons: tuple[Reason, ...] = (_only(step, "had not run before"),)
    else:
        reasons = past.between(step, before, result.recipe, Upstream(past, number)) or (
            _only(step, "ran again though nothing that its key names had changed"),
        )
    return msgspec.structs.replace(
        known, decision=Decision.RUN, causes=tuple(one.cause for one in reasons), reasons=reasons
    )


def _only(step: str, change: str) -> Reason:
    return Reason(step=step, cause=Cause(kind="step", name=step, change=change))
