"""A ledger in PostgreSQL: what it says when the database refuses, restarts or is changed behind its back."""

import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from shared_cases import alive, looker, machine, named, numbers, started

from ledger_servers import LosesTheAnswer, Postgres, free_port, running_postgres
from legato.domain.errors import ConfigurationError, LegatoError, MissingError, OutsideError
from legato.domain.events import PayloadRedacted
from legato.ledger import Expect, Head
from legato.ledger.mirrored import MirroredLedger
from legato.ledger.postgres import PostgresLog
from legato.ledger.postgres_session import parse_address


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def schema() -> str:
    return f"t{uuid4().hex}"


@pytest.fixture
def database(server) -> Iterator[Any]:
    with server.connect() as connection:
        yield connection


def log_in(server: Postgres, schema: str, **how: Any) -> PostgresLog:
    return PostgresLog(server.address(schema), alive, **how)


@pytest.fixture
def ledger(server, schema) -> Iterator[MirroredLedger]:
    with closing(machine(log_in(server, schema))) as ledger:
        yield ledger


@pytest.fixture
def filled(ledger) -> MirroredLedger:
    for number in range(1, 5):
        ledger.append([started(number, f"actor {number}")])
    return ledger


def run(database: Any, schema: str, statement: str) -> Any:
    return database.execute(statement.format(schema))


def refused(address: str) -> LegatoError:
    with pytest.raises(LegatoError) as caught:
        PostgresLog(address, alive)
    assert "a-word-of-ours" not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_a_wrong_password_is_said_and_not_shown(server):
    error = refused(server.address().replace(server.password, "wrong-a-word-of-ours"))

    assert isinstance(error, OutsideError)
    assert 'password authentication failed for user "legato"' in error.message
    assert "PGPASSWORD" in error.hint


def test_a_server_that_is_not_there_is_said(server):
    error = refused(server.address().replace(str(server.port), str(free_port())))

    assert isinstance(error, OutsideError)
    assert "refused" in error.message
    assert "port" in error.hint


def test_a_database_that_is_not_there_is_said(server):
    error = refused(server.address().replace("/postgres?", "/nowhere?"))

    assert isinstance(error, OutsideError)
    assert '"nowhere" does not exist' in error.message


@pytest.mark.parametrize(
    "change",
    [
        lambda address: address.replace("schema=legato", "schema=Le;gato"),
        lambda address: address + "&color=blue",
        lambda address: address.replace("127.0.0.1:", "127.0.0.1:x"),
        lambda address: address.replace("postgresql", "mysql"),
        lambda address: address + "&sslmode=sometimes",
    ],
)
def test_an_address_that_cannot_be_followed_is_the_users_to_mend(server, change):
    error = refused(change(server.address()))

    assert isinstance(error, ConfigurationError | OutsideError)
    assert error.hint


def test_an_address_is_shown_without_its_secrets():
    parsed = parse_address(
        "postgresql://ann:pass%40word@db:5433/things?schema=team_a&password=two&sslmode=disable"
    )

    assert parsed.name == "postgresql://ann@db:5433/things?schema=team_a"
    assert parsed.secrets == ("pass@word", "pass%40word", "two")
    assert "schema" not in parsed.target
    assert "sslmode=disable" in parsed.target


def test_two_ledgers_in_one_database_know_nothing_of_each_other(server, schema, filled):
    with closing(machine(log_in(server, f"{schema[:30]}b"))) as other:
        other.append([started(9)])

        assert numbers(other) == [9]
        assert numbers(filled) == [1, 2, 3, 4]


def test_a_newer_form_is_refused(server, schema, filled, database):
    del filled
    run(database, schema, "UPDATE {0}.head SET format = 2")

    error = refused(server.address(schema))

    assert isinstance(error, ConfigurationError)
    assert "format 2" in error.message


def test_a_schema_that_was_made_beforehand_serves(server, schema, database):
    run(database, schema, "CREATE SCHEMA {0}")

    with closing(machine(log_in(server, schema))) as ledger:
        ledger.append([started(1)])

    assert run(database, schema, "SELECT format, seq FROM {0}.head").fetchall() == [(1, 1)]


def test_who_only_looks_makes_no_tables(server, schema, database):
    with pytest.raises(MissingError, match="no ledger"):
        log_in(server, schema, writes=False)

    assert database.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchall() == []


def test_who_may_only_read_can_look(server, schema, filled, database):
    del filled
    run(database, schema, f"CREATE ROLE looker LOGIN PASSWORD '{server.password}'")
    run(database, schema, "GRANT USAGE ON SCHEMA {0} TO looker")
    run(database, schema, "GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO looker")
    address = server.address(schema).replace("legato:", "looker:")

    with closing(looker(PostgresLog(address, alive, writes=False))) as reader:
        assert numbers(reader) == [1, 2, 3, 4]
        assert reader.verify() == []
    with closing(machine(PostgresLog(address, alive))) as ledger:
        with pytest.raises(OutsideError, match="permission denied") as caught:
            ledger.append([started(5)])
        assert "GRANT" in caught.value.hint


def test_a_database_that_restarts_is_waited_for(server, filled):
    server.stop("fast")
    restarting = threading.Timer(0.3, server.start)
    restarting.start()

    filled.append([started(5)])
    restarting.join()

    assert numbers(filled) == [1, 2, 3, 4, 5]
    assert filled.verify() == []


def test_a_connection_that_is_cut_is_opened_again(filled, database):
    for number in range(5, 9):
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'legato'"
        )
        filled.append([started(number)])

    assert numbers(filled) == list(range(1, 9))


@pytest.fixture
def unsteady(server, schema) -> Iterator[tuple[LosesTheAnswer, str]]:
    """A connection that is lost when somebody says so, and the address that goes through it."""
    with closing(LosesTheAnswer(server.port)) as proxy:
        yield proxy, server.address(schema, sslmode="disable").replace(str(server.port), str(proxy.port))


def test_a_commit_whose_answer_was_lost_is_found_by_reading_back(unsteady):
    proxy, address = unsteady
    with closing(machine(PostgresLog(address, alive))) as ledger:
        for number in range(1, 4):
            proxy.armed = True
            ledger.append([started(number)])

        assert proxy.lost == 3
        assert numbers(ledger) == [1, 2, 3]
        assert ledger.head().seq == 3
        assert ledger.verify() == []


def test_a_lease_whose_answer_was_lost_is_held(unsteady):
    proxy, address = unsteady
    with closing(machine(PostgresLog(address, alive))) as ledger:
        proxy.armed = True
        (lease,) = ledger.acquire(["key"], "ann", 60)
        proxy.armed = True
        ledger.append([started(1)], expect=Expect(leases=(lease,)), release=[lease])

        assert proxy.lost == 2
        assert numbers(ledger) == [1]
        assert len(ledger.acquire(["key"], "bob", 60)) == 1


def test_a_ledger_restored_to_an_earlier_state_while_it_is_used_is_noticed(server, schema, database):
    told = []
    with closing(machine(log_in(server, schema), told=told.append)) as ledger:
        ledger.append([started(1)])
        ledger.append([started(2)])
        run(database, schema, "DELETE FROM {0}.events WHERE seq = 2")
        run(database, schema, "UPDATE {0}.head SET (seq, chain) = (SELECT seq, chain FROM {0}.events)")

        ledger.append([started(7)])

        assert numbers(ledger) == [1, 7]
    assert "event 2 on" in told[0]


SWAPPED = """
UPDATE {0}.events SET seq = -1 WHERE seq = 1;
UPDATE {0}.events SET seq = 1 WHERE seq = 2;
UPDATE {0}.events SET seq = 2 WHERE seq = -1;
"""


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            "UPDATE {0}.events SET payload = replace(payload, 'actor 2', 'eve') WHERE seq = 2",
            [(2, "altered")],
        ),
        ("UPDATE {0}.events SET at = 7 WHERE seq = 1", [(1, "altered")]),
        ("UPDATE {0}.events SET payload = NULL, salt = NULL WHERE seq = 2", [(2, "blanked")]),
        ("DELETE FROM {0}.events WHERE seq = 2", [(2, "missing")]),
        ("DELETE FROM {0}.events WHERE seq = 4", [(4, "cut")]),
        ("UPDATE {0}.head SET chain = 'x'", [(4, "rewritten")]),
        (SWAPPED, [(1, "reordered"), (2, "reordered")]),
    ],
)
def test_a_row_changed_behind_its_back_is_named(schema, filled, database, change, found):
    run(database, schema, change)

    assert named(filled) == found


def test_a_cut_tail_is_named_against_a_published_head(schema, filled, database):
    head = filled.head()
    run(database, schema, "DELETE FROM {0}.events WHERE seq = 4")
    run(
        database,
        schema,
        "UPDATE {0}.head SET (seq, chain) = (SELECT seq, chain FROM {0}.events WHERE seq = 3)",
    )

    assert filled._log.audit(None) == []
    assert named(filled, head) == [(4, "cut")]
    assert named(filled, Head(seq=3, digest="0" * 64)) == [(3, "rewritten")]


def test_a_redacted_word_is_in_no_row_any_more(schema, filled, database):
    filled.append([PayloadRedacted(seq=2, why="a token")])

    rows = run(
        database, schema, "SELECT seq FROM {0}.events WHERE payload IS NULL AND salt IS NULL"
    ).fetchall()

    assert rows == [(2,)]
    assert filled.verify() == []


def test_many_events_are_read_in_pages(server, schema, filled):
    filled.append([started(number) for number in range(5, 5005)])

    with closing(machine(log_in(server, schema))) as other:
        assert numbers(other) == list(range(1, 5005))


def test_all_waiting_readers_are_told(server, schema):
    ended: list[bool] = []
    with (
        closing(machine(log_in(server, schema))) as writer,
        closing(machine(log_in(server, schema))) as one,
        closing(machine(log_in(server, schema))) as other,
    ):
        threads = [
            threading.Thread(target=lambda at=at: ended.append(at.wait(0, 60))) for at in (one, one, other)
        ]
        for thread in threads:
            thread.start()
        writer.append([started(1)])
        for thread in threads:
            thread.join(60)

    assert ended == [True] * 3


def test_closing_ends_the_waiting(server, schema):
    ended: list[bool] = []
    reader = machine(log_in(server, schema))
    waiting = threading.Thread(target=lambda: ended.append(reader.wait(0, 600)))
    waiting.start()

    reader.close()
    waiting.join(60)

    assert ended == [False]


def test_a_wait_outlives_a_lost_connection(server, schema, database):
    ended: list[bool] = []
    with (
        closing(machine(log_in(server, schema))) as writer,
        closing(machine(log_in(server, schema))) as reader,
    ):
        waiting = threading.Thread(target=lambda: ended.append(reader.wait(0, 60)))
        waiting.start()
        for _ in range(2000):
            found = database.execute(
                "SELECT pid FROM pg_stat_activity WHERE query = %s", (f"LISTEN legato_{schema}",)
            ).fetchall()
            if found:
                break
            time.sleep(0.005)
        database.execute("SELECT pg_terminate_backend(%s)", found[0])

        writer.append([started(1)])
        waiting.join(60)

    assert ended == [True]


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
def test_deciders_at_once_get_through(server, schema, isolation):
    address = server.address(
        schema, options=f"-c default_transaction_isolation={isolation.replace(' ', '%5C%20')}"
    )

    def work(owner: str) -> None:
        with closing(machine(PostgresLog(address, alive))) as ledger:
            for _ in range(8):
                (lease,) = ledger.acquire([owner], owner, 60)
                ledger.release([lease])
                ledger.transact(lambda query: [started(query("next")[0]["number"])])

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with closing(looker(log_in(server, schema, writes=False))) as reader:
        assert numbers(reader) == list(range(1, 33))
        assert reader.verify() == []
