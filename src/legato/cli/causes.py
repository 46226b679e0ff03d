"""Causes as people read them: what changed, without the words that the line says already.

Rule: nothing that decides is left out; only what stands beside it anyway is.
"""

from collections.abc import Sequence
from typing import Final

from legato.cli.errors import clean
from legato.domain.keys import Cause

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
