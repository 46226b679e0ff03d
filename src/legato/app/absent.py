"""Stand-ins for packages that a pipeline imports at its top and one step's own environment does not have.

Rule: they let the module be imported and its annotations be read; whoever calls one in a step is told what is missing.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final, Never

from legato.domain.errors import MissingError

_OPEN: list["Absences"] = []


class Absent:
    """What a package that is not there would have held under a name."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> "Absent":
        """Return what would lie under it."""
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._name}.{name}")

    def __call__(self, *_given: object, **_named: object) -> "Absent":
        """Stand in for a result while modules are imported; afterwards, say what is missing."""
        if not _OPEN:
            _refuse(self._name)
        return Absent(f"{self._name}()")

    def __getitem__(self, _arguments: object) -> "Absent":
        """Return itself: a type with arguments is no more there than without."""
        return self

    def __or__(self, _other: object) -> "Absent":
        """Return itself: half a union is not known."""
        return self

    __ror__ = __or__

    def __mro_entries__(self, _bases: object) -> tuple[type, ...]:
        """Let a class be derived from it, which can be named but not used."""
        return ()

    def __instancecheck__(self, _value: object) -> bool:
        """Nothing is an instance of what is not there."""
        return False

    def __iter__(self) -> Iterator[Never]:
        """Say what is missing."""
        _refuse(self._name)

    def __repr__(self) -> str:
        """Return the name."""
        return f"<{self._name}, which is not installed here>"


class _AbsentModule(ModuleType):
    """A module that is not there."""

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.__name__}.{name}")


def _refuse(name: str) -> Never:
    root = name.partition(".")[0]
    raise MissingError(
        f"{name} was called, but {root!r} is not among the packages= of this step",
        hint=f"add {root} to them and lock again, or leave packages= out",
    )


class Absences(Loader):
    """Finds a stand-in where first-party code imports one of `roots`; asked last, when nothing else was found."""

    def __init__(self, roots: Iterable[str], first_party: Callable[[str], bool]) -> None:
        self._roots = frozenset(roots)
        self._first_party = first_party

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if name.partition(".")[0] not in self._roots or not self._first_party(_importer()):
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """See `importlib.abc.Loader`."""
        return _AbsentModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


@contextmanager
def tolerated(roots: Iterable[str], first_party: Callable[[str], bool]) -> Iterator[None]:
    """While this is open, first-party modules may import packages of these names that are not there.

    Args:
        roots: Top-level names that are known to exist where the pipeline was loaded.
        first_party: Says whether a source file is the user's own.
    """
    finder = Absences(roots, first_party)
    sys.meta_path.append(finder)
    _OPEN.append(finder)
    try:
        yield
    finally:
        _OPEN.remove(finder)
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, _AbsentModule)]:
            del sys.modules[name]  # a step that imports it is told by Python


_IMPORTING: Final = "<frozen importlib"


def _importer() -> str:
    """Return the file of the code whose import statement is at work."""
    frame = sys._getframe(2)  # noqa: SLF001 - the only way to know who asks
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_IMPORTING):
        frame = frame.f_back
    return frame.f_code.co_filename
