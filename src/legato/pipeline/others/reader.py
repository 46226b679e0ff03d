"""Reads the files of a repository that a foreign pipeline is made of, and remembers which.

Rule: nothing outside the repository is read, and a file that was looked for counts as read: it may come later.
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legato.domain.errors import ConfigurationError
from legato.pipeline.others.located import BIGGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from legato.domain.messages import Override
    from legato.pipeline.others.located import Document


class Reader:
    """The files below one root.

    Args:
        root: The repository, absolute.
        overrides: Values from outside; one whose name is a key of a parameter file replaces its value there.

    Attributes:
        root: The repository, absolute.
        seen: Every file that was read or looked for, absolute.
        changed: By parameter file: the values that replaced others, by dotted key.
        taken: Positions of the overrides that did.
    """

    def __init__(self, root: str, overrides: Sequence[Override] = ()) -> None:
        self.root = root
        self.seen: dict[str, None] = {}
        self.changed: dict[str, dict[str, Any]] = {}
        self.taken: set[int] = set()
        self._overrides = overrides
        self._documents: dict[str, Document] = {}

    def text(self, path: str) -> bytes | None:
        """Return a file's bytes, or None when there is none.

        Args:
            path: Relative to the root.

        Raises:
            ConfigurationError: It is larger than any such file should be, or cannot be read.
        """
        place = Path(self.root, path)
        self.seen[str(place)] = None
        try:
            if not place.is_file():
                return None
            with place.open("rb") as source:
                return source.read(BIGGEST_BYTES + 1)
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be read: {error.strerror}", hint="look at its rights"
            ) from error

    def values(self, path: str) -> Document | None:
        """Return the values of a parameter file, or None when there is none; each file is parsed once."""
        from legato.pipeline.others.param_files import read_values

        if path not in self._documents:
            text = self.text(path)
            if text is None:
                return None
            self._documents[path] = read_values(text, path)
            self._override(path, self._documents[path])
        return self._documents[path]

    def _override(self, path: str, document: Document) -> None:
        from legato.pipeline.others.param_files import MISSING, converted, pick, with_value

        for position, override in enumerate(self._overrides):
            key = ".".join(part for part in (override.step, override.name) if part)
            old = pick(document.data, key)
            if old is MISSING:
                continue
            value = (
                converted(old, override.text)
                if override.text is not None
                else _decoded(override.wire or "null")
            )
            document.data = with_value(document.data, key, value)
            self.changed.setdefault(path, {})[key] = value
            self.taken.add(position)

    def exists(self, path: str) -> bool:
        """Say whether there is a file or folder."""
        place = Path(self.root, path)
        self.seen[str(place)] = None
        return place.exists()

    def is_dir(self, path: str) -> bool:
        """Say whether there is a folder."""
        return Path(self.root, path).is_dir()


def _decoded(wire: str) -> Any:  # noqa: ANN401 - any plain data
    import json

    return json.loads(wire)


def joined(folder: str, path: str) -> str:
    """Return a path as seen from a folder, relative to the root; one that leaves it begins with `../`.

    >>> joined("src", "../data/x.csv"), joined("", "a//b/"), joined("src", ".")
    ('data/x.csv', 'a/b', 'src')
    """
    found = posixpath.normpath(posixpath.join(folder, path))
    return "" if found == "." else found


def leaves(path: str) -> bool:
    """Say whether a path of `joined` lies outside the repository."""
    return path == ".." or path.startswith(("../", "/"))
