"""What a run, a plan and the doctor say besides; and what is left of a run when it is over."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from project_folder import wait_for

PIPELINE = """
import legato as lg

@lg.step
def rows() -> list: return [1, 2]

@lg.step(cpus=1000, memory="900TiB")
def total(rows: list) -> int: return sum(rows)

@lg.step
def scaled(missing: list, *, by: float = 2.0) -> list: return missing
other = scaled.using(missing=rows)
"""
CHECKED = """
import legato as lg

@lg.step
def rows() -> list: return [1, 2]

@lg.check
def rows_are_there(rows: list) -> None: assert rows

@lg.step
def total(rows: list) -> int: return sum(rows)
"""


def test_notes_on_the_pipeline_reach_whoever_runs_plans_or_examines_it(project):
    project.write("pipeline.py", PIPELINE)
    note = "left out: `scaled`"

    plan, ran, doctor = project.legato("plan"), project.legato("run"), project.legato("doctor")

    assert note in plan.err
    assert "total asks for cpus=1000; this run has" in plan.err
    assert ran.code == 0
    assert ran.text.count(note) == 1
    assert "asks for memory=900.0 TiB; this run has" in ran.text
    assert note in doctor.text
    assert "memory= is watched" in doctor.text


def test_a_wait_for_a_check_is_not_called_an_input(project):
    project.write("pipeline.py", CHECKED)

    plan = project.legato("plan")

    assert "check rows_are_there has to pass first" in plan.out
    assert "input of rows_are_there" not in plan.out


def test_a_failed_step_shows_its_peak_memory(project):
    project.write(
        "pipeline.py",
        "import legato as lg\n@lg.step\ndef a() -> int:\n    import time\n    x = bytearray(80 << 20)\n"
        "    time.sleep(0.4)\n    raise ValueError('no')\n",
    )
    project.legato("run", code=None)

    (step,) = project.legato("show", "latest", "--json").json()["steps"]

    assert step["state"] == "failed"
    assert step["peak_bytes"] > 80 << 20


def test_an_absent_path_of_uses_is_refused_with_its_place(project):
    project.write(
        "pipeline.py", 'import legato as lg\n@lg.step(uses=["missing"])\ndef a() -> int: return 1\n'
    )

    plan = project.legato("plan", code=None)

    assert plan.code != 0
    assert "pipeline.py:2" in plan.err


def test_a_bad_size_in_the_configuration_names_its_key(project):
    project.write("pipeline.py", "import legato as lg\n@lg.step\ndef a() -> int: return 1\n")
    project.write("legato.toml", '[run]\nmemory = "a lot"\n')

    assert "run.memory" in project.legato("run", code=None).err


def test_a_debugged_step_leaves_nothing_in_the_store(project):
    project.write("pipeline.py", "import legato as lg\n@lg.step\ndef a() -> str: return 'kept nowhere'\n")
    before = project.legato("status", "--json").json()["objects"]

    debugged = project.legato("debug", "a")

    assert debugged.code == 0
    assert project.legato("status", "--json").json()["objects"] == before
    assert not any((project.root / ".legato" / "work").iterdir())


def test_a_run_in_a_folder_that_is_gone_is_told_so(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f"cd {gone} && rmdir {gone} && exec {sys.executable} -P -m legato run"

    ran = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)

    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr


def test_a_killed_run_leaves_a_folder_that_the_next_one_clears(project):
    project.write(
        "pipeline.py",
        "import legato as lg, time, pathlib\n@lg.step\ndef a() -> int:\n"
        "    if not pathlib.Path('go').exists(): time.sleep(30)\n    return 1\n",
    )
    work = project.root / ".legato" / "work"
    running = project.begin("run", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: work.is_dir() and any(work.glob("*/*")))
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    left = {folder.name for folder in work.iterdir()}
    project.write("go", "")

    again = project.legato("run")

    assert again.code == 0
    assert left
    assert not any(work.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: run as another user")
def test_models_are_listed_in_a_project_that_nobody_may_write(project):
    project.write("pipeline.py", CHECKED)
    project.legato("run")
    state = project.root / ".legato"
    state.chmod(0o555)

    listed = project.legato("models", "list")
    state.chmod(0o755)

    assert listed.code == 0


def test_a_notebook_is_refused_a_form_that_an_artifact_cannot_have(project):
    project.write("pipeline.py", CHECKED)
    project.legato("run")
    code = "import legato as lg\nprint(lg.load('rows', form=list))\nlg.load('rows', form=int)"

    notebook = subprocess.run(
        [sys.executable, "-c", code], cwd=project.root, capture_output=True, text=True, check=False
    )

    assert notebook.stdout == "[1, 2]\n"
    assert "'rows' is a list, and cannot be given as an int" in notebook.stderr


def test_packages_that_nobody_has_used_for_long_are_collected(project):
    project.write("pipeline.py", CHECKED)
    project.legato("run")
    for number, days in (("a", 100), ("b", 1)):
        made = {"digest": f"sha256:{number * 64}", "packages": {"six": "1.16.0"}, "python": "cpython-3.11"}
        mark = project.write(f".legato/environments/{number * 32}/made.json", json.dumps(made))
        used = time.time() - days * 86400
        os.utime(mark, (used, used))

    told = project.legato("doctor").text
    project.legato("gc")

    assert told.count("six 1.16.0") == 2
    assert not (project.root / ".legato/environments" / ("a" * 32)).exists()
    assert (project.root / ".legato/environments" / ("b" * 32)).exists()
