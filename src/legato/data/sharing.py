"""Lets a file of the work tree share its bytes with the store, so that they lie on the disk once.

Rule: a file is replaced only by equal bytes, in one rename, and only in the state in which it was stored.
"""

import errno
import fcntl
import os
import signal
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from legato.data.desk import Desk
from legato.data.scanning import Seen, State, scan, state_of
from legato.data.scratch import reflinks
from legato.domain.digests import Digest


def share_with_store(desk: Desk, name: str) -> int:
    """Make a dataset's files names of the store's own, read-only; return how many.

    Nothing is done where the disk shares blocks by itself, on another disk, or as root, whom no mode keeps from
    writing through such a name.
    """
    seen = scan(desk.root, name)
    if seen is None or not desk.store.traits.local_paths or os.geteuid() == 0 or reflinks(desk.scratch):
        return 0
    known = desk.known.of(name)
    told = ((file, _digest(known, file)) for file in seen.files if _may(file))
    states = {file.path: state for file, digest in told if digest and (state := _shared(desk, file, digest))}
    desk.known.restate(name, states)
    return len(states)


def _digest(known: Mapping[str, tuple[State, str]], file: Seen) -> Digest | None:
    told = known.get(file.path)
    return Digest(told[1].removesuffix("x")) if told and told[0] == file.state else None


def _may(file: Seen) -> bool:
    """Say whether a file has one name, is no program and is no link."""
    found = os.lstat(file.source)
    return found.st_nlink == 1 and not file.executable and found.st_size > 0 and stat.S_ISREG(found.st_mode)


def _shared(desk: Desk, file: Seen, digest: Digest) -> State | None:
    """Replace a file by a name of the store's own; return its new state, or None where that cannot be."""
    fresh, target = desk.scratch / "shared", Path(file.source)
    if is_written_to(target):  # its writer would go on writing into a file without a name
        return None
    if desk.store.path(digest).stat().st_dev != target.stat().st_dev:
        return None
    desk.store.place(digest, False, fresh)  # noqa: FBT003 - the port reads as Artifact.tree does
    try:
        made = fresh.stat()
        if made.st_nlink == 1 or state_of(target.stat()) != file.state:
            return None
        fresh.replace(target)
    except OSError:
        return None
    finally:
        fresh.unlink(missing_ok=True)
    return state_of(made)


def is_written_to(path: Path) -> bool:
    """Say whether some process has a file of ours open for writing; False where the system does not tell."""
    if sys.platform != "linux":
        return False
    with path.open("rb") as source:
        try:
            fcntl.fcntl(source, fcntl.F_SETSIG, signal.SIGURG)  # which nobody minds, unlike SIGIO
            fcntl.fcntl(source, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(source, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
    return False
