"""From a trained model to a version with its evidence: gates that pass, fail and cannot tell; promotion by hand.

Rule: what did not pass is recorded with why, and never becomes the champion by itself.
"""

import pytest
from project_folder import Project

PIPELINE = """
import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

@lg.step
def train_set(*, rows: int = 400) -> pl.DataFrame:
    values = np.linspace(-1, 1, rows)
    return pl.DataFrame({{"x": values, "y": (values > 0).astype(int)}})

@lg.step
def classifier(train_set: pl.DataFrame, *, strength: float = 1.0) -> LogisticRegression:
    return LogisticRegression(C=strength).fit(train_set.select("x").to_numpy(), train_set["y"].to_numpy())

@lg.step
def evaluation(classifier: LogisticRegression, train_set: pl.DataFrame, *, flips: int = 0) -> lg.Evaluation:
    predictions = classifier.predict(train_set.select("x").to_numpy())
    predictions[:flips] = 1 - predictions[:flips]
    return lg.Evaluation(ids=list(range(len(predictions))), labels=train_set["y"], predictions=predictions)

tiny_model = lg.model("tiny", classifier, evaluation, gates=[{gates}])
"""


def modelled(root, gates):
    project = Project(root)
    project.pipeline(PIPELINE.format(gates=gates))
    return project


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """A project with a champion, changed by no test."""
    project = modelled(tmp_path_factory.mktemp("champion") / "project", 'lg.at_least("accuracy", 0.9)')
    project.legato("run")
    return project


def test_a_model_whose_gates_pass_becomes_a_version_and_the_champion(champion):
    (model,) = champion.legato("models", "list", "--json").lines()
    card = champion.legato("models", "show", "tiny@champion")

    assert model["name"] == "tiny"
    assert "accuracy >= 0.9: pass" in card.out
    assert "scikit-learn" in card.out
    assert champion.legato("models", "show", "tiny:1", "--json").json()["number"] == 1
    assert "champion is v1" in champion.legato("models", "list").out


def test_an_unknown_model_gets_the_nearest_name(champion):
    for words in (["show", "tinny"], ["show", "tiny:9"], ["show", "tiny@silver"], ["promote", "tiny:c9"]):
        ran = champion.legato("models", *words, code=4)

        assert "hint:" in ran.err


def test_a_run_that_is_up_to_date_registers_nothing_new(champion):
    before = champion.legato("models", "list").out

    champion.legato("run")

    assert champion.legato("models", "list").out == before


def test_a_failing_gate_shows_its_evidence_and_keeps_the_champion(tmp_path):
    project = modelled(tmp_path / "p", 'lg.at_least("accuracy", 0.9)')
    project.legato("run")

    ran = project.legato("run", "-p", "evaluation.flips=200", code=1)

    assert "accuracy >= 0.9: fail" in ran.err
    assert "on 400 rows" in ran.err
    assert "champion is v1" in project.legato("models", "list").out
    candidate = project.legato("models", "show", "tiny:c2").out
    assert "✗ accuracy >= 0.9" in candidate


def test_a_gate_that_cannot_tell_says_how_many_rows_would(tmp_path):
    project = modelled(tmp_path / "p", 'lg.at_least("accuracy", 0.9)')

    ran = project.legato("run", "-p", "evaluation.flips=36", code=1)

    assert "accuracy >= 0.9: inconclusive" in ran.err
    assert "rows would decide" in ran.err
    assert "no alias" in project.legato("models", "list").out


def test_a_promotion_despite_a_gate_names_it_and_says_why(tmp_path):
    project = modelled(tmp_path / "p", 'lg.at_least("accuracy", 0.9)')
    project.legato("run", "-p", "evaluation.flips=200", code=1)

    plain = project.legato("models", "promote", "tiny:c1", code=None)
    silent = project.legato("models", "promote", "tiny:c1", "--despite", "accuracy >= 0.9", code=None)
    project.legato("models", "promote", "tiny:c1", "--despite", "accuracy >= 0.9", "--why", "a demo\x1b[31m")

    assert plain.code != 0
    assert "--despite" in plain.err
    assert silent.code != 0
    assert "--why" in silent.err
    card = project.legato("models", "show", "tiny@champion").out
    assert "accuracy >= 0.9: a demo" in card
    assert "\x1b" not in card


def test_a_challenger_is_compared_with_the_champion_on_the_same_rows(tmp_path):
    project = modelled(tmp_path / "p", 'lg.no_worse_than_champion("accuracy", margin=0.02)')

    first = project.legato("run")
    better = project.legato("run", "-p", "classifier.strength=5.0")

    assert "first, no champion yet" in first.err
    assert "champion" in better.err
    assert "champion is v2" in project.legato("models", "list").out
    project.legato("models", "promote", "tiny:1")
    assert "champion is v1" in project.legato("models", "list").out


def test_models_of_a_project_without_any_is_no_error(project):
    project.chain(1)
    project.run()

    ran = project.legato("models", "list")

    assert ran.out == ""
    assert "no models yet" in ran.err
