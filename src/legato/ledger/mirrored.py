"""A ledger shared by machines: a log elsewhere, read through a mirror on this one.

Rule: the log alone decides. What is written is tried on the mirror, undone, offered to the log at the place
where the mirror stood, and enters the mirror only after the log has taken it.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from legato.domain.errors import ConflictError, LegatoError, OutsideError
from legato.domain.events import Event, PayloadRedacted, decode
from legato.ledger import Expect, Head, Lease, Query, Stored, Workshop
from legato.ledger.chain import REDACTION, Record
from legato.ledger.log import Batch, Draft, Log
from legato.ledger.mirroring import MirroredReader, Mirroring
from legato.ledger.writing import Written

__all__ = ["MirroredLedger", "Mirroring"]

_AT_ONCE: Final = 3
"""How often a writer that lost a race tries again without a pause."""
_MOST_PAUSE_S: Final = 0.5
_TRIES: Final = 400


class _Tried(NamedTuple):
    """What a writer would do, as it came out on the mirror."""

    draft: Draft
    written: tuple[Written, ...] = ()
    leases: Sequence[Lease] = ()


class MirroredLedger(MirroredReader):
    """A ledger for many machines; `legato.ledger.Ledger` says what each method promises.

    Opening it makes or migrates the mirror. Open it after every fork.
    """

    def __init__(
        self,
        log: Log,
        mirroring: Mirroring,
        workshops: Sequence[Workshop],
        *,
        salt: Callable[[], bytes],
        alive: Callable[[str], bool],
    ) -> None:
        super().__init__(log, mirroring, workshops, salt=salt, alive=alive)
        self._salt = salt

    def append(
        self, events: Sequence[Event], *, expect: Expect | None = None, release: Sequence[Lease] = ()
    ) -> Sequence[Stored]:
        """Append all events or none, and give back leases."""
        if not events and not release and expect is None:
            return ()
        return self._append(lambda: events, expect, release)

    def transact(self, decide: Callable[[Query], Sequence[Event]]) -> Sequence[Stored]:
        """Decide on the mirror, and append where nobody else was first."""
        return self._append(lambda: decide(self.mirror.reader.query), None, ())

    def acquire(self, names: Sequence[str], owner: str, ttl_s: float) -> Sequence[Lease]:
        """Return leases for those names that could be had."""
        wanted = tuple(dict.fromkeys(names))
        self.mirror.session.check_process()
        if not wanted:
            return ()
        if self._log.leases is not None:
            return self._log.leases.acquire(wanted, owner, ttl_s)
        return self._moved(lambda: self.mirror.leasing.take(wanted, owner, ttl_s), len(wanted))

    def renew(self, leases: Sequence[Lease], ttl_s: float) -> Sequence[Lease]:
        """Return those that are still held, with their new expiry."""
        if not leases:
            return ()
        if self._log.leases is not None:
            return self._log.leases.renew(leases, ttl_s)
        return self._moved(lambda: self.mirror.leasing.prolong(leases, ttl_s), len(leases))

    def release(self, leases: Sequence[Lease]) -> None:
        """Give back those that are still held."""
        if not leases:
            return
        if self._log.leases is not None:
            self._log.leases.release(leases)
            return

        def drop() -> Sequence[Lease]:
            self.mirror.leasing.drop(leases)
            return ()

        self._moved(drop, 0)

    def rebuild(self) -> None:
        """Make the workshops' tables anew from the events."""
        self.catch_up()
        self.mirror.rebuild()

    def sync(self) -> None:
        """Return when all that was appended before will outlive a loss of power."""
        self._log.sync()

    def adopt(self, before: Head, records: Sequence[Record]) -> None:
        """Append events that were sealed elsewhere and follow the head `before`; `History` says more."""

        def work() -> _Tried:
            mark = self.mirror.mark()
            if Head(seq=mark.seq, digest=mark.chain) != before:
                raise ConflictError(f"the ledger is not at event {before.seq} any more", hint="try again")
            self.mirror.writing.adopt(records)
            return _Tried(Draft(mark, tuple(records)))

        self._offer(work, 1)

    def _append(
        self, events: Callable[[], Sequence[Event]], expect: Expect | None, release: Sequence[Lease]
    ) -> Sequence[Stored]:
        elsewhere = self._log.leases is not None
        held = tuple(expect.leases) if expect is not None and elsewhere else ()
        released = tuple(release) if elsewhere else ()

        def work() -> _Tried:
            mark = self.mirror.mark()
            written = self.mirror.writing.append(events(), expect, release)
            records = tuple(item.record for item in written)
            draft = Draft(mark, records, tuple(self.mirror.leasing.moves), held, released)
            return _Tried(draft, written)

        tried = self._offer(work, 1)
        return tuple(item.stored for item in tried.written)

    def _moved(self, work: Callable[[], Sequence[Lease]], wanted: int) -> Sequence[Lease]:
        def moving() -> _Tried:
            mark = self.mirror.mark()
            leases = work()
            return _Tried(Draft(mark, (), tuple(self.mirror.leasing.moves)), leases=leases)

        return self._offer(moving, wanted).leases

    def _offer(self, work: Callable[[], _Tried], wanted: int) -> _Tried:
        """Try, offer, and start over as long as others are first."""
        with self._lock:
            for count in range(_TRIES):
                tried = self._try(work, wanted)
                if _says_nothing(tried.draft):
                    return tried
                position = self._log.append(tried.draft)
                if position is not None:
                    self._enter(tried.draft, position)
                    return tried
                self._after_a_lost_race(tried.draft, count)
        raise OutsideError(
            f"cannot write to the ledger {self._log.name}: others were first {_TRIES} times",
            hint="try again when fewer write at once",
        )

    def _try(self, work: Callable[[], _Tried], wanted: int) -> _Tried:
        """Do it on the mirror and undo it; a refusal counts only when the mirror was up to date."""
        while True:
            self.mirror.leasing.moves.clear()
            self.mirror.session.check_process()
            self._time = self._log.now()
            try:
                tried = self.mirror.session.try_out(work)
            except LegatoError:
                if not self.catch_up():
                    raise
                continue
            enough = tried.draft.records or (tried.draft.moves and len(tried.leases) >= wanted)
            if enough or not self.catch_up():
                return tried

    def _enter(self, draft: Draft, position: int) -> None:
        before = Head(seq=draft.at.seq, digest=draft.at.chain)
        self._take([Batch(position, before, draft.records, draft.moves)])
        with suppress(OutsideError):  # the append holds; what was left undone is done behind a later one
            copied = self._log.tidy(position)
            if copied is not None:
                self.catch_up()
                redacted = _redacted_by(self.mirror.records_of(REDACTION))
                self._log.blank([seq for seq in redacted if copied[0] <= seq <= copied[1]])

    def _after_a_lost_race(self, draft: Draft, count: int) -> None:
        if not self.catch_up() and self.mirror.mark() == draft.at and not self._log.stands(draft.at):
            self._start_anew()
        if count >= _AT_ONCE:  # somebody always gets through; a pause of chance lets it be anybody
            share = (self._salt() or b"\x80")[0] / 255
            time.sleep(min(_MOST_PAUSE_S, 0.002 * 2 ** min(count, 10)) * share)

    def _take(self, batches: Sequence[Batch]) -> None:
        redacted = _redacted_by(record for batch in batches for record in batch.records)
        if (
            redacted
        ):  # first, so that whoever is killed in between leaves it to the next one who reads that far
            self._log.blank(redacted)
        super()._take(batches)


def _says_nothing(draft: Draft) -> bool:
    return not (draft.records or draft.moves or draft.held or draft.released)


def _redacted_by(records: Iterable[Record]) -> tuple[int, ...]:
    told = (decode(item.payload.encode()) for item in records if item.kind == REDACTION and item.payload)
    return tuple(event.seq for event in told if isinstance(event, PayloadRedacted))
