"""Watches what user code reads while it is imported: files, folders and environment variables.

Rule: it only records; what third-party packages read for themselves while they are imported is left out.
"""

import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, ClassVar, Final

from legato.domain.digests import digest_of

_WRAPPED: Final = ("__getitem__", "__contains__")
_FOLDER_EVENTS: Final = frozenset({"os.listdir", "os.scandir"})
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_FURTHEST: Final = 60
# What `os.environ` is made of: its getters are wrapped, the environment itself is never read here.
_Environment: Final[Any] = os._Environ  # noqa: SLF001 - there is no public name for the type


class Watching:
    """Records reads by first-party code while it is on.

    Args:
        inside: Says whether a path is one to record.
        is_user_code: Says whether a source file is the user's own.
        own_folder: Where Legato's own code is; what that reads is not the user's doing.
    """

    _active: ClassVar["Watching | None"] = None
    _hooked: ClassVar[bool] = False

    def __init__(
        self, inside: Callable[[str], bool], is_user_code: Callable[[str], bool], own_folder: str
    ) -> None:
        """Begin with nothing recorded, switched off."""
        self.files: dict[str, None] = {}
        self.folders: dict[str, None] = {}
        self.variables: dict[str, str] = {}
        self._inside = inside
        self._is_user_code = is_user_code
        self._others = ("<frozen importlib", own_folder)
        self._originals: dict[str, Any] = {}

    def start(self) -> None:
        """Switch on; an audit hook stays in the process for good, but does nothing while switched off."""
        Watching._active = self
        if not Watching._hooked:
            sys.addaudithook(_audit)
            Watching._hooked = True
        for name in _WRAPPED:
            self._originals[name] = getattr(_Environment, name)
            setattr(_Environment, name, self._recording(self._originals[name]))

    def stop(self) -> None:
        """Switch off; what was recorded stays."""
        Watching._active = None
        for name, original in self._originals.items():
            setattr(_Environment, name, original)
        self._originals.clear()

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Record one audit event if it is a read of ours by user code."""
        path = arguments[0] if arguments else None
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if event in _FOLDER_EVENTS:
            path = path if isinstance(path, str) else "."
            self._record(path, self.folders)
        elif isinstance(path, str) and not _writes(arguments):
            self._record(path, self.files)

    def _record(self, path: str, into: dict[str, None]) -> None:
        full = os.path.abspath(path)  # noqa: PTH100 - Path would resolve nothing more and costs more
        if full not in into and self._inside(full) and self._by_user(sys._getframe(3)):  # noqa: SLF001 - the caller
            into[full] = None

    def _by_user(self, frame: FrameType | None) -> bool:
        """Say whether user code asked, not the import of some other package below it."""
        for _ in range(_FURTHEST):
            if frame is None:
                return False
            file = frame.f_code.co_filename
            if file.startswith(self._others) and file != __file__:
                return False
            if self._is_user_code(file):
                return True
            frame = frame.f_back
        return False

    def _recording(self, original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def getter(environment: Any, name: Any) -> Any:  # noqa: ANN401 - stands in for a method of os.environ
            if isinstance(name, str | bytes) and self._by_user(sys._getframe(1)):  # noqa: SLF001 - the caller
                key = os.fsdecode(name)
                if key not in self.variables:
                    self.variables[key] = _variable(environment, name, self._originals)
            return original(environment, name)

        return getter


def _variable(environment: object, name: str | bytes, originals: dict[str, Any]) -> str:
    if not originals["__contains__"](environment, name):
        return ""
    value = originals["__getitem__"](environment, name)
    return digest_of(os.fsencode(value))


def _writes(arguments: tuple[Any, ...]) -> bool:
    flags = arguments[2] if len(arguments) > 2 else 0  # noqa: PLR2004 - (path, mode, flags)
    return isinstance(flags, int) and bool(flags & _WRITING)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    active = Watching._active  # noqa: SLF001 - the hook and the class are one
    if active is not None and (event == "open" or event in _FOLDER_EVENTS):
        active.audit(event, arguments)


def everything_read(watching: Watching) -> Iterator[tuple[str, str]]:
    """Yield name and digest of each file and variable that was read; missing files are empty."""
    for path in sorted(watching.files):
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - a path as text
                yield path, digest_of(file.read())
        except OSError:
            yield path, ""
    for name, digest in sorted(watching.variables.items()):
        yield f"${name}", digest
