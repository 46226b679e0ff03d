"""The store's port: bytes by digest.

Rule: what a store hands out was checked against its digest; what does not match counts as absent.

Every method may be retried; `put`, `put_path` and `delete` are idempotent. Safe from many threads and many
processes at once; an object of this type may be used on both sides of a fork. Foreign errors (disk, rights,
network) arrive as `OutsideError`; a digest that is not there, or not whole, as `MissingError` that names it.
Nothing is left behind by a call that raised. Format: docs/formats/store.md.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from legato.domain.digests import Digest
from legato.domain.graph import Struct

GRACE_S: Final = 48 * 3600.0
"""How long an unwanted object stays: longer than any writer that may still rely on it is at work."""

Source = tuple[Digest, Callable[[], BinaryIO]]
"""The digest that bytes must have, and how to open them."""


class Traits(Struct, frozen=True, kw_only=True):
    """How one back end differs from another.

    Attributes:
        name: As the configuration spells it (`directory`, `memory`).
        local_paths: `path` and `place` cost no download: the bytes lie on this machine.
        lasting: What was put is there for the next process.
        forks: The object may be used on both sides of a fork; else only by the process that opened it, which
            must not fork afterwards.
    """

    name: str
    local_paths: bool
    lasting: bool
    forks: bool = True


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


class Held(Struct, frozen=True, kw_only=True):
    """What a store knows of an object without reading it: its size, and whether it is a manifest."""

    size_bytes: int
    tree: bool


class Swept(Struct, frozen=True, kw_only=True):
    """What a sweep did, or would do.

    Attributes:
        freed_bytes: What is gone now.
        condemned_bytes: What goes once the grace is over, if nothing asks for it until then.
        rewritten_bytes: What was copied so that the rest of its pack can go.
        kept_bytes: What stays.
        objects: How many objects are gone or condemned.
    """

    freed_bytes: int = 0
    condemned_bytes: int = 0
    rewritten_bytes: int = 0
    kept_bytes: int = 0
    objects: int = 0


class Depot(Store, Protocol):
    """A store whose objects move in bulk, and are swept.

    `legato.store.push` and `legato.store.pull` are made of these deeds.
    """

    def about(self, digests: Iterable[Digest]) -> Mapping[Digest, Held]:
        """Return what is known of those that are there; the files of a tree are not looked for."""
        ...

    def put_many(self, sources: Iterable[Source], told: Callable[[int], None]) -> None:
        """Store many objects, in few requests where requests cost; in the order given.

        A call that is killed may have stored some of them; those are not sent again by the next call.

        Args:
            sources: Known ones are not opened.
            told: Called with the number of bytes of the sources that are done since the last time.

        Raises:
            MissingError: The bytes of a source are not what its digest says.
        """
        ...

    def open_many(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, BinaryIO]]:
        """Yield many objects, in an order that suits; each is read before the next is asked for.

        Bytes are checked before they are handed out; the end of a file is reached only when all of it was right.

        Raises:
            MissingError: One is not there, or not whole; also while it is read.
        """
        ...

    def sweep(self, keep: Iterable[Digest], *, grace_s: float = GRACE_S, dry_run: bool = False) -> Swept:
        """Remove what nobody asks for: all that is not in `keep`, nor a file of a tree in it.

        Safe beside writers: nothing goes that was put, or put again, less than `grace_s` ago by the clock of
        whoever keeps the bytes.

        Args:
            keep: Digests of objects and trees; those that are not there are passed over.
            grace_s: In seconds; less than the longest push is at the caller's risk.
            dry_run: Change nothing, and say what would be.
        """
        ...
