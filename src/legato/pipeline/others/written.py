"""Which paths stages write, looked up by a path that is one of them, lies in one, or holds some.

Rule: a look-up costs what the path is deep, however many paths there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Written:
    """Artifacts by the path that they are written at.

    >>> written = Written()
    >>> written.add("data/out", "data/out")
    >>> written.around("data/out/part.txt"), written.inside("data"), written.clash("data")
    ('data/out', ['data/out'], 'data/out')
    """

    def __init__(self) -> None:
        self.artifacts: dict[str, str] = {}
        self._below: dict[str, list[str]] = {}

    def add(self, path: str, artifact: str) -> None:
        """Note that an artifact is written at a path."""
        self.artifacts[path] = artifact
        for folder in _above(path):
            self._below.setdefault(folder, []).append(path)

    def around(self, path: str) -> str:
        """Return the written path that is this one or holds it; empty when there is none."""
        return next((one for one in (path, *_above(path)) if one in self.artifacts), "")

    def inside(self, path: str) -> list[str]:
        """Return the written paths that lie below this one."""
        return self._below.get(path, [])

    def clash(self, path: str) -> str:
        """Return a written path that is this one, holds it or lies in it; empty when there is none."""
        return self.around(path) or next(iter(self.inside(path)), "")


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
