"""Gates on slices: each value with enough rows alone, the rest reported, failures sharing one error rate."""

import numpy as np
import pytest

from legato.checks import judge
from legato.checks.judging import MOST_REPORTED
from legato.domain.evaluation import Evaluation
from legato.domain.gates import at_least, at_most
from legato.domain.verdicts import Judgement, Outcome


def colored(**right):
    """Return an evaluation with, for each color, (rows, how many of them are right)."""
    colors = np.repeat(list(right), [rows for rows, _ in right.values()])
    hits = np.concatenate([np.arange(rows) < hits for rows, hits in right.values()])
    labels = np.arange(len(colors)) % 2
    return Evaluation(labels=labels, predictions=np.where(hits, labels, 1 - labels), slices={"color": colors})


def test_every_value_is_judged_alone():
    verdicts = judge(
        colored(red=(200, 190), white=(200, 100), pink=(200, 140)),
        None,
        [at_least("accuracy", 0.7, on_slice="color")],
    ).verdicts

    assert [(verdict.slice, verdict.outcome) for verdict in verdicts] == [
        ("color=pink", Outcome.INCONCLUSIVE),
        ("color=red", Outcome.PASS),
        ("color=white", Outcome.FAIL),
    ]


def test_a_value_with_few_rows_is_reported_and_does_not_stop():
    judgement = judge(
        colored(red=(200, 190), white=(49, 0)), None, [at_least("accuracy", 0.7, on_slice="color")]
    )

    assert judgement.verdicts[1].slice == "color=white"
    assert judgement.verdicts[1].note == "only 49 rows: reported, not judged"
    assert judgement.outcome is Outcome.PASS


def test_nothing_judged_is_inconclusive():
    judgement = judge(
        colored(red=(49, 49), white=(49, 49)), None, [at_least("accuracy", 0.7, on_slice="color")]
    )

    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert judgement.verdicts[0].note == "no value of color has 50 rows"


def test_a_slice_column_that_is_not_there_fails_with_the_nearest_name():
    (verdict,) = judge(colored(red=(99, 99)), None, [at_least("accuracy", 0.7, on_slice="colour")]).verdicts

    assert verdict.outcome is Outcome.FAIL
    assert "did you mean 'color'?" in verdict.note


def test_a_slice_without_positives_is_open_for_recall():
    labels = np.repeat([1, 0], 100)
    evaluation = Evaluation(
        labels=labels, predictions=labels, slices={"color": np.where(labels, "red", "white")}
    )
    verdicts = judge(evaluation, None, [at_least("recall", 0.7, on_slice="color")]).verdicts

    assert [(verdict.slice, verdict.outcome) for verdict in verdicts] == [
        ("color=red", Outcome.PASS),
        ("color=white", Outcome.INCONCLUSIVE),
    ]


@pytest.mark.parametrize(("others", "outcome"), [(0, Outcome.FAIL), (19, Outcome.INCONCLUSIVE)])
def test_a_narrow_failure_is_open_among_many_slices(others, outcome):
    weak = {"weak": (200, 126)}  # 63 % against 70 %: low alone, not as the worst of twenty
    fine = {f"fine{number}": (200, 170) for number in range(others)}
    verdicts = judge(colored(**weak, **fine), None, [at_least("accuracy", 0.7, on_slice="color")]).verdicts
    (found,) = [verdict for verdict in verdicts if verdict.slice == "color=weak"]

    assert found.outcome is outcome
    assert found.high < 0.7
    assert ("20 slices share" in found.note) == (outcome is Outcome.INCONCLUSIVE)


def test_a_clear_failure_is_found_among_many_slices():
    fine = {f"fine{number}": (200, 170) for number in range(30)}
    judgement = judge(colored(weak=(200, 60), **fine), None, [at_least("accuracy", 0.7, on_slice="color")])

    assert judgement.outcome is Outcome.FAIL


def test_thousands_of_small_slices_are_counted_not_listed():
    small = {f"s{number}": (1, 1) for number in range(2000)}
    verdicts = judge(
        colored(big=(100, 99), **small), None, [at_least("accuracy", 0.7, on_slice="color")]
    ).verdicts

    assert len(verdicts) == 1 + MOST_REPORTED + 1
    assert verdicts[-1].rows == 2000 - MOST_REPORTED


def test_a_figure_of_draws_can_fail_among_many_slices():
    shops = np.repeat([f"shop{number}" for number in range(60)], 100)
    labels = np.arange(len(shops)) % 3
    predictions = np.where(shops == "shop7", (labels + 1) % 3, labels)
    evaluation = Evaluation(labels=labels, predictions=predictions, slices={"shop": shops})
    verdicts = judge(evaluation, None, [at_least("f1", 0.8, on_slice="shop")]).verdicts

    assert [verdict.slice for verdict in verdicts if verdict.outcome is Outcome.FAIL] == ["shop=shop7"]


def test_a_judgement_without_gates_passes_and_has_metrics():
    judgement = judge(colored(red=(50, 45)), None, ())

    assert judgement == Judgement(verdicts=(), metrics=judgement.metrics, rows=50)
    assert judgement.metrics["accuracy"] == 0.9


def test_less_is_better_on_slices_too():
    costs = np.concatenate([np.full(60, 1.0), np.linspace(4, 6, 60)])
    evaluation = Evaluation(rows={"cost": costs}, slices={"color": np.repeat(["red", "white"], 60)})
    verdicts = judge(evaluation, None, [at_most("cost", 2, on_slice="color")]).verdicts

    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASS, Outcome.FAIL]
