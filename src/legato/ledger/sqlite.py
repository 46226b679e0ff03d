"""The ledger in SQLite: a file, or `:memory:`.

Rule: one write transaction holds the events, the tables read from them and the leases given back.
Format: docs/formats/ledger.md.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from legato.domain.errors import BugError, ConflictError, MissingError
from legato.domain.events import AnyEvent, Event, PayloadRedacted
from legato.ledger import Expect, Head, Lease, Problem, Query, Row, Stored, Workshop
from legato.ledger.chain import REDACTION
from legato.ledger.leasing import Leasing
from legato.ledger.reading import HEAD, SqliteReader, head_of
from legato.ledger.records import INSERT, record_of
from legato.ledger.session import open_reading, open_writing
from legato.ledger.tables import check, prepare, rebuild

_REPORT: Final = "report this as a bug"


def open_existing(path: str | Path, workshops: Sequence[Workshop]) -> SqliteReader:
    """Return a reader of a ledger that is there already; makes and migrates nothing.

    Raises:
        MissingError: There is none.
        ConfigurationError: Its tables are older or newer than these workshops.
        OutsideError: It cannot be read.
    """
    session = open_reading(os.fspath(path))
    try:
        check(session, workshops)
        return SqliteReader(session, workshops)
    except BaseException:
        session.close()
        raise


class SqliteLedger:
    """A ledger for many processes on one machine; `legato.ledger.Ledger` says what each method promises.

    Opening makes the file and migrates its tables where needed. Open it after every fork.

    Args:
        path: The file, or `:memory:`.
        workshops: Whose tables are kept.
        clock: Seconds since 1970.
        salt: Fresh random bytes for each event.
        alive: Says whether the owner of a lease may still be at work.

    Raises:
        ConfigurationError: A newer Legato wrote it.
        OutsideError: It is no ledger, or may not be written.
    """

    def __init__(
        self,
        path: str | Path,
        workshops: Sequence[Workshop],
        *,
        clock: Callable[[], float],
        salt: Callable[[], bytes],
        alive: Callable[[str], bool],
    ) -> None:
        self._session = open_writing(os.fspath(path))
        try:
            self._reader = SqliteReader(self._session, workshops)
            prepare(self._session, workshops)
        except BaseException:
            self._session.close()
            raise
        self._workshops = tuple(workshops)
        self._clock = clock
        self._salt = salt
        self._leasing = Leasing(self._session, clock, alive)

    def append(
        self, events: Sequence[Event], *, expect: Expect | None = None, release: Sequence[Lease] = ()
    ) -> Sequence[Stored]:
        """Append all events or none, and give back leases."""
        if not events and not release and expect is None:
            return ()
        stored = self._session.write(lambda: self._append(events, expect, release))
        self._forget(events)
        return stored

    def transact(self, decide: Callable[[Query], Sequence[Event]]) -> Sequence[Stored]:
        """Query and append in one write transaction."""
        decided: list[Event] = []

        def work() -> Sequence[Stored]:
            decided.extend(decide(self._reader.query))
            return self._append(decided, None, ())

        stored = self._session.write(work)
        self._forget(decided)
        return stored

    def events(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[Stored]:
        """Yield the events behind `after`, in order."""
        return self._reader.events(after, kinds)

    def query(self, name: str, /, **parameters: Any) -> list[Row]:  # noqa: ANN401 - whatever SQL takes
        """Return the rows of a workshop's query."""
        return self._reader.query(name, **parameters)

    def head(self) -> Head:
        """Return how far this ledger has come."""
        return self._reader.head()

    def verify(self, head: Head | None = None) -> list[Problem]:
        """Return what is wrong with the events."""
        return self._reader.verify(head)

    def acquire(self, names: Sequence[str], owner: str, ttl_s: float) -> Sequence[Lease]:
        """Return leases for those names that could be had."""
        return self._leasing.acquire(names, owner, ttl_s)

    def renew(self, leases: Sequence[Lease], ttl_s: float) -> Sequence[Lease]:
        """Return those that are still held, with their new expiry."""
        return self._leasing.renew(leases, ttl_s)

    def release(self, leases: Sequence[Lease]) -> None:
        """Give back those that are still held."""
        self._leasing.release(leases)

    def rebuild(self) -> None:
        """Make the workshops' tables anew from the events."""
        self._session.write(lambda: rebuild(self._session, self._workshops))

    def sync(self) -> None:
        """Force what was appended to the disk."""
        self._session.flush()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _append(
        self, events: Sequence[Event], expect: Expect | None, release: Sequence[Lease]
    ) -> Sequence[Stored]:
        execute = self._session.execute
        head = head_of(execute(HEAD).fetchall())
        if expect is not None:
            self._check(expect, head[0])
        at = self._clock()
        stored = []
        for event in events:
            if not isinstance(event, AnyEvent):
                raise BugError(
                    f"{type(event).__name__} is no event that a ledger can read again", hint=_REPORT
                )
            record = record_of(event, head, round(at * 1e6), self._salt())
            execute(INSERT, record)
            head = (record.seq, record.chain)
            known = Stored(seq=record.seq, at=record.at_us / 1e6, event=event, digest=record.chain)
            stored.append(known)
            for workshop in self._workshops:
                workshop.project(execute, known)
            if isinstance(event, PayloadRedacted):
                self._blank(event, record.seq)
        self._leasing.drop(release)
        return tuple(stored)

    def _check(self, expect: Expect, head: int) -> None:
        if expect.head is not None and expect.head != head:
            raise ConflictError(
                f"the ledger is at event {head}, not at {expect.head}",
                hint="someone else was first: look again",
            )
        for lease in expect.leases:
            if not self._leasing.held(lease):
                raise ConflictError(
                    f"{lease.owner} has lost its lease on {lease.name!r} (fencing number {lease.fencing})",
                    hint="someone else took over: look what they did",
                )

    def _blank(self, redaction: PayloadRedacted, seq: int) -> None:
        """Blank what an event said, also in the workshops' tables and in the database's free pages."""
        self._session.execute("PRAGMA secure_delete = ON")
        sql = "UPDATE events SET payload = NULL, salt = NULL WHERE seq = ? AND seq < ? AND kind != ?"
        if not self._session.execute(sql, (redaction.seq, seq, REDACTION)).rowcount:
            raise MissingError(
                f"event {redaction.seq} cannot be redacted: it is not there, or is a redaction itself",
                hint="see the numbers of all events: legato audit",
            )
        rebuild(self._session, self._workshops)

    def _forget(self, events: Sequence[Event]) -> None:
        """After a redaction, write over the log too, which still holds what was said."""
        if any(isinstance(event, PayloadRedacted) for event in events):
            self._session.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            self._session.rows("PRAGMA secure_delete = OFF")
