"""What every format promises: round trip, equal bytes from two processes, clear errors for damaged bytes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import formats_cases
import pytest
from formats_process import artifact, digest, shelf

from legato.domain.errors import MissingError, OutsideError

HERE = Path(__file__).parent
NAMES = sorted(formats_cases.CASES)
UNCHECKED = {"text", "raw", "file", "folder", "figure", "own"}  # any bytes are right


def _process(seed: str, *arguments: str) -> dict:
    given = os.environ
    environment = {**given, "PYTHONHASHSEED": seed, "MALLOC_PERTURB_": seed}
    done = subprocess.run(
        [sys.executable, str(HERE / "formats_process.py"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return _process("1", "save", str(tmp_path_factory.mktemp("first")))


@pytest.fixture(scope="module")
def saved_again(tmp_path_factory):
    return _process("77", "save", str(tmp_path_factory.mktemp("second")))


@pytest.fixture(scope="module")
def loaded_elsewhere(saved, tmp_path_factory):
    note = tmp_path_factory.mktemp("note") / "saved.json"
    note.write_text(json.dumps(saved))
    return _process("5", "load", str(note))


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_that_save_an_equal_value_write_equal_bytes(name, saved, saved_again):
    assert saved[name]["digest"] == saved_again[name]["digest"]


@pytest.mark.parametrize("name", NAMES)
def test_what_one_process_saved_another_reads_back_equal(name, loaded_elsewhere):
    assert loaded_elsewhere.get(name, "") == ""


@pytest.mark.parametrize("name", NAMES)
def test_reading_leaves_the_bytes_as_they_are(name, saved):
    assert digest(Path(saved[name]["path"])) == saved[name]["digest"]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNCHECKED])
@pytest.mark.parametrize("damage", ["half", "empty", "noise"])
def test_damaged_bytes_end_in_an_error_that_names_the_artifact(name, damage, saved, tmp_path):
    note = saved[name]
    path = tmp_path / "damaged"
    source = Path(note["path"])
    shutil.copytree(source, path) if source.is_dir() else shutil.copyfile(source, path)
    for file in [f for f in path.rglob("*") if f.is_file()] or [path]:
        data = file.read_bytes()
        file.write_bytes({"half": data[: len(data) // 2], "empty": b"", "noise": b"\x93garbage" * 30}[damage])

    with pytest.raises(OutsideError) as caught:
        shelf().load(path, artifact(note))

    assert caught.value.hint
    assert caught.value.message.startswith(f"artifact {note['digest'][:19]}")


@pytest.mark.parametrize("name", NAMES)
def test_bytes_that_are_gone_end_in_an_error_that_names_the_artifact(name, saved, tmp_path):
    with pytest.raises(MissingError, match="are not at"):
        shelf().load(tmp_path / "gone", artifact(saved[name]))
