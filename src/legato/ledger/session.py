"""One connection to a SQLite ledger: opened, guarded, closed.

Rule: it never crosses a fork, and a transaction that did not end well is undone before anyone hears of it.
"""

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any, Final, TypeVar

from legato.domain.errors import BugError, MissingError, OutsideError
from legato.ledger.trouble import outside

MEMORY: Final = ":memory:"
WAIT_S: Final = 30.0
"""How long one process waits for another's write transaction."""

_LOG_PAGES: Final = 4000
"""How long the log may grow, 16 MB, before it is written into the database, which waits for the disk."""

_NO_RIGHTS: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM})
_NO_ROOM: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL})
_Result = TypeVar("_Result")
Values = Sequence[Any] | Mapping[str, Any]


class Session:
    """A connection with its lock; `execute` is the connection's own, for use inside `write`."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self.path = path
        self.execute = connection.execute
        self._connection = connection
        self._lock = RLock()
        self._process = os.getpid()
        self._closed = False

    def rows(self, sql: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Return all rows of one statement."""
        return self.table(sql, values)[1]

    def table(self, sql: str, values: Values = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the names of the columns and all rows of one statement."""
        with self._lock:
            self.check_process()
            try:
                cursor = self.execute(sql, values)
                return [column[0] for column in cursor.description or ()], cursor.fetchall()
            except sqlite3.Error as error:
                raise outside(error, self.path) from error

    def write(self, work: Callable[[], _Result]) -> _Result:
        """Do `work` in one write transaction: all of it is kept, or nothing."""
        with self._lock:
            self.check_process()
            try:
                self.execute("BEGIN IMMEDIATE")
                result = work()
                self.execute("COMMIT")
            except BaseException as error:
                self._undo()
                if isinstance(error, sqlite3.Error):
                    raise outside(error, self.path) from error
                raise
            return result

    def try_out(self, work: Callable[[], _Result]) -> _Result:
        """Do `work` in a write transaction and undo it; return what it returned."""
        with self._lock:
            self.check_process()
            try:
                self.execute("BEGIN IMMEDIATE")
                return work()
            except sqlite3.Error as error:
                raise outside(error, self.path) from error
            finally:
                self._undo()

    def flush(self) -> None:
        """Force what was committed to the disk.

        The write-ahead log alone: with it a database is whole. The database's own file must not be opened and
        closed beside SQLite, which loses its locks (https://www.sqlite.org/howtocorrupt.html, 2.2).
        """
        with self._lock:
            self.check_process()
            if self.path == MEMORY:
                return
            for path in (f"{self.path}-wal", os.path.dirname(self.path) or "."):  # noqa: PTH120 - beside os.open
                _flush(path)

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        with self._lock:
            self.check_process()
            self._closed = True
            try:
                self._connection.close()
            except sqlite3.Error as error:
                raise outside(error, self.path) from error

    def _undo(self) -> None:
        try:
            if self._connection.in_transaction:
                self.execute("ROLLBACK")
        except sqlite3.Error:  # undone by SQLite itself; the first error is the one to tell
            return

    def is_closed(self) -> bool:
        """Say whether the connection was closed, by this thread or another."""
        return self._closed

    def check_process(self) -> None:
        """Raise where this process is a child of the one that opened the connection."""
        if os.getpid() != self._process:
            raise BugError(
                f"the ledger {self.path} of process {self._process} was used by its child {os.getpid()}",
                hint="report this as a bug; a ledger is opened after forking",
            )


def open_writing(path: str) -> Session:
    """Return a session that may write; the file is made when it is not there."""
    return _connect(path, "rwc")


def use_log(session: Session) -> None:
    """Let readers go on beside a writer: a commit is appended to a log, which `Session.flush` forces."""
    session.rows("PRAGMA synchronous = NORMAL")
    session.rows(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    if session.path != MEMORY and session.rows("PRAGMA journal_mode") != [("wal",)]:
        _patiently(lambda: session.rows("PRAGMA journal_mode = WAL"))


def open_reading(path: str) -> Session:
    """Return a session that only reads; nothing is made that is not there.

    Raises:
        MissingError: There is no such file.
    """
    if not Path(path).is_file():
        raise MissingError(f"there is no ledger at {path}", hint="make one with a first run: legato run")
    # A log needs a writable folder; where there is none nobody can be writing, so that locks can be left out.
    for mode in ("rw", "ro", "ro&immutable=1"):
        session = _connect(path, mode)
        try:
            return _looking(session)
        except OutsideError as error:
            session.close()
            if _code(error) in _NO_ROOM:
                return _alone(path)
            if _code(error) not in _NO_RIGHTS or mode.endswith("immutable=1"):
                raise
    raise AssertionError


def _looking(session: Session) -> Session:
    session.rows("PRAGMA query_only = ON")
    session.rows("SELECT count(*) FROM sqlite_master")
    return session


def _alone(path: str) -> Session:
    """Return a session where the disk has no room for the index that readers of a log share.

    Nobody else has that index open, or it would be there; a lock of its own needs none, and sees the log, which
    `immutable` would pass over.
    """
    session = _connect(path, "rw")
    try:
        session.rows("PRAGMA locking_mode = EXCLUSIVE")
        return _looking(session)
    except BaseException:
        session.close()
        raise


def _connect(path: str, mode: str) -> Session:
    escaped = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    address = path if path == MEMORY else f"file:{escaped}?mode={mode}"
    try:
        connection = sqlite3.connect(
            address,
            uri=True,
            isolation_level=None,
            timeout=WAIT_S,
            check_same_thread=False,
            cached_statements=256,
        )
    except sqlite3.Error as error:
        raise outside(error, path) from error
    return Session(connection, path)


def _code(error: OutsideError) -> int:
    return int(getattr(error.__cause__, "sqlite_errorcode", 0)) & 0xFF


def _patiently(work: Callable[[], object]) -> None:
    """Try again where SQLite does not wait by itself: when several processes make one ledger at once."""
    for _ in range(int(WAIT_S / 0.01)):
        try:
            work()
        except OutsideError as error:
            if _code(error) != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(0.01)
        else:
            return
    work()


def _flush(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # no log: all of it is in the database, which a checkpoint has flushed
        return
    except OSError as error:
        raise OutsideError(f"cannot flush {path}: {error.strerror}", hint="try again") from None
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a folder, on file systems that cannot flush one
            raise OutsideError(f"cannot flush {path}: {error.strerror}", hint="look at the disk") from None
    finally:
        os.close(descriptor)
