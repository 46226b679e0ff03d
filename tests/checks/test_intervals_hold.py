"""Quantiles equal SciPy's, exact intervals equal theirs, and properties that hold for any rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from legato.checks.cells import F1, Draws, Tally, share_difference, tally_alone
from legato.checks.deciding import rows_needed
from legato.checks.distributions import beta_cdf, beta_quantile, student_quantile
from legato.checks.intervals import mean, proportion
from legato.checks.ranks import average_precision, roc_auc

TAIL = 0.025
DRAWS = Draws(seed=7, replicates=1000)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (8, 3), (0.5, 40.5), (80_000, 20_001), (500_000, 2)])
@pytest.mark.parametrize("share", [1e-6, 0.025, 0.5, 0.975])
def test_beta_quantiles_are_those_of_scipy(a, b, share):
    assert beta_quantile(share, a, b) == pytest.approx(stats.beta.ppf(share, a, b), rel=1e-8)


@pytest.mark.parametrize("freedom", [1, 9, 25, 100_000])
def test_student_quantiles_are_those_of_scipy(freedom):
    assert student_quantile(TAIL, freedom) == pytest.approx(stats.t.isf(TAIL, freedom), rel=1e-8)


@given(x=st.floats(0, 1), a=st.floats(0.5, 200), b=st.floats(0.5, 200))
def test_beta_shares_mirror_each_other(x, a, b):
    assert beta_cdf(x, a, b) + beta_cdf(1 - x, b, a) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("hits", "rows"), [(0, 7), (3, 7), (7, 7), (412, 500)])
def test_a_share_of_rows_has_the_exact_interval(hits, rows):
    expected = stats.binomtest(hits, rows).proportion_ci(1 - 2 * TAIL, method="exact")

    assert proportion(hits, rows).ends(TAIL) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_interval_of_f1_holds_its_exact_chance():
    """Given how many rows are positive or called so, true positives are binomial: sum their chances."""
    counted, index = 40, 0.7
    truth = 2 * index / (1 + index)
    missed = [0.0, 0.0]
    for hits in range(counted + 1):
        actual = np.repeat([1, 1, 0], [hits, counted - hits, 10])
        tally = Tally(
            figure=F1, actual=actual, predicted=np.repeat([1, 0, 0], [hits, counted - hits, 10]), classes=2
        )
        low, high = tally_alone(tally, DRAWS).ends(TAIL)
        chance = stats.binom.pmf(hits, counted, index)
        missed[0] += chance * (truth < low)
        missed[1] += chance * (truth > high)

    assert max(missed) <= TAIL


@given(st.lists(st.integers(-(10**6), 10**6), min_size=20, max_size=60), st.integers(-1000, 1000))
def test_the_interval_of_a_mean_holds_it_and_moves_with_it(eighths, shift):
    column = np.array(eighths) / 8  # exact in doubles, so that a shift is
    spread, moved = mean(column), mean(column + shift)
    low, high = spread.ends(TAIL)

    assert low - 1e-6 * abs(low) <= spread.estimate <= high + 1e-6 * abs(high)
    assert moved.ends(TAIL) == pytest.approx((low + shift, high + shift), rel=1e-6, abs=1e-3)


@given(st.lists(st.floats(-1e150, 1e150), min_size=20, max_size=60))
def test_the_ends_of_a_mean_are_finite_around_it_for_any_rows(values):
    spread = mean(np.array(values))
    low, high = spread.ends(TAIL)
    rounding = 1e-9 * max(map(abs, values))

    assert -math.inf < low <= spread.estimate + rounding
    assert spread.estimate - rounding <= high < math.inf


def test_a_mean_of_equal_rows_has_no_width():
    assert mean(np.full(30, 2.5)).ends(TAIL) == (2.5, 2.5)


def test_a_mean_that_rests_on_a_few_rows_is_as_wide_as_their_share_may_be():
    column = np.zeros(200)
    column[:3] = 10.0
    _, high = mean(column).ends(TAIL)

    assert high == pytest.approx(10 * stats.beta.ppf(1 - TAIL, 4, 197))


def test_a_mean_of_too_few_rows_has_an_estimate_but_no_ends():
    spread = mean(np.arange(19.0))

    assert spread.estimate == 9
    assert spread.ends(TAIL) == (-math.inf, math.inf)
    assert spread.note == "only 19 rows, 20 at least are needed"


def test_intervals_grow_with_their_confidence():
    generator = np.random.default_rng(5)
    ours, theirs = generator.integers(0, 2, (2, 300))
    for spread in (
        proportion(30, 40),
        mean(generator.exponential(size=80)),
        share_difference(ours, theirs, DRAWS),
    ):
        ends = [spread.ends(tail) for tail in (0.2, 0.05, 0.005)]

        assert ends[2][0] < ends[1][0] < ends[0][0] < ends[0][1] < ends[1][1] < ends[2][1]


def test_draws_of_one_seed_are_equal_and_of_another_are_not():
    ours, theirs = np.random.default_rng(5).integers(0, 2, (2, 300))
    ends = [share_difference(ours, theirs, Draws(seed=seed, replicates=500)).ends(TAIL) for seed in (7, 7, 8)]

    assert ends[0] == ends[1] != ends[2]


@pytest.mark.parametrize("area", [roc_auc, average_precision])
def test_pulls_are_what_the_area_moves_by_when_a_row_weighs_more(area):
    generator = np.random.default_rng(6)
    labels = generator.integers(0, 2, 60)
    scores = np.round(generator.normal(size=60) + labels, 1)
    figure = area(labels, scores)
    copies = 2000
    heavy = [
        area(
            np.append(np.repeat(labels, copies), labels[row]),
            np.append(np.repeat(scores, copies), scores[row]),
        )
        for row in range(0, 60, 7)
    ]
    moved = [(other.estimate - figure.estimate) * (60 * copies + 1) for other in heavy]

    assert moved == pytest.approx(figure.pulls[::7].tolist(), abs=5e-3)


@pytest.mark.parametrize("area", [roc_auc, average_precision])
def test_a_perfect_ranking_of_few_rows_is_not_taken_for_certain(area):
    labels = np.repeat([0, 1], 30)
    low = area(labels, labels.astype(float)).perfect(TAIL)

    assert 0.5 < low < 0.95


@given(st.integers(50, 10_000), st.integers(1, 40))
def test_rows_needed_would_about_decide_were_the_estimate_the_truth(rows, above):
    hits = min(rows, rows // 2 + above)
    needed = rows_needed(proportion(hits, rows), 0.5, TAIL) or rows
    enough = math.ceil(1.1 * needed) + 20  # about: a share has steps of whole rows

    low, _ = proportion(math.ceil(enough * hits / rows), enough).ends(TAIL)

    assert low >= 0.5 or 2 * hits == rows


def test_no_number_of_rows_decides_an_estimate_that_equals_the_bound():
    assert rows_needed(proportion(50, 100), 0.5, TAIL) is None
