"""`legato backup`, `restore`, `ledger move` and `ledger verify`: nothing is lost, and nothing altered gets in."""

import sqlite3
import tarfile

import pytest
from project_folder import Project

PIPELINE = """
    @lg.step
    def first() -> list[int]:
        return [1, 2, 3]

    @lg.step
    def second(first: list[int]) -> int:
        return sum(first)
"""


@pytest.fixture
def other(tmp_path):
    """A second machine with the same pipeline."""
    found = Project(tmp_path / "other")
    found.pipeline(PIPELINE)
    return found


def test_what_was_backed_up_serves_on_another_machine(project, other):
    project.pipeline(PIPELINE)
    project.legato("run")
    said = project.legato("backup", "../all.tar")

    other.legato("restore", "../all.tar")

    assert "2 objects" in said.out
    assert other.legato("run", "--json").lines()[-1]["steps"][0]["state"] == "reused"
    assert other.got("second") == "6"
    assert [run["number"] for run in other.legato("runs", "--json").lines()] == [1]


def test_a_restore_into_the_same_history_is_no_harm_and_into_another_is_refused(project, other):
    project.pipeline(PIPELINE)
    project.legato("run")
    project.legato("backup", "../all.tar")
    project.legato("restore", "../all.tar")
    other.legato("run")
    before = other.legato("runs", "--json").out

    refused = other.legato("restore", "../all.tar", code=6)

    assert "history" in refused.err
    assert other.legato("runs", "--json").out == before


def test_a_backup_is_never_written_over(project):
    project.pipeline(PIPELINE)
    project.legato("run")
    project.legato("backup", "../all.tar")

    refused = project.legato("backup", "../all.tar", code=6)

    assert "all.tar is there already" in refused.err


def test_an_altered_backup_is_refused_and_names_what_was_altered(project, other, tmp_path):
    project.pipeline(PIPELINE)
    project.legato("run")
    project.legato("backup", "../all.tar")
    data = bytearray((tmp_path / "all.tar").read_bytes())
    with tarfile.open(tmp_path / "all.tar") as archive:
        member = next(one for one in archive.getmembers() if one.name.startswith("objects/"))
    data[member.offset_data] ^= 1
    (tmp_path / "all.tar").write_bytes(bytes(data))

    refused = other.legato("restore", "../all.tar", code=5)

    assert "was altered" in refused.err
    assert other.legato("runs", "--json", code=None).lines() == []


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\0" * 10240])
def test_what_is_no_backup_is_refused(other, tmp_path, content):
    (tmp_path / "all.tar").write_bytes(content)

    refused = other.legato("restore", "../all.tar", code=5)

    assert "no backup" in refused.err


def test_a_backup_that_would_write_outside_writes_nothing(project, other, tmp_path):
    project.pipeline(PIPELINE)
    project.legato("run")
    project.legato("backup", "../all.tar")
    with tarfile.open(tmp_path / "all.tar", "a") as archive:
        member = tarfile.TarInfo("../../canary")
        member.type = tarfile.SYMTYPE
        member.linkname = "/etc/passwd"
        archive.addfile(member)

    refused = other.legato("restore", "../all.tar", code=5)

    assert "'../../canary', which is no object" in refused.err
    assert not (tmp_path / "canary").exists()


def test_a_ledger_moves_to_a_folder_and_back_with_its_chain_whole(project, tmp_path):
    project.pipeline(PIPELINE)
    project.legato("run")

    moved = project.legato("ledger", "move", "--from", "local", str(tmp_path / "shared"))
    again = project.legato("ledger", "move", "--from", "local", str(tmp_path / "shared"))

    assert "verified" in moved.out
    assert moved.out == again.out
    assert "hold" in project.legato("ledger", "verify").out


def test_the_shared_ledger_moves_zone_by_zone(project, other, tmp_path):
    project.write("legato.toml", f'[store]\nremote = "{tmp_path / "remote"}"\n')
    project.pipeline(PIPELINE)
    project.legato("run")

    moved = project.legato("ledger", "move", str(tmp_path / "elsewhere"))

    assert moved.out.count("verified") == 1
    assert "laptop" in moved.out
    other.write(
        "legato.toml",
        f'[store]\nremote = "{tmp_path / "remote"}"\n[ledger]\nurl = "{tmp_path / "elsewhere"}"\n',
    )
    states = [step["state"] for step in other.legato("run", "--json").lines()[-1]["steps"]]
    assert states == ["reused", "reused"]


def test_an_altered_event_is_named(project):
    project.pipeline(PIPELINE)
    project.legato("run")
    with sqlite3.connect(project.state / "ledger.db") as ledger:
        ledger.execute("UPDATE events SET payload = replace(payload, 'second', 'secund') WHERE seq = 3")
    ledger.close()

    told = project.legato("ledger", "verify", code=1)

    assert "event 3 altered" in told.out


def test_an_altered_ledger_is_named_by_the_backup_it_is_in(project, other, tmp_path):
    project.pipeline(PIPELINE)
    project.legato("run")
    project.legato("backup", "../all.tar")
    data = bytearray((tmp_path / "all.tar").read_bytes())
    data[data.index(b'"payload"') + 1] ^= 1
    (tmp_path / "all.tar").write_bytes(data)

    refused = other.legato("restore", "../all.tar", code=5)

    assert "ledger.jsonl in" in refused.err
    assert "all.tar cannot be read" in refused.err
