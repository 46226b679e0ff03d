"""What a run will take and why, what it took, and how two runs differ: through the real command line.

Rule: nothing here measures time; only what was recorded is compared.
"""

import subprocess

PIPELINE = """
import features

data = lg.dataset("data.csv")

@lg.step
def split(data: str, *, seed: int = 1) -> list:
    return [features.clean(seed), features.SHARE]

@lg.step
def classifier(split: list, *, trees: int = 5) -> dict:
    return {"trees": trees, "rows": split}
"""


def written(project):
    project.write("data.csv", "a,b\n1,2\n")
    project.write("features.py", "SHARE = 0.2\n\n\ndef clean(x):\n    return x + 1\n")
    project.pipeline(PIPELINE)
    return project


def committed(project):
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        named = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
        subprocess.run(["git", *named, *words], cwd=project.root, check=True)
    return project


def test_a_plan_before_any_run_names_the_steps_whose_time_is_unknown(project):
    outlook = written(project).legato("plan", "--json").json()["outlook"]

    assert outlook["unknown"] == ["data", "split", "classifier"]
    assert "cost" not in outlook


def test_a_plan_tells_time_cost_and_the_longest_chain_from_past_runs(project):
    written(project).run()
    project.write("legato.toml", '[run]\nprice_per_hour = 3600\ncurrency = "EUR"\n')

    found = project.legato("plan", "--json", "-p", "split.seed=9").json()

    split = next(step for step in found["steps"] if step["name"] == "split")
    assert split["expected_s"] > 0
    assert found["outlook"]["path"] == ["split", "classifier"]
    assert found["outlook"]["cost"] == found["outlook"]["wall_s"] == split["expected_s"]
    assert found["outlook"]["at_most_s"] > found["outlook"]["wall_s"]
    assert "EUR" in project.legato("plan", "-p", "split.seed=9").out


def test_why_walks_to_the_value_upstream_with_its_line(project):
    written(project).run()
    project.edit("features.py", "0.2", "0.3")

    told = project.legato("why", "classifier").out

    assert "← split: value features.SHARE changed: 0.2 -> 0.3  features.py:1" in told


def test_why_shows_what_changed_in_a_function_since_the_commit_of_the_last_run(project):
    committed(written(project)).run()
    project.edit("features.py", "x + 1", "x + 2")

    told = project.legato("why", "classifier").out

    assert "features.py:4" in told
    assert "-    return x + 1" in told
    assert "+    return x + 2" in told


def test_why_says_which_data_changed_and_where_a_parameter_came_from(project):
    written(project).run()
    project.write("data.csv", "a,b\n1,2\n3,4\n")

    foreseen = project.legato("why", "split").out
    project.run()
    ran = project.legato("why", "split", "--run", "2", "--json").json()["reasons"]
    given = project.legato("why", "split", "--json", "-p", "split.seed=3").json()["reasons"]

    assert "← data: input data.csv changed" in foreseen
    assert ran[0]["because"][0]["note"] == "8 -> 12 bytes"
    assert given[0]["note"] == "from -p"


def test_why_of_a_past_run_tells_its_causes_and_whose_result_was_taken(project):
    written(project).run()
    project.run("-p", "split.seed=4")

    ran = project.legato("why", "classifier", "--run", "2").out
    taken = project.legato("why", "data", "--run", "2").out

    assert "← split: parameter seed changed: 1 -> 4" in ran
    assert "made by run 1 at" in taken
    assert "there is no run 9" in project.legato("why", "split", "--run", "9", code=None).err


def test_runs_are_narrowed_and_paged(project):
    written(project).run()
    project.run("-p", "split.seed=4")
    project.edit("pipeline.py", 'return {"trees"', 'raise ValueError\n    return {"trees"')
    project.run(code=1)

    def numbers(*words):
        return [run["number"] for run in project.legato("runs", "--json", *words).lines()]

    assert numbers("--state", "succeeded") == [2, 1]
    assert numbers("--state", "failed", "--step", "classifier") == [3]
    assert numbers("-n", "1", "--before", "3") == [2]
    assert numbers("--actor", "nobody-of-that-name") == []
    assert "no run is 'done'" in project.legato("runs", "--state", "done", code=None).err


def test_two_runs_are_compared(project):
    committed(written(project)).run()
    project.edit("features.py", "0.2", "0.3")
    project.write("data.csv", "a,b\n1,2\n3,4\n")
    project.run("-p", "classifier.trees=7")

    found = project.legato("show", "1", "latest", "--json").json()
    same = project.legato("show", "1", "1").out

    assert found["parameters"] == [{"name": "classifier.trees", "before": "5", "after": "7"}]
    assert [pair["name"] for pair in found["data"]] == ["data"]
    split = next(step for step in found["steps"] if step["name"] == "split")
    assert split["reasons"][0]["cause"]["name"] == "features.SHARE"
    assert "all steps have the same results" in same


def test_a_run_says_what_reuse_saved_in_money(project):
    written(project).run()
    project.write("legato.toml", '[run]\nprice_per_hour = 36000000\ncurrency = "EUR"\n')

    told = project.legato("run", "-p", "classifier.trees=9").err

    assert "note: reuse saved" in told
    assert "EUR" in told
