"""Figures of how scores rank the rows: the areas under the ROC and the precision-recall curve.

Rule: both come with each row's pull, so intervals and comparisons need no resampling; ties count half in the
first and as one threshold in the second.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from legato.checks.columns import Codes, Floats, UnjudgeableError
from legato.checks.intervals import Smooth
from legato.domain.verdicts import Outcome

_One: TypeAlias = Callable[[Codes, Floats], Smooth]


def roc_auc(labels: Codes, scores: Floats) -> Smooth:
    """Return the area under the ROC curve; for k > 2 columns the mean over classes, each against the rest.

    Args:
        labels: Class positions, shape (n,).
        scores: Of class 1, shape (n,), or of each class, shape (n, k).

    Raises:
        UnjudgeableError: A class, or its rest, has no rows.

    Source: the rows' pulls are the placement values of DeLong, DeLong and Clarke-Pearson, Biometrics 44
        (1988)
    837-845; the logit scale keeps the interval in [0, 1]. Where every positive is above every negative, the
    classes' rows can be matched into disjoint pairs, each a fair trial of the area, so its exact end is tail
    ** (1 / pairs).
    """
    return _averaged(labels, scores, _roc_auc)


def average_precision(labels: Codes, scores: Floats) -> Smooth:
    """Return the average precision; for k > 2 score columns the mean over classes, each against the rest.

    Arguments and errors are those of `roc_auc`. Where it is 1, the lower end is its value with the
    -log(tail) further negatives above all positives that could have been missed at that rate (the rule of
    three).
    """
    return _averaged(labels, scores, _average_precision)


def _averaged(labels: Codes, scores: Floats, one: _One) -> Smooth:
    if scores.ndim == 1:
        return one(_positives(labels, 1), scores)
    each = [one(_positives(labels, k), scores[:, k]) for k in range(scores.shape[1])]
    return Smooth(
        estimate=float(np.mean([figure.estimate for figure in each])),
        pulls=np.mean([figure.pulls for figure in each], axis=0),
        outputs=scores,
        effective=min(figure.effective for figure in each),
        link="logit",
        perfect=lambda tail: min(figure.perfect(tail) for figure in each if figure.perfect),
    )


def _positives(labels: Codes, which: int) -> Codes:
    positive: Codes = (labels == which).astype(np.intp)
    if not 0 < positive.sum() < len(positive):
        of = "of one class" if positive.all() else f"not of class {which}"
        raise UnjudgeableError(f"all labels are {of}", Outcome.INCONCLUSIVE)
    return positive


def _roc_auc(positive: Codes, scores: Floats) -> Smooth:
    above, below = scores[positive == 1], scores[positive == 0]
    placed_above, placed_below = _placements(above, below), 1 - _placements(below, above)
    estimate = float(placed_above.mean())
    pulls = np.empty(len(scores))
    pulls[positive == 1] = (placed_above - estimate) * (len(scores) / len(above))
    pulls[positive == 0] = (placed_below - estimate) * (len(scores) / len(below))
    pairs = min(len(above), len(below))
    return Smooth(
        estimate=estimate,
        pulls=pulls,
        outputs=scores,
        effective=pairs,
        link="logit",
        perfect=lambda tail: float(tail ** (1 / pairs)),
    )


def _placements(ours: Floats, theirs: Floats) -> Floats:
    """Return, for each of `ours`, the share of `theirs` that lies below it, ties by half."""
    ranked = np.sort(theirs)
    left, right = np.searchsorted(ranked, ours, "left"), np.searchsorted(ranked, ours, "right")
    return np.asarray((left + right) / (2 * len(theirs)))


def _average_precision(positive: Codes, scores: Floats) -> Smooth:
    order = np.argsort(-scores, kind="stable")
    hits, ranked = positive[order].astype(np.float64), scores[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # the last row ends its threshold
    ends = np.flatnonzero(last)
    threshold = np.concatenate(([0], np.cumsum(last)[:-1]))
    found, chosen = np.cumsum(hits)[ends], ends + 1.0
    gained, precision, total = np.diff(found, prepend=0), found / chosen, found[-1]
    estimate = float((gained * precision).sum() / total)
    # A row weighs in at its own threshold and at all later ones: sums from the end.
    as_hit, as_any = _from_end(gained / chosen)[threshold], _from_end(gained * found / chosen**2)[threshold]
    pulls = np.empty(len(scores))
    pulls[order] = (hits * (precision[threshold] + as_hit - estimate) - as_any) * (len(scores) / total)
    pairs = int(min(total, len(scores) - total))
    return Smooth(
        estimate=estimate,
        pulls=pulls,
        outputs=scores,
        effective=pairs,
        link="logit",
        perfect=lambda tail: _with_intruders(int(total), -math.log(tail)),
    )


def _from_end(values: Floats) -> Floats:
    return np.asarray(np.cumsum(values[::-1])[::-1])


def _with_intruders(positives: int, intruders: float) -> float:
    rank = np.arange(1, positives + 1)
    return float(np.mean(rank / (rank + intruders)))
