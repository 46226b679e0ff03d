"""A mirror: SQLite tables on this machine that hold what was read of a log elsewhere.

Rule: it can be deleted at any time and is made anew from the log; nothing is in it that the log does not say,
and no record enters it whose seal does not follow from the one before.
"""

import itertools
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from legato.domain.digests import canonical
from legato.domain.errors import OutsideError
from legato.ledger import Head, Workshop
from legato.ledger.chain import GENESIS, Record, is_whole, link
from legato.ledger.leasing import Leasing
from legato.ledger.log import Batch, Mark, end_of
from legato.ledger.reading import SqliteReader
from legato.ledger.records import COLUMNS
from legato.ledger.session import MEMORY, Session, open_writing
from legato.ledger.tables import OWN_TABLES, Kind, prepare, rebuild
from legato.ledger.trouble import is_damaged
from legato.ledger.writing import Writing

_MIRROR: Final = Kind(
    0x4C45474D,  # `LEGM`
    1,
    OWN_TABLES
    + """
CREATE TABLE ledger_mirror (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL);
INSERT INTO ledger_mirror VALUES (1, 0);
""",
)
_HEADER_BYTES: Final = 100  # https://www.sqlite.org/fileformat.html, 1.3
_MARK: Final = """SELECT position, coalesce(seq, 0), coalesce(chain, ?) FROM ledger_mirror
 LEFT JOIN (SELECT seq, chain FROM events ORDER BY seq DESC LIMIT 1)"""
_OF_KIND: Final = f"SELECT {COLUMNS} FROM events WHERE kind = ? AND payload IS NOT NULL ORDER BY seq"  # noqa: S608 - ours
_ARE_BLANK: Final = "SELECT seq FROM events WHERE payload IS NULL AND seq IN (SELECT value FROM json_each(?))"
_MOVED: Final = "UPDATE ledger_mirror SET position = ?"
_EMPTIED: Final = ("DELETE FROM events", "DELETE FROM leases", "UPDATE ledger_mirror SET position = 0")


class PartedError(Exception):
    """A batch does not follow what the mirror holds: one of the two was changed. Never leaves the ledger.

    Attributes:
        batch: The one that does not follow.
        seq: The event at which that shows.
    """

    def __init__(self, batch: Batch, seq: int) -> None:
        super().__init__(seq)
        self.batch = batch
        self.seq = seq


class Mirror:
    """The tables of one log on this machine, for many processes at once.

    Args:
        path: The file, or `:memory:`; made when it is not there, or is damaged.
        workshops: Whose tables are kept.
        clock: The ledger's.
        salt: Fresh random bytes.
        alive: Says whether the owner of a lease may still be at work; None where the log keeps leases.
    """

    def __init__(
        self,
        path: str | Path,
        workshops: Sequence[Workshop],
        *,
        clock: Callable[[], float],
        salt: Callable[[], bytes],
        alive: Callable[[str], bool] | None,
    ) -> None:
        self.session = _opened(os.fspath(path), workshops)
        self.reader = SqliteReader(self.session, workshops)
        self.leasing = Leasing(self.session, clock, alive or _always)
        self.writing = Writing(
            self.session,
            workshops,
            None if alive is None else self.leasing,
            at_us=lambda before: max(before, round(clock() * 1e6)),
            salt=salt,
        )
        self._workshops = tuple(workshops)

    def mark(self) -> Mark:
        """Return how far the log was read."""
        ((position, seq, chain),) = self.session.rows(_MARK, (GENESIS,))
        return Mark(position, seq, chain)

    def take(self, batches: Sequence[Batch]) -> None:
        """Enter batches, in one transaction; those that another process has entered meanwhile are left out.

        Raises:
            PartedError: One does not follow.
        """

        def work() -> list[Record]:
            mark = self.mark()
            entered: list[Record] = []
            for batch in batches:
                if batch.position > mark.position:
                    _follows(mark, batch)
                    self.writing.adopt(batch.records)
                    self.leasing.follow(batch.moves)
                    entered += batch.records
                    mark = end_of(batch)
            self.session.execute(_MOVED, (mark.position,))
            return entered

        self.writing.forget(self.session.write(work))

    def reset(self) -> None:
        """Forget everything."""

        def work() -> None:
            for statement in _EMPTIED:
                self.session.execute(statement)
            rebuild(self.session, self._workshops)

        self.session.write(work)

    def rebuild(self) -> None:
        """Make the workshops' tables anew from the events."""
        self.session.write(lambda: rebuild(self.session, self._workshops))

    def records(self) -> Iterator[Record]:
        """Yield all events as they are kept."""
        return self.reader.records()

    def blank(self, seqs: Collection[int]) -> set[int]:
        """Return those of the events that are blank here."""
        return {row[0] for row in self.session.rows(_ARE_BLANK, (canonical(sorted(seqs)).decode(),))}

    def records_of(self, kind: str) -> list[Record]:
        """Return the events of one kind as they are kept."""
        return [Record(*row) for row in self.session.rows(_OF_KIND, (kind,))]


def first_difference(mirrored: Iterator[Record], batches: Iterator[Batch]) -> int:
    """Return the place of the first event of a mirror that is not the log's; 0 where there is none.

    What the mirror has not read yet, or has blanked already, is no difference.
    """
    theirs = itertools.chain.from_iterable(batch.records for batch in batches)
    for our, their in itertools.zip_longest(mirrored, theirs):
        if our is None:
            return 0
        if their is None or our._replace(payload=None, salt=None) != their._replace(payload=None, salt=None):
            return our.seq
        if our.payload is not None and our != their:
            return our.seq
    return 0


def _follows(mark: Mark, batch: Batch) -> None:
    if batch.before != Head(seq=mark.seq, digest=mark.chain):
        raise PartedError(batch, mark.seq + 1)
    seq, chain = mark.seq, mark.chain
    for record in batch.records:
        if record.seq != seq + 1 or link(chain, record) != record.chain or not is_whole(record):
            raise PartedError(batch, seq + 1)
        seq, chain = record.seq, record.chain


def _opened(path: str, workshops: Sequence[Workshop]) -> Session:
    for last in (False, True):
        session = open_writing(path)
        try:
            prepare(session, workshops, _MIRROR)
        except BaseException as error:
            session.close()
            damaged = isinstance(error, OutsideError) and is_damaged(error) and _is_mirror(path)
            if last or not damaged:
                raise
            for name in (path, f"{path}-wal", f"{path}-shm"):
                with suppress(FileNotFoundError):
                    Path(name).unlink()
        else:
            return session
    raise AssertionError


def _is_mirror(path: str) -> bool:
    """Say whether a damaged file was a mirror, which may be deleted; nobody else's is."""
    if path == MEMORY:
        return False
    with Path(path).open("rb") as file:
        header = file.read(_HEADER_BYTES)
    return header.startswith(b"SQLite format 3\0") and header[68:72] == b"LEGM"


def _always(_: Any) -> bool:  # noqa: ANN401 - whoever it is
    return True
