"""What git still holds of one file: its bytes at every commit that a branch, a tag or the reflog leads to.

Rule: asked by argument lists, in one process for all versions.
"""

from collections.abc import Iterator
from pathlib import Path

from legato.scm.asking import ask, in_repository

_BLOB_FIELD = 3
_HEADER_FIELDS = 3
_ABSENT = set("0")


def versions_of(root: Path, path: str) -> Iterator[bytes]:
    """Yield each distinct content that `path`, relative to `root`, has had; none outside a repository."""
    if not in_repository(root):
        return
    told = ask(
        root, "log", "--all", "--reflog", "--format=", "--raw", "--no-abbrev", "--no-renames", "--", path
    )
    blobs = {
        line.split()[_BLOB_FIELD] for line in (told or b"").decode().splitlines() if line.startswith(":")
    }
    wanted = sorted(blob for blob in blobs if set(blob) != _ABSENT)
    if not wanted:
        return
    found = ask(root, "cat-file", "--batch", given="".join(f"{blob}\n" for blob in wanted).encode())
    yield from _contents(found or b"")


def _contents(batch: bytes) -> Iterator[bytes]:
    """Yield the objects of `git cat-file --batch`: a line `ID TYPE SIZE`, the bytes, a line's end."""
    at = 0
    while at < len(batch):
        end = batch.index(b"\n", at)
        fields = batch[at:end].split()
        at = end + 1
        if len(fields) == _HEADER_FIELDS:  # `ID missing` has no bytes
            size_bytes = int(fields[2])
            yield batch[at : at + size_bytes]
            at += size_bytes + 1
