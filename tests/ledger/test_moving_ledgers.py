"""A whole history moves between ledgers, and into a file and back, seal for seal."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from obstore.store import MemoryStore
from shared_cases import SEEN, alive, clock, log_in, machine, salt, started

from ledger_servers import Postgres, running_postgres
from legato.domain.errors import ConfigurationError, ConflictError, MissingError, OutsideError
from legato.domain.events import PayloadRedacted, RunFinished
from legato.ledger import Head
from legato.ledger.backups import backup, restore
from legato.ledger.moving import History, move
from legato.ledger.postgres import PostgresLog
from legato.ledger.sqlite import SqliteLedger


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


def in_sqlite(folder: Path) -> SqliteLedger:
    path = folder / f"{uuid4().hex}.db"
    return SqliteLedger(path, [SEEN], clock=clock, salt=salt, alive=alive)


@pytest.fixture(params=["sqlite", "bucket", "postgresql"])
def make(request, tmp_path) -> Callable[[], Any]:
    """Make an empty ledger."""
    match request.param:
        case "sqlite":
            return lambda: in_sqlite(tmp_path)
        case "bucket":
            return lambda: machine(log_in(MemoryStore()))
        case _:
            server = request.getfixturevalue("server")
            return lambda: machine(PostgresLog(server.address(f"t{uuid4().hex}"), alive))


@pytest.fixture
def source(tmp_path) -> Iterator[SqliteLedger]:
    with closing(in_sqlite(tmp_path)) as ledger:
        for number in range(1, 601):
            ledger.append([started(number, f"actor {number}"), RunFinished(number=number, state="succeeded")])
        ledger.append([PayloadRedacted(seq=5, why="a token")])
        yield ledger


@pytest.fixture
def target(make) -> Iterator[Any]:
    with closing(make()) as ledger:
        yield ledger


def same(one: Any, other: Any) -> bool:
    return list(one.records()) == list(other.records()) and one.query("seen") == other.query("seen")


def test_a_ledger_moves_whole_and_moves_back(source, target, tmp_path):
    told: list[tuple[int, int]] = []

    head = move(source, target, lambda done, total: told.append((done, total)))

    assert head == source.head() == target.head()
    assert same(source, target)
    assert told == [(500, 1201), (1000, 1201), (1201, 1201)]
    assert target.append([started(601)])[0].seq == 1202
    with closing(in_sqlite(tmp_path)) as back:
        assert move(target, back) == target.head()
        assert same(target, back)


class Interrupted:
    """A target that is lost after some events."""

    def __init__(self, target: History, after: int) -> None:
        self._target = target
        self._left = after
        self.head = target.head
        self.records = target.records
        self.verify = target.verify

    def adopt(self, before: Head, records: Any) -> None:
        if not self._left:
            raise OutsideError("the line is dead", hint="")
        self._left -= 1
        self._target.adopt(before, records)


def test_an_interrupted_move_goes_on_where_it_stopped(source, target):
    with pytest.raises(OutsideError, match="dead"):
        move(source, Interrupted(target, 1))
    assert target.head().seq == 500
    source.append([PayloadRedacted(seq=7, why="another token")])

    told: list[int] = []
    move(source, target, lambda done, _: told.append(done))

    assert told[0] == 1000
    assert same(source, target)
    assert target.verify(source.head()) == []


def test_a_move_that_is_done_does_nothing(source, target):
    move(source, target)
    told: list[int] = []

    move(source, target, lambda done, _: told.append(done))

    assert told == []


def test_a_target_with_another_history_is_left_alone(source, target):
    target.append([started(9)])

    with pytest.raises(ConflictError, match="another history: its event 1 is not"):
        move(source, target)

    assert target.head().seq == 1


def test_a_target_that_is_further_is_left_alone(source, target):
    move(source, target)
    target.append([started(1000)])

    with pytest.raises(ConflictError, match="it has 1202 events, the source 1201"):
        move(source, target)


def test_a_source_that_does_not_hold_is_not_moved(source, target):
    source._session.rows("UPDATE events SET at = 1 WHERE seq = 11")

    with pytest.raises(OutsideError, match=r"event 11 .* was altered"):
        move(source, target)

    assert target.head().seq == 0


def test_only_what_follows_is_adopted(source, target):
    first = next(source.records())
    target.append([started(9)])

    with pytest.raises(ConflictError, match="not at event 0 any more"):
        target.adopt(Head(seq=0, digest="x"), [first])

    assert target.head().seq == 1


def test_a_backup_comes_back_seal_for_seal(source, target, tmp_path):
    file = tmp_path / "ledger.jsonl"

    head = backup(source, file)
    restore(file, target)

    assert head == source.head()
    assert same(source, target)
    first, second = file.read_text().splitlines()[:2]
    assert json.loads(first) == {"legato_ledger": 1, "seq": 1201, "seal": head.digest}
    assert json.loads(second)["kind"] == "run.started"


@pytest.fixture
def kept(source, tmp_path) -> Path:
    file = tmp_path / "ledger.jsonl"
    backup(source, file)
    return file


@pytest.fixture
def empty(tmp_path) -> Iterator[SqliteLedger]:
    with closing(in_sqlite(tmp_path)) as ledger:
        yield ledger


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data.replace(b"actor 9\\", b"actor 8\\"), "event 17 .* was altered"),
        (lambda data: data[: data.rindex(b"\n{") + 1], "and 1 more"),
        (lambda data: data[:-20], "line 1202 .* cannot be read"),
        (lambda data: data.replace(data.splitlines(keepends=True)[8], b""), "event 8 was deleted"),
        (lambda _: b"my notes\n", "is no backup"),
    ],
)
def test_nothing_of_a_damaged_backup_is_restored(kept, empty, damage, said):
    kept.write_bytes(damage(kept.read_bytes()))

    with pytest.raises(OutsideError, match=said):
        restore(kept, empty)

    assert empty.head().seq == 0


def test_a_newer_backup_is_refused(kept, empty):
    kept.write_bytes(kept.read_bytes().replace(b'"legato_ledger":1', b'"legato_ledger":2', 1))

    with pytest.raises(ConfigurationError, match="format 2"):
        restore(kept, empty)


def test_a_backup_that_is_not_there_is_said(empty, tmp_path):
    with pytest.raises(MissingError, match=r"nothing\.jsonl"):
        restore(tmp_path / "nothing.jsonl", empty)


def test_a_file_is_never_written_over(source, tmp_path):
    file = tmp_path / "mine"
    file.write_text("my notes")

    with pytest.raises(ConflictError, match="mine is there already"):
        backup(source, file)

    assert file.read_text() == "my notes"


def test_a_ledger_that_does_not_hold_leaves_no_backup(source, tmp_path):
    source._session.rows("UPDATE events SET at = 1 WHERE seq = 11")

    with pytest.raises(OutsideError, match="was not backed up"):
        backup(source, tmp_path / "file")

    assert not [path for path in tmp_path.iterdir() if "file" in path.name]
