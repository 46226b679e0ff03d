"""Temporary files of a store: names that cannot meet, and the clearing away of those whose owner died.

Rule: a file is removed only when its owner is certainly dead, or it has lain for a day.
"""

# Several calls for each object: a Path for each would double their cost.
# ruff: noqa: PTH108, PTH116

import os
import sys
from itertools import count
from typing import Final

DAY_S: Final = 24 * 3600.0
_numbers = count()


def boot_name() -> bytes:
    """Return a short name of this start of this machine; the same for all its containers."""
    try:
        source = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b"unknown"
    try:
        return os.read(source, 100).strip().replace(b"-", b"")[:16]
    finally:
        os.close(source)


def space_name() -> str:
    """Return a name of the world in which this process's number means something: boot and PID namespace."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino if sys.platform == "linux" else 0
    except OSError:
        namespace = 0
    return f"{boot_name().decode()}-{namespace}"


def open_temporary(folder: str, space: str) -> tuple[int, str]:
    """Return a new read-only file in `folder`, open for writing, and its path."""
    while True:
        path = f"{folder}/{space}-{os.getpid()}-{next(_numbers)}"
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444), path
        except FileExistsError:  # left by a process that had our number before us
            continue


def sweep(folder: str, space: str) -> None:
    """Remove what dead processes left in `folder`; lists this one folder, which is empty as a rule."""
    try:
        names = [(entry.path, entry.name) for entry in os.scandir(folder)]
    except OSError:
        return
    now_s = disk_clock(folder) if names else 0.0
    for path, name in names:
        try:
            if _is_abandoned(path, name, space, now_s):
                os.unlink(path)
        except OSError:
            continue


def _is_abandoned(path: str, name: str, space: str, now_s: float) -> bool:
    owner, _, rest = name.rpartition("-")[0].rpartition("-")
    if owner == space and rest.isdigit() and not _lives(int(rest)):
        return True
    return os.stat(path).st_mtime < now_s - DAY_S


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def disk_clock(folder: str) -> float:
    """Return the time by the clock that dates the files; 0 where it cannot be asked."""
    try:
        os.utime(folder)
        return os.stat(folder).st_mtime
    except OSError:
        return 0.0
