"""Intervals in closed form, of proportions, means and smooth figures: an end for any error rate.

Rule: an end is where the stated error rate says it is, or further out. Simulations: docs/statistics.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from legato.checks.columns import Floats
from legato.checks.distributions import beta_quantile, student_quantile

FEWEST_ROWS: Final = 20
"""With fewer rows a mean has no interval worth the name."""
FEWEST_SPREAD: Final = 10
"""With fewer rows off the commonest value, the tail of a mean is bounded by their share instead."""

_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure and how far off it may be.

    Attributes:
        estimate: The figure on the rows at hand.
        ends: Takes an error rate of one side, in (0, 0.5), and returns the lower and the upper end.
        rows: How many rows it was made of.
        note: Why its ends are infinite, where they are.
    """

    estimate: float
    ends: Callable[[float], tuple[float, float]]
    rows: int
    note: str = ""


def proportion(hits: int, rows: int, shown: Callable[[float], float] = float) -> Spread:
    """Return the share of `hits` with its exact interval, both through the increasing function `shown`.

    Source: Clopper and Pearson, Biometrika 26 (1934) 404-413: each end errs at most at the stated rate, for
        any
    share and number of rows, so also where every row is a hit.

    >>> low, high = proportion(10, 10).ends(0.025)
    >>> round(low, 4), high
    (0.6915, 1.0)
    """

    def ends(tail: float) -> tuple[float, float]:
        low = beta_quantile(tail, hits, rows - hits + 1) if hits else 0.0
        high = beta_quantile(1 - tail, hits + 1, rows - hits) if hits < rows else 1.0
        return shown(low), shown(high)

    return Spread(estimate=shown(hits / rows), ends=ends, rows=rows)


def mean(values: Floats, shown: Callable[[float], float] = float) -> Spread:
    """Return the mean of `values`, shape (n,), with an interval that follows their skewness.

    Source: Hall, Journal of the Royal Statistical Society B 54 (1992) 221-228: a monotone cubic
        transformation removes
    the skewness of the studentised mean; as near to its rate as the bootstrap-t, without resampling.
    Of fewer than `FEWEST_ROWS` rows the ends are infinite.
    """
    if len(values) < FEWEST_ROWS:
        note = f"only {len(values)} rows, {FEWEST_ROWS} at least are needed"
        return _unbounded(shown(float(values.mean())), len(values), note)
    middle = float(np.median(values))
    off = values - middle
    if np.count_nonzero(off) < FEWEST_SPREAD:
        return _rare(middle, off, shown)
    estimate = float(values.mean())

    def ends(tail: float) -> tuple[float, float]:
        low, high = _around_mean(values, tail)
        return shown(low), shown(high)

    return Spread(estimate=shown(estimate), ends=ends, rows=len(values))


def _around_mean(values: Floats, tail: float) -> tuple[float, float]:
    size, estimate = len(values), float(values.mean())
    apart = values - estimate
    scale = float(np.abs(apart).max())
    if scale == 0:
        return estimate, estimate
    unit = apart / scale  # so that no square or cube leaves the range of doubles
    deviation = math.sqrt(float(np.mean(unit**2)))
    skewness = float(np.mean(unit**3)) / deviation**3
    error = scale * deviation / math.sqrt(size)
    z = -_NORMAL.inv_cdf(tail)
    return estimate - error * _unskewed(z, skewness, size), estimate - error * _unskewed(-z, skewness, size)


def _unskewed(z: float, skewness: float, size: int) -> float:
    """Return Hall's inverse transformation of a normal quantile."""
    step = skewness / (3 * math.sqrt(size))
    if abs(step) < 1e-9:  # noqa: PLR2004 - where the cubic is a straight line to double precision
        return z
    return (math.copysign(abs(cube := 1 + 3 * step * (z - step / 2)) ** (1 / 3), cube) - 1) / step


def _rare(middle: float, off: Floats, shown: Callable[[float], float]) -> Spread:
    """Return a mean whose rows nearly all hold one value: the others' share at most, their size as seen."""
    size = len(off)
    reach = float(np.abs(off).max()) if size else 0.0
    share = proportion(int(np.count_nonzero(off)), size)

    def ends(tail: float) -> tuple[float, float]:
        width = share.ends(tail)[1] * reach
        below = width if float(off.min()) < 0 else 0.0
        above = width if float(off.max()) > 0 else 0.0
        return shown(middle - below), shown(middle + above)

    return Spread(estimate=shown(middle + float(off.mean())), ends=ends, rows=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smooth:
    """A figure that is a smooth function of the rows, with each row's pull on it.

    Attributes:
        estimate: The figure.
        pulls: Its influence values, shape (n,): their standard deviation / sqrt(n) is its standard error.
        outputs: What the model said that the figure reads, shape (n,) or (n, k).
        effective: The size of the smallest group that it rests on (positive rows, say).
        link: `logit`, `rest` (the logarithm of 1 - x) or `plain`: the scale on which its error is nearly
            normal.
        perfect: Where the estimate is 1: the lower end by error rate.
    """

    estimate: float
    pulls: Floats
    outputs: Floats
    effective: int
    link: str = "plain"
    perfect: Callable[[float], float] | None = None


def smooth(figure: Smooth) -> Spread:
    """Return the figure with Student's interval on its link's scale, `effective` - 1 degrees of freedom.

    Where that group has fewer than `FEWEST_SPREAD` rows the ends are infinite.
    """
    estimate, size = figure.estimate, len(figure.pulls)
    if figure.effective < FEWEST_SPREAD:
        return _unbounded(estimate, size, _few_in_class(figure.effective))
    error = float(figure.pulls.std()) / math.sqrt(size)

    def ends(tail: float) -> tuple[float, float]:
        if figure.perfect is not None and estimate >= 1:
            return figure.perfect(tail), 1.0
        if figure.perfect is not None and estimate <= 0:
            return 0.0, 1 - figure.perfect(tail)
        width = student_quantile(tail, figure.effective - 1) * error
        return _linked(estimate, width, figure.link)

    return Spread(estimate=estimate, ends=ends, rows=size)


def smooth_difference(ours: Smooth, theirs: Smooth) -> Spread:
    """Return ours minus theirs, from the same rows in the same order, so that what they share cancels.

    Source: for areas under the curve, DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845.
    Where the smallest group has fewer than `FEWEST_SPREAD` rows the ends are infinite.
    """
    effective = min(ours.effective, theirs.effective)
    estimate, size = ours.estimate - theirs.estimate, len(ours.pulls)
    if effective < FEWEST_SPREAD:
        return _unbounded(estimate, size, _few_in_class(effective))
    apart = ours.pulls - theirs.pulls
    error = float(apart.std()) / math.sqrt(size)
    moved = (ours.outputs != theirs.outputs).reshape(size, -1).any(axis=1)

    def ends(tail: float) -> tuple[float, float]:
        width = max(student_quantile(tail, effective - 1) * error, _few_moved(apart, moved, tail))
        return estimate - max(width, _headroom(ours, tail)), estimate + max(width, _headroom(theirs, tail))

    return Spread(estimate=estimate, ends=ends, rows=size)


def _few_in_class(count: int) -> str:
    return f"only {count} rows in the smallest class, {FEWEST_SPREAD} at least are needed"


def _few_moved(apart: Floats, moved: NDArray[np.bool_], tail: float) -> float:
    """Return how far a difference of a few rows may reach: their share at most, times their largest pull."""
    count = int(np.count_nonzero(moved))
    if not 0 < count < FEWEST_SPREAD:
        return 0.0
    return proportion(count, len(moved)).ends(tail)[1] * float(np.abs(apart[moved]).max())


def _headroom(figure: Smooth, tail: float) -> float:
    """Return how far below 1 a figure of exactly 1 may be; its influence values say 0."""
    return 1 - figure.perfect(tail) if figure.perfect is not None and figure.estimate >= 1 else 0.0


def _linked(estimate: float, width: float, link: str) -> tuple[float, float]:
    if link == "logit" and 0 < estimate < 1:
        center, slope = math.log(estimate / (1 - estimate)), 1 / (estimate * (1 - estimate))
        return _unlogit(center - slope * width), _unlogit(center + slope * width)
    if link == "rest" and estimate < 1:
        factor = math.exp(min(width / (1 - estimate), 700.0))
        return 1 - (1 - estimate) * factor, 1 - (1 - estimate) / factor
    return estimate - width, estimate + width


def _unlogit(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0  # noqa: PLR2004 - the end of doubles


def _unbounded(estimate: float, rows: int, note: str) -> Spread:
    """Return a figure of which nothing can be said but that it was seen."""
    return Spread(estimate=estimate, ends=lambda _: (-math.inf, math.inf), rows=rows, note=note)
