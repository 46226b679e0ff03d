"""Leases in SQLite tables.

Rule: a fencing number is given once and is greater than all before it, also when the lease is long gone.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from legato.ledger import Lease
from legato.ledger.log import Move
from legato.ledger.session import Session

_FIND: Final = "SELECT fencing, owner, expires_at FROM leases WHERE name = ?"
_GIVE: Final = "INSERT OR REPLACE INTO leases (name, owner, expires_at) VALUES (?, ?, ?)"
_SET: Final = "INSERT OR REPLACE INTO leases (name, owner, fencing, expires_at) VALUES (?, ?, ?, ?)"
_RENEW: Final = "UPDATE leases SET expires_at = ? WHERE fencing = ? AND name = ? AND owner = ?"
_RELEASE: Final = "DELETE FROM leases WHERE fencing = ? AND name = ? AND owner = ?"
_HELD: Final = "SELECT 1 FROM leases WHERE fencing = ? AND name = ? AND owner = ?"


class Leasing:
    """Gives and takes leases; `acquire`, `renew` and `release` are each a transaction, the rest happens inside one.

    Args:
        session: The connection.
        clock: Seconds since 1970; leases expire by it.
        alive: Says whether an owner may still be at work.

    Attributes:
        moves: What happened to leases since this list was cleared last.
    """

    def __init__(self, session: Session, clock: Callable[[], float], alive: Callable[[str], bool]) -> None:
        self._session = session
        self._clock = clock
        self._alive = alive
        self.moves: list[Move] = []

    def acquire(self, names: Sequence[str], owner: str, ttl_s: float) -> Sequence[Lease]:
        """Return leases for those names that could be had."""
        if not names:
            return ()
        return self._kept(lambda: self.take(names, owner, ttl_s))

    def renew(self, leases: Sequence[Lease], ttl_s: float) -> Sequence[Lease]:
        """Return those that are still held, with their new expiry."""
        if not leases:
            return ()
        return self._kept(lambda: self.prolong(leases, ttl_s))

    def release(self, leases: Sequence[Lease]) -> None:
        """Give back those that are still held."""
        if leases:
            self._session.write(lambda: self.drop(leases))
            self.moves.clear()

    def held(self, lease: Lease) -> bool:
        """Say whether nobody else has taken the lease over."""
        row = self._session.execute(_HELD, (lease.fencing, lease.name, lease.owner)).fetchone()
        return row is not None

    def drop(self, leases: Sequence[Lease]) -> None:
        """Give back those that are still held."""
        for lease in leases:
            row = (lease.fencing, lease.name, lease.owner)
            if self._session.execute(_RELEASE, row).rowcount:
                self.moves.append(Move(lease.name, lease.owner, lease.fencing, None))

    def take(self, names: Sequence[str], owner: str, ttl_s: float) -> Sequence[Lease]:
        """Return leases for those names that could be had."""
        now = self._clock()
        leases = (self._one(name, owner, now, now + ttl_s) for name in dict.fromkeys(names))
        return self._moved(lease for lease in leases if lease is not None)

    def prolong(self, leases: Sequence[Lease], ttl_s: float) -> Sequence[Lease]:
        """Return those that are still held, with their new expiry."""
        expires_at = self._clock() + ttl_s
        return self._moved(
            Lease(name=lease.name, owner=lease.owner, fencing=lease.fencing, expires_at=expires_at)
            for lease in leases
            if self._session.execute(_RENEW, (expires_at, lease.fencing, lease.name, lease.owner)).rowcount
        )

    def follow(self, moves: Iterable[Move]) -> None:
        """Do what another writer did."""
        for move in moves:
            if move.expires_at is None:
                self._session.execute(_RELEASE, (move.fencing, move.name, move.owner))
            else:
                self._session.execute(_SET, move)

    def _kept(self, work: Callable[[], Sequence[Lease]]) -> Sequence[Lease]:
        leases = self._session.write(work)
        self.moves.clear()
        return leases

    def _one(self, name: str, owner: str, now: float, expires_at: float) -> Lease | None:
        row = self._session.execute(_FIND, (name,)).fetchone()
        if row is not None:
            fencing, holder, until = row
            if holder == owner:
                self._session.execute(_RENEW, (expires_at, fencing, name, owner))
                return Lease(name=name, owner=owner, fencing=fencing, expires_at=expires_at)
            if until > now and self._alive(holder):
                return None
        given = self._session.execute(_GIVE, (name, owner, expires_at)).lastrowid
        return Lease(name=name, owner=owner, fencing=int(given or 0), expires_at=expires_at)

    def _moved(self, leases: Iterable[Lease]) -> Sequence[Lease]:
        kept = tuple(leases)
        self.moves += [Move(lease.name, lease.owner, lease.fencing, lease.expires_at) for lease in kept]
        return kept
