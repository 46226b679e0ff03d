"""Reading a SQLite ledger: events, queries, head, audit.

Rule: nothing in here writes, and no lock is held while a caller looks at what it got.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from legato.domain.digests import canonical
from legato.domain.errors import BugError
from legato.ledger import Head, Problem, Row, Stored, Workshop
from legato.ledger.chain import GENESIS, REDACTION, Record, audit
from legato.ledger.records import COLUMNS, stored_of
from legato.ledger.session import Session

_PAGE: Final = 1000
_PAUSE_S: Final = 0.02
_HEAD: Final = "SELECT seq, chain, at FROM events ORDER BY seq DESC LIMIT 1"
_OF_KIND: Final = """((payload IS NOT NULL AND kind IN (SELECT value FROM json_each(:kinds)))
 OR (payload IS NULL AND :blanked))"""
_REDACTED_BY: Final = """SELECT seq FROM events
 WHERE kind = ? AND payload IS NOT NULL AND json_extract(payload, '$.seq') = ? ORDER BY seq LIMIT 1"""


class SqliteReader:
    """The reading half of a SQLite ledger; see `legato.ledger.Reader`.

    Args:
        session: An open connection, which `close` closes.
        workshops: Whose queries are known.
    """

    def __init__(self, session: Session, workshops: Sequence[Workshop]) -> None:
        self._session = session
        self._queries = _merged(workshops)

    def events(self, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[Stored]:
        """Yield events page by page, so that no transaction stays open between them."""
        for row in self._pages(after, tuple(kinds)):
            yield stored_of(row, self._session.path, 0 if row[3] is not None else self._redacted_by(row[0]))

    def query(self, name: str, /, **parameters: Any) -> list[Row]:  # noqa: ANN401 - whatever SQL takes
        """Return the rows of a workshop's query."""
        if name not in self._queries:
            raise BugError(f"no workshop has a query {name!r}", hint="report this as a bug")
        columns, rows = self._session.table(self._queries[name], _bound(parameters))
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def head(self) -> Head:
        """Return the last event's place and seal."""
        seq, digest, _ = head_of(self._session.rows(_HEAD))
        return Head(seq=seq, digest=digest)

    def refresh(self) -> None:
        """Do nothing: a file on this machine is always read as it is."""

    def wait(self, after: int, timeout_s: float) -> bool:
        """Look for a later event again and again: SQLite has no way to be told by another process."""
        for _ in range(max(1, int(timeout_s / _PAUSE_S))):
            if self._session.is_closed():
                return False
            if self.head().seq > after:
                return True
            time.sleep(min(_PAUSE_S, timeout_s))
        return not self._session.is_closed() and self.head().seq > after

    def records(self, after: int = 0) -> Iterator[Record]:
        """Yield the events behind `after` as they are kept: sealed, with their salts."""
        return (Record(*row) for row in self._pages(after, ()))

    def verify(self, head: Head | None = None) -> list[Problem]:
        """Return what is wrong with the events."""
        return audit(self.records(), head)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _pages(self, after: int, kinds: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        wanted = f"AND {_OF_KIND}" if kinds else ""
        sql = f"SELECT {COLUMNS} FROM events WHERE seq > :after {wanted} ORDER BY seq LIMIT {_PAGE}"  # noqa: S608 - ours
        values = {"after": after, "kinds": canonical(kinds).decode(), "blanked": "redacted" in kinds}
        while rows := self._session.rows(sql, values):
            yield from rows
            values["after"] = rows[-1][0]

    def _redacted_by(self, seq: int) -> int:
        rows = self._session.rows(_REDACTED_BY, (REDACTION, seq))
        return int(rows[0][0]) if rows else 0


def head_of(rows: Sequence[tuple[Any, ...]]) -> tuple[int, str, int]:
    """Return place, seal and time (in microseconds) of the last event from what `HEAD` found."""
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else (0, GENESIS, 0)


HEAD: Final = _HEAD
"""The statement that finds the last event."""


def _merged(workshops: Sequence[Workshop]) -> Mapping[str, str]:
    queries: dict[str, str] = {}
    for workshop in workshops:
        twice = queries.keys() & workshop.queries.keys()
        if twice:
            raise BugError(f"two workshops have a query {min(twice)!r}", hint="report this as a bug")
        queries.update(workshop.queries)
    return queries


def _bound(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: canonical(value).decode() if isinstance(value, list | tuple | dict | set | frozenset) else value
        for name, value in parameters.items()
    }
