"""Room for what is being made: a folder below the project's state that goes away with its maker.

Rule: a folder whose maker died is known by a lock that the system gave back, so nobody removes anything by hand.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from legato.domain.errors import OutsideError

FOLDER: Final = "data"
_HELD: Final = "held"
_TURN: Final = "turn"


@contextmanager
def scratch(state: Path) -> Iterator[Path]:
    """Make an empty folder below `state`, and remove it at the end; those of dead makers go first.

    Raises:
        OutsideError: It cannot be made.
    """
    parent = state / FOLDER
    descriptor = -1
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        folder, descriptor = _make(parent)
    except OSError as error:
        raise OutsideError(
            f"cannot write to {parent}: {(error.strerror or str(error)).lower()}",
            hint="look at its rights and at the space on its disk",
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def turn(state: Path) -> Iterator[None]:
    """Wait for the right to change `legato.lock` and `.gitignore`; the system takes it back from the dead.

    Raises:
        OutsideError: The state folder cannot be written to.
    """
    try:
        (state / FOLDER).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(state / FOLDER / _TURN, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise OutsideError(
            f"cannot write to {state}: {(error.strerror or str(error)).lower()}", hint="look at its rights"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(parent: Path) -> tuple[Path, int]:
    number = 0
    while True:
        folder = parent / f"{os.getpid()}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        descriptor = os.open(folder / _HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return folder, descriptor


def _sweep(parent: Path) -> None:
    """Remove the folders whose maker is dead; one that was made this moment holds no lock yet, but is empty."""
    for folder in parent.iterdir():
        if not folder.is_dir():
            continue
        try:
            descriptor = os.open(folder / _HELD, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            if not any(folder.iterdir()) and folder.name.partition("-")[0] != str(os.getpid()):
                _remove_empty(folder)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _remove_empty(folder: Path) -> None:
    """Remove a folder if it is empty and old: its maker may just have made it."""
    newest = max(path.stat().st_mtime for path in (folder, folder.parent))
    if folder.stat().st_mtime < newest - 60:
        folder.rmdir()


def move(source: Path, target: Path) -> None:
    """Rename a file over another; from another disk it is copied beside its target first."""
    try:
        source.replace(target)
    except OSError as error:
        import errno

        if error.errno != errno.EXDEV:
            raise
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            shutil.copy2(source, beside)
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        source.unlink()


def umask() -> int:
    """Return the bits that new files do not get."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def reflinks(folder: Path) -> bool:
    """Say whether files on the disk of `folder` can share blocks until one of them is written to."""
    ficlone = 0x40049409  # linux/fs.h
    try:
        with (folder / "one").open("w+b") as one, (folder / "two").open("w+b") as two:
            one.write(b"\0" * 4096)
            one.flush()
            fcntl.ioctl(two, ficlone, one.fileno())
    except OSError:
        return False
    return True
