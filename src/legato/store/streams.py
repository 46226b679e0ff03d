"""Streams that watch what is read through them.

Rule: they change no byte; what they learn is told as it happens.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from typing import Protocol

from legato.domain.errors import MissingError


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        ...


class Counted:
    """A source of bytes that tells how many were read; only `read` is there, as `put` needs no more."""

    def __init__(self, source: Readable, told: Callable[[int], None]) -> None:
        self._source = source
        self._told = told

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        data = self._source.read(size)
        if data:
            self._told(len(data))
        return data


class Checked(io.RawIOBase):
    """An object to read once, from start to end, made of chunks that come when they are needed.

    Args:
        pieces: Where its chunks come from, each checked already.
        count: How many of them are this object.
        digest: What the SHA-256 of all of them must be, else the end is never reached.
    """

    def __init__(self, pieces: Iterator[bytes], count: int, digest: bytes) -> None:
        self._pieces = pieces
        self._left = count
        self._digest = digest
        self._alone = count == 1  # its chunk has its own digest, and was checked
        self._hashing = hashlib.sha256()
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # narrower than any buffer
        """Fill as much of `buffer` as one chunk can.

        Raises:
            MissingError: The bytes are not what the digest says.
        """
        while not self._piece and self._left:
            self._next()
        count = min(len(buffer), len(self._piece))
        memoryview(buffer)[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def skip(self) -> None:
        """Pass over what was not read."""
        while self._left:
            self._left -= 1
            next(self._pieces)

    def _next(self) -> None:
        piece = next(self._pieces)
        self._left -= 1
        if not self._alone:
            self._hashing.update(piece)
            if not self._left and self._hashing.digest() != self._digest:
                raise MissingError(
                    f"sha256:{self._digest.hex()} was damaged: its list of chunks belongs to something else",
                    hint="push it again from where it was made, or run the step that makes it again",
                )
        self._piece = memoryview(piece)
