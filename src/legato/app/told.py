"""Verdicts and models as lines that people read.

Rule: every figure that decided is in the line, and where nothing was decided, what would decide.
"""

from legato.domain.verdicts import Outcome, Verdict


def told(verdict: Verdict) -> str:
    """Return a verdict as one line.

    >>> told(Verdict(gate="f1 >= 0.8", outcome=Outcome.PASS, estimate=0.9, low=0.85, high=0.95, rows=200))
    'f1 >= 0.8: pass, 0.9 in [0.85, 0.95] on 200 rows'
    """
    where = f" ({verdict.slice})" if verdict.slice else ""
    parts = [f"{verdict.gate}{where}: {verdict.outcome}"]
    if verdict.estimate is not None:
        interval = (
            ""
            if verdict.low is None or verdict.high is None
            else f" in [{verdict.low:.4g}, {verdict.high:.4g}]"
        )
        parts.append(f"{verdict.estimate:.4g}{interval} on {verdict.rows} rows")
    if verdict.champion is not None:
        parts.append(f"champion {verdict.champion:.4g}")
    if verdict.first:
        parts.append("first, no champion yet")
    if verdict.outcome is Outcome.INCONCLUSIVE and verdict.rows_needed:
        parts.append(f"about {verdict.rows_needed} rows would decide")
    if verdict.note and not verdict.first:
        parts.append(verdict.note)
    return ", ".join(parts)
