"""Judges a candidate by its gates.

Rule (law 3): what is missing, empty, NaN or cannot be compared never passes, and the verdict says which it
was.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from legato.checks.cells import Draws
from legato.checks.columns import Columns, UnjudgeableError
from legato.checks.deciding import Case, decided, decided_together
from legato.checks.evidence import CASES, Bench, MakeCase, bench_of, nearest, sample_of, spread_of
from legato.checks.metrics import METRICS, alone
from legato.domain.verdicts import Gate, Judgement, Outcome, Verdict

MOST_REPORTED: Final = 20
"""So many slices under `min_rows` are named, largest first; the others are counted."""

_FEW_CLASSES: Final = 20
_DRAWS_BEYOND: Final = 10
"""So many draws have to lie beyond an end that is read off them."""
_MOST_DRAWS: Final = 100_000


def judge(
    evaluation: Any,  # noqa: ANN401 - an Evaluation as the store loads it
    champion: Any | None,  # noqa: ANN401 - an Evaluation as the store loads it
    gates: Sequence[Gate],
    *,
    task: str | None = None,
    champion_note: str = "",
) -> Judgement:
    """Return what each gate finds on a candidate, and the candidate's metrics.

    Args:
        evaluation: The candidate's `legato.domain.evaluation.Evaluation`, its columns as numpy arrays.
        champion: The champion's, on the same rows in any order; None where there is no champion yet.
        gates: The conditions, each judged alone. Deterministic: each draws from its own seed.
        task: `classification` or `regression`: which metrics to show; None to tell from the labels.
        champion_note: Why there is a champion but no evaluation of it; comparisons are then inconclusive.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what leaves the range of doubles is refused by name
        bench = bench_of(evaluation, champion, gates, champion_note)
        verdicts = tuple(verdict for gate in gates for verdict in _verdicts(gate, bench))
        metrics = _shown_metrics(bench, task or _task(bench.candidate))
    return Judgement(verdicts=verdicts, metrics=metrics, rows=bench.candidate.size)


def _verdicts(gate: Gate, bench: Bench) -> list[Verdict]:
    case = CASES.get(gate.kind)
    if case is None:
        return [_closed(gate, UnjudgeableError(f"no gate is of kind {gate.kind!r}"))]
    draws = Draws(seed=gate.seed, replicates=gate.replicates)
    try:
        if gate.kind == "no_worse_than_champion" and bench.pair is None:
            return [_unopposed(gate, bench, draws)]
        if gate.on_slice:
            return _sliced(gate, bench, case)
        return [decided(case(gate, bench, draws))]
    except UnjudgeableError as error:
        return [_closed(gate, error, rows=bench.candidate.size)]


def _unopposed(gate: Gate, bench: Bench, draws: Draws) -> Verdict:
    """Return the verdict without a champion to compare with: a candidate that can be judged is first."""
    spread = spread_of(gate, bench.candidate, draws)
    if bench.why:
        raise UnjudgeableError(bench.why, Outcome.INCONCLUSIVE)
    return Verdict(
        gate=gate.name,
        outcome=Outcome.PASS,
        metric=gate.metric,
        rows=spread.rows,
        first=True,
        note="no champion yet: the first of its name",
    )


def _sliced(gate: Gate, bench: Bench, case: MakeCase) -> list[Verdict]:
    slices = bench.candidate.slices
    if gate.on_slice not in slices:
        close = nearest(gate.on_slice, slices)
        raise UnjudgeableError(f"no slice column is called {gate.on_slice!r}{close}")
    values, where, counts = np.unique(slices[gate.on_slice], return_inverse=True, return_counts=True)
    judged = [place for place, count in enumerate(counts) if count >= gate.min_rows]
    rest = [place for place, count in enumerate(counts) if count < gate.min_rows]
    if not judged:
        raise UnjudgeableError(f"no value of {gate.on_slice} has {gate.min_rows} rows", Outcome.INCONCLUSIVE)
    draws = _enough_draws(gate, len(judged))
    cases: list[Case] = []
    closed: list[Verdict] = []
    for place in judged:
        shown = f"{gate.on_slice}={values[place]}"
        try:
            cases.append(replace(case(gate, bench.at(where == place), draws), slice=shown))
        except UnjudgeableError as error:
            closed.append(_closed(gate, error, rows=int(counts[place]), where=shown))
    reported = sorted(rest, key=lambda place: (-counts[place], values[place]))
    return (
        decided_together(cases)
        + closed
        + _reported(gate, [(str(values[p]), int(counts[p])) for p in reported])
    )


def _enough_draws(gate: Gate, slices: int) -> Draws:
    """Return more draws where many slices share the error rate, so that no end is the outermost draw."""
    needed = math.ceil(_DRAWS_BEYOND * 2 * slices / (1 - gate.confidence))
    return Draws(seed=gate.seed, replicates=min(max(gate.replicates, needed), _MOST_DRAWS))


def _reported(gate: Gate, small: Sequence[tuple[str, int]]) -> list[Verdict]:
    named = [
        (f"{gate.on_slice}={value}", rows, f"only {rows} rows: reported, not judged")
        for value, rows in small[:MOST_REPORTED]
    ]
    others = small[MOST_REPORTED:]
    if others:
        rows = sum(count for _, count in others)
        named.append((f"{gate.on_slice}=…", rows, f"{len(others)} more values with fewer rows: not judged"))
    return [
        Verdict(gate=gate.name, outcome=Outcome.PASS, metric=gate.metric, rows=rows, slice=shown, note=note)
        for shown, rows, note in named
    ]


def _closed(gate: Gate, error: UnjudgeableError, *, rows: int = 0, where: str = "") -> Verdict:
    return Verdict(
        gate=gate.name, outcome=error.outcome, metric=gate.metric, rows=rows, slice=where, note=error.note
    )


def _task(columns: Columns) -> str:
    if columns.classes is None or (columns.why and columns.scores is None):
        return "regression"
    if columns.labels is not None and columns.labels.dtype.kind in "iuf" and columns.scores is None:
        return "classification" if len(columns.classes) <= _FEW_CLASSES else "regression"
    return "classification"


def _shown_metrics(bench: Bench, task: str) -> dict[str, float | None]:
    """Return every metric that can be computed, by name; None where it is not a number."""
    columns, shown = bench.candidate, dict[str, float | None]()
    wanted = [name for name, metric in METRICS.items() if metric.task == task]
    for name in dict.fromkeys([*wanted, *columns.rows]):
        try:
            estimate = alone(sample_of(name, columns), Draws(seed=0, replicates=1)).estimate
        except UnjudgeableError:
            continue
        shown[name] = estimate if math.isfinite(estimate) else None
    for name, stored in columns.metrics.items():
        shown.setdefault(name, float(stored.estimate) if math.isfinite(stored.estimate) else None)
    return shown
