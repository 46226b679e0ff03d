"""`legato data push` and `pull`, and a run on a machine that has no data yet."""

import shutil
import subprocess

import pytest
from project_folder import Project

PIPELINE = """
    from pathlib import Path

    rows = lg.dataset("data/rows.csv")

    @lg.step
    def count(rows: Path) -> int:
        return len(rows.read_text().splitlines())
"""


def git(project, *words):
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", *identity, *words], cwd=project.root, check=True, capture_output=True)


@pytest.fixture
def ann(tmp_path):
    """A repository whose data is locked and ignored by git, and whose remote is a folder."""
    found = Project(tmp_path / "ann")
    git(found, "init", "-q")
    found.write("legato.toml", f'[store]\nremote = "{tmp_path / "remote"}"\n')
    found.pipeline(PIPELINE)
    found.write("data/rows.csv", "a\n1\n2\n")
    found.legato("data", "add", "data/rows.csv")
    git(found, "add", ".")
    git(found, "commit", "-qm", "data")
    return found


def clone(project, name):
    target = project.root.parent / name
    git(project, "clone", "-q", str(project.root), str(target))
    return Project(target)


def test_a_clone_gets_the_data_that_was_pushed(ann):
    pushed = ann.legato("data", "push")
    bob = clone(ann, "bob")
    assert not (bob.root / "data/rows.csv").exists()

    pulled = bob.legato("data", "pull")

    assert "1 dataset in" in pushed.out
    assert "data/rows.csv" in pulled.out
    assert (bob.root / "data/rows.csv").read_text() == "a\n1\n2\n"
    assert bob.legato("run", "--json").lines()[-1]["state"] == "succeeded"


def test_a_second_push_sends_nothing(ann):
    ann.legato("data", "push")

    assert "nothing new sent" in ann.legato("data", "push").out
    assert ann.legato("data", "push", "--json").json()["moved"].get("moved_objects", 0) == 0


def test_a_run_fetches_the_data_that_it_needs(ann):
    ann.legato("data", "push")
    bob = clone(ann, "bob")

    bob.legato("run")

    assert bob.got("count") == "3"
    assert (bob.root / "data/rows.csv").read_text() == "a\n1\n2\n"


def test_data_that_nobody_pushed_is_named_with_what_to_do(ann):
    bob = clone(ann, "bob")

    refused = bob.legato("data", "pull", code=4)
    assert "data/rows.csv" in refused.err
    assert "legato data push" in refused.err

    run = bob.legato("run", code=1)
    assert "data/rows.csv" in run.err


def test_a_changed_file_is_never_overwritten_by_a_pull(ann):
    ann.legato("data", "push")
    shutil.rmtree(ann.state)
    (ann.root / "data/rows.csv").unlink()
    ann.write("data/rows.csv", "mine\n")

    refused = ann.legato("data", "pull", code=None)

    assert refused.code != 0
    assert (ann.root / "data/rows.csv").read_text() == "mine\n"


def test_without_a_remote_it_is_said_how_to_configure_one(ann):
    (ann.root / "legato.toml").unlink()

    for word in ("push", "pull"):
        refused = ann.legato("data", word, code=2)
        assert "[store] remote" in refused.err


def test_an_unknown_name_is_refused_with_the_nearest(ann):
    refused = ann.legato("data", "push", "data/row.csv", code=4)

    assert "data/rows.csv" in refused.err


def test_pushed_data_outlives_a_sweep_of_the_remote(ann):
    ann.legato("data", "push")

    swept = ann.legato("gc", "--remote", "--json").lines()[-1]

    assert swept["swept"].get("freed_bytes", 0) == 0
    bob = clone(ann, "bob")
    bob.legato("data", "pull")
    assert (bob.root / "data/rows.csv").read_text() == "a\n1\n2\n"


@pytest.fixture
def bob(ann):
    """A clone of a repository whose data has two versions; only the second is named by the lock now."""
    ann.legato("data", "push")
    change(ann, "a\n1\n2\n3\n")
    ann.legato("data", "push")
    return clone(ann, "bob")


def change(project, text):
    (project.root / "data/rows.csv").unlink(missing_ok=True)
    project.write("data/rows.csv", text)
    project.legato("data", "update", "data/rows.csv")
    git(project, "commit", "-qam", "another version")


def test_an_older_version_that_others_pushed_is_fetched_by_the_command_that_is_named(bob):
    refused = bob.legato("data", "checkout", "--rev", "HEAD~1", code=4)
    also = bob.legato("data", "diff", "rows", "HEAD~1", "HEAD", code=4)
    fetched = bob.legato("data", "pull", "--rev", "HEAD~1")
    bob.legato("data", "pull")
    diff = bob.legato("data", "diff", "rows", "HEAD~1", "HEAD", "--json").json()
    bob.legato("data", "checkout", "--rev", "HEAD~1")

    assert "legato data pull --rev 'HEAD~1'" in refused.err
    assert "legato data pull --rev 'HEAD~1' data/rows.csv" in also.err
    assert "placed" not in fetched.out
    assert diff["rows"] == [2, 3]
    assert (bob.root / "data/rows.csv").read_text() == "a\n1\n2\n"


def test_of_data_in_conflict_both_sides_are_fetched_and_a_person_decides(ann, bob):
    bob.legato("data", "pull")
    change(bob, "bob's\n")
    change(ann, "ann's\n")
    ann.legato("data", "push")
    git(bob, "fetch", "-q")
    conflict(bob, "origin/HEAD")

    alone = bob.legato("data", "push", "data/rows.csv", code=6)
    rest = bob.legato("data", "push")
    told = bob.legato("data", "pull", "data/rows.csv")
    bob.legato("data", "checkout", "data/rows.csv", "--rev", "MERGE_HEAD")
    bob.legato("data", "update", "data/rows.csv")

    assert "legato data update data/rows.csv" in alone.err
    assert "was not sent" in rest.err
    assert "legato data checkout data/rows.csv --rev MERGE_HEAD" in told.err
    assert (bob.root / "data/rows.csv").read_text() == "ann's\n"


def conflict(project, branch):
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    merged = subprocess.run(
        ["git", *identity, "merge", branch], cwd=project.root, check=False, capture_output=True, text=True
    )
    assert "CONFLICT" in merged.stdout


def test_data_gc_is_gc(ann):
    assert ann.legato("data", "gc", "--dry-run", "--json").json()["dry_run"] is True
    assert "gc" in ann.legato("data", "--help").out
