"""The store in a bucket: objects as chunks in packs, found through indexes. Format: docs/formats/pack.md.

Rule: what a bucket answers is believed only as far as digests confirm it; every answer that someone may rely on
comes from a fresh look. Open it after every fork, and never fork afterwards.
"""

import io
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

from legato.domain.artifacts import Manifest, ManifestEntry
from legato.domain.digests import Digest
from legato.store.bucket_requests import Bucket, Traffic
from legato.store.bucket_sweep import BucketSweep
from legato.store.catalogue import Catalogue, Known, index_path
from legato.store.directory import DirectoryStore
from legato.store.fetching import Fetcher, Need
from legato.store.folders import Found, Target, files_below, is_folder, make_folder
from legato.store.intake import check_unchanged, open_file
from legato.store.manifest import read_manifest, write_manifest
from legato.store.objects import hexadecimal_of
from legato.store.packing import PACK_BYTES, Packer
from legato.store.packs import OBJECT, TREE, Index, write_index
from legato.store.port import GRACE_S, Held, Placed, Source, Swept, Traits
from legato.store.recipes import Closure, Recipes, digest_text
from legato.store.streams import Checked, Counted
from legato.store.trouble import absent, outside

Files = list[tuple[str, bool]]
"""Paths to make, and whether each is executable."""

_IN_MEMORY: Final = 8 << 20
"""Up to this size an object is opened in memory, else in a file."""


class BucketStore:
    """Objects in a bucket; `legato.store.Depot` says what each method promises.

    Args:
        bucket: The bucket, opened by `legato.store.bucket_address.open_bucket`.
        folder: Where indexes, and files that `path` and `open` make, are kept on this machine; it may be removed
            whenever no store is open on it.
        pack_bytes: How long packs become.
    """

    def __init__(self, bucket: Bucket, folder: Path, *, pack_bytes: int = PACK_BYTES) -> None:
        self._bucket = bucket
        self._folder = folder
        self._pack_bytes = pack_bytes
        self._catalogue = Catalogue(bucket, folder / "indexes")
        self._fetcher = Fetcher(bucket, self._catalogue)
        self._recipes = Recipes(self._catalogue, self._fetcher)
        self._files = DirectoryStore(folder / "files")

    @property
    def traits(self) -> Traits:
        """Lasting; `path` downloads; not for two sides of a fork."""
        return Traits(name="bucket", local_paths=False, lasting=True, forks=False)

    @property
    def traffic(self) -> Traffic:
        """What has gone over the wire."""
        return self._bucket.traffic

    def put(self, source: BinaryIO) -> Digest:
        """Send what `source` yields, in a pack of its own; `put_many` is made for many."""
        self._catalogue.refresh()
        with self._packer() as packer:
            digest, _ = packer.add(source)
        return digest_text(digest)

    def put_path(self, path: Path, *, move: bool = False) -> Placed:
        """Send a file or folder; with `move`, its files are removed."""
        move = move and not path.is_symlink()
        if not is_folder(path):
            self._catalogue.refresh()
            with self._packer() as packer:
                digest, size_bytes = _add_file(packer, str(path))
            _remove([str(path)] if move else [])
            return Placed(digest=digest_text(digest), size_bytes=size_bytes, tree=False)
        files = files_below(path)
        self._catalogue.refresh()
        with self._packer() as packer:
            entries = [_entry(packer, found) for found in files]
            digest, _ = packer.add(io.BytesIO(write_manifest(entries)))
        _remove([found.source for found in files if not found.linked] if move else [])
        size_bytes = sum(entry.size_bytes for entry in entries)
        return Placed(digest=digest_text(digest), size_bytes=size_bytes, tree=True)

    def open(self, digest: Digest) -> BinaryIO:
        """Fetch an object; all of it is checked before this returns."""
        known = self._known(digest)
        with next(self._opened({_bytes(digest): known}))[1] as stream:
            if known.size_bytes <= _IN_MEMORY:
                return io.BytesIO(stream.read())
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                target = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - the caller closes it
                shutil.copyfileobj(stream, target, 1 << 20)
            except OSError as error:
                raise outside(error, "write", self._folder) from None
            target.seek(0)
            return target

    def path(self, digest: Digest) -> Path:
        """Fetch an object into a file of the local folder."""
        known = self._known(digest)
        if digest not in self._files.has([digest]):
            for _, stream in self._opened({_bytes(digest): known}):
                self._files.put(stream)
        return self._files.path(digest)

    def place(self, digest: Digest, tree: bool, target: Path) -> None:  # noqa: FBT001 - as in the port
        """Fetch the file or folder to `target`, whole or not at all."""
        making = Target(target)
        if tree:
            with self.open(digest) as source:
                manifest = read_manifest(source.read())
            making.make(lambda folder: self._make_folder(manifest, folder))
        else:
            making.make(lambda file: self._make_files({digest: [(file, False)]}))

    def has(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return those of which every chunk is in a pack that is listed and not condemned; bytes are not read."""
        wanted = list(digests)
        if not wanted:
            return frozenset()
        self._catalogue.refresh()
        return self.glance(wanted)

    def glance(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return what `has` does, as it was at the last look; for those who ask for many, one after the other."""
        wanted = {_bytes(digest): digest for digest in digests}
        closure = self._recipes.closure(wanted, sound=True)
        whole = _whole(closure, self._catalogue.is_sound)
        return frozenset(digest for own, digest in wanted.items() if own in whole)

    def verify(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return those that are wholly there, all bytes fetched and checked."""
        wanted = {_bytes(digest): digest for digest in digests}
        self._catalogue.refresh()
        closure = self._recipes.closure(wanted, sound=True)
        right = self._fetcher.right(chain.from_iterable(made.chunks for made in closure.made.values()))
        whole = _whole(closure, lambda chunk: chunk in right and self._catalogue.is_sound(chunk))
        return frozenset(digest for own, digest in wanted.items() if own in whole)

    def list(self) -> Iterator[Digest]:
        """Yield every object's digest, manifests included."""
        self._catalogue.refresh()
        return map(digest_text, self._catalogue.objects())

    def delete(self, digest: Digest) -> None:
        """Write anew the indexes that name an object; its chunks go with the next sweep, if nothing else needs them."""
        own = _bytes(digest)
        self._catalogue.refresh()
        for path, index in self._catalogue.indexes().items():
            left = _without(index, own)
            if left != index:
                data = write_index(left)
                self._bucket.put_new(index_path(index.pack, data), data)
                self._bucket.delete(path)
        self._files.delete(digest)
        self._catalogue.refresh()

    def sync(self) -> None:
        """Nothing to do: what was put is in the bucket."""

    def about(self, digests: Iterable[Digest]) -> Mapping[Digest, Held]:
        """Look into the indexes."""
        wanted = {digest: _bytes(digest) for digest in digests}
        self._catalogue.refresh()
        known = {digest: self._catalogue.known(own) for digest, own in wanted.items()}
        return {
            digest: Held(size_bytes=found.size_bytes, tree=bool(found.flags & TREE))
            for digest, found in known.items()
            if found is not None
        }

    def put_many(self, sources: Iterable[Source], told: Callable[[int], None]) -> None:
        """Send objects in packs, some at once; a killed call leaves the packs that were sent, for the next one."""
        self._catalogue.refresh()
        with self._packer() as packer:
            for digest, opening in sources:
                own = _bytes(digest)
                if packer.knows(own):
                    known = self._catalogue.known(own)
                    told(known.size_bytes if known else 0)
                else:
                    packer.add(Counted(opening(), told), own)

    def open_many(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, BinaryIO]]:
        """Fetch objects, those of one chunk first and in the order of the packs."""
        known = {_bytes(digest): self._known(digest) for digest in digests}
        return ((digest_text(own), stream) for own, stream in self._opened(known))

    def sweep(self, keep: Iterable[Digest], *, grace_s: float = GRACE_S, dry_run: bool = False) -> Swept:
        """Condemn, and after the grace delete, packs without anything wanted; copy what is wanted out of the others."""
        sweeping = BucketSweep(self._bucket, self._catalogue, self._fetcher, grace_s)
        return sweeping.run(map(_bytes, keep), dry_run=dry_run)

    def _packer(self) -> Packer:
        return Packer(self._bucket, self._catalogue, self._pack_bytes)

    def _known(self, digest: Digest) -> Known:
        own = _bytes(digest)
        known = self._catalogue.known(own)
        if known is None:
            self._catalogue.refresh()
            known = self._catalogue.known(own)
        if known is None:
            raise absent(digest, self._bucket.name)
        return known

    def _opened(self, known: Mapping[bytes, Known]) -> Iterator[tuple[bytes, BinaryIO]]:
        made = self._recipes.made_of(known)
        order = sorted(known, key=lambda own: (known[own].recipe != own, self._at(made[own].chunks[0])))
        pieces = self._fetcher.read(Need(part, own) for own in order for part in made[own].chunks)
        for own in order:
            stream = Checked(pieces, len(made[own].chunks), own)
            yield own, io.BufferedReader(stream, 1 << 16)
            stream.skip()

    def _at(self, chunk: bytes) -> tuple[bytes, int]:
        places = self._catalogue.places(chunk)
        return (places[0].pack, places[0].row.offset) if places else (b"", 0)

    def _make_folder(self, manifest: Manifest, folder: str) -> None:
        wanted: defaultdict[Digest, Files] = defaultdict(list)

        def note(entry: ManifestEntry, path: str) -> None:
            wanted[entry.digest].append((path, entry.executable))

        make_folder(manifest, folder, note)
        self._make_files(wanted)

    def _make_files(self, wanted: Mapping[Digest, Sequence[tuple[str, bool]]]) -> None:
        for digest, stream in self.open_many(wanted):
            (first, executable), *others = wanted[digest]
            with stream, _created(first, executable=executable) as target:
                shutil.copyfileobj(stream, target, 1 << 20)
            for path, also_executable in others:
                with open(first, "rb") as source, _created(path, executable=also_executable) as target:  # noqa: PTH123 - beside os.open
                    shutil.copyfileobj(source, target, 1 << 20)


def _bytes(digest: Digest) -> bytes:
    return bytes.fromhex(hexadecimal_of(digest))


def _created(path: str, *, executable: bool) -> BinaryIO:
    mode = 0o555 if executable else 0o444
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb")


def _add_file(packer: Packer, path: str) -> tuple[bytes, int]:
    descriptor, found = open_file(path)
    with os.fdopen(descriptor, "rb", buffering=0) as source:
        try:
            added = packer.add(source)
        except OSError as error:
            raise outside(error, "read", path) from None
        check_unchanged(descriptor, found, path)
    return added


def _entry(packer: Packer, found: Found) -> ManifestEntry:
    digest, size_bytes = _add_file(packer, found.source)
    return ManifestEntry(found.path, digest_text(digest), size_bytes, found.executable)


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        try:
            os.unlink(path)  # noqa: PTH108 - ten thousand of them
        except OSError as error:
            raise outside(error, "remove", path) from None


def _without(index: Index, digest: bytes) -> Index:
    """Return an index that no longer says that something is an object."""
    return index._replace(
        chunks=tuple(
            row._replace(flags=row.flags & ~(OBJECT | TREE)) if row.digest == digest else row
            for row in index.chunks
        ),
        recipes=tuple(row for row in index.recipes if row.digest != digest or not row.flags & OBJECT),
    )


def _whole(closure: Closure, is_right: Callable[[bytes], bool]) -> set[bytes]:
    """Return the objects of which all chunks, and all files, are right."""
    whole = {digest for digest, made in closure.made.items() if all(map(is_right, made.chunks))}
    while True:
        broken = {
            digest for digest in whole if any(file not in whole for file in closure.files.get(digest, ()))
        }
        if not broken:
            return whole
        whole -= broken
