"""What gates are judged on: the candidate, the champion beside it, and the case that each gate makes of them.

Rule (law 3): what is missing, empty, NaN or cannot be compared raises by name; no figure is made up for it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

from legato.checks.cells import Draws
from legato.checks.columns import Array, Columns, UnjudgeableError, columns_of, with_classes
from legato.checks.deciding import Case
from legato.checks.intervals import Spread
from legato.checks.metrics import METRICS, Sample, alone, column, difference
from legato.checks.pairing import identical, paired
from legato.domain.evaluation import CONFIDENCE
from legato.domain.verdicts import Gate, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What gates are judged on.

    Attributes:
        candidate: Its columns.
        pair: Candidate and champion, row beside row; None where they cannot be compared.
        why: Why not; empty where there is no champion yet.
        same: Both said the same on every row.
        better: Metric -> whether more of it is better, as the gates show it for metrics without a name of
            their own.
    """

    candidate: Columns
    pair: tuple[Columns, Columns] | None = None
    why: str = ""
    same: bool = False
    better: Mapping[str, bool]

    def at(self, where: Array) -> "Bench":
        """Return the bench with the rows at `where` alone."""
        pair = (self.pair[0].take(where), self.pair[1].take(where)) if self.pair else None
        return replace(self, candidate=self.candidate.take(where), pair=pair)


def bench_of(
    evaluation: Any,  # noqa: ANN401 - an Evaluation as the store loads it
    champion: Any | None,  # noqa: ANN401 - an Evaluation as the store loads it
    gates: Sequence[Gate],
    champion_note: str,
) -> Bench:
    """Return the bench for these models; a champion that cannot be paired is left out, and `why` says so."""
    candidate = columns_of(evaluation)
    better = {gate.metric: gate.kind == "at_least" for gate in gates if gate.kind != "no_worse_than_champion"}
    better |= {name: metric.more for name, metric in METRICS.items()}
    bench = Bench(candidate=with_classes(candidate)[0], why=champion_note, better=better)
    if champion is None:
        return bench
    try:
        beside = paired(candidate, columns_of(champion))
    except UnjudgeableError as error:
        return replace(bench, why=champion_note or error.note)
    ours, theirs = with_classes(candidate, beside)
    return replace(bench, pair=(ours, theirs), same=identical(ours, theirs))


def against_bound(gate: Gate, bench: Bench, draws: Draws) -> Case:
    """Return the case of a figure against the gate's bound; raises UnjudgeableError."""
    if gate.bound is None or not math.isfinite(gate.bound):
        raise UnjudgeableError(f"the gate's bound is {gate.bound}, not a number")
    spread = spread_of(gate, bench.candidate, draws)
    return Case(gate=gate, spread=spread, bound=gate.bound, more=gate.kind == "at_least")


def against_champion(gate: Gate, bench: Bench, draws: Draws) -> Case:
    """Return the case of candidate minus champion against minus the margin; raises UnjudgeableError."""
    if bench.pair is None:
        raise UnjudgeableError(bench.why, Outcome.INCONCLUSIVE)
    own = _finite(gate, alone(sample_of(gate.metric, bench.candidate), draws))
    try:
        ours, theirs = (sample_of(gate.metric, columns) for columns in bench.pair)
        champion = _finite(gate, alone(theirs, draws)).estimate
    except UnjudgeableError as error:
        raise UnjudgeableError(f"the champion's evaluation: {error.note}", Outcome.INCONCLUSIVE) from error
    more = bench.better.get(gate.metric)
    if more is None:
        raise UnjudgeableError(
            f"nothing says whether more or less {gate.metric} is better: add an at_least or at_most gate",
            Outcome.INCONCLUSIVE,
        )
    if bench.same:
        spread = Spread(estimate=0.0, ends=lambda _: (0.0, 0.0), rows=own.rows)
        note = "both said the same on every row"
    else:
        spread, note = difference(ours, theirs, draws) if more else difference(theirs, ours, draws), ""
    return Case(gate=gate, spread=_finite(gate, spread), bound=-gate.margin, champion=champion, note=note)


MakeCase: TypeAlias = Callable[[Gate, Bench, Draws], Case]

CASES: Final[Mapping[str, MakeCase]] = {
    "at_least": against_bound,
    "at_most": against_bound,
    "no_worse_than_champion": against_champion,
}
"""How each kind of gate makes its case; each raises UnjudgeableError."""


def spread_of(gate: Gate, columns: Columns, draws: Draws) -> Spread:
    """Return the gate's metric on one model's rows; raises UnjudgeableError."""
    if gate.metric in columns.metrics and gate.metric not in columns.rows:
        return _named(gate, columns)
    return _finite(gate, alone(sample_of(gate.metric, columns), draws))


def _named(gate: Gate, columns: Columns) -> Spread:
    """Return a metric of the author's own as it was stored: it cannot be taken apart any more."""
    stored = columns.metrics[gate.metric]
    if gate.on_slice:
        raise UnjudgeableError(f"{gate.metric} is one figure for all rows: give it as a column of rows")
    if gate.rule == "interval" and gate.confidence > CONFIDENCE:
        raise UnjudgeableError(
            f"the interval of {gate.metric} was made at confidence {CONFIDENCE:g}, not {gate.confidence:g}"
        )
    ends = (float(stored.low), float(stored.high))
    if gate.rule == "interval" and not all(map(math.isfinite, ends)):
        raise UnjudgeableError(f"the interval of {gate.metric} is {ends[0]} to {ends[1]}")
    return _finite(gate, Spread(estimate=float(stored.estimate), ends=lambda _: ends, rows=columns.size))


def sample_of(metric: str, columns: Columns) -> Sample:
    """Return what `metric` makes of one model's rows; raises UnjudgeableError."""
    if metric in columns.rows:
        return column(columns, metric)
    if metric in METRICS and metric not in columns.metrics:
        return METRICS[metric].sample(columns)
    if metric in columns.metrics:
        raise UnjudgeableError(
            f"{metric} is one figure for all rows, which cannot be paired: give it as a column of rows",
            Outcome.INCONCLUSIVE,
        )
    known = [*METRICS, *columns.rows, *columns.metrics]
    raise UnjudgeableError(f"no metric is called {metric!r}{nearest(metric, known)}")


def _finite(gate: Gate, spread: Spread) -> Spread:
    if not math.isfinite(spread.estimate):
        raise UnjudgeableError(f"{gate.metric} is {spread.estimate}")
    return spread


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that names what may have been meant."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(names)}" if names else "; there are none"
