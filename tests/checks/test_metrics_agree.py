"""Every metric equals scikit-learn's, on two classes and on many, with ties and with texts as labels."""

import math

import numpy as np
import pytest
from sklearn import metrics as reference

from legato.checks import judge
from legato.checks.metrics import METRICS
from legato.domain.evaluation import Evaluation

ROWS = 500


def two_classes(labels=(0, 1)):
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 2, ROWS)
    scores = np.round(1 / (1 + np.exp(-(2 * truth - 1 + generator.normal(size=ROWS)))), 2)  # rounded: ties
    names = np.array(labels)
    return names[truth], names[(scores > 0.4).astype(int)], scores


def many_classes():
    generator = np.random.default_rng(2)
    truth = generator.integers(0, 4, ROWS)
    raw = generator.gamma(1.0, size=(ROWS, 4)) + 1.5 * np.eye(4)[truth]
    scores = raw / raw.sum(axis=1, keepdims=True)
    return truth, scores.argmax(axis=1), scores


def numbers():
    generator = np.random.default_rng(3)
    labels = generator.normal(5, 2, ROWS)
    return labels, labels + generator.normal(0, 0.5, ROWS)


def found(labels, predictions=None, scores=None, task=None):
    evaluation = Evaluation(labels=labels, predictions=predictions, scores=scores)
    return judge(evaluation, None, (), task=task).metrics


@pytest.mark.parametrize("labels", [(0, 1), (False, True), ("bad", "good"), (0.0, 1.0), (3, 7)])
def test_two_class_metrics_are_those_of_the_larger_label(labels):
    truth, predictions, scores = two_classes(labels)
    positive = labels[1]
    expected = {
        "accuracy": reference.accuracy_score(truth, predictions),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, predictions),
        "precision": reference.precision_score(truth, predictions, pos_label=positive),
        "recall": reference.recall_score(truth, predictions, pos_label=positive),
        "f1": reference.f1_score(truth, predictions, pos_label=positive),
        "roc_auc": reference.roc_auc_score(truth == positive, scores),
        "average_precision": reference.average_precision_score(truth == positive, scores),
        "log_loss": reference.log_loss(truth, scores),
        "brier": reference.brier_score_loss(truth, scores, pos_label=positive),
    }

    assert found(truth, predictions, scores) == pytest.approx(expected)


def test_scores_of_two_columns_are_read_by_their_second():
    truth, predictions, scores = two_classes()

    assert found(truth, predictions, np.stack([1 - scores, scores], axis=1)) == pytest.approx(
        found(truth, predictions, scores)
    )


def test_metrics_of_many_classes_are_macro_averages():
    truth, predictions, scores = many_classes()
    expected = {
        "accuracy": reference.accuracy_score(truth, predictions),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, predictions),
        "precision": reference.precision_score(truth, predictions, average="macro"),
        "recall": reference.recall_score(truth, predictions, average="macro"),
        "f1": reference.f1_score(truth, predictions, average="macro"),
        "roc_auc": reference.roc_auc_score(truth, scores, multi_class="ovr"),
        "average_precision": reference.average_precision_score(truth, scores),
        "log_loss": reference.log_loss(truth, scores),
        "brier": reference.brier_score_loss(truth, scores),
    }

    assert found(truth, predictions, scores) == pytest.approx(expected)


def test_a_class_that_is_never_predicted_counts_zero_in_a_macro_average():
    truth = np.repeat([0, 1, 2], 20)
    predictions = np.where(truth == 2, 1, truth)
    expected = reference.precision_score(truth, predictions, average="macro", zero_division=0)

    assert found(truth, predictions)["precision"] == pytest.approx(expected)


def test_metrics_of_a_regression():
    labels, predictions = numbers()
    expected = {
        "mae": reference.mean_absolute_error(labels, predictions),
        "mse": reference.mean_squared_error(labels, predictions),
        "rmse": reference.root_mean_squared_error(labels, predictions),
        "mape": reference.mean_absolute_percentage_error(labels, predictions),
        "r2": reference.r2_score(labels, predictions),
    }

    assert found(labels, predictions) == pytest.approx(expected)


def test_every_metric_is_compared_with_the_reference_above():
    shown = set(found(*two_classes())) | set(found(*numbers()))

    assert shown == set(METRICS)


def test_columns_of_rows_and_named_metrics_are_shown_beside_the_others():
    evaluation = Evaluation(
        labels=[0, 1], predictions=[0, 1], rows={"cost": [1.0, 2.0], "gap": [1.0, math.nan]}
    )

    shown = judge(evaluation, None, ()).metrics

    assert shown["cost"] == pytest.approx(1.5)
    assert "gap" not in shown


def test_the_task_can_be_told():
    shown = found(np.arange(1.0, 41.0), np.arange(1.0, 41.0) + 1, task="regression")

    assert shown["mae"] == pytest.approx(1.0)
