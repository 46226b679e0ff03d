"""Reading a ledger that machines share: a log elsewhere, through a mirror on this one.

Rule: reading writes to the mirror alone, never to the log; a mirror that differs from its log is thrown away.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Any, Final, NamedTuple

from legato.domain.errors import OutsideError
from legato.ledger import Head, Problem, Row, Stored, Workshop
from legato.ledger.chain import Record
from legato.ledger.log import START, Batch, Log, Told
from legato.ledger.mirror import Mirror, PartedError, first_difference

_BATCHES_AT_ONCE: Final = 64
_EVENTS_AT_ONCE: Final = 2000
"""How much enters the mirror in one transaction."""


def _nobody(_: str) -> None:
    return


class Mirroring(NamedTuple):
    """How a mirror is kept.

    Attributes:
        path: The file, or `:memory:`. It may be deleted at any time.
        fresh_s: For how many seconds a look at the log is good enough for reading; writing never relies on it.
        steady: Seconds since whenever, by which that is counted; without it every reading looks.
        told: Takes a sentence where the mirror had to be made anew.
    """

    path: str | Path
    fresh_s: float = 0.0
    steady: Callable[[], float] | None = None
    told: Told = _nobody


class MirroredReader:
    """The reading half; see `legato.ledger.Reader`. It writes to the mirror alone, never to the log.

    Args:
        log: Closed with the reader.
        mirroring: Where and how the mirror is kept.
        workshops: Whose tables are kept.
        salt: Fresh random bytes.
        alive: Says whether the owner of a lease may still be at work.
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
        self._log = log
        self._told = mirroring.told
        self._fresh_s = mirroring.fresh_s
        self._steady = mirroring.steady
        self._lock = RLock()
        self._time = 0.0
        self._looked_at: float | None = None
        try:
            carried = alive if log.leases is None else None
            self.mirror = Mirror(mirroring.path, workshops, clock=self._told_time, salt=salt, alive=carried)
        except BaseException:
            log.close()
            raise
        try:
            self._compare()
            self.catch_up()
        except BaseException:
            self.close()
            raise

    def events(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[Stored]:
        """Yield the events behind `after`, in order."""
        self._freshen()
        return self.mirror.reader.events(after, kinds)

    def query(self, name: str, /, **parameters: Any) -> list[Row]:  # noqa: ANN401 - whatever SQL takes
        """Return the rows of a workshop's query."""
        self._freshen()
        return self.mirror.reader.query(name, **parameters)

    def head(self) -> Head:
        """Return how far this ledger has come."""
        self._freshen()
        return self.mirror.reader.head()

    def records(self, after: int = 0) -> Iterator[Record]:
        """Yield the events behind `after` as they are kept."""
        self._freshen()
        return self.mirror.reader.records(after)

    def verify(self, head: Head | None = None) -> list[Problem]:
        """Read the log again; a mirror that is not like it is thrown away and made anew."""
        with self._lock:
            self.mirror.session.check_process()
            problems = self._log.audit(head)
            if not problems:
                self.catch_up()
                self._renew_where_different()
        return problems

    def refresh(self) -> None:
        """Look now for what others appended."""
        self.catch_up()

    def wait(self, after: int, timeout_s: float) -> bool:
        """Return True as soon as there is an event behind `after`."""
        with self._lock:
            if self.mirror.session.is_closed():
                return False
            if self.mirror.reader.head().seq > after:
                return True
        now = self._steady or self._log.now
        began, left = now(), timeout_s
        while not self.mirror.session.is_closed() and self._log.wait(self.mirror.mark(), max(left, 0.0)):
            if self._has_come(after):
                return True
            left = timeout_s - max(0.0, now() - began)
            if left <= 0:
                break
        return False

    def _has_come(self, after: int) -> bool:
        with self._lock:
            if self.mirror.session.is_closed():
                return False
            self.catch_up()
            return self.mirror.reader.head().seq > after

    def close(self) -> None:
        """Give the mirror and the log's connections back."""
        with self._lock:
            self.mirror.session.close()
            self._log.close()

    def catch_up(self) -> bool:
        """Enter what the log has beyond the mirror; say whether there was anything."""
        with self._lock:
            self.mirror.session.check_process()
            try:
                return self._read_on()
            except PartedError as parted:
                if self._log.stands(self.mirror.mark()):
                    raise OutsideError(
                        f"the ledger {self._log.name} does not hold: event {parted.seq} (batch "
                        f"{parted.batch.position}) does not follow from the one before",
                        hint="see all that was changed: legato ledger verify --shared; then restore it from a backup",
                    ) from None
                self._start_anew()
                return True

    def _told_time(self) -> float:
        """Return what the log's clock said last; it is asked before a transaction, never inside one."""
        return self._time

    def _freshen(self) -> None:
        looked_at, steady = self._looked_at, self._steady
        if looked_at is None or steady is None or steady() - looked_at >= self._fresh_s:
            self.catch_up()

    def _read_on(self) -> bool:
        new = False
        waiting: list[Batch] = []
        for batch in self._log.read(self.mirror.mark()):
            waiting.append(batch)
            new = True
            if (
                len(waiting) >= _BATCHES_AT_ONCE
                or sum(len(item.records) for item in waiting) >= _EVENTS_AT_ONCE
            ):
                self._take(waiting)
                waiting = []
        if waiting:
            self._take(waiting)
        self._looked_at = self._steady() if self._steady is not None else None
        return new

    def _take(self, batches: Sequence[Batch]) -> None:
        self.mirror.take(batches)

    def _compare(self) -> None:
        """Throw the mirror away where the log has another history."""
        mark = self.mirror.mark()
        if mark.position and not self._log.stands(mark):
            with self._lock:
                self._start_anew()

    def _renew_where_different(self) -> None:
        if first_difference(self.mirror.records(), self._log.read(START)):
            self._start_anew()

    def _start_anew(self) -> None:
        seq = first_difference(self.mirror.records(), self._log.read(START))
        at = f"from event {seq} on" if seq else "in its last batch"
        self._told(f"the mirror of the ledger {self._log.name} differed from it {at} and was made anew")
        self.mirror.reset()
        self._read_on()
