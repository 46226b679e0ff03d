"""Two runs side by side: parameters, data, metrics, causes in the code, times.

Rule: only what differs is told; what neither run's facts hold is left out, never guessed.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from legato.app.explaining import with_places_between
from legato.app.looking import MOST, as_far, reading, run_number, run_of
from legato.app.wiring import open_shelf, open_store
from legato.domain.artifacts import Artifact, Result
from legato.domain.errors import MissingError
from legato.domain.graph import Struct
from legato.domain.keys import Reason, causes
from legato.engine import read
from legato.engine.read import RunRow, Sought
from legato.engine.tracing import is_dataset
from legato.ledger import Reader

PAGE: Final = 200
"""So many runs are read at a time."""


class Pair(Struct, frozen=True, kw_only=True):
    """One thing as the two runs had it; None where one of them had none."""

    name: str
    before: str | float | None = None
    after: str | float | None = None


class StepPair(Struct, frozen=True, kw_only=True):
    """One step of the two runs.

    Attributes:
        same: Both used the very same result.
        before_s: Wall seconds of the execution that made the result, in whichever run that was.
        after_s: The same for the second run.
        reasons: What differs in code, values, packages and variables.
    """

    name: str
    before: str = ""
    after: str = ""
    same: bool = False
    before_s: float = 0.0
    after_s: float = 0.0
    reasons: tuple[Reason, ...] = ()


class Comparison(Struct, frozen=True, kw_only=True):
    """What differs between two runs."""

    before: RunRow
    after: RunRow
    parameters: tuple[Pair, ...] = ()
    data: tuple[Pair, ...] = ()
    metrics: tuple[Pair, ...] = ()
    steps: tuple[StepPair, ...] = ()


class _Side(Struct, frozen=True, kw_only=True):
    """One run with its results by step; `states` has every step."""

    run: RunRow
    states: Mapping[str, str]
    results: Mapping[str, Result]


def compare(folder: Path, before: str, after: str) -> Comparison:
    """Return what differs between two runs, each named by number (`17`, `run:17`), `latest`, or a branch.

    Raises:
        MissingError: There is no such run.
    """
    with reading(folder) as (project, ledger):
        old, new = _side(ledger, find_run(ledger, before)), _side(ledger, find_run(ledger, after))
        metrics = Metrics(project.state)
        steps = [_step(old, new, name) for name in dict.fromkeys((*old.states, *new.states))]
        return Comparison(
            before=old.run,
            after=new.run,
            parameters=tuple(_differing(_parameters(old), _parameters(new))),
            data=tuple(_differing(_data(old), _data(new))),
            metrics=tuple(
                _differing(metrics.of(old.results, new.results), metrics.of(new.results, old.results))
            ),
            steps=tuple(
                msgspec.structs.replace(
                    step, reasons=with_places_between(project.root, old.run, new.run, step.reasons)
                )
                for step in steps
            ),
        )


def _side(ledger: Reader, run: RunRow) -> _Side:
    states, results = {}, {}
    for row in read.executions(ledger, run.number):
        states[row.step] = row.state
        found = read.result(ledger, row.key) if row.state in {"computed", "reused"} else None
        if found is not None:
            results[row.step] = found
    return _Side(run=as_far(ledger, run), states=states, results=results)


def _differing(
    before: Mapping[str, str | float | None], after: Mapping[str, str | float | None]
) -> Iterator[Pair]:
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield Pair(name=name, before=before.get(name), after=after.get(name))


def _parameters(side: _Side) -> dict[str, str | float | None]:
    return {
        f"{step}.{one.name}": one.shown or one.digest
        for step, result in side.results.items()
        if not is_dataset(result)
        for one in result.recipe
        if one.kind == "parameter"
    }


def _data(side: _Side) -> dict[str, str | float | None]:
    return {
        step: artifact.digest
        for step, result in side.results.items()
        if is_dataset(result)
        for artifact in result.outputs.values()
    }


class Metrics:
    """The metrics of evaluations whose bytes are in the store of a state folder."""

    def __init__(self, state: Path) -> None:
        self._store = open_store(state)

    def of(
        self, results: Mapping[str, Result], others: Mapping[str, Result]
    ) -> dict[str, str | float | None]:
        """Return the metrics of the evaluations of one run that the other run does not have just so."""
        found: dict[str, str | float | None] = {}
        for step, result in results.items():
            other = others[step].outputs if step in others else {}
            for field, artifact in result.outputs.items():
                same = field in other and other[field].digest == artifact.digest
                if artifact.format.startswith("evaluation/") and not same:
                    whose = f"{step}.{field}" if field else step
                    found |= {f"{whose}.{name}": value for name, value in self._of(artifact).items()}
        return found

    def _of(self, artifact: Artifact) -> Mapping[str, float | None]:
        if not self._store.has((artifact.digest,)):
            return {}
        from legato.checks import judge  # numpy, only where two evaluations differ

        shelf = open_shelf(lambda _: False)
        evaluation = shelf.load(self._store.path(artifact.digest), artifact, form=None, allow_unsafe=False)
        return judge(evaluation, None, ()).metrics


def find_run(ledger: Reader, name: str) -> RunRow:
    """Return the run of a number, `latest`, or the newest of a branch.

    Raises:
        MissingError: There is none.
    """
    number = run_number(ledger, name)
    if number is not None:
        return run_of(ledger, number)
    found = read.runs_like(ledger, Sought(branch=name), 1)
    if not found:
        raise MissingError(
            f"no run is called {name!r}, nor was one made on a branch of that name",
            hint="`legato runs` lists them; write 17, run:17, latest, or a branch",
        )
    return found[0]


def runs_sought(folder: Path, sought: Sought, state: str, limit: int) -> Iterator[RunRow]:
    """Yield the newest runs that are as asked for; one whose process died without a word is `lost`.

    Raises:
        MissingError: Nothing has run here yet.
    """
    with reading(folder) as (_, ledger):
        left, before = min(limit, MOST), sought.before
        while left:
            page = read.runs_like(
                ledger, msgspec.structs.replace(sought, before=before), min(left, PAGE) if not state else PAGE
            )
            for run in page:
                shown = as_far(ledger, run)
                if left and state in {"", shown.state}:
                    left -= 1
                    yield shown
            if not page:
                return
            before = page[-1].number


def _step(old: _Side, new: _Side, name: str) -> StepPair:
    before, after = old.results.get(name), new.results.get(name)
    reasons: tuple[Reason, ...] = ()
    if before is not None and after is not None and not is_dataset(after):
        found = causes(before.recipe, after.recipe)
        reasons = tuple(
            Reason(step=name, cause=cause) for cause in found if cause.kind not in {"input", "parameter"}
        )
    return StepPair(
        name=name,
        before=old.states.get(name, ""),
        after=new.states.get(name, ""),
        same=before is not None and after is not None and before.key == after.key,
        before_s=before.usage.wall_s if before is not None else 0.0,
        after_s=after.usage.wall_s if after is not None else 0.0,
        reasons=reasons,
    )
