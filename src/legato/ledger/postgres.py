"""A ledger's log in PostgreSQL: one row an event, its place given under the lock of the head's row.

Rule: the head's row moves only together with the events that it stands for, and only from where the writer saw it.
Format: docs/formats/ledger.md.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final

from legato.domain.errors import BugError, ConfigurationError, MissingError
from legato.domain.events import PayloadRedacted, decode
from legato.ledger import Head, Problem
from legato.ledger.chain import GENESIS, REDACTION, Record, audit
from legato.ledger.log import Batch, Draft, Mark
from legato.ledger.postgres_leases import PostgresLeases
from legato.ledger.postgres_session import PostgresSession, parse_address
from legato.ledger.records import COLUMNS
from legato.ledger.trouble import older
from legato.ledger.writing import lost

if TYPE_CHECKING:
    from legato.ledger.postgres_session import Connection

MIGRATIONS: Final = (
    """
CREATE TABLE {schema}.events (
    seq bigint PRIMARY KEY,
    at bigint NOT NULL,
    kind text NOT NULL,
    payload text,
    salt bytea,
    payload_digest text NOT NULL,
    chain text NOT NULL
);
CREATE TABLE {schema}.leases (
    name text PRIMARY KEY,
    owner text NOT NULL,
    fencing bigint NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE SEQUENCE {schema}.fencing;
CREATE TABLE {schema}.head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    format integer NOT NULL,
    seq bigint NOT NULL,
    chain text NOT NULL
);
INSERT INTO {schema}.head (format, seq, chain) VALUES (0, 0, '{genesis}');
""",
)
"""Scripts by number from 1; a schema's `head.format` is the number of the last that was run in it."""

_PAGE: Final = 2000
_SLICE_S: Final = 1.0
"""How long a reader waits before it looks whether it was closed."""
_LOCK: Final = 0x4C454741
_THERE: Final = """SELECT EXISTS (SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = %s AND c.relname = 'head')"""  # no to_regclass: its cache does not see what was made meanwhile
_HEAD: Final = "SELECT seq, chain FROM {schema}.head"
_MOVE: Final = "UPDATE {schema}.head SET seq = %s, chain = %s WHERE seq = %s AND chain = %s"
_INSERT: Final = f"INSERT INTO {{schema}}.events ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s)"  # noqa: S608 - ours
_BLANK: Final = (
    "UPDATE {schema}.events SET payload = NULL, salt = NULL WHERE seq = %s AND payload IS NOT NULL"
)
_SEAL: Final = "SELECT chain FROM {schema}.events WHERE seq = %s"
_READ: Final = f"SELECT {COLUMNS} FROM {{schema}}.events WHERE seq > %s ORDER BY seq LIMIT {_PAGE}"  # noqa: S608 - ours
_NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"


class PostgresLog:
    """One history in a schema of a database; see `legato.ledger.log.Log`. It keeps the leases itself.

    Args:
        address: `postgresql://user@host:port/database?schema=legato`, other options as libpq knows them.
        alive: Says whether the owner of a lease may still be at work.
        writes: Whether tables may be made or migrated; else they must be there.

    Raises:
        ConfigurationError: The address cannot be followed, or a newer Legato made the tables.
        MissingError: There is no ledger, and none may be made.
        OutsideError: The database cannot be reached, or refuses.
    """

    def __init__(self, address: str, alive: Callable[[str], bool], *, writes: bool = True) -> None:
        self._session = PostgresSession(parse_address(address))
        self.name = self._session.address.name
        self.leases = PostgresLeases(self._session, alive)
        self._channel = f"legato_{self._session.schema}"
        self._listening: list[Connection] = []
        self._lock = Lock()
        self._closed = Event()
        try:
            self._prepare(writes=writes)
        except BaseException:
            self._session.close()
            raise

    def now(self) -> float:
        """Return the time by the database's clock."""
        return float(self._session.look(lambda connection: self._one(connection, _NOW)[0]))

    def stands(self, mark: Mark) -> bool:
        """Compare one event, and see that the head is not before it."""
        if not mark.seq:
            return True
        found = self._session.look(lambda connection: self._all(connection, _SEAL, mark.seq))
        return found == [(mark.chain,)] and self._head().seq >= mark.seq

    def read(self, after: Mark) -> Iterator[Batch]:
        """Yield events page by page, each page a batch."""
        before = Head(seq=after.seq, digest=after.chain)
        while records := self._page(before.seq):
            yield Batch(records[-1].seq, before, records)
            before = Head(seq=records[-1].seq, digest=records[-1].chain)
            if len(records) < _PAGE:
                return

    def append(self, draft: Draft) -> int | None:
        """Move the head and write the events, in one transaction."""
        return self._session.run(lambda connection: self._append(connection, draft))

    def tidy(self, position: int) -> None:
        """Do nothing: rows are read in pages as they are."""

    def blank(self, seqs: Sequence[int]) -> None:
        """Do nothing: the transaction that appended the redaction has blanked them."""

    def audit(self, head: Head | None) -> list[Problem]:
        """Read all rows, and the head's."""
        told = self._head()
        problems = audit(self._records(), head)
        found = audit(self._records(), told)
        return problems + [
            item for item in found if item.kind in {"cut", "rewritten"} and item not in problems
        ]

    def wait(self, after: Mark, timeout_s: float) -> bool:
        """Be told by the database when something was appended."""
        left_s = timeout_s
        while not self._closed.is_set():
            slice_s = min(left_s, _SLICE_S)
            try:
                if self._told(after, slice_s):
                    return True
            except BugError:
                if self._closed.is_set():
                    return False
                raise
            left_s -= slice_s
            if left_s <= 0:
                break
        return False

    def sync(self) -> None:
        """Do nothing: a commit outlives a loss of power."""

    def close(self) -> None:
        """Give connections back."""
        self._closed.set()
        with self._lock:
            idle, self._listening = self._listening, []
        for connection in idle:
            connection.close()
        self._session.close()

    def _prepare(self, *, writes: bool) -> None:
        number = self._session.run(self._number)
        if not number and not writes:
            raise MissingError(
                f"there is no ledger at {self.name}", hint="make one with a first run: legato run"
            )
        if number > len(MIGRATIONS):
            raise ConfigurationError(
                f"the ledger {self.name} has format {number}; this Legato reads up to {len(MIGRATIONS)}",
                hint="upgrade Legato: pip install --upgrade legato",
            )
        if number < len(MIGRATIONS):
            if not writes:
                raise older(self.name)
            self._session.run(self._migrate)

    def _number(self, connection: "Connection") -> int:
        """Return the number of the last migration that was run; 0 where there is no ledger."""
        if not self._one(connection, _THERE, self._session.schema)[0]:
            return 0
        return int(self._one(connection, "SELECT format FROM {schema}.head")[0])

    def _migrate(self, connection: "Connection") -> None:
        schema = self._session.schema
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        number = self._number(connection)  # another may have been first
        if not number:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for script in MIGRATIONS[number:]:
            connection.execute(script.format(schema=schema, genesis=GENESIS))
        connection.execute(
            self._said("UPDATE {schema}.head SET format = %s"), (max(number, len(MIGRATIONS)),)
        )

    def _append(self, connection: "Connection", draft: Draft) -> int | None:
        at, records = draft.at, draft.records
        seq, chain = (records[-1].seq, records[-1].chain) if records else (at.seq, at.chain)
        moved = connection.execute(self._said(_MOVE), (seq, chain, at.seq, at.chain)).rowcount
        if not moved:  # an earlier try may have been kept although its answer was lost
            return seq if records and self._all(connection, _SEAL, seq) == [(chain,)] else None
        gone = self.leases.lost(connection, draft.held)
        if gone is not None:
            raise lost(gone)
        with connection.pipeline():
            for record in records:
                connection.execute(self._said(_INSERT), record)
            for redacted in _redacted(records):
                connection.execute(self._said(_BLANK), (redacted,))
            self.leases.drop(connection, draft.released)
            connection.execute("SELECT pg_notify(%s, %s)", (self._channel, str(seq)))
        return seq

    def _head(self) -> Head:
        seq, chain = self._session.look(lambda connection: self._one(connection, _HEAD))
        return Head(seq=seq, digest=chain)

    def _page(self, after: int) -> tuple[Record, ...]:
        rows = self._session.look(lambda connection: self._all(connection, _READ, after))
        return tuple(Record(*row) for row in rows)

    def _records(self) -> Iterator[Record]:
        after = 0
        while records := self._page(after):
            yield from records
            after = records[-1].seq

    def _told(self, after: Mark, timeout_s: float) -> bool:
        import psycopg

        connection: Connection | None = None
        try:
            connection = (
                self._listener()
            )  # it listens before the head is looked at, so that nothing slips through
            if self._head().seq > after.seq:
                return True
            told = any(True for _ in connection.notifies(timeout=timeout_s, stop_after=1))
        except (psycopg.OperationalError, psycopg.InterfaceError):
            connection = None
            time.sleep(min(0.2, timeout_s))  # it was lost: the next look opens another
            told = False
        finally:
            self._give_back(connection)
        return told and self._head().seq > after.seq

    def _listener(self) -> "Connection":
        with self._lock:
            if self._listening:
                return self._listening.pop()
        connection = self._session.open()
        connection.execute(f"LISTEN {self._channel}")
        return connection

    def _give_back(self, connection: "Connection | None") -> None:
        if connection is None:
            return
        with self._lock:
            if not self._closed.is_set() and not connection.closed:
                self._listening.append(connection)
                return
        connection.close()

    def _one(self, connection: "Connection", statement: str, *values: object) -> tuple[Any, ...]:
        return self._all(connection, statement, *values)[0]

    def _all(self, connection: "Connection", statement: str, *values: object) -> list[tuple[Any, ...]]:
        return connection.execute(self._said(statement), values).fetchall()

    def _said(self, statement: str) -> bytes:
        return statement.replace("{schema}", self._session.schema).encode()


def _redacted(records: Sequence[Record]) -> Iterator[int]:
    for record in records:
        if record.kind == REDACTION and record.payload:
            event = decode(record.payload.encode())
            if isinstance(event, PayloadRedacted):
                yield event.seq
