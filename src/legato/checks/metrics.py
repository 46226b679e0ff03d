"""Every metric by its field-standard name: what it needs, which way is better, and how sure one can be of it.

Rule: names and definitions are scikit-learn's; with two classes precision, recall and F1 are those of the
larger class (1, True), with more they are macro averages.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from legato.checks import cells, ranks
from legato.checks.columns import PAIR, Codes, Columns, Floats, UnjudgeableError
from legato.checks.intervals import Smooth, Spread, mean, proportion, smooth, smooth_difference
from legato.domain.verdicts import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A metric that is a share of rows: 1 where the row counts, else 0, shape (n,)."""

    hits: Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A metric that is the mean of `values`, shape (n,), or with `root` its square root."""

    values: Floats
    root: bool = False


Sample: TypeAlias = Share | Mean | cells.Tally | Smooth
"""What a metric makes of one model's rows, ready to be judged alone or against another's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        task: `classification` or `regression`: which models are shown it.
        more: More of it is better.
        sample: Makes a `Sample` of a model's rows; raises UnjudgeableError.
    """

    task: str
    more: bool
    sample: Callable[[Columns], Sample]


def alone(sample: Sample, draws: cells.Draws) -> Spread:
    """Return a model's figure with its interval; raises UnjudgeableError."""
    match sample:
        case Share():
            return proportion(int(sample.hits.sum()), len(sample.hits))
        case Mean():
            return mean(sample.values, _root if sample.root else float)
        case cells.Tally():
            return cells.tally_alone(sample, draws)
        case Smooth():
            return smooth(sample)


def difference(ours: Sample, theirs: Sample, draws: cells.Draws) -> Spread:
    """Return our figure minus theirs, from the same rows in the same order; raises UnjudgeableError."""
    match ours, theirs:
        case Share(), Share():
            return cells.share_difference(ours.hits, theirs.hits, draws)
        case Mean(), Mean():
            return mean((ours.values - theirs.values) / _scale(ours, theirs))
        case cells.Tally(), cells.Tally():
            return cells.tally_difference(ours, theirs, draws)
        case Smooth(), Smooth():
            return smooth_difference(ours, theirs)
        case _:  # a 0-1 column in one model, another kind of number in the other
            return mean(_values(ours) - _values(theirs))


def _scale(ours: Mean, theirs: Mean) -> float:
    """Return what turns a difference of squares into one of roots: a² - b² = (a - b)(a + b)."""
    if not ours.root:
        return 1.0
    return _root(float(ours.values.mean())) + _root(float(theirs.values.mean())) or 1.0


def _values(sample: Sample) -> Floats:
    match sample:
        case Share():
            return sample.hits.astype(np.float64)
        case Mean():
            return sample.values
        case _:
            raise UnjudgeableError("the two models' figures are of different kinds")


def column(columns: Columns, name: str) -> Sample:
    """Return the column `name` of the evaluation's rows; one of only 0 and 1 is a share."""
    values = columns.numbers(name)
    if np.all((values == 0) | (values == 1)):
        return Share(hits=values.astype(np.intp))
    return Mean(values=values)


def _root(value: float) -> float:
    return math.sqrt(max(value, 0.0))


def _accuracy(columns: Columns) -> Sample:
    labels, predictions = columns.coded()
    return Share(hits=(labels == predictions).astype(np.intp))


def _tally(figure: cells.Figure) -> Callable[[Columns], Sample]:
    def sample(columns: Columns) -> Sample:
        labels, predictions = columns.coded()
        classes = 0 if columns.classes is None else len(columns.classes)
        if classes < PAIR:
            raise UnjudgeableError("all labels and predictions are of one class", Outcome.INCONCLUSIVE)
        return cells.Tally(figure=figure, actual=labels, predicted=predictions, classes=classes)

    return sample


def _log_loss(columns: Columns) -> Sample:
    labels, shares = _probabilities(columns)
    tiny = np.finfo(np.float64).eps
    own = shares[np.arange(len(labels)), labels]
    return Mean(values=-np.log(np.clip(own, tiny, 1.0)))


def _brier(columns: Columns) -> Sample:
    labels, shares = _probabilities(columns)
    if shares.shape[1] == PAIR:  # the positive class's alone, as everywhere
        return Mean(values=(shares[:, 1] - labels) ** 2)
    return Mean(values=((shares - np.eye(shares.shape[1])[labels]) ** 2).sum(axis=1))


def _probabilities(columns: Columns) -> tuple[Codes, Floats]:
    """Return label positions and the share of each class, shape (n, k), k >= 2."""
    labels, scores = columns.scored()
    if scores.min() < 0 or scores.max() > 1:
        worst = float(scores.min() if scores.min() < 0 else scores.max())
        raise UnjudgeableError(f"scores hold {worst:g}, which is no probability")
    if scores.ndim == 1:
        return labels, np.stack([1 - scores, scores], axis=1)
    off = float(np.abs(scores.sum(axis=1) - 1).max())
    if off > 1e-3:  # noqa: PLR2004 - what float32 leaves over after a softmax of thousands of classes
        raise UnjudgeableError(f"scores of a row add up to {1 + off:g} or {1 - off:g}, not to 1")
    return labels, scores


def _area(area: Callable[[Codes, Floats], Smooth]) -> Callable[[Columns], Sample]:
    def sample(columns: Columns) -> Sample:
        return area(*columns.scored())

    return sample


def _errors(columns: Columns) -> Floats:
    return columns.numbers("labels") - columns.numbers("predictions")


def _mape(columns: Columns) -> Sample:
    labels = columns.numbers("labels")
    if not labels.all():
        raise UnjudgeableError("labels hold 0, where a relative error is not defined")
    return Mean(values=np.abs(_errors(columns) / labels))


def _r2(columns: Columns) -> Sample:
    labels, squared = columns.numbers("labels"), _errors(columns) ** 2
    around = (labels - labels.mean()) ** 2
    variance = float(around.mean())
    if variance == 0:
        raise UnjudgeableError("all labels are equal", Outcome.INCONCLUSIVE)
    rest = float(squared.mean()) / variance
    pulls = (rest * around - squared) / variance
    predictions = columns.numbers("predictions")
    return Smooth(estimate=1 - rest, pulls=pulls, outputs=predictions, effective=len(labels), link="rest")


def _classified(sample: Callable[[Columns], Sample], *, more: bool = True) -> Metric:
    return Metric(task="classification", more=more, sample=sample)


def _regressed(sample: Callable[[Columns], Sample], *, more: bool = False) -> Metric:
    return Metric(task="regression", more=more, sample=sample)


METRICS: Final[Mapping[str, Metric]] = {
    "accuracy": _classified(_accuracy),
    "balanced_accuracy": _classified(_tally(cells.BALANCED_ACCURACY)),
    "precision": _classified(_tally(cells.PRECISION)),
    "recall": _classified(_tally(cells.RECALL)),
    "f1": _classified(_tally(cells.F1)),
    "roc_auc": _classified(_area(ranks.roc_auc)),
    "average_precision": _classified(_area(ranks.average_precision)),
    "log_loss": _classified(_log_loss, more=False),
    "brier": _classified(_brier, more=False),
    "mae": _regressed(lambda columns: Mean(values=np.abs(_errors(columns)))),
    "mse": _regressed(lambda columns: Mean(values=_errors(columns) ** 2)),
    "rmse": _regressed(lambda columns: Mean(values=_errors(columns) ** 2, root=True)),
    "mape": _regressed(_mape),
    "r2": _regressed(_r2, more=True),
}
