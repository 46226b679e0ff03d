"""What steps print, kept a file a step and run below the state folder.

Rule: a log has a bound; past it only the end is worth keeping on a screen, and the file says what was left out.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from legato.domain.errors import OutsideError

if TYPE_CHECKING:
    from io import FileIO

LIMIT_BYTES: Final = 64 * 2**20


class Logs:
    """Log files below `folder`, opened when a step first prints.

    Args:
        folder: Absolute; made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[tuple[int, str], tuple[FileIO, int, Path]] = {}

    def write(self, run: int, step: str, data: bytes) -> None:
        """Append what a step printed.

        Raises:
            OutsideError: The disk refuses.
        """
        path = self._folder / str(run) / f"{step}.log"
        try:
            self._append(run, step, path, data)
        except OSError as error:
            raise OutsideError(
                f"cannot write the log {path}: {(error.strerror or str(error)).lower()}",
                hint="look at the rights and the free space there",
            ) from error

    def _append(self, run: int, step: str, path: Path, data: bytes) -> None:
        found = self._open.get((run, step))
        if found is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            found = (path.open("ab", buffering=0), 0, path)  # a full disk is told where it is met
        target, written, path = found
        room = LIMIT_BYTES - written
        if room > 0:
            _write(target, data[:room])
        if 0 <= room < len(data):
            _write(target, f"\n[legato: the rest is left out, past {LIMIT_BYTES} bytes]\n".encode())
        self._open[run, step] = (target, written + len(data), path)

    def close(self, run: int, step: str) -> str:
        """Return the log's path relative to the folder, or empty when nothing was printed."""
        found = self._open.pop((run, step), None)
        if found is None:
            return ""
        found[0].close()
        return str(found[2].relative_to(self._folder))


def _write(target: "FileIO", data: bytes) -> None:
    """Write all of it: the system may take less at once than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[target.write(rest) :]
