"""State that is damaged, full, read-only or gone: a clear error or a recomputation, never a wrong answer.

Rule: what cannot be trusted counts as absent.
"""

import contextlib
import os
import resource
import shutil
import subprocess

import pytest
from project_folder import Project

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def settled(project):
    project.chain(3)
    project.run()
    return project


def objects(project):
    return [path for path in (project.state / "store" / "objects").rglob("*") if path.is_file()]


def test_a_store_that_was_deleted_is_made_again(settled):
    shutil.rmtree(settled.state / "store")

    assert settled.computed() == ["s0", "s1", "s2"]
    assert settled.got("s2") == "2"


def test_a_lost_object_is_named_as_the_cause(settled):
    for path in objects(settled):
        path.unlink()

    assert "no longer whole in the store" in settled.legato("why", "s0").out
    ran = settled.legato("get", "s2", "-o", "out", code=4)
    assert "hint: legato run s2" in ran.err


def test_all_state_deleted_is_a_first_run(settled):
    shutil.rmtree(settled.state)

    assert settled.computed() == ["s0", "s1", "s2"]


@pytest.mark.parametrize("damage", [b"", b"this is no database" * 100])
def test_a_ledger_that_is_none_is_refused_with_what_to_do(settled, damage):
    for path in settled.state.glob("ledger.db-*"):
        path.unlink()
    (settled.state / "ledger.db").write_bytes(damage)

    for words in (["run"], ["runs"], ["status"], ["doctor"]):
        ran = settled.legato(*words, code=None)

        if damage:
            assert ran.code in {1, 2, 5}
            assert "ledger.db" in ran.text
            assert ran.err.startswith("error:") or words == ["doctor"]


def test_a_page_of_the_ledger_that_was_overwritten_is_found(settled):
    path = settled.state / "ledger.db"
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data), 4096):
        data[start : start + 2048] = b"\xaa" * 2048
    path.write_bytes(data)

    ran = settled.legato("run", code=None)

    assert ran.code in {2, 5}
    assert ran.err.startswith("error:")
    assert "hint:" in ran.err


def test_an_altered_event_is_found_by_the_doctor(settled):
    import sqlite3

    with sqlite3.connect(settled.state / "ledger.db") as ledger:
        triggers = [row[0] for row in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in triggers:
            ledger.execute(f"DROP TRIGGER {name}")
        ledger.execute("UPDATE events SET payload = replace(payload, 's1', 'sX') WHERE seq = 3")
    ledger.close()

    ran = settled.legato("doctor", code=1)

    assert "ledger" in ran.out


def test_a_folder_where_a_file_should_be_is_an_error(project):
    project.chain(2)
    (project.state / "ledger.db").mkdir(parents=True)

    ran = project.legato("run", code=None)

    assert ran.code in {2, 5}
    assert "ledger.db" in ran.err


def test_a_file_where_the_state_folder_should_be_is_an_error(project):
    project.chain(2)
    project.state.write_text("")

    ran = project.legato("run", code=5)

    assert ".legato" in ran.err


@pytest.fixture
def mounted(tmp_path):
    """A project on a small file system of its own."""
    if not AS_ROOT:
        pytest.skip("mounting needs root")
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield Project(place)
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_read_only_state_folder_is_an_error(mounted):
    mounted.chain(2)
    mounted.run()
    mounted.edit("pipeline.py", "return 0", "return 5")
    subprocess.run(["mount", "-o", "remount,ro", mounted.root], check=True)

    ran = mounted.legato("run", code=5)

    assert "hint:" in ran.err
    assert mounted.legato("status", code=None).code in {0, 5}


def test_a_full_disk_is_an_error_and_costs_nothing_later(mounted):
    mounted.pipeline(
        """
        @lg.step
        def small() -> int:
            return 1

        @lg.step
        def large(small: int, *, size: int = 8_000_000) -> str:
            return "x" * size
        """
    )

    ran = mounted.legato("run", code=None)

    assert ran.code in {1, 5}
    assert "space" in ran.err
    assert mounted.run("-p", "large.size=10") == {"small": "reused", "large": "computed"}


def test_a_disk_that_is_full_from_the_start_is_an_error(mounted):
    mounted.chain(2)
    with contextlib.suppress(OSError), (mounted.root / "filler").open("wb", buffering=0) as target:
        while True:
            target.write(b"x" * 65536)

    ran = mounted.legato("run", code=None)

    assert ran.code in {1, 3, 5}
    (mounted.root / "filler").unlink()
    assert mounted.run() == {"s0": "computed", "s1": "computed"}


def test_a_limit_on_file_sizes_is_an_error(project):
    project.pipeline('@lg.step\ndef large() -> str:\n    return "x" * 3_000_000\n')

    ran = project.legato(
        "run", code=None, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    )

    assert ran.code in {1, 5}
    assert project.computed() == ["large"]
