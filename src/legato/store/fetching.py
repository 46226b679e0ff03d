"""Reads chunks out of packs: few requests, several at once, every chunk checked, in bounded memory.

Rule: no byte of a chunk is handed out before its SHA-256 was right; a pack that keeps giving wrong bytes is condemned.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from legato.domain.digests import PREFIX
from legato.domain.errors import MissingError
from legato.store.bucket_requests import Bucket
from legato.store.catalogue import Catalogue, Place, pack_path
from legato.store.chunks import unfold
from legato.store.packs import ChunkRow

WINDOW_BYTES: Final = 6 << 20
"""Stored bytes that are asked for together."""

_WINDOW_CHUNKS: Final = 4096
_AHEAD: Final = 3
"""Windows under way while one is used."""

_GAP_BYTES: Final = 1 << 17
"""Unwanted bytes that are read rather than asking twice."""

_ATTEMPTS: Final = 3
"""So often a chunk is asked for before its pack is condemned: another writer may just be putting it there again."""


class Need(NamedTuple):
    """A chunk that is wanted, and the object it is part of, for the words of an error."""

    chunk: bytes
    owner: bytes


class _Range(NamedTuple):
    pack: bytes
    start: int
    end: int
    rows: list[ChunkRow]


class _Window(NamedTuple):
    needs: list[Need]
    parts: "list[Future[dict[bytes, memoryview]]]"


class Fetcher:
    """Reads the chunks of one bucket. Safe from many threads.

    Args:
        bucket: The bucket.
        catalogue: What is known of it.
    """

    def __init__(self, bucket: Bucket, catalogue: Catalogue) -> None:
        self._bucket = bucket
        self._catalogue = catalogue

    def read(self, needs: Iterable[Need]) -> Iterator[bytes]:
        """Yield the chunks that are wanted, in their order.

        Raises:
            MissingError: One is not there, or nowhere whole.
        """
        windows = self._windows(needs)
        first = next(windows, None)
        if first is None:
            return
        if len(first) == 1:
            yield self._one(first[0])
            return
        with ThreadPoolExecutor(_AHEAD + 1) as pool:
            ahead: deque[_Window] = deque([self._begun(first, pool)])
            try:
                while ahead:
                    for window in windows:
                        ahead.append(self._begun(window, pool))
                        if len(ahead) > _AHEAD:
                            break
                    yield from self._unfolded(ahead.popleft())
            finally:
                for window_ in ahead:
                    for part in window_.parts:
                        part.cancel()

    def right(self, chunks: Iterable[bytes]) -> set[bytes]:
        """Return those chunks that can be read, and are what their digests say."""
        wanted = [chunk for chunk in dict.fromkeys(chunks) if self._catalogue.places(chunk)]
        found: set[bytes] = set()
        at = 0
        while at < len(wanted):
            try:
                for _ in self.read(Need(chunk, chunk) for chunk in wanted[at:]):
                    found.add(wanted[at])
                    at += 1
            except MissingError:  # about the one whose turn it was
                at += 1
        return found

    def _windows(self, needs: Iterable[Need]) -> Iterator[list[Need]]:
        window: list[Need] = []
        seen: set[bytes] = set()
        stored_bytes = 0
        for need in needs:
            if need.chunk not in seen:
                seen.add(need.chunk)
                stored_bytes += self._place(need).row.stored_bytes
            window.append(need)
            if stored_bytes >= WINDOW_BYTES or len(window) >= _WINDOW_CHUNKS:
                yield window
                window, seen, stored_bytes = [], set(), 0
        if window:
            yield window

    def _begun(self, needs: list[Need], pool: ThreadPoolExecutor) -> _Window:
        places = {need.chunk: self._place(need) for need in needs}
        return _Window(needs, [pool.submit(self._stored, part) for part in _ranges(places.values())])

    def _stored(self, part: _Range) -> dict[bytes, memoryview]:
        """Return the stored bytes of the chunks of a range, as many as came."""
        data = self._bucket.get_range(pack_path(part.pack), part.start, part.end)
        if data is None:
            return {}
        return {
            row.digest: data[row.offset - part.start : row.offset - part.start + row.stored_bytes]
            for row in part.rows
        }

    def _unfolded(self, window: _Window) -> Iterator[bytes]:
        stored: dict[bytes, memoryview] = {}
        for part in window.parts:
            stored |= part.result()
        last = (b"", b"")  # equal chunks in a row are unfolded once
        for need in window.needs:
            if need.chunk != last[0]:
                last = need.chunk, self._checked(need, stored.get(need.chunk))
            yield last[1]

    def _checked(self, need: Need, stored: memoryview | None) -> bytes:
        if stored is not None:
            data = unfold(self._place(need).row, stored)
            if data is not None:
                return data
        return self._one(need)

    def _one(self, need: Need) -> bytes:
        """Return one chunk by a request of its own, from wherever it is whole."""
        for attempt in range(2):
            for place in self._catalogue.places(need.chunk):
                data = self._from(place)
                if data is not None:
                    return data
            if not attempt:
                self._catalogue.refresh()  # another process may have moved it
        raise self._lost(need)

    def _from(self, place: Place) -> bytes | None:
        row = place.row
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._bucket.pause(attempt - 1)
            stored = self._bucket.get_range(pack_path(place.pack), row.offset, row.offset + row.stored_bytes)
            if stored is None:
                return None
            data = unfold(row, stored)
            if data is not None:
                return data
        self._catalogue.condemn(place.pack, f"chunk {row.digest.hex()} is not what it was\n")
        return None

    def _place(self, need: Need) -> Place:
        places = self._catalogue.places(need.chunk)
        if not places:
            self._catalogue.refresh()
            places = self._catalogue.places(need.chunk)
        if not places:
            raise self._lost(need)
        return places[0]

    def _lost(self, need: Need) -> MissingError:
        packs = [place.pack.hex() for place in self._catalogue.places(need.chunk)]
        where = f"pack {packs[0]} is damaged" if packs else "a pack or index of it is gone or damaged"
        return MissingError(
            f"{PREFIX}{need.owner.hex()} in the store {self._bucket.name} is not whole: {where}",
            hint="push it again from where it was made, or run the step that makes it again",
        )


def _ranges(places: Iterable[Place]) -> list[_Range]:
    """Return the stretches of packs to read, near ones as one."""
    found: list[_Range] = []
    for place in sorted(places, key=lambda place: (place.pack, place.row.offset)):
        row = place.row
        end = row.offset + row.stored_bytes
        last = found[-1] if found else None
        if last and last.pack == place.pack and row.offset - last.end <= _GAP_BYTES:
            last.rows.append(row)
            found[-1] = last._replace(end=max(end, last.end))
        else:
            found.append(_Range(place.pack, row.offset, end, [row]))
    return found
