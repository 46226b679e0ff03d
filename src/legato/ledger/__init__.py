"""The ledger's port: facts in order, and the tables read from them.

Rule: an event is appended once, in one transaction with all that the workshops read from it; nothing changes
it later, save a redaction, which blanks what it said and leaves the chain whole.

Three back ends pass one contract: SQLite (`sqlite`), and, shared by machines through a mirror each (`mirrored`), a
bucket or folder (`bucket`) and PostgreSQL (`postgres`); `shared` opens the last two by their address, `moving` and
`backups` carry a history from one to another.

Every method may be called from many threads and by many processes at once. A ledger must not cross a fork: it
is opened after forking. Foreign errors (disk, rights, locks, network) arrive as `OutsideError`; nothing of a
call that raised is kept. Format: docs/formats/ledger.md.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from legato.domain.events import AnyEvent, Event, Redacted
from legato.domain.graph import Struct
from legato.ledger.queries import named_queries

__all__ = [
    "LEDGER_FORMAT",
    "Execute",
    "Expect",
    "Head",
    "Lease",
    "Leases",
    "Ledger",
    "Problem",
    "Query",
    "Reader",
    "Row",
    "Stored",
    "Workshop",
    "named_queries",
]

LEDGER_FORMAT: Final = 1
"""Number of the events' form and of the tables that every ledger has; workshops number their own."""

Row = Mapping[str, Any]
"""One row of a query's answer by column."""


class Stored(Struct, frozen=True, kw_only=True):
    """One event as the ledger holds it.

    Attributes:
        seq: Its place, from 1 without gaps.
        at: When it was appended, seconds since 1970 in UTC by the ledger's clock, to the microsecond.
        event: What it says; `Redacted` where that was blanked.
        digest: Of the event and of all before it (64 hexadecimal digits): with `seq` it is a head to publish.
    """

    seq: int
    at: float
    event: AnyEvent | Redacted
    digest: str


class Head(Struct, frozen=True, kw_only=True):
    """How far a ledger had come: the last event's place and digest. Sequence 0 is the empty ledger."""

    seq: int
    digest: str


class Lease(Struct, frozen=True, kw_only=True):
    """The right of `owner` to be the only one at work on `name` until `expires_at` by the ledger's clock.

    `fencing` is greater than that of every lease given before in this ledger.
    """

    name: str
    owner: str
    fencing: int
    expires_at: float


class Expect(Struct, frozen=True, kw_only=True):
    """What must hold for an append to happen.

    Attributes:
        head: The sequence number of the last event; None for any.
        leases: Leases that must not have been lost to someone else.
    """

    head: int | None = None
    leases: tuple[Lease, ...] = ()


class Problem(Struct, frozen=True, kw_only=True):
    """Something that does not hold in a ledger.

    `kind`: `altered`, `missing`, `reordered`, `blanked` (no event says that it should be), `kept` (an event says
    that it should be blanked, and it is not), `cut` (the tail is gone), `rewritten` (it is not the history whose
    head was published).
    """

    seq: int
    kind: str
    message: str


class Execute(Protocol):
    """Runs one SQL statement inside the append's transaction and yields its rows."""

    def __call__(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /
    ) -> Iterable[tuple[Any, ...]]:
        """Run `sql` with `?` or `:name` parameters."""
        ...


class Query(Protocol):
    """Runs one named query of a workshop."""

    def __call__(self, name: str, /, **parameters: Any) -> list[Row]:  # noqa: ANN401 - whatever SQL takes
        """Return the rows of query `name`; a list or tuple arrives in SQL as a JSON array."""
        ...


class Workshop(Struct, frozen=True, kw_only=True):
    """The tables that one room reads from the events.

    Attributes:
        name: The room's name (`engine`, `registry`).
        migrations: SQL scripts, numbered from 1 by their place. They make tables, indexes and views of this
            workshop alone; when one is added, all its tables are made anew from the events.
        queries: SQL by name; a name belongs to one workshop.
        project: Called for each event inside the transaction that appends it, in order. It must write nothing
            that the event does not say, and read no clock.
    """

    name: str
    migrations: tuple[str, ...]
    queries: Mapping[str, str] = {}
    project: Callable[[Execute, Stored], None]


class Leases(Protocol):
    """Who may work on what. A lease that was lost is never an error here; `Expect.leases` makes it one."""

    def acquire(self, names: Sequence[str], owner: str, ttl_s: float) -> Sequence[Lease]:
        """Return leases for those names that could be had; a name this owner holds already is renewed.

        A lease that expired, or whose owner is not alive, is taken over.
        """
        ...

    def renew(self, leases: Sequence[Lease], ttl_s: float) -> Sequence[Lease]:
        """Return those that are still held, now for `ttl_s` seconds from now."""
        ...

    def release(self, leases: Sequence[Lease]) -> None:
        """Give back those that are still held."""
        ...


class Reader(Protocol):
    """What is known, for those that only look."""

    def events(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[Stored]:
        """Yield the events behind sequence number `after`, in order, also those appended meanwhile.

        With `kinds`, only those; a blanked event is then of kind `redacted`.
        """
        ...

    def query(self, name: str, /, **parameters: Any) -> list[Row]:  # noqa: ANN401 - whatever SQL takes
        """Return the rows of a workshop's query; a list or tuple arrives in SQL as a JSON array."""
        ...

    def head(self) -> Head:
        """Return how far this ledger has come."""
        ...

    def verify(self, head: Head | None = None) -> list[Problem]:
        """Return every event that was altered, deleted or moved, by name; empty when all is well.

        A tail that was cut off, or a history rewritten to its end, is found only against a `head` kept
        elsewhere.
        """
        ...

    def refresh(self) -> None:
        """Look now for what others appended; where every look sees that anyway, this does nothing."""
        ...

    def wait(self, after: int, timeout_s: float) -> bool:
        """Return True as soon as there is an event behind sequence number `after`, else False in the end.

        Readers that follow a ledger live call it between two calls of `events`. It holds no lock meanwhile.
        """
        ...

    def close(self) -> None:
        """Give the ledger back to the system; it cannot be used afterwards."""
        ...


class Ledger(Reader, Leases, Protocol):
    """Facts in order, the tables read from them, and leases."""

    def append(
        self, events: Sequence[Event], *, expect: Expect | None = None, release: Sequence[Lease] = ()
    ) -> Sequence[Stored]:
        """Append all events or none, with what the workshops read from them, and give back `release`.

        Raises:
            ConflictError: `expect` does not hold.
            MissingError: A redaction names an event that is not there.
        """
        ...

    def transact(self, decide: Callable[[Query], Sequence[Event]]) -> Sequence[Stored]:
        """Append what `decide` makes of queries that nobody else can outdate meanwhile.

        `decide` may be called again where another writer was first; it must only query and return.
        """
        ...

    def rebuild(self) -> None:
        """Make all tables of the workshops anew from the events, in one transaction."""
        ...

    def sync(self) -> None:
        """Return when all that was appended before will outlive a loss of power."""
        ...
