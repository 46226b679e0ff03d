"""What is checked out is whole or not at all, and nobody's work is overwritten."""

import os
import subprocess
import sys

import pytest

from legato.data.adding import add
from legato.data.checking_out import checkout, follow, lock_at
from legato.data.standing import standings
from legato.domain.errors import ConflictError, MissingError, OutsideError


@pytest.fixture
def locked(room):
    """A folder and a file, added; the folder in a second version too, so that both are in the store."""
    room.write("data/a", "one")
    room.write("data/deep/b", "two")
    room.write("data/run.sh", "#!/bin/sh").chmod(0o755)
    room.write("single.csv", "x")
    with room.desk() as desk:
        add(desk, ["data", "single.csv"])
    return room


def states(room):
    with room.desk() as desk:
        return {one.name: one.state for one in standings(desk)}


def take_away(room, *names):
    import shutil

    for name in names:
        path = room.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_what_is_gone_is_placed_as_it_was(locked):
    take_away(locked, "data", "single.csv")
    assert states(locked) == {"data": "gone", "single.csv": "gone"}

    with locked.desk() as desk:
        done = checkout(desk)

    assert [(one.name, one.state, one.placed) for one in done] == [
        ("data", "placed", 3),
        ("single.csv", "placed", 1),
    ]
    assert locked.read("data/deep/b") == "two"
    assert os.access(locked.root / "data" / "run.sh", os.X_OK)
    assert states(locked) == {"data": "unchanged", "single.csv": "unchanged"}
    assert locked.left_behind() == []


def test_a_changed_file_that_is_in_no_store_is_never_overwritten(locked):
    locked.write("data/a", "hours of work")
    take_away(locked, "single.csv")

    with (
        locked.desk() as desk,
        pytest.raises(ConflictError, match="'data/a' changed, and its bytes are in no store") as caught,
    ):
        checkout(desk)

    assert "legato data add data" in caught.value.hint
    assert "--force" in caught.value.hint
    assert locked.read("data/a") == "hours of work"
    assert not (locked.root / "single.csv").exists()  # not at all: the other dataset was not placed either


def test_force_overwrites_it(locked):
    locked.write("data/a", "let go")
    locked.write("data/new", "let go too")

    with locked.desk() as desk:
        checkout(desk, force=True)

    assert locked.read("data/a") == "one"
    assert not (locked.root / "data" / "new").exists()


def test_a_version_that_is_in_the_store_makes_way(locked):
    locked.write("data/a", "second")
    locked.write("data/more/c", "third")
    lock = (locked.root / "legato.lock").read_bytes()
    with locked.desk() as desk:
        add(desk, ["data"])
    (locked.root / "legato.lock").write_bytes(lock)

    with locked.desk() as desk:
        (done, _) = checkout(desk)

    assert (done.placed, done.removed) == (1, 1)
    assert locked.read("data/a") == "one"
    assert not (locked.root / "data" / "more").exists()


def test_a_file_where_a_folder_belongs_is_handled(locked):
    take_away(locked, "data")
    locked.write("data", "one")  # equal to a stored file

    with locked.desk() as desk:
        checkout(desk, ["data"])

    assert locked.read("data/deep/b") == "two"


def test_a_folder_where_a_file_belongs_is_handled(locked):
    take_away(locked, "single.csv")
    locked.write("single.csv/inner", "one")

    with locked.desk() as desk:
        checkout(desk, ["single.csv"])

    assert locked.read("single.csv") == "x"


def test_bytes_that_are_not_in_the_store_move_nothing(locked):
    take_away(locked, "data", "single.csv")
    with locked.desk() as desk:
        desk.store.delete(desk.lock().entries["data"].digest)

    with (
        locked.desk() as desk,
        pytest.raises(MissingError, match=r"bytes of 'data' .* not in the store") as caught,
    ):
        checkout(desk)

    assert "legato data pull" in caught.value.hint
    assert not (locked.root / "single.csv").exists()


def test_a_name_that_is_not_locked_gets_the_nearest(locked):
    with locked.desk() as desk, pytest.raises(MissingError) as caught:
        checkout(desk, ["singl.csv"])

    assert caught.value.hint == "did you mean 'single.csv'?"


def test_a_link_out_of_the_project_is_not_written_through(locked, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b").write_text("canary")
    take_away(locked, "data/deep")
    (locked.root / "data" / "deep").symlink_to(outside)

    with locked.desk() as desk, pytest.raises(Exception, match=r"leaves the folder|out of the project"):
        checkout(desk, force=True)

    assert (outside / "b").read_text() == "canary"


def test_a_disk_that_refuses_half_way_puts_everything_back(locked):
    locked.write("data/a", "second")
    with locked.desk() as desk:
        add(desk, ["data"])
        lock = desk.lock()
    take_away(locked, "data/deep")
    locked.write("data/a", "one")
    before = {path: path.read_bytes() for path in locked.root.glob("data/**/*") if path.is_file()}

    class Refuses:
        """A store that runs out of disk at the second file."""

        def __init__(self, store):
            self._store = store
            self._left = 1

        def __getattr__(self, name):
            return getattr(self._store, name)

        def place(self, digest, tree, target):
            if not self._left:
                raise OutsideError("no space left on device", hint="free some")
            self._left -= 1
            self._store.place(digest, tree, target)

    with locked.desk() as desk:
        desk.store = Refuses(desk.store)
        with pytest.raises(OutsideError, match="no space"):
            checkout(desk, lock=lock)

    assert {path: path.read_bytes() for path in locked.root.glob("data/**/*") if path.is_file()} == before
    assert locked.left_behind() == []


KILLED = """
import sys, time
from pathlib import Path
from legato.data.checking_out import checkout
from legato.data.desk import Desk
from legato.store.directory import DirectoryStore
root = Path(sys.argv[1])
store = DirectoryStore(root / ".legato/store")
desk = Desk(root=root, state=root / ".legato", here=root, store=store, now_ns=time.time_ns())
sys.stdout.write("begun\\n"); sys.stdout.flush()
with desk:
    checkout(desk)
"""


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGINT"])
@pytest.mark.parametrize("after_s", [0.005, 0.02, 0.05])
def test_stopped_at_any_moment_it_is_finished_by_trying_again(room, signal_name, after_s):
    import signal
    import time

    for number in range(300):
        room.write(f"data/{number}", f"old {number}")
    with room.desk() as desk:
        add(desk, ["data"])
    first = (room.root / "legato.lock").read_bytes()
    for number in range(0, 300, 2):
        room.write(f"data/{number}", f"new {number}")
    with room.desk() as desk:
        add(desk, ["data"])
    (room.root / "legato.lock").write_bytes(first)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, room.root], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        process.stdout.readline()
        time.sleep(after_s)
        process.send_signal(getattr(signal, signal_name))
    texts = {
        room.read(f"data/{number}").partition(" ")[0]
        for number in range(0, 300, 2)
        if (room.root / f"data/{number}").exists()
    }

    with room.desk() as desk:
        checkout(desk)

    assert states(room) == {"data": "unchanged"}
    assert room.left_behind() == []
    assert signal_name == "SIGKILL" or len(texts) == 1  # whole, or not at all


def git(room, *words):
    command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *words]
    subprocess.run(command, cwd=room.root, check=True, capture_output=True)


@pytest.fixture
def history(room):
    """Two commits: the second changes one dataset, and adds another."""
    git(room, "init", "-q", ".")
    room.write("data/a", "first")
    with room.desk() as desk:
        add(desk, ["data"])
    git(room, "add", "-A")
    git(room, "commit", "-qm", "one")
    room.write("data/a", "second")
    room.write("late.csv", "late")
    with room.desk() as desk:
        add(desk, ["data", "late.csv"])
    git(room, "add", "-A")
    git(room, "commit", "-qm", "two")
    return room


def test_a_commit_can_be_checked_out_without_moving_git(history):
    with history.desk() as desk:
        checkout(desk, ["data"], lock=lock_at(desk, "HEAD~1"))

    assert history.read("data/a") == "first"


def test_a_revision_that_looks_like_an_option_is_only_a_revision(history):
    with history.desk() as desk, pytest.raises(MissingError, match="no commit '--output=x'"):
        lock_at(desk, "--output=x")

    assert not (history.root / "x").exists()


def test_following_git_changes_what_changed_and_takes_away_what_is_locked_no_more(history):
    git(history, "checkout", "-q", "HEAD~1")

    with history.desk() as desk:
        done = {one.name: one.state for one in follow(desk, "HEAD@{1}")}

    assert done == {"data": "placed", "late.csv": "removed"}
    assert history.read("data/a") == "first"
    assert not (history.root / "late.csv").exists()


def test_following_git_leaves_what_only_the_work_tree_has(history):
    history.write("data/a", "unsaved")
    git(history, "checkout", "-q", "HEAD~1")

    with history.desk() as desk:
        done = {one.name: one.state for one in follow(desk, "HEAD@{1}")}

    assert done["data"] == "left"
    assert history.read("data/a") == "unsaved"


def test_a_lock_of_someone_else_cannot_place_a_hook(room):
    import io

    from legato.data.lock import Entry, parse, render
    from legato.data.lock import Lock as Made
    from legato.domain.artifacts import ManifestEntry
    from legato.domain.errors import ConfigurationError
    from legato.store import write_manifest

    with room.desk() as desk:
        program = desk.store.put(io.BytesIO(b"#!/bin/sh\ntouch canary\n"))
        folder = desk.store.put(
            io.BytesIO(
                write_manifest([ManifestEntry(".GIT/hooks/post-checkout", program, 23, executable=True)])
            )
        )
        evil = Made({"data": Entry(name="data", digest=folder, tree=True)})
        with pytest.raises(ConfigurationError, match="belongs to a git repository"):
            checkout(desk, lock=evil)
    direct = render(Made({".git/hooks/x": Entry(name=".git/hooks/x", digest=program)}))

    with pytest.raises(ConfigurationError, match="belongs to git"):
        parse(direct)
    assert not (room.root / "data").exists()
