"""What the operating system refuses, said so that a person knows what to do.

Rule: no `OSError` leaves the store's rooms.
"""

import errno
from pathlib import Path
from typing import Final

from legato.domain.digests import Digest
from legato.domain.errors import ConfigurationError, MissingError, OutsideError

_SPACE: Final = "free some space there, or put the store on a larger disk"
_RIGHTS: Final = "make it writable for this user, or put the store elsewhere"
_HINTS: Final = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.EIO: "the disk reports errors: look at its health and at the system's log",
}


def outside(error: OSError, doing: str, place: str | Path) -> OutsideError:
    """Return the error for a refused deed, `doing` as in "cannot write"."""
    reason = (error.strerror or str(error)).lower()
    return OutsideError(f"cannot {doing} {place}: {reason}", hint=_HINTS.get(error.errno or 0, "try again"))


def absent(digest: Digest, where: str) -> MissingError:
    """Return the error for an object that is not there."""
    return MissingError(
        f"{digest} is not in the store {where}",
        hint="run the step that makes it again",
    )


def damaged(digest: Digest, where: str) -> MissingError:
    """Return the error for an object whose bytes are not what its name says."""
    return MissingError(
        f"{digest} in the store {where} was damaged and is not used",
        hint="run the step that makes it again",
    )


def nothing_at(path: str | Path) -> MissingError:
    """Return the error for a file or folder that is not there."""
    return MissingError(f"there is nothing at {path}", hint="look for a typing error in the path")


def not_storable(path: str, why: str) -> ConfigurationError:
    """Return the error for a file that no store can hold."""
    return ConfigurationError(
        f"cannot store {path!r}: it is {why}", hint="remove it, or leave its folder out"
    )
