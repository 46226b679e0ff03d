"""Turns where things were written into places relative to the repository.

Rule: a file outside the root keeps its whole path; nothing is looked up on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from legato.domain.graph import Place

if TYPE_CHECKING:
    from legato.pipeline.handles import Handle


class Places:
    """The places of one repository.

    Args:
        root: Its folder, absolute; empty to keep every path as it is.
    """

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/") + "/" if root else ""
        self._known: dict[str, str] = {}

    def relative(self, file: str) -> str:
        """Return a path relative to the root, where it lies below it."""
        known = self._known.get(file)
        if known is None:
            inside = bool(self._root) and file.startswith(self._root)
            known = self._known[file] = file[len(self._root) :] if inside else file
        return known

    def of(self, thing: Handle) -> Place:
        """Return where a thing was written."""
        return Place(file=self.relative(thing.spot.file), line=thing.spot.line)
