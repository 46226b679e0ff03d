"""From a figure with its interval and a bound to a verdict.

Rule (law 3): the interval beyond the bound passes, wholly short of it fails, all else is inconclusive.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from legato.checks.intervals import Spread
from legato.domain.verdicts import Gate, Outcome, Verdict

_SMALLEST_TAIL: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One gate on one set of rows, ready to decide.

    Attributes:
        gate: The gate.
        spread: Its figure; for comparisons candidate minus champion, so that more is better.
        bound: The value to clear.
        more: The figure has to lie above the bound.
        champion: The champion's own figure, for comparisons.
        slice: `column=value`, or empty.
        note: Something people should know.
    """

    gate: Gate
    spread: Spread
    bound: float
    more: bool = True
    champion: float | None = None
    slice: str = ""
    note: str = ""

    @property
    def tail(self) -> float:
        """The error rate of one side of the gate's interval."""
        return (1 - self.gate.confidence) / 2

    def passes(self, tail: float) -> bool:
        """Say whether the interval with this error rate a side clears the bound."""
        low, high = self.spread.ends(tail)
        return low >= self.bound if self.more else high <= self.bound

    def fails(self, tail: float) -> bool:
        """Say whether the interval with this error rate a side lies wholly short of the bound."""
        low, high = self.spread.ends(tail)
        return high < self.bound if self.more else low > self.bound

    def failing_tail(self) -> float:
        """Return the smallest error rate at which it fails (its p-value), at most 0.5."""
        low, high = math.log(_SMALLEST_TAIL), math.log(0.5)
        if self.fails(_SMALLEST_TAIL):
            return _SMALLEST_TAIL
        while high - low > 1e-3:  # noqa: PLR2004 - a thousandth of the rate itself
            middle = (low + high) / 2
            low, high = (low, middle) if self.fails(math.exp(middle)) else (middle, high)
        return math.exp(high)


def decided(case: Case) -> Verdict:
    """Return the verdict on a case that stands alone."""
    return _verdict(case, case.fails(case.tail))


def decided_together(cases: Sequence[Case]) -> list[Verdict]:
    """Return the verdicts on cases of which all must pass, in their order.

    All have to pass, so passing needs no correction (Berger, Technometrics 24 (1982) 295-300). One failure
    fails the lot, so failures share one error rate: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    tails = [case.failing_tail() if case.fails(case.tail) else 1.0 for case in cases]
    failing: set[int] = set()
    for rank, place in enumerate(sorted(range(len(cases)), key=tails.__getitem__)):
        if tails[place] > cases[place].tail / (len(cases) - rank):
            break
        failing.add(place)
    return [_verdict(case, place in failing, together=len(cases)) for place, case in enumerate(cases)]


def _verdict(case: Case, fails: bool, together: int = 1) -> Verdict:  # noqa: FBT001 - the finding itself
    low, high = case.spread.ends(case.tail)
    outcome, note = _outcome(case, fails), _joined(case.note, case.spread.note)
    alone = outcome is Outcome.INCONCLUSIVE and case.fails(case.tail)
    if alone:
        note = _joined(note, f"short of the bound alone, not once {together} slices share the error rate")
    if case.gate.rule == "estimate":
        note = _joined(note, "the bare estimate was compared, as the gate says")
    unsure = outcome is Outcome.INCONCLUSIVE and not alone
    return Verdict(
        gate=case.gate.name,
        outcome=outcome,
        metric=case.gate.metric,
        estimate=case.spread.estimate,
        low=_shown(low),
        high=_shown(high),
        champion=case.champion,
        rows=case.spread.rows,
        rows_needed=rows_needed(case.spread, case.bound, case.tail) if unsure else None,
        slice=case.slice,
        note=note,
    )


def _outcome(case: Case, fails: bool) -> Outcome:  # noqa: FBT001 - the finding itself
    if not math.isfinite(case.spread.estimate):
        return Outcome.FAIL
    if case.gate.rule == "estimate":
        apart = case.spread.estimate - case.bound
        return Outcome.PASS if (apart >= 0 if case.more else apart <= 0) else Outcome.FAIL
    if case.passes(case.tail):
        return Outcome.PASS
    return Outcome.FAIL if fails else Outcome.INCONCLUSIVE


def rows_needed(spread: Spread, bound: float, tail: float) -> int | None:
    """Return about how many rows would decide, were the estimate the truth; None where it equals the bound.

    The interval shrinks with the square root of the rows, so rows grow with the square of what it has to
    shrink by.
    """
    low, high = spread.ends(tail)
    distance = abs(spread.estimate - bound)
    width = spread.estimate - low if spread.estimate > bound else high - spread.estimate
    if distance == 0 or not math.isfinite(width / distance):
        return None
    return max(spread.rows + 1, math.ceil(spread.rows * (width / distance) ** 2))


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _shown(end: float) -> float | None:
    return end if math.isfinite(end) else None
