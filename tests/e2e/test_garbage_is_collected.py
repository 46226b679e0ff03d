"""`legato gc` takes away what nothing needs, and nothing else."""

import subprocess
import sys

PIPELINE = """
    from pathlib import Path

    rows = lg.dataset("rows.csv")

    @lg.step
    def table(rows: Path, *, scale: int = 1) -> str:
        return rows.read_text() * scale
"""


def git(project, *words):
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", *identity, *words], cwd=project.root, check=True, capture_output=True)


def objects(project):
    return sorted(
        path.name for path in (project.state / "store").rglob("*") if path.is_file() and len(path.name) > 40
    )


def test_what_runs_use_stays_and_what_is_not_known_goes(project):
    project.write("rows.csv", "a\n1\n")
    project.pipeline(PIPELINE)
    project.legato("run")
    known = objects(project)
    stray = project.write("stray.bin", "x" * 5000)
    put = """
import pathlib
from legato.app.wiring import open_store
open_store(pathlib.Path(".legato")).put_path(pathlib.Path("stray.bin"))
"""
    subprocess.run([sys.executable, "-c", put], cwd=project.root, check=True)
    stray.unlink()

    told = project.legato("gc", "--older-than", "0s", "--dry-run", "--json").json()
    assert told["swept"]["freed_bytes"] >= 5000, told
    assert len(objects(project)) == len(known) + 1

    freed = project.legato("gc", "--older-than", "0s")

    assert "freed 4.9 KiB" in freed.out
    assert objects(project) == known
    assert "up to date" in project.legato("run").out


def test_a_young_object_stays_since_a_run_may_be_about_to_name_it(project):
    project.write("rows.csv", "a\n1\n")
    project.pipeline(PIPELINE)
    project.legato("run")
    project.write("rows.csv", "a\n2\n")
    project.legato("run")
    (project.state / "ledger.db").unlink()
    before = objects(project)

    project.legato("gc")

    assert objects(project) == before


def test_results_go_when_nobody_used_them_for_as_long_as_configured_but_the_newest_of_a_step_stays(project):
    project.write("legato.toml", '[retention]\nresults = "0s"\n')
    project.write("rows.csv", "a\n1\n")
    project.pipeline(PIPELINE)
    project.legato("run")
    project.legato("run", "-p", "table.scale=2")

    project.legato("gc", "--older-than", "0s")

    assert project.got("table") == "a\n1\na\n1"
    assert "table" in project.legato("run").err
    assert project.got("table") == "a\n1"


def test_data_that_an_older_commit_locks_stays(project):
    git(project, "init", "-q")
    project.pipeline("")
    project.write("big.csv", "a\n1\n")
    project.legato("data", "add", "big.csv")
    git(project, "add", ".")
    git(project, "commit", "-qm", "one")
    (project.root / "big.csv").unlink()
    project.write("big.csv", "a\n2\n")
    project.legato("data", "update")
    git(project, "add", ".")
    git(project, "commit", "-qm", "two")

    project.legato("gc", "--older-than", "0s")
    git(project, "checkout", "-q", "HEAD~1")
    project.legato("data", "checkout")

    assert (project.root / "big.csv").read_text() == "a\n1\n"


def test_a_lock_in_history_that_cannot_be_read_stops_the_collection(project):
    git(project, "init", "-q")
    project.pipeline("")
    project.write("legato.lock", "from another time\n")
    git(project, "add", ".")
    git(project, "commit", "-qm", "one")
    (project.root / "legato.lock").unlink()

    refused = project.legato("gc", "--older-than", "0s", code=2)

    assert "legato.lock" in refused.err
    assert "nothing was removed" in refused.err


def test_a_retention_that_says_nothing_is_refused(project):
    project.pipeline("")
    project.write("legato.toml", '[retention]\nresults = "long"\n')

    refused = project.legato("gc", "--older-than", "0s", code=2)

    assert "'long'" in refused.err
