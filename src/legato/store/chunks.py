"""Cuts bytes into chunks where their content says so, and squeezes a chunk where that helps.

Rule: a chunk is what its SHA-256 says, or it is nothing; how it was cut or squeezed changes no digest.

The cuts are those of FastCDC (Xia et al., 2020) with normalisation 1. 64 KiB on average: smaller ones send less
of a changed table but double the rows of every index; figures in docs/formats/pack.md.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from legato.store.copying import BLOCK
from legato.store.packs import COMPRESSED, MAX_CHUNK, ChunkRow
from legato.store.streams import Readable

AVERAGE: Final = 1 << 16
"""Bytes of an average chunk; an object that is not longer is one chunk."""

RECIPE_AVERAGE: Final = 1 << 12
"""The same for lists of chunks: so that a change in a long list sends little of it."""

_LEVEL: Final = 1
_WORTHWHILE: Final = 0.97
"""A frame that is not shorter than this share of its chunk is not kept."""


def cut(source: Readable, average: int = AVERAGE) -> Iterator[memoryview]:
    """Yield the chunks of what `source` yields; each is valid until the next is asked for.

    Nothing is cut that is not longer than an average chunk; nothing at all gives one empty chunk.
    """
    from pyfastcdc import FastCDC

    begun = read_block(source)
    if len(begun) <= average:
        yield memoryview(begun)
        return
    cutter = FastCDC(average, normalized_chunking=1)
    chunks = cutter.cut_buf(begun) if len(begun) < BLOCK else cutter.cut_stream(Joined(begun, source))
    for chunk in chunks:
        yield memoryview(chunk.data)


def read_block(source: Readable) -> bytes:
    """Return a block of bytes, or all that there are."""
    data = source.read(BLOCK)
    while data and len(data) < BLOCK:
        more = source.read(BLOCK - len(data))
        if not more:
            break
        data += more
    return data


class Joined:
    """What was read of a stream already, and the rest of it."""

    def __init__(self, begun: bytes, source: Readable) -> None:
        self._begun = memoryview(begun)
        self._source = source

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, none at the end."""
        if not self._begun:
            return self._source.read(size)
        data, self._begun = bytes(self._begun[:size]), self._begun[size:]
        return data


class Press:
    """Squeezes chunks, and unfolds them again; not for two threads at once."""

    def __init__(self) -> None:
        import zstandard

        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)

    def squeeze(self, chunk: bytes | memoryview) -> tuple[bytes | memoryview, int]:
        """Return the bytes to store, and the flag that says how."""
        frame = self._compressor.compress(chunk)
        if len(frame) < _WORTHWHILE * len(chunk):
            return frame, COMPRESSED
        return chunk, 0


def unfold(row: ChunkRow, stored: bytes | memoryview) -> bytes | None:
    """Return the bytes of a chunk; None where `stored` is not what its digest says."""
    data = _expanded(stored) if row.flags & COMPRESSED else bytes(stored)
    if data is None or len(data) != row.size_bytes or hashlib.sha256(data).digest() != row.digest:
        return None
    return data


def _expanded(frame: bytes | memoryview) -> bytes | None:
    import zstandard

    try:
        if not 0 <= zstandard.frame_content_size(frame) <= MAX_CHUNK:  # else it may ask for any memory
            return None
        return zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError:
        return None
