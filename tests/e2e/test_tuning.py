"""Searches from the command line: what is found and reused, what is refused, what survives a crash.

Rule: real Optuna and real runs, however small.
"""

import json
import signal
import subprocess
import tomllib

import pytest
from project_folder import wait_for

STEPS = """
import os
import time

MARKS = {marks!r}

@lg.step
def train_set() -> list[float]:
    return [float(i) for i in range(20)]

@lg.step
def valid_set() -> list[float]:
    return [i + 0.5 for i in range(20)]

@lg.step
def training(train_set: list[float], *, lr: float = 0.1, depth: int = 3, kind: str = "a") -> dict:
    descriptor = os.open(MARKS, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{{lr!r}} {{depth}} {{kind}}\\n".encode())
    os.close(descriptor)
    {body}
    return {{"w": lr * depth + (1.0 if kind == "b" else 0.0)}}

@lg.step
def validation(training: dict, valid_set: list[float]) -> lg.Evaluation:
    ids = list(range(len(valid_set)))
    found = [v * training["w"] for v in valid_set]
    return lg.Evaluation(ids=ids, labels=[2 * v for v in valid_set], predictions=found)
"""
SPACE = """{"training.lr": lg.floats(0.01, 1.0, log=True), "training.depth": lg.ints(2, 12),
                "training.kind": lg.choice("a", "b")}"""


@pytest.fixture
def marks(tmp_path):
    path = tmp_path / "marks"
    return lambda: path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def write(project, tmp_path):
    def write(
        *, body="pass", objective="validation", space=SPACE, words='minimize="rmse"', trials=6, more=""
    ):
        steps = STEPS.format(marks=str(tmp_path / "marks"), body=body)
        search = f"search = lg.tune({objective}, {words}, space={space}, trials={trials})\n"
        project.pipeline(steps + search + "best = training.using(params=search)\n" + more)

    return write


def found(project, *words):
    return project.legato("tune", "search", "--json", *words).lines()[-1]


def test_a_search_finds_values_which_flow_into_a_step_that_was_trained_already(project, write, marks):
    write()
    result = found(project)

    ran = project.run("best")

    values = [trial["value"] for trial in result["trials"]]
    assert len(values) == 6
    assert result["best"]["value"] == min(values)
    assert result["trials"][0]["parameters"] == {
        "training.lr": 0.1,
        "training.depth": 3,
        "training.kind": "a",
    }
    assert ran["search"] == ran["best"] == "reused"
    assert len(marks()) == 6
    best = result["best"]["parameters"]
    w = best["training.lr"] * best["training.depth"] + (best["training.kind"] == "b")
    assert json.loads(project.got("best")) == {"w": pytest.approx(w)}


def test_more_trials_go_on_with_the_same_search_and_a_changed_helper_begins_it_anew(project, write, marks):
    write(trials=4)
    first = found(project)
    more = found(project, "--trials", "6")
    tried = len(marks())
    project.edit("pipeline.py", "lr * depth", "lr * 2 * depth")

    again = found(project)

    assert more["trials"][:4] == first["trials"]
    assert tried == 6
    assert len(marks()) == 10
    assert again["best"] != first["best"]


def test_what_was_found_is_written_into_the_configuration_and_keeps_the_search(project, write, marks):
    write(trials=3)
    project.write(
        "legato.toml", '[environments.local.parameters]\n"training.depth" = 4  # by hand\nother = 1\n'
    )

    said = project.legato("tune", "search", "--write").out

    text = (project.root / "legato.toml").read_text()
    told = tomllib.loads(text)["environments"]["local"]["parameters"]
    assert '-"training.depth" = 4  # by hand' in said
    assert told["other"] == 1
    assert {"training.lr", "training.depth", "training.kind"} <= told.keys()
    assert found(project)["best"]["parameters"].items() <= told.items()
    assert len(marks()) == 3


def test_a_picture_and_bars_show_a_search(project, write):
    write(trials=5)

    said = project.legato("tune", "search", "--picture", "search.svg").out

    assert "what mattered:" in said
    assert (project.root / "search.svg").read_text().count("<circle") == 5


def test_a_search_that_was_killed_goes_on_where_it_was(project, write, marks):
    write(body="time.sleep(0.25)", trials=8)
    process = project.begin("tune", "search", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait_for(lambda: len(marks()) >= 4)
    process.kill()
    process.wait()
    assert not project.wait_until_quiet()

    result = found(project)

    assert [trial["trial"] for trial in result["trials"]] == list(range(8))
    assert len(marks()) <= 8 + 2 * 2  # those under way, at most two side by side, and their like
    assert project.legato("ledger", "verify").code == 0


def test_two_who_search_the_same_share_one_search(project, write, marks):
    write(body="time.sleep(0.1)", trials=5)
    both = [project.begin("tune", "search", "--json") for _ in range(2)]

    results = [json.loads(process.communicate(timeout=60)[0].splitlines()[-1]) for process in both]

    assert results[0]["trials"] == results[1]["trials"]
    assert len(marks()) == 5


def test_ctrl_c_ends_a_search_and_what_is_known_stays(project, write, marks):
    write(body="time.sleep(0.2)", trials=40)
    process = project.begin("tune", "search")
    assert wait_for(lambda: len(marks()) >= 4)
    process.send_signal(signal.SIGINT)

    process.communicate(timeout=30)

    assert process.returncode == 130
    kept = project.legato("show", "1").out
    assert "search[trial=0]" in kept


def test_a_trial_that_logs_worse_values_than_others_is_pruned_and_recorded_as_such(project, write):
    body = """for n in range(12):
        lg.log(rmse=abs(2.0 - lr * 4), step=n)
        time.sleep(0.05 if lr > 0.6 else 0.0)"""
    space = '{"training.lr": lg.choice(0.5, 0.51, 0.52, 0.53, 0.54, 0.55, 0.9, 0.95)}'
    write(body=body, space=space, words='minimize="rmse", pruner="median", sampler="random"', trials=16)

    result = found(project)

    pruned = [trial for trial in result["trials"] if trial["state"] == "pruned"]
    runs = [run for run in project.legato("runs", "--json").lines() if run["state"] == "cancelled"]
    assert pruned
    assert all(trial["parameters"]["training.lr"] > 0.6 for trial in pruned)
    assert "search: pruned at step" in runs[0].get("cancelled_by", "")


def test_a_number_or_a_dict_is_searched_and_a_trial_without_a_number_fails_alone(project):
    project.pipeline("""
        @lg.step
        def score(*, x: float = 1.0) -> float:
            return float("nan") if x > 1.5 else -(x - 0.5) ** 2

        @lg.step
        def scores(score: float) -> dict[str, float]:
            return {"loss": -score}

        search = lg.tune(score, maximize=True, space={"score.x": lg.floats(0, 2, step=0.25)}, trials=8)
        other = lg.tune(scores, minimize="loss", space={"score.x": lg.choice(0.5, 1.0)}, trials=3)
    """)
    result = found(project)

    other = project.legato("tune", "other", "--json").lines()[-1]

    failed = [trial for trial in result["trials"] if trial["state"] == "failed"]
    assert all("score is NaN" in trial["message"] or "score is nan" in trial["message"] for trial in failed)
    assert result["best"]["value"] <= 0
    assert other["best"]["value"] == 0.0


def test_a_search_runs_beside_other_steps_of_a_run(project, write):
    more = """
@lg.step
def beside() -> int:
    time.sleep(0.4)
    return 7

@lg.step
def together(best: dict, beside: int) -> int:
    return beside
"""
    write(trials=3, more=more)

    ran = project.run("together")

    assert ran["beside"] == ran["together"] == "computed"


GATED = """
model = lg.model("m", best, evaluation, gates=[lg.at_most("rmse", 100.0)])
"""


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"space": '{"trainin.lr": lg.floats(0.1, 1)}'}, "no step `trainin`", "did you mean `training`"),
        ({"space": '{"training.l": lg.floats(0.1, 1)}'}, "no parameter `l`", "lr"),
        ({"space": '{"lr": lg.floats(0.1, 1)}'}, "no parameter that steps share", '"training.lr"'),
        ({"space": '{"training.depth": lg.floats(0.1, 1)}'}, "does not fit", ""),
        ({"space": '{"training.lr": lg.ints(1, 3)}'}, "lg.ints tries ints", "lg.floats"),
        ({"space": '{"training.depth": lg.choice("x", "y")}'}, "does not fit", ""),
        ({"space": "{}"}, "holds nothing to search", "space="),
        ({"trials": 0}, "trials=0", "trials=50"),
        ({"words": 'maximize="f1", minimize="rmse"'}, "given both", "maximize"),
        ({"words": "minimize=True"}, "is an Evaluation", "say which metric"),
        ({"objective": "valid_set"}, "does not depend on `training`", "tune an evaluation"),
        (
            {"more": 'evaluation = "validation"' + GATED},
            "tunes `validation`, which the gates of model 'm' at pipeline.py:",
            "a validation split",
        ),
        (
            {"more": "evaluation = validation.using(training=best)" + GATED},
            "judges the same `valid_set` as `evaluation`",
            "a validation split",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_runs(
    project, write, marks, change, message, hint
):
    write(**change)

    said = project.legato("tune", "search", code=2).err

    assert message in said
    assert hint in said
    assert "pipeline.py:" in said
    assert not marks()


def test_a_metric_that_is_not_there_is_refused_with_those_that_are(project, write):
    write(words='maximize="rmsee"')

    said = project.legato("tune", "search", code=None)

    assert said.code != 0
    assert "has no such metric" in said.err
    assert "did you mean `rmse`?" in said.err


def test_a_step_that_is_no_search_cannot_be_tuned(project, write):
    write()

    said = project.legato("tune", "training", code=2).err

    assert "'training' is no search" in said
    assert "searches here: search" in said
