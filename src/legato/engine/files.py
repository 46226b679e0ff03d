"""Digests of the repository's files and listings of its folders, as steps were seen to read them.

Rule: a digest is remembered only for a file whose stat has not changed since, and that was at rest when hashed.
"""

import hashlib
import os
from pathlib import Path
from typing import Final

from legato.domain.digests import PREFIX, canonical, digest_of

IGNORED: Final = frozenset({".git", ".legato", "__pycache__", ".venv", ".ipynb_checkpoints"})
"""Names that a listing leaves out: they change without anyone changing the project."""

REST_NS: Final = 20_000_000
"""How old a change must be so that clock ticks of the file system cannot hide another one behind it."""

Signature = tuple[int, int, int, int]
"""Size, mtime and ctime in nanoseconds, inode."""


def signature(path: str) -> Signature | None:
    """Return what tells one state of a file from another without reading it; None when it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a thousand of these must cost a millisecond
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def listing_digest(folder: str) -> str:
    """Return the digest of the names in a folder; empty when there is no such folder."""
    try:
        names = sorted(name for name in os.listdir(folder) if name not in IGNORED)  # noqa: PTH208 - speed
    except OSError:
        return ""
    return digest_of(canonical(names))


def file_digest(path: str) -> str:
    """Return the digest of a file's bytes; empty when it cannot be read."""
    try:
        with Path(path).open("rb") as source:
            return PREFIX + hashlib.file_digest(source, "sha256").hexdigest()
    except OSError:
        return ""


class Files:
    """Digests by path relative to `root`; a path that ends in `/` is a folder's listing.

    Args:
        root: The repository, absolute.
        known: Digests from earlier runs by path, each with the signature it was taken at.
        now_ns: The time at which this run began.
    """

    def __init__(self, root: str, known: dict[str, tuple[Signature, str]], now_ns: int) -> None:
        self.root = root
        self.known = known
        self.touched: dict[str, Signature | None] = {}
        self._now_ns = now_ns

    def touch(self, path: str) -> tuple[str, Signature | None]:
        """Note that this run rests on `path`; return where it is and its state."""
        absolute = os.path.join(self.root, path)  # noqa: PTH118 - speed
        current = self.touched[absolute] = signature(absolute)
        return absolute, current

    def digest(self, path: str) -> str:
        """Return the digest of what `path` is now; empty when it is not there."""
        absolute, current = self.touch(path)
        if path.endswith("/"):
            return listing_digest(absolute)
        if current is None:
            return ""
        remembered = self.known.get(path)
        if remembered is not None and remembered[0] == current:
            return remembered[1]
        digest = file_digest(absolute)
        if at_rest(current, self._now_ns) and signature(absolute) == current:
            self.known[path] = (current, digest)
        return digest


def at_rest(found: Signature, now_ns: int) -> bool:
    """Say whether the state was old enough at `now_ns` that a later change must show in its signature."""
    return max(found[1], found[2]) < now_ns - REST_NS
