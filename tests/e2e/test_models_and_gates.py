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


LIGHT = """
import numpy as np
import polars as pl
from pathlib import Path

class Threshold:
    feature_names_in_ = ("x",)

    def __init__(self, at: float):
        self.at = at

    def predict(self, rows):
        return (rows["x"].to_numpy() > self.at).astype(int)

@lg.format(Threshold)
class ThresholdFormat:
    def save(self, value: Threshold, folder: Path) -> None:
        (folder / "at").write_text(repr(value.at))

    def load(self, folder: Path) -> Threshold:
        return Threshold(float((folder / "at").read_text()))

@lg.step
def rows() -> pl.DataFrame:
    return pl.DataFrame({{"x": np.linspace(-1, 1, 400)}})

@lg.step
def classifier(rows: pl.DataFrame, *, at: float = 0.0) -> Threshold:
    return Threshold(at)

@lg.step
def evaluation(classifier: Threshold, rows: pl.DataFrame) -> lg.Evaluation:
    truth = (rows["x"].to_numpy() > 0).astype(int)
    return lg.Evaluation(ids=list(range(400)), labels=truth, predictions=classifier.predict(rows))

tiny_model = lg.model("tiny", classifier, evaluation, gates=[{gates}])
"""


def light(root, gates):
    project = Project(root)
    project.pipeline(LIGHT.format(gates=gates))
    return project


def champion_of(project):
    return project.legato("models", "show", "tiny@champion", "--json").json()


@pytest.mark.parametrize(
    "gates", ['lg.at_least("accuracy", 0.9)', 'lg.no_worse_than_champion("accuracy", margin=0.02)']
)
def test_code_that_is_taken_back_makes_the_older_version_champion_again(tmp_path, gates):
    project = light(tmp_path / "p", gates)
    old, new = "at: float = 0.0", "at: float = 0.001"

    champions = []
    for before, after in ((old, old), (old, new), (new, old), (old, new)):
        project.edit("pipeline.py", before, after)
        project.run()
        champions.append(champion_of(project))
    computed = project.computed()

    artifacts = [champion["candidate"]["artifact"]["digest"] for champion in champions]
    assert artifacts[0] == artifacts[2] != artifacts[1] == artifacts[3]
    assert champions[3]["aliases"][0]["why"] == "the pipeline makes this version again"
    assert computed == [], "nothing changed since"


def test_a_promotion_by_hand_stays_until_there_is_a_new_candidate(tmp_path):
    project = light(tmp_path / "p", 'lg.at_least("accuracy", 0.9)')
    project.run()
    project.edit("pipeline.py", "at: float = 0.0", "at: float = 0.001")
    project.run()
    project.legato("run")  # leaves a record for the fast path
    project.legato("models", "promote", "tiny:1")

    told = project.legato("run").text
    after_run = champion_of(project)["number"]
    again = project.legato("run")
    project.edit("pipeline.py", "at: float = 0.001", "at: float = 0.002")
    project.run()

    assert "`legato models promote tiny:2`" in told
    assert after_run == 1
    assert "up to date" in again.text
    assert champion_of(project)["number"] == 3


BOOSTERS = """
import lightgbm
import numpy as np
import polars as pl
import xgboost

@lg.step
def rows() -> pl.DataFrame:
    values = np.linspace(-1, 1, 400)
    return pl.DataFrame({"id": range(400), "x": values, "z": values**2, "y": (values > 0).astype(int)})

@lg.step
def xgb_trees(rows: pl.DataFrame) -> xgboost.Booster:
    data = xgboost.DMatrix(rows.select("x", "z"), label=rows["y"].to_numpy())
    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 5)

@lg.step
def lgb_trees(rows: pl.DataFrame) -> lightgbm.Booster:
    data = lightgbm.Dataset(rows.select("x", "z").to_pandas(), rows["y"].to_numpy())
    return lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 5)

@lg.step
def xgb_evaluation(xgb_trees: xgboost.Booster, rows: pl.DataFrame) -> lg.Evaluation:
    scores = xgb_trees.inplace_predict(rows.select("x", "z"))
    return lg.Evaluation(ids=rows["id"], labels=rows["y"], predictions=(scores > 0.5).astype(int))

@lg.step
def lgb_evaluation(lgb_trees: lightgbm.Booster, rows: pl.DataFrame) -> lg.Evaluation:
    scores = lgb_trees.predict(rows.select("x", "z").to_pandas())
    return lg.Evaluation(ids=rows["id"], labels=rows["y"], predictions=(scores > 0.5).astype(int))

xgb_model = lg.model("xgb", xgb_trees, xgb_evaluation, gates=[lg.at_least("accuracy", 0.9)])
lgb_model = lg.model("lgb", lgb_trees, lgb_evaluation, gates=[lg.at_least("accuracy", 0.9)])
xgb_endpoint = lg.endpoint("xgb", xgb_model)
lgb_endpoint = lg.endpoint("lgb", lgb_model)
"""


@pytest.fixture(scope="module")
def boosters(tmp_path_factory):
    """A project whose raw boosters answer at two endpoints; a test may stop them, and leaves them running."""
    project = Project(tmp_path_factory.mktemp("boosters") / "project")
    project.pipeline(BOOSTERS)
    project.run()
    yield project
    for name in ("xgb", "lgb"):
        project.legato("serve", "--stop", name)


def test_raw_boosters_go_from_a_step_to_an_answer_over_http(boosters):
    boosters.write("ask.csv", "x,z\n0.9,0.81\n-0.9,0.81\n")

    for name in ("xgb", "lgb"):
        high, low = (
            row["predictions"] for row in boosters.legato("predict", name, "ask.csv", "--json").lines()
        )

        assert low < 0.5 < high


def test_predict_asks_a_version_or_alias_whether_it_answers_at_an_endpoint_or_not(boosters):
    boosters.write("ask.csv", "x,z\n0.9,0.81\n")

    answers = [
        boosters.legato("predict", name, "ask.csv", "--json").lines()
        for name in ("xgb", "xgb:1", "xgb@champion")
    ]
    boosters.legato("serve", "--stop", "xgb")
    answers += [
        boosters.legato("predict", name, "ask.csv", "--json").lines() for name in ("xgb:1", "xgb@champion")
    ]
    boosters.legato("run")

    assert len(answers[0]) == 1
    assert all(answer == answers[0] for answer in answers)


def test_a_plan_says_of_an_endpoint_what_a_run_does(boosters):
    boosters.legato("run")
    standing = boosters.plan()["lgb_endpoint"]
    boosters.legato("serve", "--stop", "lgb")
    stopped = boosters.plan()["lgb_endpoint"]
    ran = boosters.computed()
    boosters.edit("pipeline.py", "data, 5)\n\n@lg.step\ndef lgb_trees", "data, 6)\n\n@lg.step\ndef lgb_trees")
    waiting = boosters.plan()["xgb_endpoint"]

    assert standing["decision"] == "reuse"
    assert (stopped["decision"], stopped["causes"][0]["change"]) == ("run", "does not answer")
    assert ran == ["lgb_endpoint"]
    assert waiting["decision"] == "may run"
