"""What is added is stored whole, once, and can be added again after anything."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from data_room import Room

from legato.data.adding import add
from legato.data.lock import read_lock
from legato.data.snapshots import look, take
from legato.data.standing import standings
from legato.data.updating import forget, update
from legato.domain.errors import ConfigurationError, MissingError, OutsideError

ROOT = os.geteuid() == 0


def test_a_folder_gets_a_line_and_is_as_it_was(room):
    room.write("data/a.csv", "1")
    room.write("data/deep/b.csv", "22")

    with room.desk() as desk:
        (added,) = add(desk, ["data"])

    entry = read_lock(room.root).entries["data"]
    assert (added.state, entry.files, entry.size_bytes, entry.tree) == ("new", 2, 3, True)
    assert room.left_behind() == []
    with room.desk() as desk:
        assert [one.state for one in standings(desk)] == ["unchanged"]


def test_adding_again_reads_only_what_changed(room):
    kept = room.write("data/kept.bin", "same")
    room.write("data/other.bin", "old")
    with room.desk() as desk:
        add(desk, ["data"])
    room.write("data/other.bin", "new")
    kept.chmod(0)

    with room.desk() as desk:
        (added,) = add(desk, ["data"], copy=True)

    assert added.state == "changed"


AS_ANOTHER_USER = """
import difflib, os, sys
from pathlib import Path
from data_room import Room
from legato.data.adding import add
from legato.data.lock import read_lock
import hashlib, legato.data.sharing, shutil

if os.geteuid() == 0:  # who reads everything
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
room = Room(Path(sys.argv[1]) / "project")
room.write("data/secret.csv", "1").chmod(0)
try:
    with room.desk() as desk:
        add(desk, ["data"])
except Exception as error:
    print(type(error).__name__, error, read_lock(room.root).entries)
"""


def test_an_unreadable_file_is_named():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        words = [sys.executable, "-c", AS_ANOTHER_USER, folder]
        paths = {"PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run(
            words, capture_output=True, text=True, check=True, cwd=folder, env=os.environ | paths
        )

    assert done.stdout.startswith("OutsideError cannot read ")
    assert "secret.csv: permission denied {}" in done.stdout


@pytest.mark.parametrize(
    "name", ["a file", "two\nlines", "tab\there", "quote\"'", "ünïcode", "#hash", "!bang", "trailing "]
)
def test_odd_names_come_back_as_they_were(room, name):
    room.write(f"data/{name}", "x")
    with room.desk() as desk:
        add(desk, [f"data/{name}"])
    with room.desk() as desk:
        states = {one.name: one.state for one in standings(desk)}

    assert states == {f"data/{name}": "unchanged"}


@pytest.mark.parametrize(
    "typed", ["..", "../other", "/etc/passwd", ".", ".git/config", ".legato/store", "", "a\0b"]
)
def test_what_is_not_the_projects_own_is_refused(room, typed):
    room.write("a", "1")

    with room.desk() as desk, pytest.raises(ConfigurationError) as caught:
        add(desk, [typed])

    assert caught.value.hint


def test_a_name_that_is_not_utf8_is_refused_before_anything_is_read(room):
    room.write("data/a", "1")
    Path(os.fsdecode(os.fsencode(room.root / "data") + b"/\xff\xfe")).write_text("x")

    with room.desk() as desk, pytest.raises(ConfigurationError, match="not UTF-8"):
        add(desk, ["data"])

    assert read_lock(room.root).entries == {}


@pytest.mark.parametrize(
    ("target", "why"),
    [("/etc/passwd", "leaves the folder"), ("nowhere", "symlink to nothing"), (".", "folder that it is in")],
)
def test_links_that_lead_astray_are_refused(room, target, why):
    room.write("data/a", "1")
    (room.root / "data" / "link").symlink_to(target)

    with room.desk() as desk, pytest.raises(ConfigurationError, match=why):
        add(desk, ["data"])


def test_a_pipe_is_refused_and_not_waited_for(room):
    room.write("data/a", "1")
    os.mkfifo(room.root / "data" / "pipe")

    with room.desk() as desk, pytest.raises(ConfigurationError, match="a device, a socket or a pipe"):
        add(desk, ["data"])


def test_links_inside_a_folder_count_as_what_they_point_to(room):
    room.write("data/a", "1")
    (room.root / "data" / "b").symlink_to("a")

    with room.desk() as desk:
        (added,) = add(desk, ["data"])
        placed = desk.store.put_path(room.root / "data")

    assert added.files == 2
    assert added.digest == placed.digest  # the store itself sees the folder in the same way


def test_a_dataset_inside_another_is_refused(room):
    room.write("data/deep/a", "1")
    with room.desk() as desk:
        add(desk, ["data/deep"])

    with room.desk() as desk, pytest.raises(ConfigurationError, match="belong to two datasets") as caught:
        add(desk, ["data"])

    assert "legato data forget data/deep" in caught.value.hint


def test_nothing_is_added_when_one_of_the_paths_is_not_there(room):
    room.write("data/wine.csv", "1")

    with room.desk() as desk, pytest.raises(MissingError, match=r"nothing at 'data/wime\.csv'") as caught:
        add(desk, ["data/wine.csv", "data/wime.csv"])

    assert caught.value.hint == "did you mean 'wine.csv'?"
    assert read_lock(room.root).entries == {}


def test_a_pattern_is_a_dataset_of_the_files_that_match(room):
    for name in ("data/a.csv", "data/b.csv", "data/c.txt", "data/deep/d.csv", "data/.hidden.csv"):
        room.write(name, name)

    with room.desk() as desk:
        (added,) = add(desk, ["data/*.csv"])
        everywhere = look(room.root, "data/**/*.csv", desk.known)

    assert added.files == 2
    assert everywhere.files == 3


def test_a_file_that_changes_while_it_is_read_is_refused(room):
    path = room.write("data/growing.bin", b"x" * (64 << 20))
    over = threading.Event()

    def grow():
        with path.open("ab") as target:
            while not over.wait(0.001):
                target.write(b"y" * 1000)
                target.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with room.desk() as desk, pytest.raises(OutsideError, match="changed while it was read"):
            add(desk, ["data/growing.bin"])
    finally:
        over.set()
        writer.join()

    assert read_lock(room.root).entries == {}
    assert room.left_behind() == []


def test_files_that_vanish_while_they_are_added_are_named(room):
    for number in range(300):
        room.write(f"data/{number:03d}", os.urandom(100))
    gone = room.root / "data" / "250"

    def meter(_what, _size):
        gone.unlink(missing_ok=True)

    with room.desk() as desk, pytest.raises(OutsideError, match="vanished while it was read"):
        take(room.root, "data", desk.store, desk.known, meter)


KILLED = """
import sys, time
from pathlib import Path
from legato.data.adding import add
from legato.data.desk import Desk
from legato.store.directory import DirectoryStore
root = Path(sys.argv[1])
store = DirectoryStore(root / ".legato/store")
desk = Desk(root=root, state=root / ".legato", here=root, store=store, now_ns=time.time_ns())
sys.stdout.write("begun\\n"); sys.stdout.flush()
with desk:
    add(desk, ["data"])
"""


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.03, 0.06, 0.1])
def test_killed_while_adding_it_is_added_by_trying_again(room, after_s):
    for number in range(400):
        room.write(f"data/{number}", os.urandom(2000))
    with subprocess.Popen([sys.executable, "-c", KILLED, room.root], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)

    with room.desk() as desk:
        add(desk, ["data"])
    with room.desk() as desk:
        states = [one.state for one in standings(desk)]
        held = desk.store.verify([read_lock(room.root).entries["data"].digest])

    assert states == ["unchanged"]
    assert len(held) == 1
    assert room.left_behind() == []


def test_two_that_add_at_once_lose_no_line(room):
    for number in range(8):
        room.write(f"data/{number}", str(number))

    def one(number):
        with room.desk() as desk:
            add(desk, [f"data/{number}"])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(read_lock(room.root).entries) == [f"data/{number}" for number in range(8)]


@pytest.mark.skipif(not ROOT, reason="mounting a small disk needs root")
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this system lets nobody mount a tmpfs")
    try:
        room = Room(small / "project")
        room.write("data/big", os.urandom(3 << 20))
        with room.desk() as desk, pytest.raises(OutsideError, match="no space left"):
            add(desk, ["data/big"], copy=True)

        assert read_lock(room.root).entries == {}
        assert room.left_behind() == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_forgetting_lets_the_files_be(room):
    room.write("data/a", "1")
    with room.desk() as desk:
        add(desk, ["data/a"])
        forget(desk, ["data/a"])

    assert read_lock(room.root).entries == {}
    assert room.read("data/a") == "1"


def test_updating_all_keeps_the_line_of_what_is_not_in_the_work_tree(room):
    room.write("data/a", "1")
    room.write("data/b", "1")
    with room.desk() as desk:
        add(desk, ["data/a", "data/b"])
    (room.root / "data" / "a").unlink()
    room.write("data/b", "2")

    with room.desk() as desk:
        states = {one.name: one.state for one in update(desk, [], {})}

    assert states == {"data/a": "unchanged", "data/b": "changed"}
    assert set(read_lock(room.root).entries) == {"data/a", "data/b"}


def test_a_merge_conflict_is_mended_by_updating_its_name(room):
    room.write("data/a", "1")
    with room.desk() as desk:
        add(desk, ["data/a"])
    lock = room.root / "legato.lock"
    line = lock.read_text().splitlines()[2]
    other = line.replace('"digest":"sha256:', '"digest":"sha256:0').replace('","size', '","size', 1)
    other = other[: other.index("sha256:") + 71] + other[other.index("sha256:") + 72 :]
    lock.write_text(f'{{"legato.lock":1}}\n<<<<<<< ours\n{line}\n=======\n{other}\n>>>>>>> theirs\n')

    with room.desk() as desk:
        torn = [one.state for one in standings(desk)]
        update(desk, ["data/a"], {})

    assert torn == ["torn"]
    assert read_lock(room.root).whole().entries["data/a"].size_bytes == 1


def test_what_is_known_is_believed_only_in_the_state_it_was_known_in(room):
    path = room.write("data/a", "1111")
    with room.desk() as desk:
        before = look(room.root, "data/a", desk.known)
    stamp = path.stat().st_mtime_ns
    path.write_text("2222")
    os.utime(path, ns=(stamp, stamp))

    with room.desk() as desk:
        after = look(room.root, "data/a", desk.known)

    assert before.digest != after.digest


def test_damaged_knowledge_costs_time_and_nothing_else(room):
    room.write("data/a", "1")
    with room.desk() as desk:
        add(desk, ["data/a"])
    (room.state / "data" / "known.bin").write_bytes(b"\x00garbage")

    with room.desk() as desk:
        states = [one.state for one in standings(desk)]

    assert states == ["unchanged"]


def test_files_of_a_repository_inside_are_refused(room):
    room.write("data/a", "1")
    room.write("data/deep/.git/hooks/post-checkout", "#!/bin/sh")

    with room.desk() as desk, pytest.raises(ConfigurationError, match="belongs to a git repository"):
        add(desk, ["data"])


@pytest.mark.parametrize("pattern", ["data/*.csv", "**/*.csv"])
def test_a_pattern_that_matches_what_git_tracks_belongs_to_neither(room, pattern):
    room.write("data/a.csv", "1")
    room.write("data/b.csv", "1")
    for words in (["init", "-q", "."], ["add", "data/a.csv"]):
        subprocess.run(["git", *words], cwd=room.root, check=True)

    with room.desk() as desk, pytest.raises(ConfigurationError, match=r"git tracks 'data/a\.csv'"):
        add(desk, [pattern])


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("legato.lock", "stays in git"),
        ("legato.toml", "stays in git"),
        (".", "is the project itself"),
        ("https://example.org/a.csv", "is an address"),
        ("loop", "leads back to itself"),
    ],
)
def test_what_can_be_no_data_is_refused_with_what_to_do(room, typed, word):
    room.write("legato.lock", '{"legato.lock":1}\n')
    room.write("legato.toml", "")
    (room.root / "loop").symlink_to("loop")

    with room.desk() as desk, pytest.raises(ConfigurationError, match=word) as caught:
        add(desk, [typed])

    assert caught.value.hint
    assert read_lock(room.root).entries == {}


def test_git_ignores_a_link_to_a_folder_that_was_added(room):
    subprocess.run(["git", "init", "-q", "."], cwd=room.root, check=True)
    room.write("deep/data/a.csv", "1")
    (room.root / "data").symlink_to("deep/data")

    with room.desk() as desk:
        add(desk, ["data"])

    assert subprocess.run(["git", "check-ignore", "-q", "data"], cwd=room.root, check=False).returncode == 0


def test_an_update_that_ends_in_the_middle_says_what_it_locked(room):
    room.write("a.csv", "1")
    room.write("b/one.csv", "1")
    with room.desk() as desk:
        add(desk, ["a.csv", "b"], copy=True)
    room.write("a.csv", "22")
    (room.root / "b/gone.csv").symlink_to("nowhere")

    with room.desk() as desk, pytest.raises(ConfigurationError, match="nowhere") as caught:
        update(desk, [], {})

    assert caught.value.hint.endswith("what came before is locked: a.csv")
    assert read_lock(room.root).entries["a.csv"].size_bytes == 2
