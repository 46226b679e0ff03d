"""The door of the formats room: objects to bytes and back, by canonical writers.

Rule: two processes that save an equal value write equal bytes; no library is loaded before a value or an
artifact asks for it. Format: docs/formats/formats.md.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Protocol, TypeVar

from legato.domain.artifacts import Artifact
from legato.domain.graph import Struct
from legato.formats.annotations import PICKLED, asks_for_pickle, form_of, type_name
from legato.formats.suffixes import suffix_of

__all__ = [
    "FILE",
    "FOLDER",
    "PICKLED",
    "Format",
    "Formats",
    "Pickled",
    "Saved",
    "Trust",
    "asks_for_pickle",
    "form_of",
    "suffix_of",
    "type_name",
]

T = TypeVar("T")

Pickled = Annotated[T, PICKLED]
"""`-> Pickled[Thing]`: the author asks for a pickle; its artifact is marked unsafe."""

FILE: Final = "file/1"
FOLDER: Final = "folder/1"
"""Formats of bytes that come from outside, such as a dataset; `about["name"]` holds the file's own name."""


class Saved(Struct, frozen=True, kw_only=True):
    """What one value became.

    Attributes:
        path: The file or folder that holds its bytes.
        format: Name and number of the format that wrote it (`polars/1`).
        type: The Python type as people write it (`polars.DataFrame`).
        tree: `path` is a folder.
        classes: First-party classes and functions that the bytes refer to, as `module:Qual.name`, sorted.
        unsafe: Reading it may run code (a pickle).
        about: A few plain facts for people: rows, columns, shape.
    """

    path: Path
    format: str
    type: str
    tree: bool = False
    classes: tuple[str, ...] = ()
    unsafe: bool = False
    about: Mapping[str, Any] = {}


class Trust(Struct, frozen=True, kw_only=True):
    """Which code a file may name.

    Attributes:
        first_party: Says whether a module belongs to the user's own code.
        classes: The first-party references that this artifact declares; empty while saving.
        shelf: All formats, for values that hold others.
    """

    first_party: Callable[[str], bool]
    classes: frozenset[str] = frozenset()
    shelf: "Formats | None" = None


class Format(Protocol):
    """One module that writes and reads one family of values. It keeps no state; any thread may call it."""

    def accepts(self, value: object) -> bool:
        """Say whether this format brings `value` back as it was."""

    def save(self, value: object, target: Path, trust: Trust) -> Saved:
        """Write `value` at `target` (no suffix yet; nothing lies there) and say what was written.

        Raises:
            ConfigurationError: The value is of the right type but cannot come back as it was.
        """

    def load(self, path: Path, artifact: Artifact, form: str, trust: Trust) -> object:
        """Read `path` back in the given form (see `form_of`); whatever it raises is wrapped by the shelf."""


class Formats(Protocol):
    """All formats as one. Safe to call from many threads once every type is registered."""

    def save(self, value: object, folder: Path, *, hint: object = None, name: str = "value") -> Saved:
        """Write one file or folder below `folder`.

        Args:
            value: What a step returned.
            folder: Where to write; made when missing. A returned path that lies inside it stays where it is.
            hint: The annotation of the result; `Pickled[T]` asks for a pickle.
            name: The first part of the file's name.

        Raises:
            ConfigurationError: No format fits, or the value cannot come back as it was.
        """

    def load(
        self, path: Path, artifact: Artifact, *, form: object = None, allow_unsafe: bool = False
    ) -> object:
        """Read an artifact whose bytes lie at `path`, in the form that the consumer's annotation asks for.

        Raises:
            ConfigurationError: The format is unknown or newer, or the artifact is unsafe.
            MissingError: A library, class or file that it needs is not there.
            OutsideError: The bytes are damaged.
        """

    def register(self, type_: type, format_: object) -> None:
        """Make `format_`, a class with `save(value, folder)` and `load(folder)`, the format of `type_`."""
