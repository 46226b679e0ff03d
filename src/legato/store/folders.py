"""Folders to manifests and back, for every back end alike.

Rule: nothing outside the folder is read, nothing outside the target is written.
"""

# Ten thousand files: a Path for each would cost more than hashing them.
# ruff: noqa: PTH102, PTH103, PTH104, PTH108, PTH110, PTH112, PTH115, PTH116

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from legato.domain.artifacts import Manifest, ManifestEntry
from legato.domain.errors import ConfigurationError, ConflictError
from legato.store.manifest import check_path
from legato.store.trouble import not_storable, nothing_at, outside


class Found(NamedTuple):
    """One file below a folder: its path in the manifest, and where it lies; `linked`: by way of a symlink."""

    path: str
    source: str
    executable: bool
    linked: bool


def is_folder(path: Path) -> bool:
    """Say whether a folder is to be stored, or a file.

    Raises:
        MissingError: Nothing is there.
        ConfigurationError: It is neither.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise nothing_at(path) from None
    except (OSError, ValueError) as error:
        raise _unreadable(error, str(path)) from None
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise not_storable(str(path), "neither a file nor a folder")
    return stat.S_ISDIR(mode)


def files_below(folder: Path) -> Sequence[Found]:
    """Return all files below `folder`, symlinks followed as long as they stay inside.

    Those that were reached by a symlink come first, to be read before the files themselves move.

    Raises:
        ConfigurationError: A symlink leads out of the folder, nowhere, or back to a folder above it; a
            device, a socket, a pipe; a name that no manifest can hold.
    """
    root = os.path.realpath(folder)
    return sorted(_walk(root, root, "", (root,)), key=lambda found: not found.linked)


def _walk(
    root: str, folder: str, prefix: str, above: tuple[str, ...], *, linked: bool = False
) -> Iterator[Found]:
    for entry in _entries(folder):
        path = check_path(prefix + entry.name)
        link = entry.is_symlink()
        source = _resolved(root, entry) if link else entry.path
        mode = _mode(source)
        if stat.S_ISREG(mode):
            yield Found(path, source, bool(mode & stat.S_IXUSR), linked or link)
        elif not stat.S_ISDIR(mode):
            raise not_storable(entry.path, "a device, a socket or a pipe")
        elif source in above:
            raise not_storable(entry.path, "a symlink to a folder that it is in")
        else:
            yield from _walk(root, source, path + "/", (*above, source), linked=linked or link)


def _entries(folder: str) -> "Sequence[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as listing:
            return list(listing)
    except OSError as error:
        raise outside(error, "read the folder", folder) from None


def _mode(source: str) -> int:
    try:
        return os.lstat(source).st_mode
    except OSError as error:
        raise outside(error, "read", source) from None


def _resolved(root: str, entry: "os.DirEntry[str]") -> str:
    real = os.path.realpath(entry.path)
    if not real.startswith(root.rstrip("/") + "/") and real != root:
        raise not_storable(entry.path, f"a symlink that leaves the folder, to {os.readlink(entry.path)!r}")
    if not os.path.exists(real):
        raise not_storable(entry.path, f"a symlink to nothing, {os.readlink(entry.path)!r}")
    return real


class Target:
    """A place in the file system where something is made, whole or not at all.

    `work` is a path beside the target where the making goes on; `done` renames it.
    """

    def __init__(self, target: Path) -> None:
        if os.path.lexists(target):
            raise ConflictError(
                f"something is at {target} already",
                hint="remove it or name another place; nothing was written",
            )
        self.target = target
        self.work = str(target.parent / f".legato-{os.getpid()}-{id(self):x}")

    def make(self, write: Callable[[str], None]) -> None:
        """Let `write` make a file or folder at the path it is given, and put it into place."""
        try:
            os.makedirs(self.target.parent, exist_ok=True)
            write(self.work)
            os.rename(self.work, self.target)
        except OSError as error:
            self._clear()
            raise outside(error, "write", self.target) from None
        except BaseException:
            self._clear()
            raise

    def _clear(self) -> None:
        import shutil

        if os.path.isdir(self.work):
            shutil.rmtree(self.work, ignore_errors=True)
        elif os.path.lexists(self.work):
            os.unlink(self.work)


def make_folder(manifest: Manifest, folder: str, place_file: Callable[[ManifestEntry, str], None]) -> None:
    """Make a manifest's folders at `folder`, which is not there yet, and let `place_file` make each file."""
    os.mkdir(folder)
    made = {""}
    for entry in manifest.files:
        parent = entry.path.rpartition("/")[0]
        if parent not in made:
            os.makedirs(f"{folder}/{parent}", exist_ok=True)
            made.add(parent)
        place_file(entry, f"{folder}/{entry.path}")


def _unreadable(error: OSError | ValueError, path: str) -> Exception:
    if isinstance(error, OSError):
        return outside(error, "read", path)
    return ConfigurationError(f"{path!r} is no path: {error}", hint="look for a typing error in the path")
