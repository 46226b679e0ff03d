"""The contract of `legato.ledger.Ledger`, over every back end that ships."""

import itertools
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from obstore.store import LocalStore, MemoryStore

from ledger_servers import S3, Postgres, running_postgres, running_s3
from legato.domain.artifacts import Artifact, Result
from legato.domain.digests import digest_of
from legato.domain.errors import BugError, ConflictError, MissingError
from legato.domain.events import (
    AliasMoved,
    Event,
    PayloadRedacted,
    Redacted,
    RunFinished,
    RunStarted,
    StepFinished,
)
from legato.ledger import Execute, Expect, Head, Ledger, Query, Stored, Workshop, named_queries
from legato.ledger.bucket import BucketLog
from legato.ledger.log import Log
from legato.ledger.mirrored import MirroredLedger
from legato.ledger.mirroring import Mirroring
from legato.ledger.objects import Objects
from legato.ledger.postgres import PostgresLog
from legato.ledger.sqlite import SqliteLedger


def project(execute: Execute, stored: Stored) -> None:
    """Keep the number of runs, and which alias points where."""
    match stored.event:
        case RunStarted(number=number, actor=actor):
            execute("INSERT INTO tally (number, actor, at) VALUES (?, ?, ?)", (number, actor, stored.at))
        case RunFinished(number=number, state=state):
            execute(
                "UPDATE tally SET state = :state WHERE number = :number", {"state": state, "number": number}
            )
        case AliasMoved(model=model, alias=alias, after=after):
            execute("INSERT OR REPLACE INTO pointers VALUES (?, ?, ?)", (model, alias, after))
        case _:
            pass


FIRST = """
CREATE TABLE tally (number INTEGER PRIMARY KEY, actor TEXT, at REAL);
CREATE INDEX by_actor ON tally (actor);
"""
SECOND = """
ALTER TABLE tally ADD COLUMN state TEXT DEFAULT 'running; still';
CREATE TABLE pointers (model TEXT, alias TEXT, version INTEGER, PRIMARY KEY (model, alias));
CREATE VIEW finished AS SELECT * FROM tally WHERE state = 'succeeded';
"""
TALLY = Workshop(
    name="tally",
    migrations=(FIRST, SECOND),
    queries=named_queries("""
-- name: next_number
SELECT coalesce(max(number), 0) + 1 AS number FROM tally;
-- name: all_runs
SELECT * FROM tally ORDER BY number;
-- name: some_runs
SELECT number FROM tally WHERE number IN (SELECT value FROM json_each(:numbers)) ORDER BY number;
-- name: pointer
SELECT version FROM pointers WHERE model = :model AND alias = :name;
-- name: finished
SELECT number FROM finished;
"""),
    project=project,
)


class Clock:
    """A clock that stands still until it is told to go on."""

    now = 1_700_000_000.25

    def __call__(self) -> float:
        return self.now


class World:
    """What a ledger is told from outside: time, chance, who lives."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.dead: set[str] = set()
        self._numbers = itertools.count()

    def salt(self) -> bytes:
        return next(self._numbers).to_bytes(16, "big")

    def alive(self, owner: str) -> bool:
        return owner not in self.dead

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds

    def time(self, at: float, expected: float) -> float:
        """Return what `at` must be where time was expected to be `expected`."""
        del at
        return expected


class OtherClock(World):
    """A world in which a server tells the time; the leases it gave grow older when time is to pass."""

    def __init__(self, connection: Any, schema: str) -> None:
        super().__init__()
        self._connection = connection
        self._schema = schema

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        older = "SET expires_at = expires_at - make_interval(secs => %s)"
        self._connection.execute(f"UPDATE {self._schema}.leases {older}", (seconds,))

    def time(self, at: float, expected: float) -> float:
        del expected
        assert abs(at - time.time()) < 600
        return at


Opening = Callable[[str], Ledger]
"""Opens the ledger as the machine of that name would."""


def in_sqlite(path: str, world: World) -> Opening:
    return lambda _: SqliteLedger(path, [TALLY], clock=world.clock, salt=world.salt, alive=world.alive)


def mirrored(log: Log, mirror: Path, world: World) -> Ledger:
    return MirroredLedger(log, Mirroring(mirror), [TALLY], salt=world.salt, alive=world.alive)


def in_bucket(store: Any, mirrors: Path, world: World) -> Opening:
    def log() -> BucketLog:
        return BucketLog(Objects(store, "team/ledger", "a bucket"), world.clock, world.salt)

    return lambda machine: mirrored(log(), mirrors / f"{machine}.db", world)


def in_postgres(address: str, mirrors: Path, world: World) -> Opening:
    return lambda machine: mirrored(PostgresLog(address, world.alive), mirrors / f"{machine}.db", world)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with running_s3() as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


BACK_ENDS = ["sqlite file", "sqlite in memory", "memory bucket", "folder bucket", "s3 bucket", "postgresql"]


@pytest.fixture(params=BACK_ENDS)
def opening(request, tmp_path) -> Iterator[tuple[World, Opening]]:
    name = f"t{uuid.uuid4().hex}"
    world = World()
    match request.param:
        case "sqlite file":
            yield world, in_sqlite(str(tmp_path / "ledger.db"), world)
        case "sqlite in memory":
            yield world, in_sqlite(":memory:", world)
        case "memory bucket":
            yield world, in_bucket(MemoryStore(), tmp_path, world)
        case "folder bucket":
            yield world, in_bucket(LocalStore(tmp_path / "bucket", mkdir=True), tmp_path, world)
        case "s3 bucket":
            yield world, in_bucket(request.getfixturevalue("s3").store(name), tmp_path, world)
        case _:
            server = request.getfixturevalue("postgres")
            with server.connect() as connection:
                world = OtherClock(connection, name)
                yield world, in_postgres(server.address(name), tmp_path, world)


@pytest.fixture
def world(opening) -> World:
    return opening[0]


@pytest.fixture
def ledger(opening) -> Iterator[Ledger]:
    with closing(opening[1]("here")) as ledger:
        yield ledger


@pytest.fixture
def another(opening, ledger, request) -> Iterator[Ledger]:
    """The same ledger, as another machine has it (with SQLite: another process)."""
    del ledger  # opened before
    if request.node.callspec.params["opening"] == "sqlite in memory":
        pytest.skip("a ledger in memory is one process's own")
    with closing(opening[1]("there")) as other:
        yield other


def started(number: int, actor: str = "ann") -> RunStarted:
    return RunStarted(number=number, targets=("model",), pipeline="pipeline.py", actor=actor)


def finished_step(number: int) -> StepFinished:
    artifact = Artifact(
        digest=digest_of(b"%d" % number), size_bytes=1, format="json/1", about={"ü": [1, None]}
    )
    result = Result(key=f"k1:{number}", base=f"k1:{number}", step="s", run=1, outputs={"": artifact})
    return StepFinished(kind="step", result=result)


def alias(after: int) -> AliasMoved:
    return AliasMoved(model="wine", alias="champion", environment="local", before=0, after=after)


def test_events_come_back_in_order_with_place_and_time(ledger, world):
    ledger.append([started(1), finished_step(1)])
    world.advance(1.5)
    ledger.append([RunFinished(number=1, state="succeeded")])

    stored = list(ledger.events())

    assert [item.seq for item in stored] == [1, 2, 3]
    assert stored[0].at == stored[1].at == world.time(stored[0].at, 1_700_000_000.25)
    assert stored[2].at == world.time(stored[2].at, 1_700_000_001.75)
    assert stored[2].at >= stored[0].at
    assert [item.event for item in stored] == [
        started(1), finished_step(1), RunFinished(number=1, state="succeeded")
    ]  # fmt: skip


def test_append_returns_what_events_will_yield(ledger):
    appended = ledger.append([started(1), alias(3)])

    assert list(appended) == list(ledger.events())


def test_events_can_be_asked_for_from_a_place_and_by_kind(ledger):
    ledger.append([started(1), alias(1), started(2), alias(2)])

    assert [item.seq for item in ledger.events(after=2)] == [3, 4]
    assert [item.seq for item in ledger.events(kinds=["alias.moved"])] == [2, 4]
    assert [item.seq for item in ledger.events(1, ("run.started", "step.failed"))] == [3]


def test_many_events_are_yielded_and_may_be_appended_meanwhile(ledger):
    ledger.append([started(number) for number in range(1, 2502)])

    seen = 0
    for stored in ledger.events():
        seen += 1
        if stored.seq == 2000:
            ledger.append([alias(1)])

    assert seen == 2502


def test_tables_are_read_from_the_events_at_once(ledger, world):
    ledger.append([started(1), RunFinished(number=1, state="succeeded"), started(2, "bob")])

    rows = ledger.query("all_runs")

    at = world.time(rows[0]["at"], world.clock.now)
    assert rows == [
        {"number": 1, "actor": "ann", "at": at, "state": "succeeded"},
        {"number": 2, "actor": "bob", "at": at, "state": "running; still"},
    ]
    assert ledger.query("finished") == [{"number": 1}]


def test_a_query_takes_lists_and_a_parameter_called_name(ledger):
    ledger.append([started(1), started(2), started(3), alias(7)])

    assert ledger.query("some_runs", numbers=[3, 1, 9]) == [{"number": 1}, {"number": 3}]
    assert ledger.query("pointer", model="wine", name="champion") == [{"version": 7}]


def test_a_query_that_no_workshop_has_is_our_bug(ledger):
    with pytest.raises(BugError, match="'nothing'"):
        ledger.query("nothing")


def test_nothing_of_a_failed_append_is_kept(ledger):
    ledger.append([started(1)])

    with pytest.raises(BugError):
        ledger.append([alias(1), started(1)])  # the table takes each number once

    assert ledger.head().seq == 1
    assert ledger.query("pointer", model="wine", name="champion") == []
    assert ledger.append([started(2)])[0].seq == 2


def test_an_event_that_could_not_be_read_again_is_never_written(ledger):
    with pytest.raises(BugError, match="Redacted"):
        ledger.append([Redacted(kind="run.started", by=1)])

    assert ledger.head().seq == 0


def test_an_append_that_expects_another_head_is_refused(ledger):
    ledger.append([started(1)])

    with pytest.raises(ConflictError, match="at event 1, not at 0"):
        ledger.append([alias(1)], expect=Expect(head=0))
    ledger.append([alias(2)], expect=Expect(head=1))

    assert ledger.query("pointer", model="wine", name="champion") == [{"version": 2}]


def test_transact_decides_on_what_is_there(ledger):
    def decide(query: Query) -> list[Event]:
        return [started(query("next_number")[0]["number"])]

    numbers = [stored.event.number for _ in range(3) for stored in ledger.transact(decide)]

    assert numbers == [1, 2, 3]


def test_a_decision_that_raises_leaves_no_trace_and_no_lock(ledger):
    def decide(_: Query) -> list[Event]:
        raise ConflictError("someone else was first")

    with pytest.raises(ConflictError, match="first"):
        ledger.transact(decide)

    assert ledger.transact(lambda _: []) == ()
    assert ledger.append([started(1)])[0].seq == 1


def test_threads_that_decide_at_once_never_take_the_same_number(ledger):
    def decide(query: Query) -> list[Event]:
        return [started(query("next_number")[0]["number"])]

    def work() -> None:
        for _ in range(25):
            ledger.transact(decide)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [row["number"] for row in ledger.query("all_runs")] == list(range(1, 101))
    assert ledger.verify() == []


def all_tables(ledger: Ledger) -> list[object]:
    pointer = ledger.query("pointer", model="wine", name="champion")
    return [ledger.query("all_runs"), ledger.query("finished"), pointer]


def test_rebuilt_tables_equal_live_ones(ledger):
    ledger.append(
        [started(1), alias(4), started(2, "bob"), RunFinished(number=2, state="succeeded"), alias(5)]
    )
    live = all_tables(ledger)

    ledger.rebuild()

    assert all_tables(ledger) == live
    assert all(live)


def test_a_whole_ledger_has_no_problems_also_against_an_earlier_head(ledger):
    empty = ledger.head()
    ledger.append([started(1)])
    head = ledger.head()
    ledger.append([alias(1)])

    assert empty.seq == 0
    assert head == Head(seq=1, digest=next(iter(ledger.events())).digest)
    assert (
        ledger.verify() == ledger.verify(empty) == ledger.verify(head) == ledger.verify(ledger.head()) == []
    )


def test_a_head_that_is_not_of_this_history_is_named(ledger):
    ledger.append([started(1), started(2)])

    (cut,) = ledger.verify(Head(seq=5, digest="0" * 64))
    (rewritten,) = ledger.verify(Head(seq=2, digest="0" * 64))

    assert (cut.kind, cut.seq) == ("cut", 3)
    assert (rewritten.kind, rewritten.seq) == ("rewritten", 2)


def test_a_redacted_event_is_blank_everywhere_and_the_chain_holds(ledger):
    ledger.append([started(1, "a secret"), alias(1)])
    head = ledger.head()

    ledger.append([PayloadRedacted(seq=1, actor="ann", why="a token in it")])

    first = next(iter(ledger.events()))
    assert first.event == Redacted(kind="run.started", by=3)
    assert ledger.query("all_runs") == []
    assert ledger.verify(head) == []
    assert [item.seq for item in ledger.events(kinds=["run.started"])] == []
    assert [item.seq for item in ledger.events(kinds=["redacted", "alias.moved"])] == [1, 2]


@pytest.mark.parametrize("seq", [0, 2, 99])
def test_only_an_earlier_event_can_be_redacted(ledger, seq):
    ledger.append([started(1)])

    with pytest.raises(MissingError, match=f"event {seq} "):
        ledger.append([PayloadRedacted(seq=seq)])

    assert ledger.head().seq == 1


def test_a_redaction_cannot_be_redacted(ledger):
    ledger.append([started(1), PayloadRedacted(seq=1, why="a token")])

    with pytest.raises(MissingError):
        ledger.append([PayloadRedacted(seq=2)])

    assert ledger.verify() == []


def test_a_lease_is_held_by_one_owner_until_it_is_given_back(ledger):
    (mine,) = ledger.acquire(["key"], "ann", 60)

    refused = ledger.acquire(["key"], "bob", 60)
    ledger.release([mine])
    (theirs,) = ledger.acquire(["key"], "bob", 60)

    assert refused == ()
    assert theirs.fencing > mine.fencing


def test_acquire_returns_those_that_could_be_had(ledger):
    ledger.acquire(["b"], "bob", 60)

    leases = ledger.acquire(["a", "b", "c", "a"], "ann", 60)

    assert [lease.name for lease in leases] == ["a", "c"]


def test_acquiring_again_renews_and_keeps_the_fencing_number(ledger, world):
    (first,) = ledger.acquire(["key"], "ann", 60)
    world.advance(10)

    (second,) = ledger.acquire(["key"], "ann", 60)

    assert second.fencing == first.fencing
    assert second.expires_at == world.time(second.expires_at, first.expires_at + 10)


def test_an_expired_lease_is_taken_over_and_its_owner_can_do_nothing_with_it(ledger, world):
    (old,) = ledger.acquire(["key"], "ann", 60)
    world.advance(61)

    (new,) = ledger.acquire(["key"], "bob", 60)
    ledger.release([old])

    assert new.fencing > old.fencing
    assert ledger.renew([old], 60) == ()
    with pytest.raises(ConflictError, match="ann has lost its lease on 'key'"):
        ledger.append([started(1)], expect=Expect(leases=(old,)))
    assert ledger.append([started(1)], expect=Expect(leases=(new,)))


def test_a_renewed_lease_does_not_expire(ledger, world):
    (lease,) = ledger.acquire(["key"], "ann", 60)
    world.advance(50)
    (renewed,) = ledger.renew([lease], 60)
    world.advance(50)

    assert ledger.acquire(["key"], "bob", 60) == ()
    assert renewed.expires_at == world.time(renewed.expires_at, lease.expires_at + 50)


def test_a_dead_owners_lease_is_taken_over_at_once(ledger, world):
    (old,) = ledger.acquire(["key"], "ann", 60)
    world.dead.add("ann")

    (new,) = ledger.acquire(["key"], "bob", 60)

    assert new.fencing > old.fencing


def test_an_append_gives_leases_back_in_the_same_transaction(ledger):
    (lease,) = ledger.acquire(["key"], "ann", 60)

    with pytest.raises(ConflictError):
        ledger.append([started(1)], expect=Expect(head=9), release=[lease])
    still_held = ledger.acquire(["key"], "bob", 60)
    ledger.append([started(1)], release=[lease])

    assert still_held == ()
    assert ledger.acquire(["key"], "bob", 60) != ()


def test_fencing_numbers_grow_also_when_no_lease_is_left(ledger):
    numbers = []
    for _ in range(3):
        (lease,) = ledger.acquire(["key"], "ann", 60)
        ledger.release([lease])
        numbers.append(lease.fencing)

    assert numbers == sorted(set(numbers))


def test_sync_may_be_called_at_any_time(ledger):
    ledger.sync()
    ledger.append([started(1)])
    ledger.sync()

    assert ledger.head().seq == 1


def test_a_child_process_must_not_use_the_ledger(ledger):
    child = os.fork()
    if not child:
        try:
            ledger.append([started(1)])
        except BugError as error:
            os._exit(0 if "child" in error.message else 2)
        os._exit(1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert ledger.append([started(1)])[0].seq == 1


def test_another_machine_sees_what_was_appended(ledger, another):
    ledger.append([started(1), alias(4)])

    another.refresh()

    assert list(another.events()) == list(ledger.events())
    assert all_tables(another) == all_tables(ledger)
    assert another.head() == ledger.head()


def test_machines_that_decide_on_what_they_knew_last_decide_again(ledger, another):
    def decide(query: Query) -> list[Event]:
        return [started(query("next_number")[0]["number"])]

    for machine in (ledger, another, another, ledger, ledger, another):
        machine.transact(decide)

    assert [row["number"] for row in ledger.query("all_runs")] == [1, 2, 3, 4, 5, 6]
    assert ledger.verify() == another.verify() == []


def test_what_a_machine_would_not_do_if_it_knew_is_not_done(ledger, another):
    def first_only(query: Query) -> list[Event]:
        return [] if query("all_runs") else [started(1)]

    assert len(ledger.transact(first_only)) == 1
    assert another.transact(first_only) == ()
    with pytest.raises(ConflictError, match="at event 1, not at 0"):
        another.append([alias(1)], expect=Expect(head=0))


def test_a_lease_is_held_on_all_machines(ledger, another, world):
    (mine,) = ledger.acquire(["key"], "ann", 60)

    refused = another.acquire(["key"], "bob", 60)
    world.advance(61)
    (theirs,) = another.acquire(["key"], "bob", 60)

    assert refused == ()
    assert theirs.fencing > mine.fencing
    assert ledger.renew([mine], 60) == ()
    with pytest.raises(ConflictError, match="ann has lost its lease on 'key'"):
        ledger.append([started(1)], expect=Expect(leases=(mine,)))


def test_a_lease_given_back_with_an_append_is_free_for_all_machines(ledger, another):
    (mine,) = ledger.acquire(["key"], "ann", 60)
    ledger.append([started(1)], expect=Expect(leases=(mine,)), release=[mine])

    assert [lease.name for lease in another.acquire(["key"], "bob", 60)] == ["key"]


def test_a_redaction_blanks_on_all_machines(ledger, another):
    ledger.append([started(1, "a secret"), started(2)])
    another.refresh()

    ledger.append([PayloadRedacted(seq=1, why="a token")])
    another.refresh()

    assert next(iter(another.events())).event == Redacted(kind="run.started", by=3)
    assert [row["number"] for row in another.query("all_runs")] == [2]
    assert another.verify() == ledger.verify() == []


def test_waiting_ends_when_the_time_is_over_or_something_is_there(ledger):
    assert ledger.wait(0, 0.05) is False

    ledger.append([started(1)])

    assert ledger.wait(0, 60) is True
    assert ledger.wait(1, 0) is False


def test_waiting_ends_when_another_machine_appends(ledger, another):
    told = []
    waiting = threading.Thread(target=lambda: told.append(ledger.wait(0, 60)))
    waiting.start()

    another.append([started(1)])
    waiting.join(60)

    assert told == [True]
    assert [item.seq for item in ledger.events()] == [1]


def test_leases_alone_do_not_end_the_waiting(ledger, another):
    another.acquire(["key"], "ann", 60)

    assert ledger.wait(0, 0.05) is False
