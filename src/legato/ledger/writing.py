"""Writing events into SQLite tables: sealed, inserted, read by the workshops, blanked where one says so.

Rule: everything in here happens inside a transaction that the caller holds, and is undone with it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from legato.domain.errors import BugError, ConflictError, MissingError
from legato.domain.events import AnyEvent, Event, PayloadRedacted
from legato.ledger import Expect, Lease, Stored, Workshop
from legato.ledger.chain import REDACTION, Record
from legato.ledger.leasing import Leasing
from legato.ledger.reading import HEAD, head_of
from legato.ledger.records import INSERT, record_of, stored_of
from legato.ledger.session import Session
from legato.ledger.tables import rebuild

_BLANK: Final = "UPDATE events SET payload = NULL, salt = NULL WHERE seq = ? AND seq < ? AND kind != ?"
_BLANK_ALREADY: Final = "SELECT 1 FROM events WHERE seq = ? AND payload IS NULL"


class Written(NamedTuple):
    """One event as it was sealed, and as readers get it."""

    record: Record
    stored: Stored


class Writing:
    """Writes events and reads the workshops' tables from them.

    Args:
        session: The connection.
        workshops: Whose tables are kept.
        leasing: Checks and gives back leases in the same transaction; None where another does.
        at_us: Returns the time of an event that follows one at the given time, in microseconds since 1970.
        salt: Fresh random bytes for each event.
    """

    def __init__(
        self,
        session: Session,
        workshops: Sequence[Workshop],
        leasing: Leasing | None,
        *,
        at_us: Callable[[int], int],
        salt: Callable[[], bytes],
    ) -> None:
        self._session = session
        self._workshops = tuple(workshops)
        self._leasing = leasing
        self._at_us = at_us
        self._salt = salt

    def append(
        self, events: Sequence[Event], expect: Expect | None, release: Sequence[Lease]
    ) -> tuple[Written, ...]:
        """Write new events behind the last one, and give back leases."""
        seq, chain, last_us = head_of(self._session.execute(HEAD).fetchall())
        if expect is not None:
            self._check(expect, seq)
        at_us = self._at_us(last_us)
        written = []
        for event in events:
            if not isinstance(event, AnyEvent):
                raise BugError(
                    f"{type(event).__name__} is no event that a ledger can read again",
                    hint="report this as a bug",
                )
            record = record_of(event, (seq, chain), at_us, self._salt())
            seq, chain = record.seq, record.chain
            stored = Stored(seq=seq, at=at_us / 1e6, event=event, digest=chain)
            self._enter(record, stored)
            written.append(Written(record, stored))
        if self._leasing is not None:
            self._leasing.drop(release)
        return tuple(written)

    def adopt(self, records: Iterable[Record]) -> None:
        """Write records that were sealed elsewhere; that they follow the last one is the caller's to know."""
        for record in records:
            if record.payload is None:
                self._session.execute(INSERT, record)
            else:
                self._enter(record, stored_of(record, self._session.path))

    def forget(self, records: Iterable[Record]) -> None:
        """After the transaction: write over SQLite's log too, which still holds what a redaction blanked."""
        if any(record.kind == REDACTION for record in records):
            self._session.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            self._session.rows("PRAGMA secure_delete = OFF")

    def _enter(self, record: Record, stored: Stored) -> None:
        execute = self._session.execute
        execute(INSERT, record)
        for workshop in self._workshops:
            workshop.project(execute, stored)
        if isinstance(stored.event, PayloadRedacted):
            self._blank(stored.event, record.seq)

    def _blank(self, redaction: PayloadRedacted, seq: int) -> None:
        """Blank what an event said, also in the workshops' tables and in the database's free pages."""
        execute = self._session.execute
        if execute(_BLANK_ALREADY, (redaction.seq,)).fetchone():
            return
        execute("PRAGMA secure_delete = ON")
        if not execute(_BLANK, (redaction.seq, seq, REDACTION)).rowcount:
            raise MissingError(
                f"event {redaction.seq} cannot be redacted: it is not there, or is a redaction itself",
                hint="see the numbers of all events: legato audit",
            )
        rebuild(self._session, self._workshops)

    def _check(self, expect: Expect, head: int) -> None:
        if expect.head is not None and expect.head != head:
            raise ConflictError(
                f"the ledger is at event {head}, not at {expect.head}",
                hint="someone else was first: look again",
            )
        if self._leasing is not None:
            for lease in expect.leases:
                if not self._leasing.held(lease):
                    raise lost(lease)


def lost(lease: Lease) -> ConflictError:
    """Return the error for a lease that someone else has taken over."""
    return ConflictError(
        f"{lease.owner} has lost its lease on {lease.name!r} (fencing number {lease.fencing})",
        hint="someone else took over: look what they did",
    )
