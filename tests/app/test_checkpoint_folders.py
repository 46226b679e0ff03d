"""Folders for checkpoints: who has one, how long it lasts, when it goes."""

import subprocess
import sys

import pytest

from legato.app.checkpoints import Checkpoints
from legato.domain.errors import OutsideError

KEY = "k1:abc"
HOLD = """
import sys
from pathlib import Path
from legato.app.checkpoints import Checkpoints
folder = Checkpoints(Path(sys.argv[1])).open(sys.argv[2], lambda: Path("private"))
print(folder.name, flush=True)
sys.stdin.read()
"""


def other_process(state):
    """Return a process that has opened the folder of `KEY`, and what it got."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state), KEY],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return process, process.stdout.readline().strip()


def never():
    raise AssertionError("a private folder was asked for")


def test_a_folder_is_there_again_with_what_was_left_in_it(tmp_path):
    process, name = other_process(tmp_path)
    (tmp_path / "checkpoints" / name / "epoch1").touch()
    process.communicate()

    again = Checkpoints(tmp_path).open(KEY, never)

    assert [path.name for path in again.iterdir()] == ["epoch1"]


def test_two_processes_do_not_share_one(tmp_path):
    process, first = other_process(tmp_path)
    private = tmp_path / "mine"

    second = Checkpoints(tmp_path).open(KEY, lambda: private)

    process.communicate()
    assert first == "k1-abc"
    assert second == private
    assert Checkpoints(tmp_path).open(KEY, never).name == "k1-abc"


def test_it_stays_until_its_step_has_ended_and_its_result_is_known(tmp_path):
    process, name = other_process(tmp_path)
    process.communicate()
    mine = Checkpoints(tmp_path)

    unfinished = mine.sweep(lambda _key: True)
    mine.open(KEY, never)
    mine.ended(KEY)
    unknown = mine.sweep(lambda _key: False)

    assert unfinished == unknown == []
    assert (tmp_path / "checkpoints" / name).is_dir()


def test_it_is_removed_once_its_step_has_ended_and_its_result_is_known(tmp_path):
    done = (
        "import sys; from pathlib import Path; from legato.app.checkpoints import Checkpoints as C; "
        "c = C(Path(sys.argv[1])); c.open(sys.argv[2], Path); c.ended(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", done, str(tmp_path), KEY], check=True)

    swept = Checkpoints(tmp_path).sweep(lambda key: key == KEY)

    assert swept == [KEY]
    assert not list((tmp_path / "checkpoints").iterdir())


def test_what_a_finished_attempt_left_is_not_resumed_from(tmp_path):
    process, name = other_process(tmp_path)
    left = tmp_path / "checkpoints" / name / "epoch9"
    left.mkdir()
    process.communicate()
    (tmp_path / "checkpoints" / f"{name}.ended").touch()

    again = Checkpoints(tmp_path).open(KEY, never)

    assert not list(again.iterdir())
    assert not (tmp_path / "checkpoints" / f"{name}.ended").exists()


def test_one_that_is_at_work_again_is_not_removed(tmp_path):
    process, name = other_process(tmp_path)
    (tmp_path / "checkpoints" / f"{name}.ended").touch()

    swept = Checkpoints(tmp_path).sweep(lambda _key: True)

    process.communicate()
    assert swept == []
    assert (tmp_path / "checkpoints" / name).is_dir()


def test_a_new_folder_is_filled_with_what_another_machine_left(tmp_path):
    def bring(key, folder):
        (folder / "from-afar").write_text(key)

    folder = Checkpoints(tmp_path, bring).open(KEY, never)

    assert (folder / "from-afar").read_text() == KEY


def test_a_disk_that_refuses_is_named(tmp_path):
    (tmp_path / "checkpoints").touch()

    with pytest.raises(OutsideError, match="no folder for checkpoints"):
        Checkpoints(tmp_path).open(KEY, never)
