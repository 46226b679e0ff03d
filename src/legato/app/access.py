"""Which files of a private folder a program read, whatever it is written in, told by their access times.

Rule: where the file system keeps no access times nothing is told, and the caller has to ask `are_kept` first.
"""

import os
from collections.abc import Iterable
from pathlib import Path

_NEVER_NS = 0


def are_kept(folder: Path) -> bool:
    """Say whether reading a file below `folder` shows in its access time."""
    probe = folder / ".access"
    probe.write_bytes(b"x")
    try:
        _forget(str(probe))
        probe.read_bytes()
        return probe.stat().st_atime_ns != _NEVER_NS
    finally:
        probe.unlink()


def _forget(path: str) -> int:
    """Set a file's access time before all others; return its modification time."""
    changed_ns = os.stat(path).st_mtime_ns  # noqa: PTH116 - once for each file of a repository
    os.utime(path, ns=(_NEVER_NS, changed_ns))
    return changed_ns


class Access:
    """Watches files from now on.

    Args:
        folder: Where they lie.
        files: Relative to it; links are not among them.
    """

    def __init__(self, folder: Path, files: Iterable[str]) -> None:
        self._folder = folder
        self._changed_ns = {file: _forget(f"{folder}/{file}") for file in files}

    def seen(self) -> list[str]:
        """Return the files that were read, or written, moved or removed, since."""
        return [file for file, changed_ns in self._changed_ns.items() if self._touched(file, changed_ns)]

    def _touched(self, file: str, changed_ns: int) -> bool:
        try:
            now = os.stat(f"{self._folder}/{file}")  # noqa: PTH116 - as above
        except OSError:
            return True
        return now.st_atime_ns != _NEVER_NS or now.st_mtime_ns != changed_ns
