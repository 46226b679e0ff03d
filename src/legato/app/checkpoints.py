"""Folders for checkpoints: what an attempt of a step leaves for the next one, by the step's key.

Rule: one process at a time has the folder of a key; it is removed only when that key's result is known.
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from legato.domain.errors import OutsideError

_ENDED: Final = ".ended"
"""What is appended to a folder's name for the mark that its step has said it is finished."""

Bring = Callable[[str, Path], None]
"""Fills the new, empty folder of a key with what another machine has left of it, where there is such a thing."""


class Checkpoints:
    """The folders of one project, below `.legato/checkpoints`.

    Args:
        state: The state folder.
        bring: Called when a folder is made; raises nothing that should stop a step.
    """

    def __init__(self, state: Path, bring: Bring | None = None) -> None:
        self._root = state / "checkpoints"
        self._bring = bring
        self._held: dict[str, int] = {}

    def open(self, key: str, private: Callable[[], Path]) -> Path:
        """Return the folder of a key for this process, which holds it until it ends.

        Where another process has it (one that has lost its lease and does not know yet), a `private` one.

        Raises:
            OutsideError: The disk refuses.
        """
        folder = self._root / _name_of(key)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            new = _made(folder)
            if key not in self._held and not self._hold(key, folder):
                return private()
            if _mark_of(folder).exists():
                _empty(folder)
        except OSError as error:
            raise OutsideError(
                f"no folder for checkpoints at {folder}: {error.strerror}",
                hint=f"look at the rights and the free space of {self._root}",
            ) from error
        if new and self._bring is not None:
            self._bring(key, folder)
        return folder

    def _hold(self, key: str, folder: Path) -> bool:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if not _locked(descriptor, folder):
            os.close(descriptor)
            return False
        self._held[key] = descriptor
        return True

    def ended(self, key: str) -> None:
        """Note that a step which used its folder has finished; its result may not be known yet."""
        if key in self._held:
            _mark_of(self._root / _name_of(key)).touch()

    def sweep(self, known: Callable[[str], bool]) -> list[str]:
        """Remove the folders of finished steps whose result is `known` by now, and return their keys.

        A folder that a process holds stays: another run is at work on the same key again.
        """
        swept = []
        for mark in self._root.glob(f"*{_ENDED}") if self._root.is_dir() else ():
            folder = mark.with_suffix("")
            key = _key_of(folder.name)
            if known(key) and self._remove(key, folder):
                mark.unlink(missing_ok=True)
                swept.append(key)
        return swept

    def _remove(self, key: str, folder: Path) -> bool:
        if folder.is_dir():
            if not self._hold(key, folder):
                return False
            shutil.rmtree(folder, ignore_errors=True)
            os.close(self._held.pop(key))
        return True


def _locked(descriptor: int, folder: Path) -> bool:
    """Take the only lock on an open folder; False where another has it, or has removed the folder meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return folder.stat().st_ino == os.fstat(descriptor).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _empty(folder: Path) -> None:
    """Begin anew where the last attempt had finished: what it left may rest on files that are others by now."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    _mark_of(folder).unlink(missing_ok=True)


def _made(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _mark_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _ENDED)


def _name_of(key: str) -> str:
    """Return a key as the name of a folder: `k1:ab…` as `k1-ab…`, which no dot and no slash can leave."""
    return "".join(sign if sign.isalnum() else "-" for sign in key) or "-"


def _key_of(name: str) -> str:
    return name.replace("-", ":", 1)
