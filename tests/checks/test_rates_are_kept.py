"""Simulations: intervals hold the truth, and gates err no more often than is said.

Each end of a 95 % interval, and each wrong verdict at the margin, is meant to happen in 2.5 % of the draws
and may in at most 5 %. At 2.5 %, more than 20 of 400 draws err with probability 0.2 %; the seeds are fixed,
so a rate that holds once holds always: no further tolerance. Larger runs: docs/statistics.md.
"""

import math

import numpy as np
import pytest
from worlds import Errors, Scores, answers, gap_of

from legato.checks import judge
from legato.domain.evaluation import Evaluation
from legato.domain.gates import at_least, at_most, no_worse_than_champion
from legato.domain.verdicts import Outcome

DRAWS = 400
AT_MOST = DRAWS * 5 // 100

EVEN = answers([0.7, 0.3], 0.8, 0.05, 0.05)
RARE_ERRORS = answers([0.85, 0.15], 0.95, 0.02, 0.02)
FIVE_CLASSES = answers([0.2] * 5, 0.8, 0.05, 0.05)


def verdict_on(evaluation, champion, gate):
    (verdict,) = judge(evaluation, champion, [gate]).verdicts
    return verdict


@pytest.mark.parametrize(
    ("world", "metric", "truth", "rows"),
    [
        (EVEN, "accuracy", EVEN.truth("accuracy"), 150),
        (RARE_ERRORS, "accuracy", RARE_ERRORS.truth("accuracy"), 60),
        (EVEN, "precision", EVEN.truth("precision"), 150),
        (EVEN, "f1", EVEN.truth("f1"), 150),
        (RARE_ERRORS, "f1", RARE_ERRORS.truth("f1"), 150),
        (FIVE_CLASSES, "f1", FIVE_CLASSES.truth("f1"), 200),
        (EVEN, "balanced_accuracy", EVEN.truth("balanced_accuracy"), 150),
        (Scores(0.3, gap_of(0.85), 1), "roc_auc", 0.85, 200),
        (Scores(0.15, gap_of(0.95), 1), "roc_auc", 0.95, 200),
        (Errors(2.0, 1.0), "rmse", 2.0, 100),
        (Errors(2.0, 1.0), "mae", 2.0 * math.sqrt(2 / math.pi), 100),
        (Errors(0.5, 1.0), "r2", 0.75, 200),
    ],
)
def test_an_interval_misses_the_truth_on_either_side_in_at_most_one_of_twenty(world, metric, truth, rows):
    verdicts = [verdict_on(world.draw(rows, seed)[0], None, at_least(metric, 0.5)) for seed in range(DRAWS)]
    below = sum(truth > verdict.high for verdict in verdicts)
    above = sum(truth < verdict.low for verdict in verdicts)

    assert max(below, above) <= AT_MOST


def test_the_mean_of_skewed_rows_is_held_too():
    generator = np.random.default_rng(11)
    truth, missed = math.exp(0.5), [0, 0]
    for _ in range(DRAWS):
        cost = generator.lognormal(0, 1, 200)
        verdict = verdict_on(Evaluation(rows={"cost": cost}), None, at_most("cost", 1))
        missed[0] += truth < verdict.low
        missed[1] += truth > verdict.high

    assert max(missed) <= AT_MOST


FEW_DIFFER = answers([0.7, 0.3], 0.75, 0.0, 0.02)
MANY_DIFFER = answers([0.7, 0.3], 0.75, 0.1, 0.12)
FIVE_DIFFER = answers([0.2] * 5, 0.75, 0.02, 0.04)


@pytest.mark.parametrize(
    ("world", "metric", "margin"),
    [
        (FEW_DIFFER, "accuracy", 0.02),
        (FEW_DIFFER, "f1", FEW_DIFFER.truth("f1", 2) - FEW_DIFFER.truth("f1", 1)),
        (MANY_DIFFER, "accuracy", 0.02),
        (MANY_DIFFER, "f1", MANY_DIFFER.truth("f1", 2) - MANY_DIFFER.truth("f1", 1)),
        (MANY_DIFFER, "precision", MANY_DIFFER.truth("precision", 2) - MANY_DIFFER.truth("precision", 1)),
        (FIVE_DIFFER, "f1", FIVE_DIFFER.truth("f1", 2) - FIVE_DIFFER.truth("f1", 1)),
        (Scores(0.2, gap_of(0.84), gap_of(0.86)), "roc_auc", 0.02),
        (Errors(1.05, 1.0), "rmse", 0.05),
        (Errors(1.05, 1.0), "mse", 1.05**2 - 1),
    ],
)
def test_a_candidate_worse_by_exactly_the_margin_is_accepted_or_rejected_rarely(world, metric, margin):
    gate = no_worse_than_champion(metric, margin=margin)
    found = [verdict_on(*world.draw(400, seed), gate).outcome for seed in range(DRAWS)]

    assert found.count(Outcome.PASS) <= AT_MOST
    assert found.count(Outcome.FAIL) <= AT_MOST


@pytest.mark.parametrize(
    ("world", "metric", "margin", "rows", "least"),
    [
        (answers([0.7, 0.3], 0.8, 0.01, 0.01), "accuracy", 0.01, 2000, 0.75),
        (answers([0.7, 0.3], 0.8, 0.01, 0.01), "f1", 0.02, 2000, 0.95),
        (Scores(0.3, gap_of(0.85), gap_of(0.85), 0.8), "roc_auc", 0.02, 2000, 0.75),
        (Errors(1.0, 1.0, 0.8), "rmse", 0.05, 2000, 0.9),
    ],
)
def test_equal_models_pass_within_a_margin_and_hardly_ever_fail(world, metric, margin, rows, least):
    gate = no_worse_than_champion(metric, margin=margin)
    found = [verdict_on(*world.draw(rows, seed), gate).outcome for seed in range(200)]

    assert found.count(Outcome.PASS) >= 200 * least
    assert found.count(Outcome.FAIL) <= 1


def test_twenty_slices_at_the_bound_share_one_error_rate():
    generator = np.random.default_rng(13)
    shops = np.repeat([f"shop{number:02}" for number in range(20)], 100)
    alarms = alone = 0
    for _ in range(DRAWS // 2):
        cost = generator.normal(1.0, 1.0, len(shops))
        evaluation = Evaluation(rows={"cost": cost}, slices={"shop": shops})
        verdicts = judge(evaluation, None, [at_most("cost", 1.0, on_slice="shop")]).verdicts
        alarms += any(verdict.outcome is Outcome.FAIL for verdict in verdicts)
        alone += any(verdict.low > 1.0 for verdict in verdicts)

    assert alarms <= DRAWS // 2 * 5 // 100
    assert alone > DRAWS // 2 * 20 // 100
