"""Packs and their indexes as bytes: many chunks in one object of a bucket, and the table that finds them.

Rule: what is read here came from outside; a table that does not add up is refused whole. Format: docs/formats/pack.md.
"""

import hashlib
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from legato.domain.errors import ConfigurationError, MissingError

PACK_START: Final = b"legato pack 1\n"
INDEX_START: Final = b"legato index 1\n"
MAX_CHUNK: Final = 1 << 20
"""No chunk is longer than this, so none that is read needs more memory."""

COMPRESSED: Final = 1
"""This chunk is a Zstandard frame."""

OBJECT: Final = 2
"""This chunk is an object by itself."""

TREE: Final = 4
"""This object is a manifest."""

_ANY_START: Final = re.compile(rb"legato index (\d{1,9})\n")
_EDITION: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<32sQII")
_CHUNK: Final = struct.Struct("<32sIIIB")
_RECIPE: Final = struct.Struct("<32s32sQB")
_KNOWN: Final = COMPRESSED | OBJECT | TREE


class ChunkRow(NamedTuple):
    """One chunk of a pack: the SHA-256 of its bytes, and where they are stored, maybe compressed."""

    digest: bytes
    offset: int
    stored_bytes: int
    size_bytes: int
    flags: int


class RecipeRow(NamedTuple):
    """One object of several chunks: its SHA-256, that of the list of its chunks, and its size."""

    digest: bytes
    recipe: bytes
    size_bytes: int
    flags: int


class Index(NamedTuple):
    """What one pack holds, and which objects were completed with it."""

    pack: bytes
    pack_bytes: int
    chunks: Sequence[ChunkRow]
    recipes: Sequence[RecipeRow]


def pack_head(edition: int) -> bytes:
    """Return how a pack begins; the edition sets apart packs of equal chunks.

    >>> len(pack_head(0))
    18
    """
    return PACK_START + _EDITION.pack(edition)


PACK_HEAD_BYTES: Final = len(pack_head(0))


def write_index(index: Index) -> bytes:
    """Return an index as bytes, its rows in one order.

    >>> read_index(write_index(Index(b"p" * 32, 18, (), ()))).pack_bytes
    18
    """
    chunks, recipes = sorted(index.chunks), sorted(index.recipes)
    parts = [INDEX_START, _HEAD.pack(index.pack, index.pack_bytes, len(chunks), len(recipes))]
    parts += [_CHUNK.pack(*row) for row in chunks]
    parts += [_RECIPE.pack(*row) for row in recipes]
    return b"".join(parts)


def read_index(data: bytes) -> Index:
    """Return the index that `data` holds; errors are as for `read_table`."""
    return read_table(data).index()


class Table:
    """An index as bytes: its rows are read when they are asked for, so that a million of them fit into memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pack: bytes
        self.pack_bytes: int
        try:
            self.pack, self.pack_bytes, chunks, recipes = _HEAD.unpack_from(data, len(INDEX_START))
        except struct.error:
            raise _altered("it is cut short") from None
        self._first = len(INDEX_START) + _HEAD.size
        self._middle = self._first + chunks * _CHUNK.size
        if len(data) != self._middle + recipes * _RECIPE.size:
            raise _altered(f"it has {len(data)} bytes for {chunks} chunks and {recipes} objects")

    def digests(self) -> Iterator[bytes]:
        """Yield the chunks' digests, in the order of the rows."""
        for at in range(self._first, self._middle, _CHUNK.size):
            yield self.data[at : at + 32]

    def chunk(self, number: int) -> ChunkRow:
        """Return one row."""
        return ChunkRow._make(_CHUNK.unpack_from(self.data, self._first + number * _CHUNK.size))

    def chunks(self) -> Iterator[ChunkRow]:
        """Yield all chunks' rows."""
        return map(ChunkRow._make, _CHUNK.iter_unpack(memoryview(self.data)[self._first : self._middle]))

    def recipes(self) -> Iterator[RecipeRow]:
        """Yield all objects' rows."""
        return map(RecipeRow._make, _RECIPE.iter_unpack(memoryview(self.data)[self._middle :]))

    def index(self) -> Index:
        """Return all of it as values."""
        return Index(self.pack, self.pack_bytes, tuple(self.chunks()), tuple(self.recipes()))


def read_table(data: bytes) -> Table:
    """Return the index that `data` holds, every row of it sound.

    Raises:
        MissingError: It is cut short, or its rows do not fit its pack.
        ConfigurationError: A newer Legato wrote it.
    """
    if not data.startswith(INDEX_START):
        newer = _ANY_START.match(data)
        if newer:
            raise ConfigurationError(
                f"an index of a pack has format {newer[1].decode()!r}; this Legato reads 1",
                hint="upgrade Legato: pip install --upgrade legato",
            )
        raise _altered("it does not begin like one")
    table = Table(data)
    for chunk in table.chunks():
        _check_chunk(chunk, table.pack_bytes)
    return table


def _check_chunk(row: ChunkRow, pack_bytes: int) -> None:
    inside = row.offset >= PACK_HEAD_BYTES and row.offset + row.stored_bytes <= pack_bytes
    whole = row.flags & COMPRESSED or row.stored_bytes == row.size_bytes
    if not inside or not whole or row.size_bytes > MAX_CHUNK or row.flags & ~_KNOWN:
        raise _altered(f"chunk {row.digest.hex()} does not fit the pack")


def _altered(why: str) -> MissingError:
    return MissingError(f"an index of a pack is not used: {why}", hint="push again from where the data is")


class DraftPack:
    """A pack in the making, in memory.

    Args:
        edition: As for `pack_head`.
    """

    def __init__(self, edition: int = 0) -> None:
        self.data = bytearray(pack_head(edition))
        self.chunks: list[ChunkRow] = []
        self.recipes: list[RecipeRow] = []

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to send."""
        return not self.chunks and not self.recipes

    def add(self, digest: bytes, stored: bytes | memoryview, size_bytes: int, flags: int) -> None:
        """Append a chunk as it is stored."""
        self.chunks.append(ChunkRow(digest, len(self.data), len(stored), size_bytes, flags))
        self.data += stored

    def add_pack(self, other: "DraftPack") -> None:
        """Append all that another draft holds."""
        shift = len(self.data) - PACK_HEAD_BYTES
        self.data += memoryview(other.data)[PACK_HEAD_BYTES:]
        self.chunks += [row._replace(offset=row.offset + shift) for row in other.chunks]
        self.recipes += other.recipes

    def set_edition(self, edition: int) -> None:
        """Make another pack of the same chunks."""
        self.data[:PACK_HEAD_BYTES] = pack_head(edition)

    def index(self) -> Index:
        """Return the index of the pack as it is now."""
        return Index(hashlib.sha256(self.data).digest(), len(self.data), self.chunks, self.recipes)
