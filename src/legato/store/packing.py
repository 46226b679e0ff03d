"""Writes objects into packs: what is known is left out, the rest travels in few large requests.

Rule: a pack is written before its index, both under their digests; a writer that dies leaves nothing that is wrong, and
the next one that sends the same makes the same packs, so that it does not send them again.
"""

import hashlib
from collections.abc import Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from types import TracebackType
from typing import Final, Self

from legato.store.bucket_requests import Bucket, Entry
from legato.store.catalogue import BUCKET_FORMAT, FORMAT_PATH, Catalogue, index_path, pack_path
from legato.store.chunks import AVERAGE, RECIPE_AVERAGE, Joined, Press, cut, read_block
from legato.store.copying import BLOCK
from legato.store.intake import check_expected
from legato.store.manifest import MANIFEST_START, is_manifest
from legato.store.packs import OBJECT, TREE, DraftPack, RecipeRow, write_index
from legato.store.streams import Readable

PACK_BYTES: Final = 16 << 20
"""A pack is sent once it is this long: three at once stay below the memory that a push may use."""

UPLOADS: Final = 2
"""Packs on their way while the next one is filled."""

_DIGEST_BYTES: Final = 32


class Packer:
    """One writing into a bucket: opened, given objects in order, closed. For one thread.

    Args:
        bucket: The bucket.
        catalogue: What is known of it, fresh enough that nothing in it was condemned a day ago.
        pack_bytes: How long packs become.
        avoid: Packs that are about to go: what would be the same byte for byte is written in another edition.
    """

    def __init__(
        self,
        bucket: Bucket,
        catalogue: Catalogue,
        pack_bytes: int = PACK_BYTES,
        avoid: Collection[bytes] = (),
    ) -> None:
        self._bucket = bucket
        self._catalogue = catalogue
        self._avoid = avoid
        self._pack_bytes = pack_bytes
        self._press = Press()
        self._data = DraftPack()
        self._lists = DraftPack()
        self._begun: set[bytes] = set()
        self._objects: set[bytes] = set()
        self._pool: ThreadPoolExecutor | None = None
        self._uploads: list[Future[None]] = []

    def __enter__(self) -> Self:
        """Return the packer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is left, unless something went wrong; wait for all that is under way."""
        try:
            if kind is None:
                self._finish()
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def knows(self, digest: bytes) -> bool:
        """Say whether an object is in the bucket, or on its way."""
        return digest in self._objects or self._catalogue.known(digest, sound=True) is not None

    def add(self, source: Readable, expected: bytes = b"") -> tuple[bytes, int]:
        """Take an object and return its digest and size.

        Raises:
            MissingError: It is not what `expected` says, where that says something.
        """
        begun = read_block(source)
        if begun.startswith(MANIFEST_START):
            return self._add_manifest(_rest(begun, source), expected)
        if len(begun) <= AVERAGE:
            return self._add_small(begun, expected, OBJECT, self._data)
        return self._add_large(Joined(begun, source), expected, OBJECT)

    def put_chunk(self, digest: bytes, chunk: bytes | memoryview, flags: int, draft: DraftPack) -> None:
        """Append a chunk that is not known; send the draft when it is full."""
        stored, compressed = self._press.squeeze(chunk)
        draft.add(digest, stored, len(chunk), flags | compressed)
        self._begun.add(digest)
        if len(draft.data) >= self._pack_bytes:
            self._send(draft)

    def copy(self, chunks: Iterable[tuple[bytes, bytes, int]], recipes: Iterable[RecipeRow]) -> None:
        """Take chunks (digest, bytes, flags) and objects of another pack, whether they are known or not."""
        for digest, chunk, flags in chunks:
            self.put_chunk(digest, chunk, flags & (OBJECT | TREE), self._data)
        self._lists.recipes += recipes

    def _add_manifest(self, data: bytes, expected: bytes) -> tuple[bytes, int]:
        flags = OBJECT | TREE if is_manifest(data) else OBJECT
        if len(data) <= AVERAGE:
            return self._add_small(data, expected, flags, self._lists)
        return self._add_large(BytesIO(data), expected, flags)

    def _add_small(self, data: bytes, expected: bytes, flags: int, draft: DraftPack) -> tuple[bytes, int]:
        digest = hashlib.sha256(data).digest()
        if expected:
            check_expected(digest.hex(), expected.hex())
        if not self.knows(digest):
            if self._has(digest):
                self._lists.recipes.append(RecipeRow(digest, digest, len(data), flags))
            else:
                self.put_chunk(digest, data, flags, draft)
            self._objects.add(digest)
        return digest, len(data)

    def _add_large(self, source: Readable, expected: bytes, flags: int) -> tuple[bytes, int]:
        whole = _Hashing(source)
        recipe = bytearray()
        for chunk in cut(whole):
            digest = hashlib.sha256(chunk).digest()
            recipe += digest
            if not self._has(digest):
                self.put_chunk(digest, chunk, 0, self._data)
        digest = whole.digest()
        if expected:
            check_expected(digest.hex(), expected.hex())
        if not self.knows(digest):
            if len(recipe) == _DIGEST_BYTES:  # longer than an average chunk, and yet not cut
                self._lists.recipes.append(RecipeRow(digest, digest, whole.size_bytes, flags))
            else:
                row = RecipeRow(digest, self._add_recipe(bytes(recipe)), whole.size_bytes, flags)
                self._lists.recipes.append(row)
            self._objects.add(digest)
        return digest, whole.size_bytes

    def _add_recipe(self, recipe: bytes) -> bytes:
        """Store a list of chunks: as one chunk, or where it is long, cut into chunks with a list of their own."""
        own = hashlib.sha256(recipe).digest()
        parts = bytearray()
        for part in cut(BytesIO(recipe), RECIPE_AVERAGE):
            digest = hashlib.sha256(part).digest()
            parts += digest
            if not self._has(digest):
                self.put_chunk(digest, part, 0, self._lists)
        if len(parts) > _DIGEST_BYTES and self._catalogue.parts_of(own, sound=True) is None:
            row = RecipeRow(own, self._add_recipe(bytes(parts)), len(recipe), 0)
            self._lists.recipes.append(row)
        return own

    def _has(self, chunk: bytes) -> bool:
        return chunk in self._begun or self._catalogue.is_sound(chunk)

    def _finish(self) -> None:
        if len(self._data.data) + len(self._lists.data) < 2 * self._pack_bytes:
            self._data.add_pack(self._lists)
            self._lists = DraftPack()
        for draft in (self._data, self._lists):
            if not draft.is_empty:
                self._send(draft, last=self._pool is None and draft is self._data)
        for upload in self._uploads:
            upload.result()

    def _send(self, draft: DraftPack, *, last: bool = False) -> None:
        """Send a full pack, when fewer than so many are on their way; the only pack of a writing by itself."""
        if draft is self._data:
            self._data = DraftPack()
        else:
            self._lists = DraftPack()
        if last:
            self._upload(draft)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(UPLOADS)
        if len(self._uploads) >= UPLOADS:
            self._uploads.pop(0).result()
        self._uploads.append(self._pool.submit(self._upload, draft))

    def _upload(self, draft: DraftPack) -> None:
        listing = self._catalogue.listing
        if not listing.packs:
            self._bucket.put_new(FORMAT_PATH, BUCKET_FORMAT)
        edition = 0
        while (index := draft.index()).pack in listing.condemned or index.pack in self._avoid:
            edition += 1
            draft.set_edition(edition)
        path = pack_path(index.pack)
        known = listing.packs.get(index.pack)
        if known is None or known.size_bytes != index.pack_bytes:
            _put(self._bucket, path, draft.data, again=known is not None)
        data = write_index(index)
        name = index_path(index.pack, data)
        _put(self._bucket, name, data, again=name in self._catalogue.damaged)
        self._catalogue.learn(name, data, Entry(path, index.pack_bytes, 0.0))


def _put(bucket: Bucket, path: str, data: bytes | bytearray, *, again: bool) -> None:
    """Write an object under its digest; what is there of another length, or is known to be wrong, is replaced."""
    if not again and bucket.put_new(path, data):
        return
    there = None if again else bucket.head(path)
    if there is None or there.size_bytes != len(data):
        bucket.put(path, data)


class _Hashing:
    """A source of which the digest and size are wanted too."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._hashing = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        data = self._source.read(size)
        self._hashing.update(data)
        self.size_bytes += len(data)
        return data

    def digest(self) -> bytes:
        """Return the SHA-256 of all that was read."""
        return self._hashing.digest()


def _rest(begun: bytes, source: Readable) -> bytes:
    if len(begun) < BLOCK:
        return begun
    parts = [begun]
    while block := source.read(BLOCK):
        parts.append(block)
    return b"".join(parts)
