"""The store in a local folder: one read-only file an object.

Rule: a process that is killed at any point leaves no object half there. Format: docs/formats/store.md.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from legato.domain.artifacts import Manifest, ManifestEntry
from legato.domain.digests import PREFIX, Digest
from legato.domain.errors import ConfigurationError, MissingError
from legato.store.copying import BLOCK
from legato.store.expiry import sweep_objects
from legato.store.folders import Target, files_below, is_folder, make_folder
from legato.store.intake import STORE_FORMAT, Intake, Taken
from legato.store.manifest import read_manifest, write_manifest
from legato.store.objects import Objects, hexadecimal_of
from legato.store.placing import place_file
from legato.store.port import GRACE_S, Held, Placed, Source, Swept, Traits
from legato.store.stamps import Stamps
from legato.store.streams import Counted, Readable
from legato.store.temporary import boot_name, space_name, sweep
from legato.store.trouble import outside


class DirectoryStore:
    """Objects in `objects/ab/cdef…`, made on first use; `legato.store.Store` says what each method promises.

    Opening lists no objects and makes nothing.

    Args:
        root: The store's folder.

    Raises:
        ConfigurationError: A newer Legato wrote it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        _check_format(root)
        space, temporary = space_name(), os.fspath(root / "tmp")
        self._stamps = Stamps(f"{root}/stamps", boot_name())
        self._objects = Objects(str(root), self._stamps)
        self._intake = Intake(self._objects, temporary, space)
        sweep(temporary, space)

    @property
    def traits(self) -> Traits:
        """Local paths, and lasting."""
        return Traits(name="directory", local_paths=True, lasting=True)

    def put(self, source: BinaryIO) -> Digest:
        """Store what `source` yields; what fits in a block is known by its digest before it is written."""
        taken = self._take(source)
        self._stamps.write([taken.stamp])
        return Digest(PREFIX + taken.hexadecimal)

    def put_path(self, path: Path, *, move: bool = False) -> Placed:
        """Store a file or folder; with `move`, by rename where file system and rights allow."""
        move = move and not path.is_symlink()
        if is_folder(path):
            return self._put_folder(path, move=move)
        taken = self._intake.take_file(str(path), move=move)
        self._stamps.write([taken.stamp])
        return Placed(digest=Digest(PREFIX + taken.hexadecimal), size_bytes=taken.size_bytes, tree=False)

    def open(self, digest: Digest) -> BinaryIO:
        """Return the checked file, open at its start."""
        return os.fdopen(self._objects.open(digest)[0], "rb")

    def path(self, digest: Digest) -> Path:
        """Return the object's own file, checked."""
        descriptor, path = self._objects.open(digest)
        os.close(descriptor)
        return Path(path)

    def place(self, digest: Digest, tree: bool, target: Path) -> None:  # noqa: FBT001 - as in the port
        """Make the file or folder at `target`, whole or not at all."""
        making = Target(target)
        if tree:
            manifest = self._manifest(digest)
            making.make(lambda folder: make_folder(manifest, folder, self._place_entry))
        else:
            making.make(lambda file: self._place_file(digest, file, executable=False))

    def has(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return those that are wholly there, by their stamps where these still fit."""
        return frozenset(digest for digest in digests if self._is_whole(digest, again=False))

    def verify(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return those that are wholly there, all bytes read again."""
        return frozenset(digest for digest in digests if self._is_whole(digest, again=True))

    def list(self) -> Iterator[Digest]:
        """Yield every object's digest, manifests included."""
        return self._objects.listing()

    def delete(self, digest: Digest) -> None:
        """Remove the object's file."""
        self._objects.delete(digest)

    def sync(self) -> None:
        """Flush the file system that the store is on, once for all objects."""
        mark = self._stamps.mark()
        try:
            folder = os.open(self.root, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            raise outside(error, "open the store", self.root) from None
        try:
            _flush(folder)
        except OSError as error:
            raise outside(error, "flush the store", self.root) from None
        finally:
            os.close(folder)
        self._stamps.synced(mark)

    def about(self, digests: Iterable[Digest]) -> Mapping[Digest, Held]:
        """Look at each object's file."""
        found = {digest: self._objects.look(hexadecimal_of(digest)) for digest in digests}
        return {digest: held for digest, held in found.items() if held is not None}

    def put_many(self, sources: Iterable[Source], told: Callable[[int], None]) -> None:
        """Take one after another; the stamps of many are written at once."""
        stamps: list[bytes] = []
        try:
            for digest, opening in sources:
                hexadecimal = hexadecimal_of(digest)
                held = self._objects.stands_at_all(hexadecimal)
                if held is None:
                    stamps.append(self._take(Counted(opening(), told), hexadecimal).stamp)
                else:
                    told(held.size_bytes)
        finally:
            self._stamps.write(stamps)

    def open_many(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, BinaryIO]]:
        """Open one after another."""
        for digest in digests:
            with self.open(digest) as opened:
                yield digest, opened

    def sweep(self, keep: Iterable[Digest], *, grace_s: float = GRACE_S, dry_run: bool = False) -> Swept:
        """Remove unwanted objects whose file was made, or put again, before the grace; by the disk's clock."""
        return sweep_objects(self._objects, self._live(keep), grace_s=grace_s, dry_run=dry_run)

    def _live(self, keep: Iterable[Digest]) -> set[str]:
        live: set[str] = set()
        wanted = {hexadecimal_of(digest) for digest in keep}
        while wanted:
            live |= wanted
            inside: set[str] = set()
            for hexadecimal in wanted:
                held = self._objects.look(hexadecimal)
                if held is not None and held.tree:
                    files = self._manifest(Digest(PREFIX + hexadecimal)).files
                    inside |= {hexadecimal_of(file.digest) for file in files}
            wanted = inside - live
        return live

    def _take(self, source: Readable, expected: str = "") -> Taken:
        first = source.read(BLOCK)
        second = source.read(BLOCK) if first else b""
        if second:
            return self._intake.take_stream(first + second, source, expected)
        return self._intake.take_bytes(first, expected)

    def _put_folder(self, folder: Path, *, move: bool) -> Placed:
        files, stamps = [], []
        for found in files_below(folder):
            taken = self._intake.take_file(found.source, move=move and not found.linked)
            digest = Digest(PREFIX + taken.hexadecimal)
            files.append(ManifestEntry(found.path, digest, taken.size_bytes, found.executable))
            stamps.append(taken.stamp)
        manifest = self._intake.take_bytes(write_manifest(files))
        self._stamps.write([*stamps, manifest.stamp])
        size_bytes = sum(file.size_bytes for file in files)
        return Placed(digest=Digest(PREFIX + manifest.hexadecimal), size_bytes=size_bytes, tree=True)

    def _is_whole(self, digest: Digest, *, again: bool) -> bool:
        hexadecimal = hexadecimal_of(digest)
        if self._objects.stands(hexadecimal, tree=False, again=again):
            return True
        if not self._objects.stands(hexadecimal, tree=True, again=again):
            return False
        try:
            files = {file.digest for file in self._manifest(digest).files}
        except (MissingError, ConfigurationError):
            return False
        return all(self._is_whole(file, again=again) for file in files)

    def _manifest(self, digest: Digest) -> Manifest:
        with self.open(digest) as source:
            return read_manifest(source.read())

    def _place_entry(self, entry: ManifestEntry, target: str) -> None:
        self._place_file(entry.digest, target, executable=entry.executable)

    def _place_file(self, digest: Digest, target: str, *, executable: bool) -> None:
        source, path = self._objects.open(digest)
        try:
            place_file(source, path, target, executable=executable)
        finally:
            os.close(source)


def _check_format(root: Path) -> None:
    try:
        text = (root / "format").read_text(errors="replace").strip()
    except FileNotFoundError:
        return
    except OSError as error:
        raise outside(error, "read the store", root) from None
    if text and text != str(STORE_FORMAT):  # empty: its maker was killed between making and writing it
        raise ConfigurationError(
            f"the store {root} has format {text!r}; this Legato reads {STORE_FORMAT}",
            hint="upgrade Legato: pip install --upgrade legato",
        )


def _flush(folder: int) -> None:
    import ctypes

    try:
        flush = ctypes.CDLL(None, use_errno=True).syncfs
    except AttributeError:  # not Linux
        os.sync()
        return
    if flush(folder) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
