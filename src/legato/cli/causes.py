"""Causes as people read them: what changed, without the words that the line says already.

Rule: nothing that decides is left out; only what stands beside it anyway is.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from legato.cli.errors import clean
from legato.domain.keys import Cause, Origin, Reason

_PLAIN: Final = ("word", "option")
_SHOWN: Final = 2
"""So many causes fit a line."""


def told(cause: Cause, step: str) -> str:
    """Return a cause beside the name of its step.

    >>> told(Cause(kind="step", name="split", change="has not run before"), "split")
    'has not run before'
    >>> told(Cause(kind="package", name="numpy", change="is new", after="2.4"), "split")
    'package numpy is new: 2.4'
    """
    if cause.kind == "step" and cause.name == step:
        return clean(cause.change)
    what = cause.name if cause.kind in _PLAIN else f"{cause.kind} {cause.name}"
    values = [value for value in (cause.before, cause.after) if value]
    return clean(f"{what} {cause.change}" + (f": {' -> '.join(values)}" if values else ""))


def summed(causes: Sequence[Cause], step: str) -> str:
    """Return the most telling causes of `step` as one line."""
    more = f" (+{len(causes) - _SHOWN} more)" if len(causes) > _SHOWN else ""
    return "; ".join(told(cause, step) for cause in causes[:_SHOWN]) + more


def tree(reasons: Sequence[Reason], step: str, indent: str = "  ", mark: str = "- ") -> Iterator[str]:
    """Yield the lines of causes walked to their roots; what caused one stands below it, behind an arrow."""
    for reason in reasons:
        whose = "" if reason.step == step else f"{reason.step}: "
        place = f"  {reason.place}" if reason.place else ""
        note = f"  ({reason.note})" if reason.note else ""
        yield clean(f"{indent}{mark}{whose}{told(reason.cause, reason.step)}{place}{note}")
        yield from (clean(f"{indent}      {line}") for line in reason.changed)
        yield from tree(reason.because, "", f"{indent}    ", "← ")


def origin_line(origin: Origin) -> str:
    """Return who made a result, when, and how it came here."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(origin.finished_at))
    who = f"{origin.actor} ({origin.maker})" if origin.actor else origin.maker
    fetched = f", fetched from the zone {origin.source}" if origin.source else ""
    where = f"run {origin.run} of the shared ledger" if origin.source else f"run {origin.run}"
    return clean(f"made by {where} at {when}, by {who}{fetched}")
