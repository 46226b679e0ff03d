"""What SQLite refuses, said so that a person knows what to do.

Rule: no `sqlite3.Error` leaves the ledger's rooms; what is our own mistake is called a bug.
"""

import sqlite3
from typing import Final

from legato.domain.errors import BugError, ConfigurationError, LegatoError, OutsideError

_NOT_OURS: Final = "name another file, or move this one away and let Legato make a new ledger"
_RIGHTS: Final = "make the file and its folder writable for this user"

_REASONS: Final = {
    sqlite3.SQLITE_BUSY: (
        "another process kept it locked too long",
        "see what holds it (fuser), then try again",
    ),
    sqlite3.SQLITE_LOCKED: (
        "another process kept it locked too long",
        "see what holds it (fuser), then try again",
    ),
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space there, then run it again"),
    sqlite3.SQLITE_READONLY: ("it may not be written", _RIGHTS),
    sqlite3.SQLITE_PERM: ("it may not be written", _RIGHTS),
    sqlite3.SQLITE_AUTH: ("it may not be written", _RIGHTS),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        "see that its folder is there and writable for this user",
    ),
    sqlite3.SQLITE_NOTADB: ("it is no SQLite database", _NOT_OURS),
    sqlite3.SQLITE_CORRUPT: (
        "it is damaged",
        "restore it from a backup; keep the damaged file for a look at it",
    ),
    sqlite3.SQLITE_IOERR: ("the disk reports an error", "look at the disk's health and free space"),
}


def outside(error: sqlite3.Error, path: str) -> LegatoError:
    """Return Legato's error for one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF not in _REASONS:
        return BugError(f"SQLite refused a statement on {path}: {error}", hint="report this as a bug")
    reason, hint = _REASONS[code & 0xFF]
    return OutsideError(f"cannot use the ledger {path}: {reason}", hint=hint)


def is_damaged(error: OutsideError) -> bool:
    """Say whether SQLite could make nothing of the file."""
    code = getattr(error.__cause__, "sqlite_errorcode", 0)
    return code & 0xFF in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


def foreign(path: str) -> OutsideError:
    """Return the error for a database that another program made."""
    return OutsideError(f"cannot use the ledger {path}: another program made it", hint=_NOT_OURS)


def newer(path: str, what: str, number: int, ours: int) -> ConfigurationError:
    """Return the error for what a newer Legato wrote."""
    return ConfigurationError(
        f"the ledger {path} has {what} {number}; this Legato reads up to {ours}",
        hint="upgrade Legato: pip install --upgrade legato",
    )


def older(path: str) -> ConfigurationError:
    """Return the error for a ledger that must be migrated before it can be read."""
    return ConfigurationError(
        f"the ledger {path} was written by an older Legato and is open only for reading",
        hint="run a command that may write to it once: legato run",
    )
