"""What a gate says of every evaluation: the three outcomes, and that nothing broken ever passes."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from legato.checks import judge
from legato.domain.evaluation import Estimate, Evaluation
from legato.domain.gates import at_least, at_most, no_worse_than_champion
from legato.domain.verdicts import Gate, Outcome

ROWS = 400


def good(**changes):
    """Return an evaluation that is right in nine rows of ten, its columns as numpy arrays."""
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 2, ROWS)
    wrong = generator.random(ROWS) < 0.1
    predictions = np.where(wrong, 1 - labels, labels)
    columns = {
        "ids": np.arange(ROWS),
        "labels": labels,
        "predictions": predictions,
        "scores": np.clip(predictions + generator.normal(0, 0.2, ROWS), 0, 1),
        "rows": {"cost": generator.exponential(size=ROWS)},
        "slices": {"color": np.where(np.arange(ROWS) < 300, "red", "white")},
    }
    return Evaluation(**{**columns, **changes})


def only(evaluation, champion, gate, **more):
    (verdict,) = judge(evaluation, champion, [gate], **more).verdicts
    return verdict


@pytest.mark.parametrize(
    ("gate", "outcome"),
    [
        (at_least("accuracy", 0.8), Outcome.PASS),
        (at_least("accuracy", 0.95), Outcome.FAIL),
        (at_least("accuracy", 0.9), Outcome.INCONCLUSIVE),
        (at_most("cost", 2), Outcome.PASS),
        (at_most("cost", 0.5), Outcome.FAIL),
        (at_most("cost", 1), Outcome.INCONCLUSIVE),
        (at_most("brier", 0.3), Outcome.PASS),
    ],
)
def test_the_interval_decides(gate, outcome):
    verdict = only(good(), None, gate)

    assert verdict.outcome is outcome
    assert verdict.low < verdict.estimate < verdict.high
    assert verdict.rows == ROWS
    assert (verdict.rows_needed is not None) == (outcome is Outcome.INCONCLUSIVE)


@pytest.mark.parametrize(("bound", "outcome"), [(0.85, Outcome.PASS), (0.95, Outcome.FAIL)])
def test_the_bare_estimate_decides_where_the_gate_says_so(bound, outcome):
    verdict = only(good(), None, at_least("accuracy", bound, rule="estimate"))

    assert verdict.outcome is outcome
    assert "bare estimate" in verdict.note


def test_a_judgement_is_the_same_each_time():
    gates = [at_least("balanced_accuracy", 0.9), no_worse_than_champion("f1", margin=0.01)]
    champion = good(predictions=np.roll(good().predictions, 1))

    assert judge(good(), champion, gates) == judge(good(), champion, gates)


BROKEN = {
    "predictions hold 1 value": good(predictions=np.append(np.ones(ROWS - 1), math.nan)),
    "predictions hold 2 values": good(predictions=np.append(np.ones(ROWS - 2), [math.inf, -math.inf])),
    "labels hold 1 value": good(labels=np.append(np.ones(ROWS - 1), math.nan)),
    "no predictions": good(predictions=None),
    "no labels": good(labels=None),
    "labels hold NoneType, int": good(labels=np.array([None, *[1] * (ROWS - 1)], dtype=object)),
    "labels are int64, predictions are texts": good(predictions=np.full(ROWS, "1")),
    "predictions hold fractions": good(predictions=np.linspace(0, 1, ROWS)),
    "no rows": Evaluation(labels=np.array([], dtype=int), predictions=np.array([], dtype=int)),
}


@pytest.mark.parametrize(("note", "evaluation"), list(BROKEN.items()))
@pytest.mark.parametrize("gate", [at_least("accuracy", 0.01), no_worse_than_champion("f1", margin=1)])
@pytest.mark.parametrize("rule", ["interval", "estimate"])
def test_an_evaluation_that_is_broken_fails_by_name(note, evaluation, gate, rule):
    gate = Gate(kind=gate.kind, metric=gate.metric, bound=gate.bound, margin=gate.margin, rule=rule)
    verdict = only(evaluation, None, gate)

    assert verdict.outcome is Outcome.FAIL
    assert note in verdict.note
    assert not verdict.first


@pytest.mark.parametrize(
    ("metric", "note", "changes"),
    [
        ("roc_auc", "no scores", {"scores": None}),
        ("roc_auc", "scores hold 1 value", {"scores": np.append(np.ones(ROWS - 1), math.nan)}),
        ("log_loss", "scores hold 1.5, which is no probability", {"scores": np.full(ROWS, 1.5)}),
        ("log_loss", "add up to", {"scores": np.full((ROWS, 3), 0.5), "labels": np.arange(ROWS) % 3}),
        (
            "roc_auc",
            "4 columns, but",
            {"scores": np.ones((ROWS, 4)), "labels": np.array(["a", "b"] * (ROWS // 2))},
        ),
        ("cost", "cost hold 1 value", {"rows": {"cost": np.append(np.ones(ROWS - 1), math.inf)}}),
        (
            "precision",
            "no row is predicted as the positive class",
            {"predictions": np.zeros(ROWS, dtype=int)},
        ),
        ("acuracy", "did you mean 'accuracy'?", {}),
        ("mape", "labels hold 0", {}),
        ("profit", "profit is nan", {"metrics": {"profit": Estimate(estimate=math.nan, low=0.0, high=1.0)}}),
        (
            "profit",
            "interval of profit is nan",
            {"metrics": {"profit": Estimate(estimate=1.0, low=math.nan, high=2.0)}},
        ),
        ("mae", "labels are texts", {"labels": np.array(["a", "b"] * (ROWS // 2))}),
    ],
)
def test_a_metric_that_cannot_be_computed_fails_by_name(metric, note, changes):
    verdict = only(good(**changes), None, at_least(metric, -1e9))

    assert verdict.outcome is Outcome.FAIL
    assert note in verdict.note


@pytest.mark.parametrize(
    ("metric", "note", "changes"),
    [
        ("roc_auc", "all labels are of one class", {"labels": np.ones(ROWS, dtype=int)}),
        ("recall", "no row has the positive label", {"labels": np.zeros(ROWS, dtype=int)}),
        ("balanced_accuracy", "all labels are of one class", {"labels": np.ones(ROWS, dtype=int)}),
        ("r2", "all labels are equal", {"labels": np.ones(ROWS)}),
    ],
)
def test_rows_of_one_class_decide_nothing(metric, note, changes):
    verdict = only(good(**changes), None, at_least(metric, 0.1))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert note in verdict.note


def test_an_interval_of_too_few_rows_decides_nothing_but_the_estimate_is_shown():
    verdict = only(Evaluation(rows={"cost": np.arange(5.0)}), None, at_most("cost", 1e9))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.estimate == 2
    assert verdict.low is None
    assert "only 5 rows" in verdict.note


def test_all_right_is_not_taken_for_certain():
    labels = np.array([0, 1] * 10)
    verdict = only(Evaluation(labels=labels, predictions=labels), None, at_least("accuracy", 0.95))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert (verdict.estimate, verdict.high) == (1, 1)
    assert verdict.low == pytest.approx(0.025 ** (1 / 20))


def test_a_named_metric_is_judged_by_its_stored_interval():
    evaluation = good(metrics={"profit": Estimate(estimate=5.0, low=4.0, high=6.0)})
    outcomes = [only(evaluation, None, at_least("profit", bound)).outcome for bound in (3, 5, 7)]

    assert outcomes == [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL]


@pytest.mark.parametrize(
    ("gate", "outcome", "note"),
    [
        (at_least("profit", 0, confidence=0.99), Outcome.FAIL, "made at confidence 0.95"),
        (at_least("profit", 0, on_slice="color"), Outcome.FAIL, "one figure for all rows"),
        (no_worse_than_champion("profit"), Outcome.INCONCLUSIVE, "cannot be paired"),
    ],
)
def test_a_named_metric_is_refused_what_it_cannot_give(gate, outcome, note):
    evaluation = good(metrics={"profit": Estimate(estimate=5.0, low=4.0, high=6.0)})
    champion = good(metrics=evaluation.metrics)
    verdicts = judge(evaluation, champion, [gate]).verdicts

    assert {verdict.outcome for verdict in verdicts} == {outcome}
    assert all(note in verdict.note for verdict in verdicts)


def test_a_gate_of_an_unknown_kind_or_without_bound_fails():
    gates = [Gate(kind="better_than", metric="f1"), Gate(kind="at_least", metric="f1", bound=math.nan)]
    verdicts = judge(good(), None, gates).verdicts

    assert [verdict.outcome for verdict in verdicts] == [Outcome.FAIL, Outcome.FAIL]


STRANGE = {
    "dates": np.full(60, "2026-01-01", dtype="datetime64[D]"),
    "objects": np.array([None, *"x" * 59], dtype=object),
    "texts": np.array([*"ab" * 30]),
    "text objects": np.array([*"ab" * 30], dtype=object),
    "huge": np.linspace(-1e200, 1e200, 60),
    "infinite": np.full(60, math.inf),
    "whole": np.arange(60) % 2,
    "fractions": np.linspace(0, 1, 60),
    "matrix": np.full((60, 3), 1 / 3),
    "missing": None,
    "empty": np.array([]),
}


@pytest.mark.parametrize("labels", ["dates", "objects", "texts", "huge", "whole", "missing"])
@pytest.mark.parametrize("champion_labels", ["dates", "text objects", "fractions", "whole", None])
def test_no_column_however_strange_raises_or_passes_unseen(labels, champion_labels):
    gates = [
        gate
        for metric in ("f1", "roc_auc", "mse", "r2", "cost")
        for gate in (
            at_least(metric, -math.pi),
            no_worse_than_champion(metric, margin=9.0),
            at_most(metric, 9.0),
        )
    ]
    champion = champion_labels and strange(champion_labels, "whole", "fractions")

    for predictions in ("dates", "texts", "huge", "infinite", "whole", "missing", "empty"):
        for scores in ("objects", "fractions", "matrix", "missing"):
            verdicts = judge(strange(labels, predictions, scores), champion, gates).verdicts
            passed = [
                verdict for verdict in verdicts if verdict.outcome is Outcome.PASS and not verdict.first
            ]

            assert len(verdicts) == len(gates)
            assert all(math.isfinite(verdict.estimate) for verdict in passed)


def strange(labels, predictions, scores):
    return SimpleNamespace(
        ids=np.arange(60),
        labels=STRANGE[labels],
        predictions=STRANGE[predictions],
        scores=STRANGE[scores],
        rows={"cost": STRANGE["fractions"]},
        slices=None,
        metrics=None,
    )


def test_anything_with_the_right_columns_is_an_evaluation():
    looks_like_one = SimpleNamespace(
        ids=None,
        labels=[0, 1] * 50,
        predictions=[0, 1] * 50,
        scores=None,
        rows=None,
        slices=None,
        metrics=None,
    )

    assert only(looks_like_one, None, at_least("accuracy", 0.9)).outcome is Outcome.PASS
