"""Every command as a new user types it: what it prints, what it refuses, and what it hints at.

Rule: data goes to stdout and everything else to stderr; `--json` is JSON.
"""

import json
import os
import subprocess

import pytest
from project_folder import Project

COMMANDS = (
    "init",
    "run",
    "plan",
    "why",
    "status",
    "runs",
    "show",
    "logs",
    "get",
    "debug",
    "models",
    "serve",
    "predict",
    "doctor",
    "completion",
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A project in which a run has succeeded, read by many tests and changed by none."""
    project = Project(tmp_path_factory.mktemp("done") / "project")
    project.write("data/table.csv", "a,b\n1,2\n")
    project.pipeline(
        """
        from pathlib import Path
        from typing import NamedTuple

        table = lg.dataset("data/table.csv")

        class Halves(NamedTuple):
            left: list
            right: list

        @lg.step
        def halves(table: Path, *, rows: int = 2) -> Halves:
            print("splitting into", rows)
            lg.log(loss=0.25, step=1)
            return Halves([1] * rows, [2] * rows)

        @lg.step
        def total(left: list, right: list) -> int:
            return sum(left) + sum(right)

        @lg.step
        def folder(total: int) -> Path:
            out = lg.out_folder()
            (out / "sub").mkdir()
            (out / "sub" / "total.txt").write_text(str(total))
            (out / "run.sh").write_text("#!/bin/sh")
            (out / "run.sh").chmod(0o755)
            return out
        """
    )
    subprocess.run(["git", "init", "-q", "."], cwd=project.root, check=True)
    project.legato("run", "-p", "halves.rows=3")
    return project


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(done, command):
    ran = done.legato(command, "--help")

    assert ran.out.startswith(f"Usage: legato {command}")


def test_help_lists_the_commands(done):
    ran = done.legato("--help")

    assert all(f"\n  {command} " in ran.out for command in COMMANDS)
    assert done.legato("-h").out == ran.out


def test_an_unknown_command_gets_the_nearest_name(done):
    ran = done.legato("rnu", code=2)

    assert "Did you mean `legato run`?" in ran.err
    assert ran.out == ""


def test_an_unknown_option_is_refused(done):
    assert "--jsn" in done.legato("run", "--jsn", code=2).err


def test_a_run_in_json_is_json_on_every_line(done):
    lines = done.legato("run", "--json", "--again", "halves", "-p", "halves.rows=3").lines()

    assert {line.get("progress") for line in lines[:-1]} >= {
        "planned",
        "began",
        "printed",
        "sampled",
        "ended",
    }
    assert lines[-1]["state"] == "succeeded"


def test_quiet_says_only_the_last_line(done):
    ran = done.legato("run", "-q", "-p", "halves.rows=3")

    assert ran.err == ""
    assert len(ran.out.splitlines()) == 1


def test_runs_lists_runs_and_their_counts(done):
    runs = done.legato("runs", "--json").lines()

    assert runs[-1]["number"] == 1
    assert runs[-1]["computed"] == 4
    assert runs[-1]["parameters"] == {"halves.rows": "3"}
    assert "run 1" in done.legato("runs", "-n", "50").out
    assert "-n 0" in done.legato("runs", "-n", "0", code=2).err


def test_show_takes_a_run_a_step_and_an_artifact(done):
    digest = done.legato("show", "total", "--json").json()["artifact"]["digest"]

    assert "parameter halves.rows = 3" in done.legato("show", "1").out
    assert done.legato("show", "run:1", "--json").json()["run"]["number"] == 1
    assert "made by    halves in run" in done.legato("show", "left").out
    assert digest in done.legato("show", digest).out
    assert "there is no run 99" in done.legato("show", "99", code=4).err
    assert "did you mean 'total'" in done.legato("show", "totl", code=4).err


def test_logs_prints_what_a_step_wrote(done):
    assert "splitting into 3\n" in done.legato("logs", "halves").out
    assert done.legato("logs", "halves", "--run", "1").out.startswith("splitting")
    assert "wrote nothing" in done.legato("logs", "total", code=4).err
    assert "'../../ledger'" in done.legato("logs", "../../ledger", code=4).err


def test_get_copies_a_file_and_never_over_another(done, tmp_path):
    target = tmp_path / "total.json"

    done.legato("get", "total", "-o", str(target))
    again = done.legato("get", "total", "-o", str(target), code=2)
    done.legato("get", "left", "-o", str(target), "--force")

    assert "--force" in again.err
    assert json.loads(target.read_text()) == [1, 1, 1]
    assert os.access(target, os.W_OK)


def test_what_get_wrote_is_the_persons_own(done, tmp_path):
    target = tmp_path / "mine"
    done.legato("get", "total", "-o", str(target))
    with target.open("a") as mine:
        mine.write("changed")

    assert done.got("total") == "9"


def test_get_copies_a_folder(done, tmp_path):
    done.legato("get", "folder", "-o", str(tmp_path / "out"))

    assert (tmp_path / "out" / "sub" / "total.txt").read_text() == "9"
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)
    assert "is there already" in done.legato("get", "folder", "-o", str(tmp_path / "out"), code=2).err
    done.legato("get", "folder", "-o", str(tmp_path / "out"), "--force")


def test_get_into_a_folder_keeps_the_name(done, tmp_path):
    done.legato("get", "table", "-o", str(tmp_path))

    assert (tmp_path / "table.csv").read_text() == "a,b\n1,2\n"


def test_get_of_what_is_not_there_says_what_is(done, tmp_path):
    ran = done.legato("get", "folders", "-o", str(tmp_path / "x"), code=4)

    assert "did you mean 'folder'" in ran.err
    assert done.legato("get", "total", "--run", "77", "-o", str(tmp_path / "x"), code=4).err


def test_status_says_where_the_project_stands(done):
    found = done.legato("status", "--json").json()

    assert found["root"] == str(done.root)
    assert found["objects"] > 3
    assert found["last"]["state"] == "succeeded"
    assert str(done.root) in done.legato("status").out


def test_plan_in_json_has_every_step_with_its_decision(done):
    found = done.plan("-p", "halves.rows=4")

    assert {name: step["decision"] for name, step in found.items()} == {
        "table": "reuse",
        "halves": "run",
        "total": "may run",
        "folder": "may run",
    }
    assert found["halves"]["causes"][0]["after"] == "4"


def test_why_in_json_has_the_recipe(done):
    found = done.legato("why", "halves", "--json").json()

    assert found["name"] == "halves"
    assert {item[0] for item in found["recipe"]} >= {"input", "closure", "parameter"}
    assert done.legato("why", "left", "--json").json()["name"] == "halves"
    assert "did you mean" in done.legato("why", "totals", code=4).err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script(done, shell):
    ran = done.legato("completion", shell)

    assert "_LEGATO_COMPLETE" in ran.out


def test_doctor_finds_a_healthy_project_healthy(done):
    ran = done.legato("doctor", "--strict")

    assert "✗" not in ran.out
    assert "the pipeline loads: 4 nodes" in ran.out


def test_doctor_without_a_pipeline_is_no_crash(project):
    ran = project.legato("doctor", code=1)

    assert "legato init" in ran.out


def test_init_in_an_empty_folder_writes_a_pipeline_that_loads(project):
    ran = project.legato("init")
    again = project.legato("init", code=2)

    assert "wrote pipeline.py" in ran.out
    assert "is there already" in again.err
    assert "wine_model" in project.plan()


def test_init_adopts_scripts_and_data(project):
    project.write("train.py", "import sys\n\nif __name__ == '__main__':\n    print('training')\n")
    project.write("tools/clean-up.py", "if __name__ == '__main__':\n    pass\n")
    project.write("library.py", "X = 1\n")
    project.write("data/wine 2024.csv", "a\n1\n")

    project.legato("init")

    assert set(project.plan()) == {"train", "clean_up", "wine_2024"}
    assert set(project.run().values()) == {"computed"}


def test_init_looks_at_what_a_repository_is_made_of(project):
    project.write("prepare.py", 'import tidy\nrows = open("data/raw.csv").read()\nprint(tidy.up(rows))\n')
    project.write("tidy.py", "print('a module that others import')\n\ndef up(rows):\n    return rows\n")
    project.write("data/raw.csv", "a\n1\n")
    project.write("data/class.csv", "a\n1\n")
    project.write("table.csv", "a\n1\n")
    project.write("settings.json", "{}")
    for number in range(9):
        project.write(f"data/parts/{number}.csv", "a\n")
    project.write("work/venv2/pyvenv.cfg", "")
    project.write("work/venv2/bin.py", "if __name__ == '__main__':\n    pass\n")
    project.write("look.ipynb", "{}")
    project.write("data/big.csv.dvc", "")

    told = project.legato("init", "--json").json()

    assert told["written"] == ["pipeline.py"]
    assert "runs 1 script and names 4 datasets" in told["advice"][0]
    assert any("look.ipynb" in line for line in told["advice"])
    assert any("data/big.csv; dvc pull" in line for line in told["advice"])
    assert set(project.plan()) == {"table", "raw", "data_class", "parts", "prepare"}
    assert set(project.run().values()) == {"computed"}


def test_git_does_not_see_the_state(project):
    project.chain(1)
    subprocess.run(["git", "init", "-q", "."], cwd=project.root, check=True)
    project.run()

    seen = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project.root, capture_output=True, check=True, text=True
    )
    assert ".legato" not in seen.stdout
    assert "pipeline.py" in seen.stdout


def test_commands_work_from_a_folder_below(done):
    below = done.root / "data"

    assert done.legato("status", "--json", at=below).json()["root"] == str(done.root)
    assert done.legato("run", "-p", "halves.rows=3", at=below).out.startswith("up to date")


def test_a_project_in_a_folder_with_an_odd_name_works(tmp_path):
    project = Project(tmp_path / "it's a \u00fcber folder; $HOME %s")
    project.write("data/sp ace.csv", "1")
    project.pipeline(
        """
        from pathlib import Path

        odd = lg.dataset("data/sp ace.csv")

        @lg.step
        def size(odd: Path) -> int:
            return len(odd.read_text())
        """
    )

    assert project.computed() == ["odd", "size"]
    assert project.run() == {"odd": "reused", "size": "reused"}


def test_a_reader_that_goes_away_is_no_crash(done):
    process = done.begin("logs", "halves", "--run", "1")
    process.stdout.close()

    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) in {0, 1, 141}


def test_a_member_of_a_repository_runs_by_its_name(project):
    project.write("legato.toml", "")
    project.write("churn/pipeline.py", "import legato as lg\n\n@lg.step\ndef one() -> int:\n    return 1\n")

    assert project.run("churn:one") == {"one": "computed"}
    assert "1 computed" not in project.legato("run", at="churn").out
    assert "up to date" in project.legato("run", at="churn").out
    assert project.legato("run", "nowhere:one", code=4).err
