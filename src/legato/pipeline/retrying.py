"""`lg.retries(...)`: how often a failed step is tried again, after which failures, and after how long.

Rule: a kind of failure is one that a run records, or the name of an exception; a misspelt one is refused.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from legato.domain.errors import ConfigurationError
from legato.pipeline.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

REASONS: Final = ("raised", "exited", "killed", "timeout", "memory", "lost")
"""How a step can fail, as a run records it."""


class Retries(NamedTuple):
    """How a failed step is tried again.

    Attributes:
        number: How often.
        on: Kinds of failure, and names of exceptions; empty: all.
        backoff_s: Seconds before the first retry; each later one waits twice as long.
    """

    number: int
    on: tuple[str, ...] = ()
    backoff_s: float = 1.0


def retries(
    number: int, /, *, on: Iterable[str | type[BaseException]] = (), backoff: str | float = 1.0
) -> Retries:
    """Say how a failed step is tried again: `retries=lg.retries(3, on=["timeout", "memory"], backoff="10s")`.

    Args:
        number: How often.
        on: After which failures: `raised`, `exited`, `killed`, `timeout`, `memory`, `lost`, or exceptions; left out:
            after all.
        backoff: How long to wait before the first retry; each later one waits twice as long.

    Raises:
        ConfigurationError: A value is of the wrong kind.
    """
    whole: object = number
    if isinstance(whole, bool) or not isinstance(whole, int) or whole < 0:
        raise ConfigurationError(
            f"lg.retries({number!r}) is not a whole number from 0", hint="write for example lg.retries(3)"
        )
    if isinstance(on, str):
        raise ConfigurationError(f"on={on!r} is a text, not a list", hint=f"write on=[{on!r}]")
    return Retries(number, tuple(dict.fromkeys(_kind(one) for one in on)), _seconds(backoff))


def _kind(one: object) -> str:
    if isinstance(one, type) and issubclass(one, BaseException):
        return one.__name__
    if isinstance(one, str) and (one in REASONS or (one.isidentifier() and one[0].isupper())):
        return one
    raise ConfigurationError(
        f"on= holds {one!r}, which is neither a kind of failure nor the name of an exception",
        hint=did_you_mean(str(one), REASONS, "kinds"),
    )


def _seconds(backoff: object) -> float:
    from legato.domain.units import seconds

    if isinstance(backoff, bool) or not isinstance(backoff, int | float | str):
        raise ConfigurationError(f"backoff={backoff!r} is not a duration", hint='write backoff="10s"')
    found = seconds(backoff)
    if not (found >= 0 and math.isfinite(found)):
        raise ConfigurationError(f"backoff={backoff!r} is not a duration", hint='write backoff="10s"')
    return found
