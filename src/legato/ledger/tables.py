"""The tables of a SQLite ledger: its own, and those that the workshops read from the events.

Rule: a workshop's tables can be dropped at any time, since the events say all that is in them.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from legato.domain.digests import canonical, digest_of
from legato.ledger import LEDGER_FORMAT, Stored, Workshop
from legato.ledger.records import COLUMNS, stored_of
from legato.ledger.session import Session, use_log
from legato.ledger.trouble import foreign, newer, older

APPLICATION: Final = 0x4C454741
"""`LEGA` in the header of the database file, where `file` and we look."""

OWN_TABLES: Final = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT,
    salt BLOB,
    payload_digest TEXT NOT NULL,
    chain TEXT NOT NULL
);
CREATE INDEX events_kind ON events (kind, seq);
CREATE TABLE leases (
    fencing INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    expires_at REAL NOT NULL
);
CREATE TABLE ledger_workshops (name TEXT PRIMARY KEY, number INTEGER NOT NULL, digest TEXT NOT NULL);
CREATE TABLE ledger_owned (workshop TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL);
"""


class Kind(NamedTuple):
    """What a database of ours is.

    Attributes:
        application: In the header of the file, where `file` and we look.
        number: Of its form; it stands in the header too.
        script: The tables that it has whatever the workshops are.
    """

    application: int
    number: int
    script: str


LEDGER: Final = Kind(APPLICATION, LEDGER_FORMAT, OWN_TABLES)
"""The ledger itself."""


def prepare(session: Session, workshops: Sequence[Workshop], kind: Kind = LEDGER) -> None:
    """Make or migrate the tables where that is needed, in one transaction.

    Raises:
        ConfigurationError: A newer Legato wrote this ledger.
        OutsideError: Another program made this database.
    """
    outdated = _outdated(session, workshops, kind)  # before anything is written: it may be another program's
    use_log(session)
    if outdated:
        session.write(lambda: _migrate(session, workshops, kind))


def check(session: Session, workshops: Sequence[Workshop]) -> None:
    """Raise unless the tables are those that these workshops know."""
    if _outdated(session, workshops, LEDGER):
        raise older(session.path)


def rebuild(session: Session, workshops: Sequence[Workshop]) -> None:
    """Drop the workshops' tables and read them anew from all events; to be called inside `Session.write`."""
    for workshop in workshops:
        _drop(session, workshop)
        before = _names(session)
        for script in workshop.migrations:
            for statement in _statements(script):
                session.execute(statement)
        owned = [(workshop.name, kind, name) for kind, name in _names(session) - before]
        session.execute("DELETE FROM ledger_owned WHERE workshop = ?", (workshop.name,))
        for row in owned:
            session.execute("INSERT INTO ledger_owned (workshop, kind, name) VALUES (?, ?, ?)", row)
        session.execute(
            "INSERT OR REPLACE INTO ledger_workshops (name, number, digest) VALUES (?, ?, ?)", _mark(workshop)
        )
    for stored in _replayed(session):
        for workshop in workshops:
            workshop.project(session.execute, stored)


def _outdated(session: Session, workshops: Sequence[Workshop], kind: Kind) -> bool:
    if not session.rows("SELECT 1 FROM sqlite_master LIMIT 1"):
        return True
    # Only now: another process may be making the ledger, and does both in one transaction.
    ((application,),) = session.rows("PRAGMA application_id")
    ((number,),) = session.rows("PRAGMA user_version")
    if application != kind.application:
        raise foreign(session.path)
    if number > kind.number:
        raise newer(session.path, "format", number, kind.number)
    return number < kind.number or bool(_behind(session, workshops))


def _behind(session: Session, workshops: Sequence[Workshop]) -> list[Workshop]:
    """Return the workshops whose tables were made by other scripts than theirs."""
    known = {
        name: (number, digest) for name, number, digest in session.rows("SELECT * FROM ledger_workshops")
    }
    for workshop in workshops:
        number, _ = known.get(workshop.name, (0, ""))
        if number > len(workshop.migrations):
            raise newer(session.path, f"tables of {workshop.name} number", number, len(workshop.migrations))
    return [workshop for workshop in workshops if known.get(workshop.name) != _mark(workshop)[1:]]


def _mark(workshop: Workshop) -> tuple[str, int, str]:
    return workshop.name, len(workshop.migrations), digest_of(canonical(workshop.migrations))


def _migrate(session: Session, workshops: Sequence[Workshop], kind: Kind) -> None:
    if not _outdated(session, workshops, kind):  # another process was first
        return
    ((application,),) = session.rows("PRAGMA application_id")
    if application != kind.application:
        for statement in _statements(kind.script):
            session.execute(statement)
        session.execute(f"PRAGMA application_id = {kind.application}")
        session.execute(f"PRAGMA user_version = {kind.number}")
    rebuild(session, _behind(session, workshops))


def _drop(session: Session, workshop: Workshop) -> None:
    owned = session.execute(
        "SELECT kind, name FROM ledger_owned WHERE workshop = ?", (workshop.name,)
    ).fetchall()
    there = _names(session)
    for wanted in ("view", "trigger", "table"):  # indexes go with their tables
        for kind, name in owned:
            if kind == wanted and (kind, name) in there:
                session.execute(f'DROP {kind} IF EXISTS "{name}"')


def _names(session: Session) -> set[tuple[str, str]]:
    sql = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    return set(session.execute(sql).fetchall())


def _statements(script: str) -> Iterator[str]:
    """Yield a script's statements one by one: `executescript` would end the transaction."""
    begun = ""
    for part in script.split(";"):
        begun += part + ";"
        if sqlite3.complete_statement(begun):
            yield begun
            begun = ""
    if begun.strip("; \n\t"):
        yield begun


def _replayed(session: Session) -> Iterator[Stored]:
    sql = f"SELECT {COLUMNS} FROM events WHERE payload IS NOT NULL ORDER BY seq"  # noqa: S608 - no foreign text
    rows: Iterator[tuple[Any, ...]] = session.execute(sql)
    for row in rows:
        yield stored_of(row, session.path)
