"""Which files of the repository a step opens, so that they become part of its key.

Rule: seen through the interpreter's own audit events; what native code opens is not seen, and the docs say so.
"""

import os
import sys
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from legato.domain.keys import Read
from legato.engine.files import IGNORED, file_digest, listing_digest, signature
from legato.pipeline.fingerprint import Sources

_LISTINGS: Final = frozenset({"os.listdir", "os.scandir"})
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class ReadRecorder:
    """Records opens and listings below `root` while it is entered; the state folder and caches do not count.

    `modules` are those that were imported before any step ran.

    An audit hook cannot be taken away, so a recorder is for a process that runs one step and ends.
    """

    def __init__(self, root: Path, state: Path, modules: frozenset[str]) -> None:
        self._root = str(root) + "/"
        self._state = str(state)
        self._files: dict[str, tuple[Any, ...] | None] = {}
        self._folders: set[str] = set()
        self._written: set[str] = set()
        self._on = False
        self._modules = modules

    def __enter__(self) -> Self:
        """Start to record."""
        self._on = True
        sys.addaudithook(self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to record."""
        self._on = False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on or (event != "open" and event not in _LISTINGS):
            return
        path = self._relative(arguments[0])
        if path is None:
            return
        if event in _LISTINGS:
            if not _by_import():
                self._folders.add(path)
        elif arguments[2] & _WRITES:
            self._written.add(path)
        elif path not in self._files:
            self._files[path] = signature(self._root + path)

    def _relative(self, path: object) -> str | None:
        """Return a path below the root as relative, or None where it is not ours to count."""
        if path is None:
            path = "."
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        absolute = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - called for every open
        if absolute + "/" == self._root:
            return ""
        if not absolute.startswith(self._root) or absolute.startswith(self._state):
            return None
        relative = absolute[len(self._root) :]
        parts = relative.split("/")
        if IGNORED.intersection(parts) or "site-packages" in parts:
            return None
        return relative

    def reads(self, sources: Sources, closure: Collection[str]) -> tuple[Read, ...]:
        """Return what was read.

        Args:
            sources: Tells first-party modules from others.
            closure: First-party files that the step's key holds already, relative to the root.
        """
        found = [
            Read(f"{path}/" if path else "./", listing_digest(self._root + path)) for path in self._folders
        ]
        compiled = {str(path) for path in sources.text}
        for path, before in self._files.items():
            absolute = self._root + path
            if path in self._written or absolute in compiled or os.path.isdir(absolute):  # noqa: PTH112 - speed
                continue
            changed = signature(absolute) != before
            found.append(Read(path, "changed while the step ran" if changed else file_digest(absolute)))
        found += self._imported(sources, closure)
        return tuple(sorted(set(found)))

    def _imported(self, sources: Sources, closure: Collection[str]) -> list[Read]:
        """Return the first-party modules that only running the step imported."""
        if len(sys.modules) == len(self._modules):  # looking at each would copy the memory that it shares
            return []
        found = []
        for name in set(sys.modules) - self._modules:
            file = getattr(sys.modules[name], "__file__", None)
            path = self._relative(file) if file and sources.first_party(name) else None
            if path and path not in closure:
                found.append(Read(path, file_digest(self._root + path)))
        return found


def _by_import() -> bool:
    """Say whether the import system itself is looking into a folder."""
    frame = sys._getframe(2)  # noqa: SLF001 - the only way to know who asks
    return frame.f_code.co_filename.startswith("<frozen importlib")
