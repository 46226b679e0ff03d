"""What every deed on a project's data shares: where the project lies, its store, and what was found out before.

Rule: the lock is changed only in one's turn, read anew and written whole, so that two commands at once lose nothing.
"""

import os
import posixpath
import shlex
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn, Self

from legato.data.globs import is_glob
from legato.data.known import Known
from legato.data.lock import FILE, Entry, Lock, read_lock, replace_file, write_lock
from legato.data.scratch import FOLDER, scratch, turn
from legato.data.snapshots import check_name
from legato.domain.errors import ConfigurationError, OutsideError
from legato.scm.asking import in_repository
from legato.scm.ignoring import with_ignored
from legato.store import Store

if TYPE_CHECKING:
    from legato.data.buckets import Connect

_OWN: Final = frozenset({".git", ".legato"})
_WRITTEN: Final = frozenset({FILE, "legato.toml", ".gitignore", ".gitattributes"})
"""Files that say what is data: git keeps them, so none of them can be data itself."""


class Desk:
    """One command's work on the data of one project. Use it in a `with`.

    Args:
        root: The folder of `legato.lock`, absolute.
        state: The project's state folder.
        here: Where the command was typed: paths are relative to it.
        store: Holds the bytes.
        now_ns: When the command began.
        variables: The environment, for addresses that need it.
        connect: Opens buckets; none can be read without.
        private: Sources on this machine and in its network may be read; a server says no.
    """

    def __init__(  # noqa: PLR0913 - what a command is given, one keyword each
        self,
        *,
        root: Path,
        state: Path,
        here: Path,
        store: Store,
        now_ns: int,
        variables: Mapping[str, str] | None = None,
        connect: "Connect | None" = None,
        private: bool = True,
    ) -> None:
        self.root = root
        self.state = state
        self.here = here
        self.store = store
        self.variables = variables or {}
        self.connect = connect or _no_bucket
        self.private = private
        self.known = Known(state / FOLDER, now_ns)
        self._scratch: Path | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Keep what was found out, and clear the scratch folder away."""
        try:
            if self.known.changed:
                self.known.write(self.scratch)
        except OutsideError:  # the next command reads again
            pass
        finally:
            self._open.close()

    @property
    def scratch(self) -> Path:
        """A folder for what is being made, on the project's own disk; gone when this is over."""
        if self._scratch is None:
            self._scratch = self._open.enter_context(scratch(self.state))
        return self._scratch

    def lock(self) -> Lock:
        """Return the lock as it is now."""
        return read_lock(self.root)

    def change(self, deed: Callable[[Lock], None]) -> Lock:
        """Let `deed` change the lock, and write it and `.gitignore`."""
        with turn(self.state):
            lock = read_lock(self.root)
            deed(lock)
            write_lock(self.root, lock, self.scratch)
            self._ignore(lock)
        return lock

    def _ignore(self, lock: Lock) -> None:
        if not in_repository(self.root):
            return
        path = self.root / ".gitignore"
        try:
            before = path.read_bytes().decode(errors="surrogateescape") if path.is_file() else ""
        except OSError as error:
            raise OutsideError(f"cannot read {path}: {error.strerror}", hint="look at its rights") from None
        entries = [entry for entry in lock.entries.values() if not entry.source]
        after = with_ignored(before, [_ignored(self.root, entry) for entry in entries])
        if after != before:
            replace_file(path, after.encode(errors="surrogateescape"), self.scratch)

    def name_of(self, typed: str) -> str:
        """Return a path as typed, relative to the root, as the lock names it.

        Raises:
            ConfigurationError: It leaves the project, or is the project itself or Legato's own.
        """
        if not typed or "\0" in typed:
            raise ConfigurationError(f"{typed!r} is no path", hint="write for example data/wine.csv")
        root = os.fspath(self.root)
        path = posixpath.normpath(posixpath.join(os.fspath(self.here), typed))
        if path == root:
            raise ConfigurationError(
                f"{typed!r} is the project itself",
                hint="name what of it is data: legato data add data/images",
            )
        if not path.startswith(root.rstrip("/") + "/"):
            raise ConfigurationError(
                f"{typed!r} is not below {root}",
                hint="put the data below the project; a symbolic link to it serves",
            )
        name = check_name(path[len(root.rstrip("/")) + 1 :])
        if _OWN.intersection(name.split("/")):
            raise ConfigurationError(f"{typed!r} belongs to git or Legato itself", hint="name your own data")
        if posixpath.basename(name) in _WRITTEN:
            raise ConfigurationError(
                f"{typed!r} says what is data, and stays in git", hint=f"type: git add {shlex.quote(typed)}"
            )
        return name


def _ignored(root: Path, entry: Entry) -> str:
    if is_glob(entry.name) and entry.tree:
        return f"glob:{entry.name}"
    folder = entry.tree and not (root / entry.name).is_symlink()  # which is a file to git, wherever it leads
    return entry.name + ("/" if folder else "")


def _no_bucket(_: str) -> NoReturn:
    raise ConfigurationError(
        "buckets cannot be read from here", hint="update this dataset: legato data update"
    )
