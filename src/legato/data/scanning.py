"""Looks at what lies in a folder, by metadata alone: names, sizes, times.

Rule: it sees a folder as the store does (symlinks that stay inside count as what they point to), and reads no file.
"""

# Ten thousand files in a twentieth of a second: no Path for each.
# ruff: noqa: PTH112, PTH116, PTH118

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from legato.data.globs import fixed_folder, is_glob, matcher
from legato.domain.errors import ConfigurationError, OutsideError

if TYPE_CHECKING:
    from collections.abc import Iterator

State = tuple[int, int, int, int]
"""Size, time of change in nanoseconds, time of the last change of metadata, inode.

The third is 0 for a file with several names: making and removing another name changes it, and nothing of the bytes.
"""


_OWN = frozenset({".git", ".legato"})


class Seen(NamedTuple):
    """One file: its path in the dataset, where it lies, its state, whether its owner may execute it."""

    path: str
    source: str
    state: State
    executable: bool


class Scan(NamedTuple):
    """What is there for a dataset.

    Attributes:
        base: The folder that paths are relative to; for a single file the file itself.
        tree: It is a folder or a pattern.
        files: In no order; a single file has the empty path.
        folders: Every folder that was listed, absolute.
    """

    base: str
    tree: bool
    files: list[Seen]
    folders: list[str]


def state_of(found: os.stat_result) -> State:
    """Return what tells one state of a file from another without reading it."""
    changed = found.st_ctime_ns if found.st_nlink == 1 else 0
    return found.st_size, found.st_mtime_ns, changed, found.st_ino


def scan(root: Path, name: str) -> Scan | None:
    """Return what is there for a path or pattern relative to `root`; None when there is nothing.

    Raises:
        ConfigurationError: It holds what no dataset can: a symlink that leaves it, a device.
        OutsideError: A folder cannot be read.
    """
    place = os.path.join(root, name)
    try:
        found = os.stat(place)
    except FileNotFoundError:
        _refuse_dangling(place)
        return _matching(root, name) if is_glob(name) else None
    except NotADirectoryError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(place, error) from None
    if stat.S_ISDIR(found.st_mode):
        return scan_folder(place)
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"{name!r} is neither a file nor a folder", hint="name regular files")
    only = Seen("", place, state_of(found), _executes(found))
    return Scan(base=place, tree=False, files=[only], folders=[])


def _matching(root: Path, pattern: str) -> Scan | None:
    folder = fixed_folder(pattern)
    base = os.path.join(root, folder) if folder else os.fspath(root)
    if not os.path.isdir(base):
        return None
    inner = matcher(pattern[len(folder) + 1 :] if folder else pattern)
    depth = None if "**" in pattern else pattern.count("/") - (folder.count("/") + 1 if folder else 0)
    found = scan_folder(base, depth=depth, pattern=inner)
    return found if found.files else None


def scan_folder(base: str, *, depth: int | None = None, pattern: object = None) -> Scan:
    """Return the files below a folder, down to `depth` folders, those that match `pattern` from its start."""
    real = os.path.realpath(base)
    walk = _Walk(real, depth, getattr(pattern, "fullmatch", None))
    walk.folder(real, "", (real,))
    return Scan(base=base, tree=True, files=walk.files, folders=walk.folders)


class _Walk:
    """One walk through a folder."""

    def __init__(self, root: str, depth: int | None, match: object) -> None:
        self.root = root
        self.depth = depth
        self.match = match
        self.files: list[Seen] = []
        self.folders: list[str] = []

    def folder(self, folder: str, prefix: str, above: tuple[str, ...]) -> None:
        """Take what lies in one folder, and in those below it."""
        self.folders.append(folder)
        for entry in _entries(folder):
            name = entry.name
            if prefix == "" and self.match is not None and name in _OWN:
                continue  # a pattern that starts at the root means the user's own files
            path = prefix + name
            if entry.is_symlink():
                self._link(entry, path, above)
            elif entry.is_dir(follow_symlinks=False):
                self._below(entry.path, path, above)
            else:
                self._file(entry.path, path, _status(entry))

    def _below(self, folder: str, path: str, above: tuple[str, ...]) -> None:
        if self.depth is None or path.count("/") < self.depth:
            self.folder(folder, path + "/", (*above, folder))

    def _file(self, source: str, path: str, found: os.stat_result) -> None:
        if self.match is not None and not self.match(path):  # type: ignore[operator]  # a bound fullmatch
            return
        if not stat.S_ISREG(found.st_mode):
            raise ConfigurationError(
                f"{source!r} is a device, a socket or a pipe", hint="remove it, or leave its folder out"
            )
        self.files.append(Seen(path, source, state_of(found), _executes(found)))

    def _link(self, entry: "os.DirEntry[str]", path: str, above: tuple[str, ...]) -> None:
        real = os.path.realpath(entry.path)
        folder = os.path.isdir(real)
        if self.match is not None and (folder or not self.match(path)):  # type: ignore[operator]  # as above
            return  # as in a shell, a pattern does not walk through links to folders
        if real != self.root and not real.startswith(self.root.rstrip("/") + "/"):
            raise ConfigurationError(
                f"{entry.path!r} is a symlink that leaves the folder, to {os.readlink(entry.path)!r}",  # noqa: PTH115 - as above
                hint="copy what it points to into the folder, or remove it",
            )
        if not os.path.exists(real):  # noqa: PTH110 - as above
            _refuse_dangling(entry.path)
        if not folder:
            self._file(real, path, os.stat(real))
        elif real in above:
            raise ConfigurationError(
                f"{entry.path!r} is a symlink to a folder that it is in", hint="remove it"
            )
        else:
            self._below(real, path, above)


def _entries(folder: str) -> "Iterator[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as listing:
            yield from listing
    except OSError as error:
        raise _unreadable(folder, error) from None


def _status(entry: "os.DirEntry[str]") -> os.stat_result:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        raise OutsideError(
            f"{entry.path} vanished while its folder was read", hint="try again when nothing writes to it"
        ) from None
    except OSError as error:
        raise _unreadable(entry.path, error) from None


def _executes(found: os.stat_result) -> bool:
    return bool(found.st_mode & stat.S_IXUSR)


def _refuse_dangling(place: str) -> None:
    if os.path.islink(place):  # noqa: PTH114 - as above
        raise ConfigurationError(
            f"{place!r} is a symlink to nothing, {os.readlink(place)!r}",  # noqa: PTH115 - as above
            hint="remove it, or put back what it points to",
        )


def _unreadable(place: str, error: OSError | ValueError) -> OutsideError | ConfigurationError:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return ConfigurationError(f"{place!r} is a symlink that leads back to itself", hint="remove it")
    if isinstance(error, OSError):
        return OutsideError(
            f"cannot read {place}: {(error.strerror or str(error)).lower()}", hint="look at its rights"
        )
    return ConfigurationError(f"{place!r} is no path: {error}", hint="look for a typing error in the path")
