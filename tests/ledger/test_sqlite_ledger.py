"""What only the SQLite ledger can get wrong: its file, its migrations, its rights."""

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from legato.domain.errors import BugError, ConfigurationError, MissingError, OutsideError
from legato.domain.events import PayloadRedacted, RunStarted
from legato.ledger import Execute, Stored, Workshop, named_queries
from legato.ledger.sqlite import SqliteLedger, open_existing
from legato.ledger.tables import APPLICATION


def project(execute: Execute, stored: Stored) -> None:
    if isinstance(stored.event, RunStarted):
        execute(
            "INSERT INTO runs_seen (number, actor) VALUES (?, ?)", (stored.event.number, stored.event.actor)
        )


FIRST = "CREATE TABLE runs_seen (number INTEGER PRIMARY KEY, actor TEXT); -- who ran; when"
SECOND = """
ALTER TABLE runs_seen ADD COLUMN note TEXT DEFAULT 'a;b';
CREATE INDEX runs_seen_actor ON runs_seen (actor);
CREATE TABLE changes (number INTEGER);
CREATE TRIGGER counted AFTER INSERT ON runs_seen BEGIN
    INSERT INTO changes VALUES (new.number); -- one; and
    DELETE FROM changes WHERE number < 0;
END;
"""
QUERIES = named_queries("-- name: seen\nSELECT * FROM runs_seen ORDER BY number;")
OLD = Workshop(name="seen", migrations=(FIRST,), queries=QUERIES, project=project)
NEW = Workshop(name="seen", migrations=(FIRST, SECOND), queries=QUERIES, project=project)


def open_ledger(path: Path, *workshops: Workshop) -> "closing[SqliteLedger]":
    ledger = SqliteLedger(path, workshops, clock=lambda: 1.0, salt=lambda: b"salt", alive=lambda _: True)
    return closing(ledger)


def started(number: int, actor: str = "ann") -> RunStarted:
    return RunStarted(number=number, targets=(), pipeline="pipeline.py", actor=actor)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def filled(path) -> Path:
    """A closed ledger with three runs."""
    with open_ledger(path, OLD) as ledger:
        ledger.append([started(1), started(2, "bob"), started(3)])
    return path


def database(path: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(path, isolation_level=None))


def test_the_file_says_what_it_is(filled):
    with database(filled) as connection:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        number = connection.execute("PRAGMA user_version").fetchone()[0]
        journal = connection.execute("PRAGMA journal_mode").fetchone()[0]

    assert (application, number, journal) == (APPLICATION, 1, "wal")


def test_a_ledger_is_found_again_as_it_was_left(filled):
    with open_ledger(filled, OLD) as ledger:
        assert [row["actor"] for row in ledger.query("seen")] == ["ann", "bob", "ann"]
        assert ledger.append([started(4)])[0].seq == 4
        assert ledger.verify() == []


@pytest.mark.parametrize("name", ["a b#1?x=%41.db", "ü.db"])
def test_any_file_name_will_do(tmp_path, name):
    with open_ledger(tmp_path / name, OLD) as ledger:
        ledger.append([started(1)])

    assert (tmp_path / name).is_file()


def test_a_newer_workshop_has_its_tables_made_from_all_events(filled):
    with open_ledger(filled, NEW) as ledger:
        rows = ledger.query("seen")
        ledger.append([started(4)])

    assert [(row["number"], row["note"]) for row in rows] == [(1, "a;b"), (2, "a;b"), (3, "a;b")]
    with database(filled) as connection:
        assert connection.execute("SELECT count(*) FROM changes").fetchone() == (4,)


def test_a_workshop_that_comes_later_sees_the_events_before_it(path):
    with open_ledger(path) as ledger:
        ledger.append([started(1)])

    with open_ledger(path, OLD) as ledger:
        assert [row["number"] for row in ledger.query("seen")] == [1]


def test_a_workshop_that_is_unknown_here_keeps_its_tables(filled):
    with open_ledger(filled) as ledger:
        ledger.rebuild()

    with open_ledger(filled, OLD) as ledger:
        assert [row["number"] for row in ledger.query("seen")] == [1, 2, 3]


def test_scripts_that_changed_without_a_new_number_are_noticed(filled):
    changed = Workshop(
        name="seen",
        migrations=(FIRST.replace("actor TEXT", "actor TEXT, more TEXT"),),
        queries=QUERIES,
        project=project,
    )

    with open_ledger(filled, changed) as ledger:
        assert ledger.query("seen")[1] == {"number": 2, "actor": "bob", "more": None}


def test_an_older_legato_refuses_newer_tables(filled):
    with open_ledger(filled, NEW):
        pass

    with pytest.raises(ConfigurationError, match=r"tables of seen number 2.*up to 1") as caught:
        open_ledger(filled, OLD)

    assert "upgrade" in caught.value.hint


def test_an_older_legato_refuses_a_newer_format(filled):
    with database(filled) as connection:
        connection.execute("PRAGMA user_version = 2")

    for opening in (open_ledger, lambda path, workshop: open_existing(path, [workshop])):
        with pytest.raises(ConfigurationError, match="format 2"):
            opening(filled, OLD)


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(filled):
    broken = Workshop(
        name="seen", migrations=(FIRST, "CREATE TABLE runs_seen (x);"), queries=QUERIES, project=project
    )

    with pytest.raises(BugError, match="runs_seen"):
        open_ledger(filled, broken)

    with open_ledger(filled, OLD) as ledger:
        assert [row["number"] for row in ledger.query("seen")] == [1, 2, 3]


def test_two_workshops_with_one_query_name_are_our_bug(path):
    other = Workshop(name="other", migrations=(), queries=QUERIES, project=lambda *_: None)

    with pytest.raises(BugError, match="'seen'"):
        open_ledger(path, OLD, other)


def test_what_is_no_database_is_named_and_left_alone(path):
    path.write_bytes(b"these are my notes\n" * 100)

    with pytest.raises(OutsideError, match=r"ledger\.db: it is no SQLite database") as caught:
        open_ledger(path, OLD)

    assert caught.value.hint
    assert path.read_bytes() == b"these are my notes\n" * 100


def test_another_programs_database_is_left_alone(path):
    with database(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()

    with pytest.raises(OutsideError, match="another program"):
        open_ledger(path, OLD)

    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(OutsideError, match="cannot be opened") as caught:
        open_ledger(tmp_path / "no" / "ledger.db", OLD)

    assert "folder" in caught.value.hint


def test_a_lock_that_is_held_too_long_is_said(filled):
    with open_ledger(filled, OLD) as ledger, database(filled) as other:
        ledger._session.rows("PRAGMA busy_timeout = 20")
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(OutsideError, match="locked"):
            ledger.append([started(4)])

        other.execute("ROLLBACK")
        assert ledger.append([started(4)])[0].seq == 4


def test_a_full_disk_is_said_and_nothing_of_the_append_is_kept(filled):
    with open_ledger(filled, OLD) as ledger:
        pages = ledger._session.rows("PRAGMA page_count")[0][0]
        ledger._session.rows(f"PRAGMA max_page_count = {pages}")

        with pytest.raises(OutsideError, match="disk is full"):
            ledger.append([started(4, "x" * 500_000)])

        ledger._session.rows("PRAGMA max_page_count = 100000")
        assert ledger.append([started(4)])[0].seq == 4
        assert ledger.verify() == []


SWAPPED = """
UPDATE events SET seq = -1 WHERE seq = 1;
UPDATE events SET seq = 1 WHERE seq = 2;
UPDATE events SET seq = 2 WHERE seq = -1;
"""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE events SET payload = replace(payload, 'bob', 'eve') WHERE seq = 2", [(2, "altered")]),
        ("UPDATE events SET at = 7 WHERE seq = 1", [(1, "altered")]),
        ("UPDATE events SET payload = NULL, salt = NULL WHERE seq = 2", [(2, "blanked")]),
        ("UPDATE events SET payload = x'00ff' WHERE seq = 3", [(3, "altered")]),
        ("DELETE FROM events WHERE seq = 2", [(2, "missing")]),
        (
            SWAPPED,
            [(1, "reordered"), (2, "reordered")],
        ),
    ],
)
def test_a_row_changed_behind_its_back_is_named(filled, change, named):
    with database(filled) as connection:
        connection.executescript(change)

    with open_ledger(filled, OLD) as ledger:
        assert [(problem.seq, problem.kind) for problem in ledger.verify()] == named


def test_a_cut_tail_is_named_against_a_published_head(filled):
    with open_ledger(filled, OLD) as ledger:
        head = ledger.head()
    with database(filled) as connection:
        connection.execute("DELETE FROM events WHERE seq = 3")

    with open_ledger(filled, OLD) as ledger:
        assert ledger.verify() == []
        assert [(problem.seq, problem.kind) for problem in ledger.verify(head)] == [(3, "cut")]


def test_an_event_of_a_newer_legato_is_named_when_it_is_read(filled):
    with database(filled) as connection:
        connection.execute('UPDATE events SET payload = \'{"event":"model.taught"}\' WHERE seq = 2')

    with open_ledger(filled, OLD) as ledger, pytest.raises(OutsideError, match="event 2 ") as caught:
        list(ledger.events())

    assert "upgrade" in caught.value.hint


def test_a_redacted_word_is_in_no_file_any_more(filled):
    with open_ledger(filled, OLD) as ledger:
        ledger.append([started(4, "SECRETWORD" * 10)])
        ledger.append([PayloadRedacted(seq=4, why="a token")])
        found = [file.name for file in filled.parent.iterdir() if b"SECRETWORD" in file.read_bytes()]

    assert found == []


def files(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_reading_an_existing_ledger_makes_and_changes_nothing(filled):
    before = filled.read_bytes()

    with closing(open_existing(filled, [OLD])) as reader:
        assert [row["number"] for row in reader.query("seen")] == [1, 2, 3]
        assert [stored.seq for stored in reader.events()] == [1, 2, 3]
        assert reader.verify() == []

    assert files(filled.parent) == ["ledger.db"]
    assert filled.read_bytes() == before


def test_a_reader_sees_what_a_writer_has_just_appended(filled):
    with open_ledger(filled, OLD) as ledger:
        ledger.append([started(4)])

        with closing(open_existing(filled, [OLD])) as reader:
            assert reader.head() == ledger.head()


def test_reading_a_ledger_that_is_not_there_makes_none(path):
    with pytest.raises(MissingError, match=r"ledger\.db") as caught:
        open_existing(path, [OLD])

    assert "legato run" in caught.value.hint
    assert files(path.parent) == []


def test_reading_does_not_migrate(filled):
    with pytest.raises(ConfigurationError, match="older Legato"):
        open_existing(filled, [NEW])

    with open_ledger(filled, OLD) as ledger:
        assert len(ledger.query("seen")) == 3


AS_NOBODY = """
import os, sys
from legato.domain.errors import LegatoError
from legato.ledger import Workshop
from legato.ledger.sqlite import SqliteLedger, open_existing
from legato.domain.events import PayloadRedacted
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
reader = open_existing(sys.argv[1], [])
print(reader.head().seq, os.listdir(os.path.dirname(sys.argv[1])))
reader.close()
try:
    ledger = SqliteLedger(sys.argv[1], [], clock=lambda: 1.0, salt=lambda: b"", alive=lambda _: True)
    ledger.append([PayloadRedacted(seq=1)])
except LegatoError as error:
    print(type(error).__name__, error.message, "|", error.hint)
"""


@pytest.fixture
def locked_away() -> Iterator[Path]:
    """A ledger in a folder that nobody may write."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with open_ledger(path, OLD) as ledger:
            ledger.append([started(1)])
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        yield path
        Path(folder).chmod(0o755)


def test_a_ledger_that_may_not_be_written_can_be_read(locked_away):
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, locked_away], capture_output=True, text=True, check=False
    )

    first, second = done.stdout.splitlines()
    assert first == "1 ['ledger.db']", done.stderr
    assert second.startswith("OutsideError cannot use the ledger")
    assert "writable" in second
    assert files(locked_away.parent) == ["ledger.db"]
