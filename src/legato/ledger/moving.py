"""Copies a whole history from one ledger to another, and into a file and back.

Rule: what arrives is what left, seal for seal; a target that has another history is never touched.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from legato.domain.errors import ConflictError, OutsideError
from legato.ledger import Head, Problem
from legato.ledger.chain import GENESIS, Record

_AT_ONCE: Final = 500

Told = Callable[[int, int], None]
"""Called with the number of events that have arrived, and of all that are to."""


class Source(Protocol):
    """A history that can be read as it is kept."""

    def head(self) -> Head:
        """Return the last event's place and seal."""
        ...

    def records(self, after: int = 0) -> Iterator[Record]:
        """Yield the events behind `after` as they are kept: sealed, with their salts."""
        ...

    def verify(self, head: Head | None = None) -> list[Problem]:
        """Return all that does not hold."""
        ...


class History(Source, Protocol):
    """A ledger that takes events which were sealed elsewhere; every `Ledger` that ships is one."""

    def adopt(self, before: Head, records: Sequence[Record]) -> None:
        """Append events that follow the head `before`, with what the workshops read from them.

        Raises:
            ConflictError: The ledger is not at that head.
        """
        ...


def move(source: Source, target: History, told: Callable[[int, int], None] | None = None) -> Head:
    """Copy all events of `source` that `target` does not have; return the head that both have then.

    The source stays as it is. A move that was interrupted goes on where it stopped. Leases do not travel: nobody
    may be at work on either ledger.

    Raises:
        OutsideError: One of the two does not hold.
        ConflictError: The target has another history.
    """
    _hold(source.verify(), "the source")
    while True:
        end, begun = source.head(), target.head()
        _check_same(source, end, begun)
        if begun.seq == end.seq:
            break
        before = begun
        for records in _pages(source, begun.seq, end.seq):
            target.adopt(before, records)
            before = Head(seq=records[-1].seq, digest=records[-1].chain)
            if told is not None:
                told(before.seq, end.seq)
    _hold(target.verify(end), "the target")
    return end


def _check_same(source: Source, end: Head, begun: Head) -> None:
    """Raise unless the target's history is the beginning of the source's."""
    if begun.seq > end.seq:
        raise _other(begun, f"it has {begun.seq} events, the source {end.seq}")
    seal = next((record.chain for record in source.records(begun.seq - 1)), GENESIS) if begun.seq else GENESIS
    if seal != begun.digest:
        raise _other(begun, f"its event {begun.seq} is not the source's")


def _pages(source: Source, after: int, last: int) -> Iterator[list[Record]]:
    records = itertools.takewhile(lambda record: record.seq <= last, source.records(after))
    while page := list(itertools.islice(records, _AT_ONCE)):
        yield page


def _hold(problems: Sequence[Problem], which: str) -> None:
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise OutsideError(
            f"{which} does not hold: {problems[0].message}{more}",
            hint="see all that was changed: legato ledger verify --shared",
        )


def _other(begun: Head, why: str) -> ConflictError:
    return ConflictError(
        f"the target has another history: {why} (it is at event {begun.seq})",
        hint="name an empty ledger: another schema, prefix or file",
    )
