"""Figures made of counts: how often each class was predicted as each, by one model or by two.

Rule: rows are drawn as weights of these few cells, so a thousand draws cost the same for a hundred rows or a
million.

Source: Rubin, Annals of Statistics 9 (1981) 130-134 (the Bayesian bootstrap); with half a row of prior on
each cell it is the Jeffreys interval, which keeps its rate where a cell was never seen (Brown, Cai and
DasGupta, Statistical Science 16 (2001) 101-133). How it does here: docs/statistics.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Final

import numpy as np

from legato.checks.columns import PAIR, Codes, Floats, UnjudgeableError
from legato.checks.intervals import Spread, proportion
from legato.domain.verdicts import Outcome

_AT_ONCE: Final = 2_000_000
"""How many weights are drawn at once: 16 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """How to resample: `replicates` draws by the PCG64 generator that starts at `seed`."""

    seed: int
    replicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure that is a ratio of counts in each class.

    Attributes:
        top: Times the rows of a class that were predicted right.
        actual: 1 where rows of the class count below the line.
        predicted: 1 where rows predicted as the class count below the line.
        balanced: Average over the classes that occur among the labels; never that of one class alone.
    """

    top: int
    actual: int
    predicted: int
    balanced: bool = False


PRECISION: Final = Figure(top=1, actual=0, predicted=1)
RECALL: Final = Figure(top=1, actual=1, predicted=0)
F1: Final = Figure(top=2, actual=1, predicted=1)
BALANCED_ACCURACY: Final = Figure(top=1, actual=1, predicted=0, balanced=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One model's answers: class positions of labels and predictions, shape (n,), out of `classes`."""

    figure: Figure
    actual: Codes
    predicted: Codes
    classes: int


def tally_alone(tally: Tally, draws: Draws) -> Spread:
    """Return the figure of one model: for two classes exact, else by draws.

    Given how many rows count below its line, the numerator of precision or recall of one class is binomial.
    So is the count of right positives among rows that are positive or predicted so (the Jaccard index J),
    and F1 = 2J / (1 + J).

    Raises:
        UnjudgeableError: The figure is not defined on these rows.
    """
    _refuse_undefined(tally)
    if tally.classes > PAIR or tally.figure.balanced:
        table = _Table.of(tally.classes, tally.actual, tally.predicted)
        return _drawn(table, lambda weights: _figures(tally.figure, table, 1, weights), draws, (0.0, 1.0))
    positive, called = tally.actual == 1, tally.predicted == 1
    hits, figure = int(np.count_nonzero(positive & called)), tally.figure
    if figure == F1:
        spread = proportion(hits, int(np.count_nonzero(positive | called)), _f1_of_jaccard)
    else:
        spread = proportion(hits, int(np.count_nonzero(positive if figure == RECALL else called)))
    return replace(spread, rows=len(tally.actual))


def _f1_of_jaccard(index: float) -> float:
    return 2 * index / (1 + index)


def tally_difference(ours: Tally, theirs: Tally, draws: Draws) -> Spread:
    """Return our figure minus theirs on the same rows, by draws of both at once.

    Raises:
        UnjudgeableError: A figure is not defined on these rows.
    """
    _refuse_undefined(ours)
    _refuse_undefined(theirs)
    table = _Table.of(ours.classes, ours.actual, ours.predicted, theirs.predicted)

    def difference(weights: Floats) -> Floats:
        figure = ours.figure
        return _figures(figure, table, 1, weights) - _figures(figure, table, 2, weights)

    return _drawn(table, difference, draws, (-1.0, 1.0))


def share_difference(ours: Codes, theirs: Codes, draws: Draws) -> Spread:
    """Return the share of rows where `ours` is 1 minus that of `theirs`; each holds 0 and 1, shape (n,)."""
    table = _Table.of(PAIR, np.ones_like(ours), ours, theirs)

    def difference(weights: Floats) -> Floats:
        apart = table.cells[:, 1] - table.cells[:, 2]
        return np.asarray(weights @ apart / weights.sum(axis=1))

    return _drawn(table, difference, draws, (-1.0, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Distinct rows and how many there are of each.

    Attributes:
        classes: How many classes there are.
        cells: Shape (m, 1 + models): the label's class, then each model's.
        counts: Shape (m,): rows; 0 for cells that only the prior holds.
        prior: Shape (m,): further rows that the draws, not the estimate, count with.
    """

    classes: int
    cells: Codes
    counts: Floats
    prior: Floats

    @classmethod
    def of(cls, classes: int, *columns: Codes) -> "_Table":
        code = np.zeros(len(columns[0]), dtype=np.int64)
        for column in columns:
            code = code * classes + column
        seen, counts = np.unique(code, return_counts=True)
        present = np.unique(np.concatenate([np.unique(column) for column in columns]))
        labels = np.unique(columns[0])
        errors = np.array(sorted(_errors(labels.tolist(), present.tolist(), classes, len(columns) - 1)))
        every = np.union1d(seen, errors)
        full = np.zeros(len(every))
        full[np.searchsorted(every, seen)] = counts
        prior = np.full(len(every), 0.5)
        if (
            classes > PAIR
        ):  # with many classes half a row each would pull the figure; one half row over all does not
            prior = np.where(np.isin(every, errors), 1 / (2 * classes), 0.0)
        return cls(classes=classes, cells=_unpacked(every, classes, len(columns)), counts=full, prior=prior)


def _errors(labels: list[int], present: list[int], classes: int, models: int) -> Iterator[int]:
    """Yield the code of every cell in which each model answers a label right or with one other class."""
    for place, label in enumerate(labels):
        others = [value for value in present if value != label]
        wrong = others[place % len(others)] if others else (label + 1) % classes
        for answers in product((label, wrong), repeat=models):
            code = label
            for answer in answers:
                code = code * classes + answer
            yield code


def _unpacked(codes: Codes, classes: int, width: int) -> Codes:
    powers = classes ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (codes[:, None] // powers) % classes


def _figures(figure: Figure, table: _Table, model: int, weights: Floats) -> Floats:
    """Return the figure of one model for each row of `weights`, shape (replicates, m)."""
    labels, answers = table.cells[:, 0], table.cells[:, model]
    right = _sums(weights * (labels == answers), labels, table.classes)
    actual = _sums(weights, labels, table.classes)
    predicted = _sums(weights, answers, table.classes)
    below = figure.actual * actual + figure.predicted * predicted
    ratios = np.divide(figure.top * right, below, out=np.zeros_like(below), where=below > 0)
    if table.classes == PAIR and not figure.balanced:
        return np.asarray(ratios[:, 1])
    counted = actual > 0 if figure.balanced else actual + predicted > 0
    return np.asarray((ratios * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1))


def _sums(weights: Floats, groups: Codes, classes: int) -> Floats:
    """Return the sum of `weights`, shape (replicates, m), by group: (replicates, classes)."""
    order = np.argsort(groups, kind="stable")
    present, starts = np.unique(groups[order], return_index=True)
    sums = np.zeros((len(weights), classes))
    sums[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return sums


def _drawn(
    table: _Table, figure: Callable[[Floats], Floats], draws: Draws, limits: tuple[float, float]
) -> Spread:
    estimate = float(figure(table.counts[None, :])[0])

    @cache
    def drawn() -> Floats:
        values = _draw(table.counts + table.prior, figure, draws)
        if table.classes > PAIR:  # small classes bias a macro average; the draws show by how much
            values -= 2 * (float(_draw(table.counts, figure, draws).mean()) - estimate)
        return np.clip(values, *limits)

    def ends(tail: float) -> tuple[float, float]:
        low, high = np.quantile(drawn(), [tail, 1 - tail])
        return min(float(low), estimate), max(float(high), estimate)

    return Spread(estimate=estimate, ends=ends, rows=int(table.counts.sum()))


def _draw(shapes: Floats, figure: Callable[[Floats], Floats], draws: Draws) -> Floats:
    generator = np.random.Generator(np.random.PCG64(draws.seed))
    at_once = max(1, _AT_ONCE // len(shapes))
    counts = [min(at_once, draws.replicates - done) for done in range(0, draws.replicates, at_once)]
    return np.concatenate(
        [figure(generator.standard_gamma(shapes, (count, len(shapes)))) for count in counts]
    )


def _refuse_undefined(tally: Tally) -> None:
    figure, positive, called = tally.figure, tally.actual == 1, tally.predicted == 1
    if figure.balanced or tally.classes != PAIR:
        if len(np.unique(tally.actual)) < PAIR:
            raise UnjudgeableError("all labels are of one class", Outcome.INCONCLUSIVE)
        return
    if figure == PRECISION and not called.any():
        raise UnjudgeableError("no row is predicted as the positive class", _blame(positive.any()))
    if figure != PRECISION and not positive.any():
        raise UnjudgeableError("no row has the positive label", Outcome.INCONCLUSIVE)


def _blame(positives: bool) -> Outcome:  # noqa: FBT001 - what the caller just counted
    """Return fail for a model that misses every positive, inconclusive where there were none to find."""
    return Outcome.FAIL if positives else Outcome.INCONCLUSIVE
