"""Folders of one process below the state folder: named so that its death shows, cleared when it has died.

Rule: only what belongs to a process that is known to be dead is removed; a doubt leaves the folder where it is.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Final

from legato.app.processes import place, started_at, was_before

_NAME: Final = re.compile(r"(?:debug-)?(\d+)(?:-([0-9A-Za-z_]*)-([0-9A-Za-z_.]*))?")
_ODD: Final = re.compile(r"[^0-9A-Za-z]")


def make_own(parent: Path, kind: str = "") -> Path:
    """Make this process's folder below `parent` and return it; what dead processes left there is cleared away.

    Args:
        parent: Made when needed.
        kind: What the name begins with (`debug-`).
    """
    parent.mkdir(parents=True, exist_ok=True)
    _clear(parent)
    folder = parent / f"{kind}{os.getpid()}-{_started(os.getpid())}-{place()}"
    folder.mkdir(exist_ok=True)
    return folder


def _clear(parent: Path) -> None:
    for left in parent.iterdir():
        found = _NAME.fullmatch(left.name)
        if found is not None and _is_dead(int(found[1]), found[2], found[3]):
            shutil.rmtree(left, ignore_errors=True)


def _is_dead(pid: int, started: str | None, where: str | None) -> bool:
    """Say whether a process is no more; one that counts its ids elsewhere is taken to live."""
    if started is None or where is None:  # as versions named them that knew only the id
        return not started_at(pid)
    if where != place():
        return was_before(where)
    return _started(pid) != started


def _started(pid: int) -> str:
    return _ODD.sub("_", started_at(pid))
