"""Leases in PostgreSQL, by the database's clock.

Rule: a lease is given, renewed or taken over in one statement, so that two askers never both get it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from legato.ledger import Lease
from legato.ledger.postgres_session import PostgresSession

if TYPE_CHECKING:
    from legato.ledger.postgres_session import Connection

_HOLDERS: Final = "SELECT DISTINCT owner FROM {schema}.leases WHERE name = ANY(%s) AND owner <> %s"
_TAKE: Final = """
INSERT INTO {schema}.leases AS held (name, owner, fencing, expires_at)
SELECT name, %(owner)s, nextval('{schema}.fencing'), clock_timestamp() + make_interval(secs => %(ttl)s)
 FROM unnest(%(names)s::text[]) AS name
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at,
 fencing = CASE WHEN held.owner = excluded.owner THEN held.fencing ELSE excluded.fencing END
 WHERE held.owner = excluded.owner OR held.expires_at <= clock_timestamp() OR held.owner = ANY(%(dead)s::text[])
RETURNING name, owner, fencing, extract(epoch FROM expires_at)::float8"""
_RENEW: Final = """
UPDATE {schema}.leases SET expires_at = clock_timestamp() + make_interval(secs => %s)
 WHERE name = %s AND owner = %s AND fencing = %s
RETURNING name, owner, fencing, extract(epoch FROM expires_at)::float8"""
_RELEASE: Final = "DELETE FROM {schema}.leases WHERE name = %s AND owner = %s AND fencing = %s"
_HELD: Final = "SELECT 1 FROM {schema}.leases WHERE name = %s AND owner = %s AND fencing = %s FOR SHARE"


class PostgresLeases:
    """Gives and takes leases; `legato.ledger.Leases` says what each method promises.

    Args:
        session: The connection.
        alive: Says whether an owner may still be at work.
    """

    def __init__(self, session: PostgresSession, alive: Callable[[str], bool]) -> None:
        self._session = session
        self._alive = alive
        texts = (_HOLDERS, _TAKE, _RENEW, _RELEASE, _HELD)
        statements = (text.format(schema=session.schema) for text in texts)
        self._holders, self._take, self._renew, self._release, self._held = statements

    def acquire(self, names: Sequence[str], owner: str, ttl_s: float) -> Sequence[Lease]:
        """Return leases for those names that could be had."""
        wanted = sorted(set(names))  # in one order everywhere, so that two askers never wait for each other

        def work(connection: "Connection") -> list[tuple[Any, ...]]:
            holders = connection.execute(self._holders, (wanted, owner)).fetchall()
            dead = [holder for (holder,) in holders if not self._alive(holder)]
            values = {"names": wanted, "owner": owner, "ttl": ttl_s, "dead": dead}
            return connection.execute(self._take, values).fetchall()

        given = {row[0]: lease_of(row) for row in self._session.run(work)} if wanted else {}
        return tuple(given[name] for name in dict.fromkeys(names) if name in given)

    def renew(self, leases: Sequence[Lease], ttl_s: float) -> Sequence[Lease]:
        """Return those that are still held, with their new expiry."""

        def work(connection: "Connection") -> list[Lease]:
            found = (connection.execute(self._renew, (ttl_s, *key(lease))).fetchone() for lease in leases)
            return [lease_of(row) for row in found if row is not None]

        return tuple(self._session.run(work)) if leases else ()

    def release(self, leases: Sequence[Lease]) -> None:
        """Give back those that are still held."""
        if leases:
            self._session.run(lambda connection: self.drop(connection, leases))

    def drop(self, connection: "Connection", leases: Iterable[Lease]) -> None:
        """Give back leases inside a transaction."""
        for lease in leases:
            connection.execute(self._release, key(lease))

    def lost(self, connection: "Connection", leases: Iterable[Lease]) -> Lease | None:
        """Return one that someone else has taken over; the others are kept from that until the transaction ends."""
        for lease in leases:
            if connection.execute(self._held, key(lease)).fetchone() is None:
                return lease
        return None


def key(lease: Lease) -> tuple[str, str, int]:
    """Return the columns by which a lease is found."""
    return lease.name, lease.owner, lease.fencing


def lease_of(row: Sequence[Any]) -> Lease:
    """Return the lease in a row."""
    name, owner, fencing, expires_at = row
    return Lease(name=name, owner=owner, fencing=fencing, expires_at=expires_at)
