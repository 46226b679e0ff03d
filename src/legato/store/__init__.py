"""The store's port: bytes by digest.

Rule: what a store hands out was checked against its digest; what does not match counts as absent.

Every method may be retried; `put`, `put_path` and `delete` are idempotent. Safe from many threads and many
processes at once; an object of this type may be used on both sides of a fork. Foreign errors (disk, rights,
network) arrive as `OutsideError`; a digest that is not there, or not whole, as `MissingError` that names it.
Nothing is left behind by a call that raised. Format: docs/formats/store.md.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from legato.domain.digests import Digest
from legato.domain.graph import Struct
from legato.store.manifest import read_manifest, write_manifest

__all__ = ["Placed", "Store", "Traits", "read_manifest", "write_manifest"]


class Traits(Struct, frozen=True, kw_only=True):
    """How one back end differs from another.

    Attributes:
        name: As the configuration spells it (`directory`, `memory`).
        local_paths: `path` and `place` cost no download: the bytes lie on this machine.
        lasting: What was put is there for the next process.
    """

    name: str
    local_paths: bool
    lasting: bool


class Placed(Struct, frozen=True, kw_only=True):
    """What became of a file or folder: the digest of its bytes, or of its manifest where `tree` is true.

    `size_bytes` counts the bytes of all its files.
    """

    digest: Digest
    size_bytes: int
    tree: bool


class Store(Protocol):
    """Bytes by digest; a folder is a manifest, which is an object too.

    An object whose bytes are a canonical manifest is a tree, however it came in.
    """

    @property
    def traits(self) -> Traits:
        """How this back end differs from others."""
        ...

    def put(self, source: BinaryIO) -> Digest:
        """Store what `source` yields from where it stands; known bytes are not written twice."""
        ...

    def put_path(self, path: Path, *, move: bool = False) -> Placed:
        """Store a file or folder.

        Symlinks that stay inside the folder count as what they point to; empty folders are not kept; of the
        mode of a folder's files only `executable` is kept.

        Args:
            path: A regular file, or a folder of folders and regular files.
            move: The store may take the files away by renaming them; what is left of `path` is then the
                caller's to remove, also where this raises.

        Raises:
            MissingError: Nothing is at `path`.
            ConfigurationError: It holds what a manifest cannot: a symlink out of it, a device, a pipe, a name
                that is not UTF-8 or has a backslash.
            OutsideError: It changed while it was read, or the disk refused.
        """
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """Return the bytes, checked, as a file to read from; the caller closes it."""
        ...

    def path(self, digest: Digest) -> Path:
        """Return a local file that holds the bytes, checked; it is the store's own, only to be read."""
        ...

    def place(self, digest: Digest, tree: bool, target: Path) -> None:  # noqa: FBT001 - reads as Artifact.tree does
        """Make a read-only file, or a folder of such, at `target`, whole or not at all.

        By reflink, else by hard link (never as root, whom no mode stops), else by copy. Parents are made. A
        placed file may share its bytes with the store: copy it before changing its mode.

        Raises:
            ConflictError: Something is at `target` already.
            MissingError: The object, or one file of the tree, is not there.
        """
        ...

    def has(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return those that are wholly there; of a tree, all of its files.

        One look at a file's metadata each; bytes are read only where that changed since they were checked.
        """
        ...

    def verify(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return those that are wholly there, all bytes read again whatever was checked before."""
        ...

    def list(self) -> Iterator[Digest]:
        """Yield the digest of every object, in no order; unchecked."""
        ...

    def delete(self, digest: Digest) -> None:
        """Remove one object; a manifest's files stay. What is not there is fine."""
        ...

    def sync(self) -> None:
        """Return when all that was put before will outlive a loss of power."""
        ...
