"""A ledger's log in a bucket: batch n is one object, written only if no object of that name is there.

Rule: put-if-absent is the only thing relied on; batches are never deleted, since a name that is free again could be
taken by a writer who stopped long ago. Format: docs/formats/ledger.md.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from threading import Lock
from typing import Final

from legato.domain.errors import ConfigurationError, OutsideError
from legato.ledger import Head, Problem
from legato.ledger.batches import SEGMENT, batches_of, pack, unpack, unpack_segment
from legato.ledger.bucket_audit import audit_bucket
from legato.ledger.log import Batch, Draft, Mark, end_of
from legato.ledger.objects import Objects
from legato.ledger.segments import LOG, batch_name, blank_in_bucket, compact, position_of, segment_name

_SEGMENTS_AT_ONCE: Final = 8
_BATCHES_AT_ONCE: Final = 64
_PROBE: Final = "probe"
_PROBED: Final = b"Legato wrote this to see whether the bucket refuses to write over it.\n"
_UNKNOWN_THERE: Final = ("501", "NotImplemented")
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0
_CREATE_TRIES: Final = 5


class BucketLog:
    """One history in a bucket or a shared folder; see `legato.ledger.log.Log`. Leases travel in the batches.

    Args:
        objects: Where it is; closed with the log.
        clock: The ledger's clock: `BucketClock`, or this machine's where bucket and machine are one.
        nonce: Fresh random bytes, by which a writer knows its own batch again.
    """

    leases = None

    def __init__(self, objects: Objects, clock: Callable[[], float], nonce: Callable[[], bytes]) -> None:
        self.name = objects.name
        self.now = clock
        self._objects = objects
        self._nonce = nonce
        self._lock = Lock()
        self._closed = False
        self._is_safe = False
        self._has_listed = False
        self._unflushed: list[str] = []

    def stands(self, mark: Mark) -> bool:
        """Compare one batch."""
        if not mark.position:
            return True
        name = batch_name(mark.position)
        data = self._objects.get(name)
        return data is not None and end_of(unpack(data, name)) == mark

    def read(self, after: Mark) -> Iterator[Batch]:
        """Yield batches: from segments where there are such, and more at once the longer it goes on."""
        position = after.position
        if self._objects.get(batch_name(position + 1)) is None:
            if not self._has_listed:
                self._check_end(position)
            return
        for batch in self._in_segments(position):
            position = batch.position
            yield batch
        for batch in self._one_by_one(position):
            position = batch.position
            yield batch
        self._check_end(position)

    def append(self, draft: Draft) -> int | None:
        """Write the next batch if nobody has."""
        self._check_safe()
        position = draft.at.position + 1
        before = Head(seq=draft.at.seq, digest=draft.at.chain)
        data = pack(Batch(position, before, draft.records, draft.moves), self._nonce())
        if not self._create(batch_name(position), data):
            return None
        self._unflushed.append(batch_name(position))
        return position

    def tidy(self, position: int) -> tuple[int, int] | None:
        """Collect batches into segments where one has become full."""
        return compact(self._objects, position) if position % SEGMENT == 0 else None

    def blank(self, seqs: Sequence[int]) -> None:
        """Write batches and segments anew without what those events say."""
        blank_in_bucket(self._objects, seqs)

    def audit(self, head: Head | None) -> list[Problem]:
        """Read every object."""
        return audit_bucket(self._objects, head)

    def wait(self, after: Mark, timeout_s: float) -> bool:
        """Ask again and again, less often the longer it takes: a bucket tells nobody."""
        name, pause_s, left_s = batch_name(after.position + 1), _FIRST_PAUSE_S, timeout_s
        while self._objects.get(name) is None:
            if left_s <= 0 or self._closed:
                return False
            time.sleep(min(pause_s, left_s))
            left_s -= pause_s
            pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)
        return True

    def sync(self) -> None:
        """Force what was written into a folder of this machine to its disk."""
        with self._lock:
            names, self._unflushed = self._unflushed, []
        self._objects.sync(names)

    def close(self) -> None:
        """Let the threads go."""
        self._closed = True
        self._objects.close()

    def _in_segments(self, position: int) -> Iterator[Batch]:
        number, window = position // SEGMENT, 1
        while True:
            names = [segment_name(number + more) for more in range(window)]
            found = list(takewhile(lambda data: data is not None, self._objects.get_many(names)))
            for name, data in zip(names, found, strict=False):
                plain = unpack_segment(data or b"", name)
                yield from (batch for batch in batches_of(plain, name) if batch.position > position)
            if len(found) < window:
                return
            number, window = number + window, min(2 * window, _SEGMENTS_AT_ONCE)

    def _one_by_one(self, position: int) -> Iterator[Batch]:
        window = 2
        while True:
            found = self._prefix(position, window)
            for data in found:
                position += 1
                batch = unpack(data, batch_name(position))
                if batch.position != position:
                    raise _misplaced(self.name, position, batch.position)
                yield batch
            if len(found) < window:
                return
            window = min(2 * window, _BATCHES_AT_ONCE)

    def _check_end(self, position: int) -> None:
        """See that nothing is missing: behind the last batch that was found there is none, or the next one."""
        behind = self._objects.first_name(LOG, after=batch_name(position))
        if behind is not None and position_of(behind) > position + 1:
            raise _missing(self.name, position + 1)
        self._has_listed = True

    def _prefix(self, position: int, window: int) -> list[bytes]:
        """Return the next batches without a gap."""
        names = [batch_name(position + 1 + more) for more in range(window)]
        found = self._objects.get_many(names)
        while None in found:
            gap = found.index(None)
            if not any(found[gap:]):
                break
            found[gap] = self._objects.get(names[gap])  # it may have been written while the others were read
            if found[gap] is None:
                raise _missing(self.name, position + 1 + gap)
        return [data for data in found if data is not None]

    def _create(self, name: str, data: bytes) -> bool:
        for _ in range(_CREATE_TRIES):
            try:
                if self._objects.create(name, data):
                    return True
            except OutsideError:
                if self._objects.get(name) == data:  # it was written, and only the answer was lost
                    return True
                raise
            found = self._objects.get(name)
            if found is not None:
                return found == data
        raise OutsideError(
            f"cannot write {name} in {self.name}: the bucket neither has it nor takes it",
            hint="try again; if it stays so, look at what the bucket's server says",
        )

    def _check_safe(self) -> None:
        """See once that the bucket refuses to write over an object; otherwise two writers would lose events."""
        if self._is_safe:
            return
        try:
            first = self._objects.create(_PROBE, _PROBED)
            if first and self._objects.create(_PROBE, _PROBED):
                raise _careless(self.name, "it writes over objects although told not to (If-None-Match)")
        except OutsideError as error:
            if any(words in error.message for words in _UNKNOWN_THERE):
                raise _careless(self.name, "it does not know conditional writes (If-None-Match)") from None
            raise
        self._is_safe = True


class BucketClock:
    """The bucket's clock, told by when it says that an object was written; no jump of this machine's clock moves it.

    Buckets tell whole seconds: a clock of ours that agrees with that is taken as it is.

    Args:
        objects: Where an object `clock` may be written.
        clock: Seconds since 1970 as this machine thinks.
        steady: Seconds since whenever, never set back or forth.
    """

    RENEWED_S: Final = 600.0
    """How long a measurement holds."""

    def __init__(self, objects: Objects, clock: Callable[[], float], steady: Callable[[], float]) -> None:
        self._objects = objects
        self._clock = clock
        self._steady = steady
        self._lock = Lock()
        self._measured: tuple[float, float] | None = None

    def __call__(self) -> float:
        """Return the seconds since 1970 by the bucket's clock."""
        with self._lock:
            steady = self._steady()
            if self._measured is None or steady - self._measured[1] > self.RENEWED_S:
                self._measured = self._measure()
            at, then = self._measured
            return at + (self._steady() - then)

    def _measure(self) -> tuple[float, float]:
        """Return a time of the bucket and the steady time at which it was so."""
        before = self._steady()
        self._objects.replace("clock", b"Legato reads from this when the bucket thinks it is.\n")
        written_at = self._objects.written_at("clock")
        after, ours = self._steady(), self._clock()
        earliest, latest = written_at, written_at + 1 + (after - before)
        return min(max(ours, earliest), latest), after


def _careless(name: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} cannot hold a ledger: {why}",
        hint="use a server that keeps conditional writes (S3, GCS, Azure, MinIO), or PostgreSQL: "
        '[ledger] url = "postgresql://..."',
    )


def _missing(name: str, position: int) -> OutsideError:
    return OutsideError(
        f"batch {position} of the ledger {name} is missing, and later ones are there",
        hint="see all that was changed: legato ledger verify --shared; then restore it from a backup",
    )


def _misplaced(name: str, position: int, found: int) -> OutsideError:
    return OutsideError(
        f"at the place of batch {position} of the ledger {name} stands batch {found}",
        hint="see all that was changed: legato ledger verify --shared; then restore it from a backup",
    )
