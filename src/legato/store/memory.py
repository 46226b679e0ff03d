"""The store in this process's memory: for tests, and for runs that shall leave nothing.

Rule: it promises what the directory store does, save that it ends with the process.
"""

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from legato.domain.artifacts import ManifestEntry
from legato.domain.digests import Digest, digest_of
from legato.domain.errors import OutsideError
from legato.store.copying import write_all
from legato.store.folders import Found, Target, files_below, is_folder, make_folder
from legato.store.intake import check_expected
from legato.store.manifest import is_manifest, read_manifest, write_manifest
from legato.store.objects import hexadecimal_of
from legato.store.port import GRACE_S, Held, Placed, Source, Swept, Traits
from legato.store.trouble import absent, outside


class MemoryStore:
    """Objects in a dictionary; `legato.store.Store` says what each method promises.

    Args:
        folder: Where `path` makes its files; whoever gives it removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects: dict[Digest, bytes] = {}

    @property
    def traits(self) -> Traits:
        """`path` writes a copy; nothing lasts."""
        return Traits(name="memory", local_paths=False, lasting=False)

    def put(self, source: BinaryIO) -> Digest:
        """Keep what `source` yields."""
        return self._keep(b"".join(iter(lambda: source.read(1 << 20), b"")))

    def put_path(self, path: Path, *, move: bool = False) -> Placed:
        """Keep a file's or folder's bytes; with `move`, its files are removed."""
        move = move and not path.is_symlink()
        if not is_folder(path):
            data = _read(str(path), move=move)
            return Placed(digest=self._keep(data), size_bytes=len(data), tree=False)
        files = [self._entry(found, move=move) for found in files_below(path)]
        manifest = self._keep(write_manifest(files))
        return Placed(digest=manifest, size_bytes=sum(file.size_bytes for file in files), tree=True)

    def open(self, digest: Digest) -> BinaryIO:
        """Return the bytes as a file."""
        return io.BytesIO(self._bytes(digest))

    def path(self, digest: Digest) -> Path:
        """Return a file in the folder that was given, made anew if someone changed it."""
        data = self._bytes(digest)
        path = self._folder / hexadecimal_of(digest)
        try:
            if path.exists() and path.read_bytes() != data:
                path.unlink()
            if not path.exists():
                fresh = path.with_suffix(".new")
                fresh.unlink(missing_ok=True)
                self._folder.mkdir(parents=True, exist_ok=True)
                _write(data, str(fresh), 0o444)
                fresh.rename(path)
        except OSError as error:
            raise outside(error, "write", path) from None
        return path

    def place(self, digest: Digest, tree: bool, target: Path) -> None:  # noqa: FBT001 - as in the port
        """Write the file or folder at `target`, whole or not at all."""
        making = Target(target)
        if tree:
            manifest = read_manifest(self._bytes(digest))
            making.make(lambda folder: make_folder(manifest, folder, self._place_entry))
        else:
            data = self._bytes(digest)
            making.make(lambda file: _write(data, file, 0o444))

    def has(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return those that are wholly there."""
        return frozenset(digest for digest in digests if self._is_whole(digest))

    def verify(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return those that are wholly there; memory is not read again."""
        return self.has(digests)

    def list(self) -> Iterator[Digest]:
        """Yield the digests of this moment."""
        return iter(tuple(self._objects))

    def delete(self, digest: Digest) -> None:
        """Forget an object, and the file that `path` made of it."""
        self._objects.pop(digest, None)
        (self._folder / hexadecimal_of(digest)).unlink(missing_ok=True)

    def sync(self) -> None:
        """Nothing to do: nothing lasts."""

    def about(self, digests: Iterable[Digest]) -> Mapping[Digest, Held]:
        """Look at the bytes themselves."""
        found = {digest: self._objects.get(digest) for digest in digests}
        return {
            digest: Held(size_bytes=len(data), tree=is_manifest(data))
            for digest, data in found.items()
            if data is not None
        }

    def put_many(self, sources: Iterable[Source], told: Callable[[int], None]) -> None:
        """Keep one after another."""
        for digest, opening in sources:
            if digest not in self._objects:
                data = opening().read()
                check_expected(hexadecimal_of(digest_of(data)), hexadecimal_of(digest))
                self._objects[digest] = data
            told(len(self._objects[digest]))

    def open_many(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, BinaryIO]]:
        """Yield one after another."""
        return ((digest, self.open(digest)) for digest in digests)

    def sweep(self, keep: Iterable[Digest], *, grace_s: float = GRACE_S, dry_run: bool = False) -> Swept:
        """Forget unwanted objects; in memory all are as young as the process, so only without a grace."""
        live: set[Digest] = set()
        wanted = set(keep)
        while wanted:
            live |= wanted
            trees = [digest for digest, held in self.about(wanted).items() if held.tree]
            wanted = {
                file.digest for tree in trees for file in read_manifest(self._objects[tree]).files
            } - live
        gone = (
            {} if grace_s else {digest: data for digest, data in self._objects.items() if digest not in live}
        )
        freed_bytes = sum(map(len, gone.values()))
        all_bytes = sum(map(len, self._objects.values()))
        for digest in () if dry_run else gone:
            self.delete(digest)
        return Swept(freed_bytes=freed_bytes, kept_bytes=all_bytes - freed_bytes, objects=len(gone))

    def _keep(self, data: bytes) -> Digest:
        digest = digest_of(data)
        self._objects.setdefault(digest, data)
        return digest

    def _entry(self, found: Found, *, move: bool) -> ManifestEntry:
        data = _read(found.source, move=move and not found.linked)
        return ManifestEntry(found.path, self._keep(data), len(data), found.executable)

    def _bytes(self, digest: Digest) -> bytes:
        hexadecimal_of(digest)
        try:
            return self._objects[digest]
        except KeyError:
            raise absent(digest, "in memory") from None

    def _is_whole(self, digest: Digest) -> bool:
        hexadecimal_of(digest)
        data = self._objects.get(digest)
        if data is None:
            return False
        if not is_manifest(data):
            return True
        return all(self._is_whole(file.digest) for file in read_manifest(data).files)

    def _place_entry(self, entry: ManifestEntry, target: str) -> None:
        _write(self._bytes(entry.digest), target, 0o555 if entry.executable else 0o444)


def _read(source: str, *, move: bool) -> bytes:
    try:
        before = os.stat(source)  # noqa: PTH116 - beside the other calls
        data = Path(source).read_bytes()
        after = os.stat(source)  # noqa: PTH116 - beside the other calls
        if (before.st_size, before.st_mtime_ns) != (len(data), after.st_mtime_ns):
            raise OutsideError(
                f"{source} changed while it was read", hint="try again when nothing writes to it"
            )
        if move:
            Path(source).unlink()
    except OSError as error:
        raise outside(error, "read", source) from None
    return data


def _write(data: bytes, target: str, mode: int) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)
