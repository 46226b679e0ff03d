"""The port of a ledger's log: the one history that several machines share, behind each one's own mirror.

Rule: a batch is in the log once and at its place, or not at all; whoever appends names the place it saw.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from legato.ledger import Head, Lease, Leases, Problem
from legato.ledger.chain import GENESIS, Record

Told = Callable[[str], None]
"""Takes a sentence about something that a person should know."""


class Mark(NamedTuple):
    """How far a mirror has read: the position of the last batch, and the head that it led to."""

    position: int
    seq: int
    chain: str


START = Mark(0, 0, GENESIS)
"""Before the first batch."""


class Move(NamedTuple):
    """What became of a lease; `expires_at` is None where it was given back."""

    name: str
    owner: str
    fencing: int
    expires_at: float | None


class Batch(NamedTuple):
    """What was appended at once.

    Attributes:
        position: Its place among all batches, greater than that of the one before.
        before: The head that it follows.
        records: Its events.
        moves: What it says of leases; empty where the log keeps leases itself.
    """

    position: int
    before: Head
    records: tuple[Record, ...]
    moves: tuple[Move, ...] = ()


def end_of(batch: Batch) -> Mark:
    """Return how far a log was read behind this batch."""
    if batch.records:
        return Mark(batch.position, batch.records[-1].seq, batch.records[-1].chain)
    return Mark(batch.position, batch.before.seq, batch.before.digest)


class Draft(NamedTuple):
    """What a writer would append, made on its mirror.

    Attributes:
        at: Where the mirror stood.
        records: Sealed events that follow it.
        moves: What happens to leases, for a log that carries them.
        held: Leases that must not have been lost, for a log that keeps leases itself.
        released: Leases that are given back, for such a log.
    """

    at: Mark
    records: tuple[Record, ...]
    moves: tuple[Move, ...] = ()
    held: tuple[Lease, ...] = ()
    released: tuple[Lease, ...] = ()


class Log(Protocol):
    """One history, shared. Safe from many threads; every method may be retried; foreign errors are `OutsideError`."""

    @property
    def name(self) -> str:
        """Its address for messages, without secrets."""
        ...

    @property
    def leases(self) -> Leases | None:
        """Where the log keeps leases itself; None where batches carry them."""
        ...

    def now(self) -> float:
        """Return the time by the ledger's clock, seconds since 1970."""
        ...

    def stands(self, mark: Mark) -> bool:
        """Say whether the log has the batch at that position, leading to that head."""
        ...

    def read(self, after: Mark) -> Iterator[Batch]:
        """Yield the batches behind a position, in order."""
        ...

    def append(self, draft: Draft) -> int | None:
        """Append at `draft.at` if that is still the end; return the position, None when someone else was first.

        After an answer that was lost it is found out whether the batch is in.

        Raises:
            ConflictError: A lease in `draft.held` was lost.
        """
        ...

    def tidy(self, position: int) -> tuple[int, int] | None:
        """Make older batches cheaper to read, where it is time; called after an append that got `position`.

        Returns:
            The first and the last event that were copied: what was redacted meanwhile is to be blanked again.
        """
        ...

    def blank(self, seqs: Sequence[int]) -> None:
        """Remove what those events say wherever the log holds it; what is blank already stays so."""
        ...

    def audit(self, head: Head | None) -> list[Problem]:
        """Read everything again and return what does not hold."""
        ...

    def wait(self, after: Mark, timeout_s: float) -> bool:
        """Return True as soon as there is a batch behind `after`, else False when the time is over."""
        ...

    def sync(self) -> None:
        """Return when all that was appended will outlive a loss of power."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...
