"""The words by which authors write gates: each checks its arguments and returns a `Gate`.

Rule: a gate that could never be judged is refused where it is written, with the value that is wrong.
"""

import math
from typing import Final, Literal, TypedDict, Unpack

from legato.domain.errors import ConfigurationError
from legato.domain.verdicts import Gate

Rule = Literal["interval", "estimate"]


class GateOptions(TypedDict, total=False):
    """What every gate may be told besides its metric and bound.

    Attributes:
        on_slice: Name of a slice column: every value of it is judged alone.
        min_rows: Slice values with fewer rows are reported, not judged (50).
        confidence: Of the interval that decides, in (0.5, 1) (0.95).
        rule: `interval`, or `estimate` to compare the bare estimate.
        seed: Of the resampling (7).
        replicates: Of the resampling (1000).
    """

    on_slice: str
    min_rows: int
    confidence: float
    rule: Rule
    seed: int
    replicates: int


_OPTIONS: Final = tuple(GateOptions.__annotations__)


def at_least(metric: str, bound: float, **options: Unpack[GateOptions]) -> Gate:
    """Return the gate that `metric` is at least `bound`.

    Args:
        metric: `accuracy`, `f1`, `roc_auc`, …, a column of the evaluation's `rows`, or a named metric.
        bound: The value to clear, in the metric's own unit.
        **options: See `GateOptions`.

    Raises:
        ConfigurationError: an argument is of the wrong type or out of its range.

    >>> at_least("recall", 0.7, on_slice="color").name
    'recall >= 0.7 on color'
    """
    _check(metric, options)
    return Gate(kind="at_least", metric=metric, bound=_finite("bound", bound), **options)


def at_most(metric: str, bound: float, **options: Unpack[GateOptions]) -> Gate:
    """Return the gate that `metric` is at most `bound`.

    Args:
        metric: `rmse`, `log_loss`, …, a column of the evaluation's `rows`, or a named metric.
        bound: The value to stay under, in the metric's own unit.
        **options: See `GateOptions`.

    Raises:
        ConfigurationError: an argument is of the wrong type or out of its range.

    >>> at_most("rmse", 3).name
    'rmse <= 3'
    """
    _check(metric, options)
    return Gate(kind="at_most", metric=metric, bound=_finite("bound", bound), **options)


def no_worse_than_champion(metric: str, *, margin: float = 0.0, **options: Unpack[GateOptions]) -> Gate:
    """Return the gate that the candidate is worse than the champion by less than `margin`.

    Both are compared on the same rows, paired by `ids`.

    Args:
        metric: As for `at_least`; whether more or less of it is better must be known.
        margin: How much worse is still not worse, in the metric's own unit, >= 0.
        **options: See `GateOptions`.

    Raises:
        ConfigurationError: an argument is of the wrong type or out of its range.

    >>> no_worse_than_champion("f1", margin=0.01).name
    'f1 no worse than champion by 0.01'
    """
    _check(metric, options)
    if _finite("margin", margin) < 0:
        raise ConfigurationError(
            f"margin={margin!r} is below 0", hint="say how much worse is still fine, for example margin=0.01"
        )
    return Gate(kind="no_worse_than_champion", metric=metric, margin=float(margin), **options)


def _check(metric: object, options: GateOptions) -> None:
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        raise ConfigurationError(
            f"a gate knows no {unknown[0]}=", hint=f"its words are: {', '.join(_OPTIONS)}"
        )
    _text("metric", metric)
    if not metric:
        raise ConfigurationError(
            "metric='' names nothing", hint='write for example at_least("accuracy", 0.8)'
        )
    _text("on_slice", options.get("on_slice", ""))
    _whole("min_rows", options.get("min_rows", 50), 1)
    _whole("seed", options.get("seed", 7), 0)
    _whole("replicates", options.get("replicates", 1000), 200)
    confidence = _finite("confidence", options.get("confidence", 0.95))
    if not 0.5 < confidence < 1:  # noqa: PLR2004 - below one half, an interval is no evidence
        raise ConfigurationError(
            f"confidence={confidence!r} is not between 0.5 and 1", hint="write for example confidence=0.95"
        )
    if options.get("rule", "interval") not in {"interval", "estimate"}:
        raise ConfigurationError(
            f"rule={options['rule']!r} is not known", hint='write rule="interval" or rule="estimate"'
        )


def _finite(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigurationError(
            f"{name}={value!r} is not a finite number", hint=f"write for example {name}=0.8"
        )
    return float(value)


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ConfigurationError(f"{name}={value!r} is not a text", hint=f'write {name}="..." with its name')


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(
            f"{name}={value!r} is not a whole number of at least {least}",
            hint=f"leave {name} out for its default",
        )
