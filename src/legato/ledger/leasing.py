"""Leases in a SQLite ledger.

Rule: a fencing number is given once and is greater than all before it, also when the lease is long gone.
"""

from collections.abc import Callable, Sequence
from typing import Final

from legato.ledger import Lease
from legato.ledger.session import Session

_FIND: Final = "SELECT fencing, owner, expires_at FROM leases WHERE name = ?"
_GIVE: Final = "INSERT OR REPLACE INTO leases (name, owner, expires_at) VALUES (?, ?, ?)"
_RENEW: Final = "UPDATE leases SET expires_at = ? WHERE fencing = ? AND name = ? AND owner = ?"
_RELEASE: Final = "DELETE FROM leases WHERE fencing = ? AND name = ? AND owner = ?"
_HELD: Final = "SELECT 1 FROM leases WHERE fencing = ? AND name = ? AND owner = ?"


class Leasing:
    """Gives and takes leases; every method but `held` and `drop` is a transaction of its own.

    Args:
        session: The connection.
        clock: Seconds since 1970; leases expire by it.
        alive: Says whether an owner may still be at work.
    """

    def __init__(self, session: Session, clock: Callable[[], float], alive: Callable[[str], bool]) -> None:
        self._session = session
        self._clock = clock
        self._alive = alive

    def acquire(self, names: Sequence[str], owner: str, ttl_s: float) -> Sequence[Lease]:
        """Return leases for those names that could be had."""
        if not names:
            return ()
        return self._session.write(lambda: self._acquire(tuple(dict.fromkeys(names)), owner, ttl_s))

    def renew(self, leases: Sequence[Lease], ttl_s: float) -> Sequence[Lease]:
        """Return those that are still held, with their new expiry."""
        if not leases:
            return ()
        return self._session.write(lambda: self._renew(leases, ttl_s))

    def release(self, leases: Sequence[Lease]) -> None:
        """Give back those that are still held."""
        if leases:
            self._session.write(lambda: self.drop(leases))

    def held(self, lease: Lease) -> bool:
        """Say inside a transaction whether nobody else has taken the lease over."""
        row = self._session.execute(_HELD, (lease.fencing, lease.name, lease.owner)).fetchone()
        return row is not None

    def drop(self, leases: Sequence[Lease]) -> None:
        """Give back leases inside a transaction."""
        for lease in leases:
            self._session.execute(_RELEASE, (lease.fencing, lease.name, lease.owner))

    def _acquire(self, names: Sequence[str], owner: str, ttl_s: float) -> Sequence[Lease]:
        now = self._clock()
        leases = (self._one(name, owner, now, now + ttl_s) for name in names)
        return tuple(lease for lease in leases if lease is not None)

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

    def _renew(self, leases: Sequence[Lease], ttl_s: float) -> Sequence[Lease]:
        expires_at = self._clock() + ttl_s
        return tuple(
            Lease(name=lease.name, owner=lease.owner, fencing=lease.fencing, expires_at=expires_at)
            for lease in leases
            if self._session.execute(_RENEW, (expires_at, lease.fencing, lease.name, lease.owner)).rowcount
        )
