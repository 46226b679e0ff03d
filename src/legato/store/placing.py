"""Makes one read-only file from an object: by reflink, else by hard link, else by copy.

Rule: root never gets a hard link, since no mode keeps root from writing through it into the store.
"""

# Several calls for each object: a Path for each would double their cost.
# ruff: noqa: PTH108, PTH116

import os

from legato.store.copying import copy, share


def place_file(source: int, path: str, target: str, *, executable: bool) -> None:
    """Make `target` from an object that is open as `source` and lies at `path`.

    An executable file is never a hard link, since a mode belongs to all its names.

    Raises:
        OSError: The disk refuses; the caller removes what was begun.
    """
    if not executable and os.geteuid() != 0 and _linked(source, path, target):
        return
    mode = 0o555 if executable else 0o444
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        if not share(source, descriptor):
            copy(source, descriptor)
    finally:
        os.close(descriptor)


def _linked(source: int, path: str, target: str) -> bool:
    try:
        os.link(path, target)
    except OSError:
        return False
    if os.stat(target).st_ino == os.fstat(source).st_ino:
        return True
    os.unlink(target)  # the object was replaced since it was checked
    return False
