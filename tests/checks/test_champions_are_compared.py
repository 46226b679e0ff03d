"""Comparisons with the champion: paired by ids, first without one, open where they cannot be paired."""

import numpy as np
import pytest

from legato.checks import judge
from legato.domain.evaluation import Evaluation
from legato.domain.gates import at_least, at_most, no_worse_than_champion
from legato.domain.verdicts import Outcome

ROWS = 1000


def model(wrong_share, seed, ids=None):
    labels = np.random.default_rng(0).integers(0, 2, ROWS)
    generator = np.random.default_rng(seed)
    predictions = np.where(generator.random(ROWS) < wrong_share, 1 - labels, labels)
    return Evaluation(
        ids=np.arange(ROWS) if ids is None else ids,
        labels=labels,
        predictions=predictions,
        rows={"cost": (predictions != labels) * generator.exponential(size=ROWS)},
        slices={"color": np.where(np.arange(ROWS) % 2, "red", "white")},
    )


def shuffled(evaluation, seed=1, keep=ROWS):
    order = np.random.default_rng(seed).permutation(ROWS)[:keep]
    return Evaluation(
        ids=np.asarray(evaluation.ids)[order],
        labels=evaluation.labels[order],
        predictions=evaluation.predictions[order],
        rows={"cost": evaluation.rows["cost"][order]},
        slices={"color": evaluation.slices["color"][order]},
    )


def only(candidate, champion, gate, **more):
    (verdict,) = judge(candidate, champion, [gate], **more).verdicts
    return verdict


@pytest.mark.parametrize(
    ("ours", "theirs", "outcome"),
    [(0.05, 0.2, Outcome.PASS), (0.2, 0.05, Outcome.FAIL), (0.1, 0.1, Outcome.INCONCLUSIVE)],
)
@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_better_passes_worse_fails_and_alike_is_open_without_a_margin(ours, theirs, outcome, metric):
    verdict = only(model(ours, 1), model(theirs, 2), no_worse_than_champion(metric))

    assert verdict.outcome is outcome
    assert verdict.low < verdict.estimate < verdict.high
    assert (verdict.rows_needed is not None) == (outcome is Outcome.INCONCLUSIVE)


def test_the_difference_is_that_of_the_two_figures():
    candidate, champion = model(0.1, 1), model(0.12, 2)
    verdict = only(candidate, champion, no_worse_than_champion("f1", margin=0.05))
    figures = [judge(evaluation, None, ()).metrics["f1"] for evaluation in (candidate, champion)]

    assert verdict.champion == pytest.approx(figures[1])
    assert verdict.estimate == pytest.approx(figures[0] - figures[1])


def test_the_order_of_the_champions_rows_does_not_matter():
    candidate, champion = model(0.1, 1), model(0.12, 2)
    gate = no_worse_than_champion("accuracy", margin=0.02)

    assert only(candidate, shuffled(champion), gate) == only(candidate, champion, gate)


def test_rows_of_the_champion_alone_are_left_out():
    candidate = shuffled(model(0.1, 1), keep=600)
    verdict = only(candidate, model(0.12, 2), no_worse_than_champion("accuracy", margin=0.05))

    assert verdict.rows == 600


def test_texts_serve_as_ids():
    ids = np.array([f"row-{number}" for number in range(ROWS)])
    verdict = only(model(0.1, 1, ids), shuffled(model(0.3, 2, ids)), no_worse_than_champion("accuracy"))

    assert verdict.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("candidate", "champion", "note"),
    [
        (model(0.1, 1), shuffled(model(0.1, 2), keep=990), "10 of 1000 ids"),
        (
            model(0.1, 1),
            model(0.1, 2, np.arange(ROWS) // 2),
            "ids of the champion are not unique: 0 comes twice",
        ),
        (model(0.1, 1, np.arange(ROWS) // 2), model(0.1, 2), "ids of the candidate are not unique"),
        (model(0.1, 1), model(0.1, 2, np.arange(ROWS).astype(str)), "ids are int64 for the candidate"),
        (model(0.1, 1), Evaluation(labels=[1], predictions=[1]), "the evaluation of the champion has no ids"),
        (
            model(0.1, 1),
            Evaluation(ids=np.arange(ROWS), rows={"x": np.ones(ROWS)}),
            "the champion's evaluation: ",
        ),
        (
            model(0.1, 1),
            Evaluation(
                ids=np.arange(ROWS), labels=np.zeros(ROWS, dtype=int), predictions=np.zeros(ROWS, dtype=int)
            ),
            "rows differ from the champion's",
        ),
    ],
)
def test_what_cannot_be_paired_is_inconclusive_and_says_why(candidate, champion, note):
    verdict = only(candidate, champion, no_worse_than_champion("accuracy", margin=1))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert note in verdict.note


def test_without_a_champion_a_sound_candidate_is_first():
    verdict = only(model(0.4, 1), None, no_worse_than_champion("accuracy"))

    assert verdict.outcome is Outcome.PASS
    assert verdict.first
    assert "first" in verdict.note


def test_a_champion_that_could_not_be_scored_leaves_the_gate_open():
    verdict = only(
        model(0.1, 1), None, no_worse_than_champion("accuracy"), champion_note="it no longer loads"
    )

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.note == "it no longer loads"


@pytest.mark.parametrize("metric", ["accuracy", "f1", "cost", "balanced_accuracy"])
def test_a_candidate_that_says_the_same_as_the_champion_passes_without_margin(metric):
    gates = [no_worse_than_champion(metric), at_most("cost", 9)]
    verdict = judge(model(0.1, 1), shuffled(model(0.1, 1)), gates).verdicts[0]

    assert verdict.outcome is Outcome.PASS
    assert (verdict.estimate, verdict.low, verdict.high) == (0, 0, 0)


def test_few_differing_rows_are_no_proof_of_being_no_worse():
    champion = model(0.1, 1)
    predictions = champion.predictions.copy()
    right = np.flatnonzero(predictions == champion.labels)[:1]
    predictions[right] = 1 - predictions[right]
    candidate = Evaluation(ids=champion.ids, labels=champion.labels, predictions=predictions)
    outcomes = {
        metric: only(candidate, champion, no_worse_than_champion(metric, margin=0.002)).outcome
        for metric in ("accuracy", "f1", "precision")
    }

    assert outcomes == dict.fromkeys(outcomes, Outcome.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("gate", "outcome"), [(at_most("cost", 9), Outcome.PASS), (at_least("cost", 0), Outcome.FAIL)]
)
def test_a_bound_on_a_column_says_which_way_is_better(gate, outcome):
    cheaper, dearer = model(0.05, 1), model(0.3, 2)
    verdict = judge(cheaper, dearer, [no_worse_than_champion("cost"), gate]).verdicts[0]

    assert verdict.outcome is outcome


def test_a_column_of_unknown_direction_is_not_compared():
    verdict = only(model(0.05, 1), model(0.3, 2), no_worse_than_champion("cost"))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "more or less cost is better" in verdict.note


def test_every_slice_is_compared_alone():
    gate = no_worse_than_champion("accuracy", on_slice="color")
    verdicts = judge(model(0.05, 1), model(0.2, 2), [gate]).verdicts

    assert [(verdict.slice, verdict.rows, verdict.outcome) for verdict in verdicts] == [
        ("color=red", 500, Outcome.PASS),
        ("color=white", 500, Outcome.PASS),
    ]


def test_both_ranking_all_rows_right_leaves_room_for_what_was_not_seen():
    labels = np.array([0, 1] * 100)
    ours, theirs = (Evaluation(ids=np.arange(200), labels=labels, scores=labels * k + 0.0) for k in (1, 2))
    verdict = only(ours, theirs, no_worse_than_champion("roc_auc", margin=0.001))

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.estimate == 0
