"""Worlds whose truth is known exactly, to draw evaluations from; the rates in docs/statistics.md are theirs.

Rule: every draw starts from a seed; the truth is computed from the world, never estimated from a draw.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from legato.domain.evaluation import Evaluation

PHI = NormalDist()


@dataclass(frozen=True)
class Answers:
    """Labels and the answers of a candidate and a champion, by their joint probabilities.

    `cells` holds (label, candidate, champion) -> probability.
    """

    cells: Mapping[tuple[int, int, int], float]

    def draw(self, rows: int, seed: int) -> tuple[Evaluation, Evaluation]:
        generator = np.random.default_rng(seed)
        keys = np.array(list(self.cells))
        shares = np.array(list(self.cells.values()))
        drawn = keys[generator.choice(len(keys), size=rows, p=shares / shares.sum())]
        ids = np.arange(rows)
        ours = Evaluation(ids=ids, labels=drawn[:, 0], predictions=drawn[:, 1])
        theirs = Evaluation(ids=ids, labels=drawn[:, 0], predictions=drawn[:, 2])
        return ours, theirs

    def truth(self, metric: str, model: int = 1) -> float:
        shares = np.array(list(self.cells.values()))
        shares = shares / shares.sum()
        labels, answers = (np.array([key[place] for key in self.cells]) for place in (0, model))
        classes = np.unique(labels)
        right = [shares[(labels == k) & (answers == k)].sum() for k in classes]
        actual = [shares[labels == k].sum() for k in classes]
        called = [shares[answers == k].sum() for k in classes]
        match metric:
            case "accuracy":
                return float(sum(right))
            case "balanced_accuracy":
                return float(np.mean([r / a for r, a in zip(right, actual, strict=True)]))
            case "precision":
                figures = [r / c for r, c in zip(right, called, strict=True)]
            case "recall":
                figures = [r / a for r, a in zip(right, actual, strict=True)]
            case "f1":
                figures = [2 * r / (a + c) for r, a, c in zip(right, actual, called, strict=True)]
        return float(figures[1] if len(classes) == 2 else np.mean(figures))


def answers(shares: Sequence[float], both: float, ours_only: float, theirs_only: float) -> Answers:
    """Return a world in which, in every class, `both` models are right, or only one of them, else neither.

    `shares` holds the share of each class; wrong answers fall evenly on the other classes.
    """
    classes = range(len(shares))
    cells = {}
    for label in classes:
        others = [k for k in classes if k != label]
        cells[label, label, label] = shares[label] * both
        for wrong in others:
            part = shares[label] / len(others)
            cells[label, label, wrong] = part * ours_only
            cells[label, wrong, label] = part * theirs_only
            cells[label, wrong, wrong] = part * (1 - both - ours_only - theirs_only)
    return Answers(cells)


@dataclass(frozen=True)
class Scores:
    """Normal scores: those of positives lie `ours` (candidate) or `theirs` (champion) deviations higher.

    `shared` is the correlation of the two models' scores within a class.
    """

    positives: float
    ours: float
    theirs: float
    shared: float = 0.6

    def draw(self, rows: int, seed: int) -> tuple[Evaluation, Evaluation]:
        generator = np.random.default_rng(seed)
        labels = (generator.random(rows) < self.positives).astype(np.int64)
        common, own, other = generator.normal(size=(3, rows))
        weight, rest = math.sqrt(self.shared), math.sqrt(1 - self.shared)
        ids = np.arange(rows)
        ours = Evaluation(ids=ids, labels=labels, scores=self.ours * labels + weight * common + rest * own)
        theirs = Evaluation(
            ids=ids, labels=labels, scores=self.theirs * labels + weight * common + rest * other
        )
        return ours, theirs

    def truth(self, gap: float) -> float:
        return PHI.cdf(gap / math.sqrt(2))


def gap_of(area: float) -> float:
    """Return how many deviations apart two normal scores lie whose area under the ROC curve is `area`."""
    return math.sqrt(2) * PHI.inv_cdf(area)


@dataclass(frozen=True)
class Errors:
    """A regression whose errors are normal with deviation `ours` (candidate) or `theirs` (champion)."""

    ours: float
    theirs: float
    shared: float = 0.6

    def draw(self, rows: int, seed: int) -> tuple[Evaluation, Evaluation]:
        generator = np.random.default_rng(seed)
        labels, common, own, other = generator.normal(size=(4, rows))
        weight, rest = math.sqrt(self.shared), math.sqrt(1 - self.shared)
        ids = np.arange(rows)
        ours = Evaluation(
            ids=ids, labels=labels, predictions=labels + self.ours * (weight * common + rest * own)
        )
        theirs = Evaluation(
            ids=ids, labels=labels, predictions=labels + self.theirs * (weight * common + rest * other)
        )
        return ours, theirs
