"""The ledger in SQLite: a file, or `:memory:`.

Rule: one write transaction holds the events, the tables read from them and the leases given back.
Format: docs/formats/ledger.md.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from legato.domain.errors import ConflictError
from legato.domain.events import Event
from legato.ledger import Expect, Head, Lease, Problem, Query, Row, Stored, Workshop
from legato.ledger.chain import Record
from legato.ledger.leasing import Leasing
from legato.ledger.reading import SqliteReader
from legato.ledger.session import open_reading, open_writing
from legato.ledger.tables import check, prepare, rebuild
from legato.ledger.writing import Writing, Written


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
        self._leasing = Leasing(self._session, clock, alive)
        self._writing = Writing(
            self._session, workshops, self._leasing, at_us=lambda _: round(clock() * 1e6), salt=salt
        )

    def append(
        self, events: Sequence[Event], *, expect: Expect | None = None, release: Sequence[Lease] = ()
    ) -> Sequence[Stored]:
        """Append all events or none, and give back leases."""
        if not events and not release and expect is None:
            return ()
        return self._kept(lambda: self._writing.append(events, expect, release))

    def transact(self, decide: Callable[[Query], Sequence[Event]]) -> Sequence[Stored]:
        """Query and append in one write transaction."""
        return self._kept(lambda: self._writing.append(decide(self._reader.query), None, ()))

    def records(self, after: int = 0) -> Iterator[Record]:
        """Yield the events behind `after` as they are kept."""
        return self._reader.records(after)

    def adopt(self, before: Head, records: Sequence[Record]) -> None:
        """Append events that were sealed elsewhere and follow the head `before`; `History` says more."""

        def work() -> None:
            if self._reader.head() != before:
                raise ConflictError(f"the ledger is not at event {before.seq} any more", hint="try again")
            self._writing.adopt(records)

        self._session.write(work)
        self._writing.forget(records)

    def refresh(self) -> None:
        """Do nothing: a file on this machine is always read as it is."""

    def wait(self, after: int, timeout_s: float) -> bool:
        """Return True as soon as there is an event behind `after`."""
        return self._reader.wait(after, timeout_s)

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

    def _kept(self, work: Callable[[], Sequence[Written]]) -> Sequence[Stored]:
        try:
            written = self._session.write(work)
        finally:
            self._leasing.moves.clear()
        self._writing.forget(item.record for item in written)
        return tuple(item.stored for item in written)
