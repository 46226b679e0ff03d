"""Gates and the verdicts they come to, as data.

Rule (law 3): what cannot be judged does not pass. Format: docs/formats/verdict.md.
"""

from collections.abc import Mapping
from enum import StrEnum

from legato.domain.graph import Struct


class Outcome(StrEnum):
    """What a gate or check found."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Gate(Struct, frozen=True, kw_only=True):
    """One condition on a model.

    Attributes:
        kind: `at_least`, `at_most`, `no_worse_than_champion`.
        metric: `accuracy`, `f1`, `roc_auc`, … or a column of the evaluation's `rows`, or a named metric.
        bound: For `at_least` and `at_most`: the value to clear.
        margin: For comparisons: how much worse is still not worse, in the metric's own unit, >= 0.
        on_slice: Judge every value of this slice column alone; empty for the whole test set.
        min_rows: Slices with fewer rows are reported, not judged.
        confidence: Of the interval, in (0, 1).
        rule: `interval` (pass when the interval clears the bound) or `estimate`.
        seed: Of the bootstrap.
        replicates: Of the bootstrap.
    """

    kind: str
    metric: str
    bound: float | None = None
    margin: float = 0.0
    on_slice: str = ""
    min_rows: int = 50
    confidence: float = 0.95
    rule: str = "interval"
    seed: int = 7
    replicates: int = 1000

    @property
    def name(self) -> str:
        """The gate as people name it, also in `--despite`."""
        where = f" on {self.on_slice}" if self.on_slice else ""
        match self.kind:
            case "at_least":
                return f"{self.metric} >= {self.bound:g}{where}"
            case "at_most":
                return f"{self.metric} <= {self.bound:g}{where}"
            case _:
                return f"{self.metric} no worse than champion by {self.margin:g}{where}"


class Verdict(Struct, frozen=True, kw_only=True):
    """What one gate found on one slice, with its evidence.

    Attributes:
        estimate: The metric (comparisons: candidate minus champion, signed so that more is better).
        low: Lower end of the interval; `high`: upper end.
        champion: The champion's metric, for comparisons.
        rows: How many rows were judged.
        rows_needed: Where inconclusive: about how many rows would decide; None where that cannot be said.
        slice: `column=value`, or empty.
        first: Passed because there was no champion yet.
        note: Why, in words, where the figures do not say it.
    """

    gate: str
    outcome: Outcome
    metric: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    champion: float | None = None
    rows: int = 0
    rows_needed: int | None = None
    slice: str = ""
    first: bool = False
    note: str = ""


class Judgement(Struct, frozen=True, kw_only=True):
    """All verdicts on one candidate, and its metrics as evidence for people."""

    verdicts: tuple[Verdict, ...]
    metrics: Mapping[str, float | None] = {}
    rows: int = 0

    @property
    def outcome(self) -> Outcome:
        """Pass when every verdict passes; fail when one fails; else inconclusive."""
        outcomes = {verdict.outcome for verdict in self.verdicts}
        for worst in (Outcome.FAIL, Outcome.INCONCLUSIVE):
            if worst in outcomes:
                return worst
        return Outcome.PASS
