"""The contract of `legato.ledger.Ledger`, over every back end that ships."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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


@pytest.fixture
def world() -> World:
    return World()


BACK_ENDS: dict[str, Callable[[Path], str]] = {
    "sqlite file": lambda folder: str(folder / "ledger.db"),
    "sqlite in memory": lambda _: ":memory:",
}


@pytest.fixture(params=sorted(BACK_ENDS))
def ledger(request, tmp_path, world) -> Iterator[Ledger]:
    opened = SqliteLedger(
        BACK_ENDS[request.param](tmp_path), [TALLY], clock=world.clock, salt=world.salt, alive=world.alive
    )
    yield opened
    opened.close()


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
    world.clock.now += 1.5
    ledger.append([RunFinished(number=1, state="succeeded")])

    stored = list(ledger.events())

    assert [item.seq for item in stored] == [1, 2, 3]
    assert [item.at for item in stored] == [1_700_000_000.25, 1_700_000_000.25, 1_700_000_001.75]
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

    assert ledger.query("all_runs") == [
        {"number": 1, "actor": "ann", "at": world.clock.now, "state": "succeeded"},
        {"number": 2, "actor": "bob", "at": world.clock.now, "state": "running; still"},
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
    world.clock.now += 10

    (second,) = ledger.acquire(["key"], "ann", 60)

    assert second.fencing == first.fencing
    assert second.expires_at == first.expires_at + 10


def test_an_expired_lease_is_taken_over_and_its_owner_can_do_nothing_with_it(ledger, world):
    (old,) = ledger.acquire(["key"], "ann", 60)
    world.clock.now += 61

    (new,) = ledger.acquire(["key"], "bob", 60)
    ledger.release([old])

    assert new.fencing > old.fencing
    assert ledger.renew([old], 60) == ()
    with pytest.raises(ConflictError, match="ann has lost its lease on 'key'"):
        ledger.append([started(1)], expect=Expect(leases=(old,)))
    assert ledger.append([started(1)], expect=Expect(leases=(new,)))


def test_a_renewed_lease_does_not_expire(ledger, world):
    (lease,) = ledger.acquire(["key"], "ann", 60)
    world.clock.now += 50
    (renewed,) = ledger.renew([lease], 60)
    world.clock.now += 50

    assert ledger.acquire(["key"], "bob", 60) == ()
    assert renewed.expires_at == lease.expires_at + 50


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
