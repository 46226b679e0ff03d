"""What is in a bucket: which packs hold which chunks, and which objects are whole; learned from its listing.

Rule: a pack counts only if it is listed with the length that its index says, an index only if its bytes are what its
name says; a condemned pack may be read, but nobody new relies on it.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.store.bucket_requests import Bucket, Entry
from legato.store.packs import OBJECT, ChunkRow, Index, RecipeRow, Table, read_table
from legato.store.temporary import open_temporary, space_name

BUCKET_FORMAT: Final = b"1\n"
FORMAT_PATH: Final = "format"
CLOCK_PATH: Final = "clock"

_READERS: Final = 8
_ATTEMPTS: Final = 3
_SPACING: Final = 1 << 32


def pack_path(pack: bytes) -> str:
    """Return where a pack lies."""
    name = pack.hex()
    return f"packs/{name[:2]}/{name}"


def index_path(pack: bytes, data: bytes) -> str:
    """Return where an index lies."""
    return f"indexes/{pack.hex()}-{hashlib.sha256(data).hexdigest()}"


def condemned_path(pack: bytes) -> str:
    """Return where it is written that a pack is condemned."""
    return f"condemned/{pack.hex()}"


class Place(NamedTuple):
    """Where a chunk is stored."""

    pack: bytes
    row: ChunkRow


class Known(NamedTuple):
    """An object: the digest of its list of chunks (or its own, where it is one chunk), its size, its flags."""

    recipe: bytes
    size_bytes: int
    flags: int


class Listing(NamedTuple):
    """One look at the bucket: packs, indexes by name, and condemned packs."""

    packs: Mapping[bytes, Entry]
    indexes: Mapping[str, Entry]
    condemned: Mapping[bytes, Entry]


class Catalogue:
    """What one process knows of a bucket. Safe from many threads.

    Args:
        bucket: The bucket.
        folder: Where indexes are kept from one process to the next; it may be removed at any time.
    """

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self._bucket = bucket
        self._folder = folder
        self._lock = threading.RLock()
        self._listing = Listing({}, {}, {})
        self._tables: dict[str, Table] = {}
        self._numbers: list[str] = []
        self._chunks: dict[bytes, int] = {}
        self._others: dict[bytes, list[int]] = {}
        self._recipes: dict[bytes, list[tuple[str, RecipeRow]]] = {}
        self.damaged: frozenset[str] = frozenset()
        """Paths of indexes that are not what their names say."""

    @property
    def listing(self) -> Listing:
        """The last look at the bucket."""
        return self._listing

    def refresh(self) -> None:
        """Look at the bucket, and read the indexes that are new.

        Raises:
            OutsideError: It cannot be reached.
            ConfigurationError: A newer Legato wrote it.
        """
        with self._lock:
            listing, formatted = self._look()
            if formatted:
                self._check_format()
            gone = self._tables.keys() - listing.indexes.keys()
            self._listing = listing
            if gone:
                self._forget(gone)
            fresh = [name for name in listing.indexes if name not in self._tables]
            self._read_all(fresh)

    def learn(self, path: str, data: bytes, pack: Entry) -> None:
        """Take note of a pack that this process has just written."""
        table = read_table(data)
        with self._lock:
            listing = self._listing
            self._listing = listing._replace(
                packs={**listing.packs, table.pack: pack}
                if table.pack not in listing.packs
                else listing.packs,
                indexes={**listing.indexes, path: Entry(path, len(data), 0.0)},
            )
            self._add(path, table)

    def condemn(self, pack: bytes, why: str) -> None:
        """Write, as far as rights allow, that nobody shall rely on a pack; a sweep removes it later."""
        with self._lock:
            if pack in self._listing.condemned:
                return
            path = condemned_path(pack)
            self._listing = self._listing._replace(
                condemned={**self._listing.condemned, pack: Entry(path, 0, 0.0)}
            )
        try:
            self._bucket.put_new(path, why.encode())
        except OutsideError:  # who may only read still knows it for this process
            return

    def places(self, chunk: bytes) -> list[Place]:
        """Return where a chunk is, the sound places first."""
        with self._lock:
            first = self._chunks.get(chunk)
            if first is None:
                return []
            numbers = [first, *self._others.get(chunk, ())]
            found = [self._place(number) for number in numbers]
            condemned = self._listing.condemned
            return sorted((place for place in found if place), key=lambda place: place.pack in condemned)

    def is_sound(self, chunk: bytes) -> bool:
        """Say whether a chunk is where it may be relied on."""
        places = self.places(chunk)
        return bool(places) and places[0].pack not in self._listing.condemned

    def known(self, digest: bytes, *, sound: bool = False) -> Known | None:
        """Return what is known of an object; with `sound`, only if that may be relied on."""
        with self._lock:
            for place in self.places(digest):
                if place.row.flags & OBJECT and not (sound and place.pack in self._listing.condemned):
                    return Known(digest, place.row.size_bytes, place.row.flags)
        return self.parts_of(digest, sound=sound, flags=OBJECT)

    def parts_of(self, digest: bytes, *, sound: bool = False, flags: int = 0) -> Known | None:
        """Return what is known of bytes that are stored as a list of chunks: an object, or a long list itself."""
        with self._lock:
            for path, row in self._recipes.get(digest, ()):
                condemned = self._tables[path].pack in self._listing.condemned
                if row.flags & flags == flags and self._is_there(path) and not (sound and condemned):
                    return Known(row.recipe, row.size_bytes, row.flags)
        return None

    def objects(self) -> Iterator[bytes]:
        """Yield the digests of all objects that may be relied on."""
        with self._lock:
            sound = [
                table
                for path, table in self._tables.items()
                if table.pack not in self._listing.condemned and self._is_there(path)
            ]
        seen: set[bytes] = set()
        for table in sound:
            rows = [row.digest for row in table.chunks() if row.flags & OBJECT]
            for digest in [*rows, *(row.digest for row in table.recipes() if row.flags & OBJECT)]:
                if digest not in seen:
                    seen.add(digest)
                    yield digest

    def indexes(self) -> dict[str, Index]:
        """Return all indexes by their paths, whether their packs are there or not."""
        with self._lock:
            return {path: table.index() for path, table in self._tables.items()}

    def _place(self, number: int) -> Place | None:
        path = self._numbers[number // _SPACING]
        if not self._is_there(path):
            return None
        table = self._tables[path]
        return Place(table.pack, table.chunk(number % _SPACING))

    def _is_there(self, path: str) -> bool:
        table = self._tables.get(path)
        entry = table and self._listing.packs.get(table.pack)
        return bool(table and entry and entry.size_bytes == table.pack_bytes)

    def _look(self) -> tuple[Listing, bool]:
        packs: dict[bytes, Entry] = {}
        condemned: dict[bytes, Entry] = {}
        indexes: dict[str, Entry] = {}
        formatted = False
        for entry in self._bucket.list():
            folder, _, rest = entry.path.partition("/")
            formatted = formatted or entry.path == FORMAT_PATH
            if folder == "indexes" and _is_index(rest):
                indexes[entry.path] = entry
            elif folder == "packs" and (pack := _digits(rest.rpartition("/")[2])):
                packs[pack] = entry
            elif folder == "condemned" and (pack := _digits(rest)):
                condemned[pack] = entry
        return Listing(packs, indexes, condemned), formatted

    def _check_format(self) -> None:
        text = self._bucket.get(FORMAT_PATH)
        number = b"1" if text is None else bytes(text).strip()
        if not number.isdigit():
            raise ConfigurationError(
                f"{FORMAT_PATH} of the store {self._bucket.name} holds {number[:20]!r} and no number: it was altered",
                hint=f"look at what else was altered there; remove {FORMAT_PATH}, and the next push writes it anew",
            )
        if number != BUCKET_FORMAT.strip():
            raise ConfigurationError(
                f"the store {self._bucket.name} has format {number[:20].decode()}; this Legato reads 1",
                hint="upgrade Legato: pip install --upgrade legato",
            )

    def _read_all(self, paths: list[str]) -> None:
        if not paths:
            return
        damaged = set(self.damaged)
        with ThreadPoolExecutor(min(_READERS, len(paths))) as pool:
            for path, table in zip(paths, pool.map(self._read, paths), strict=True):
                if table is None:
                    damaged.add(path)
                else:
                    damaged.discard(path)
                    self._add(path, table)
        self.damaged = frozenset(damaged)
        readable = {table.pack for table in self._tables.values()}
        for path in self.damaged.intersection(paths):
            pack = bytes.fromhex(path.rpartition("/")[2].partition("-")[0])
            if pack not in readable:
                self._set_aside(path, pack)

    def _set_aside(self, path: str, pack: bytes) -> None:
        """Condemn the pack of a damaged index: who still has a good copy of that learns so to send it again."""
        if self._bucket.head(path) is None:  # a sweep took it since it was listed
            return
        self.condemn(pack, f"{path} is not what it was\n")

    def _read(self, path: str) -> Table | None:
        """Return an index, from here or from the bucket; None where it is not what its name says."""
        kept = self._folder / path.rpartition("/")[2]
        try:
            table = _checked(path, kept.read_bytes())
        except OSError:
            table = None
        for attempt in range(_ATTEMPTS):  # what came wrong once may come right
            if table is not None:
                return table
            if attempt:
                self._bucket.pause(attempt - 1)
            data = self._bucket.get(path)
            table = None if data is None else _checked(path, bytes(data))
            if table is not None:
                self._keep(kept, table)
        return table

    def _keep(self, path: Path, table: Table) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, fresh = open_temporary(os.fspath(self._folder), space_name())
            with os.fdopen(descriptor, "wb") as target:
                target.write(table.data)
            Path(fresh).rename(path)
        except OSError:  # it only spares asking again
            return

    def _add(self, path: str, table: Table) -> None:
        if path in self._tables:
            return
        number = len(self._numbers) * _SPACING
        self._numbers.append(path)
        self._tables[path] = table
        for row, digest in enumerate(table.digests()):
            first = self._chunks.setdefault(digest, number + row)
            if first != number + row:
                self._others.setdefault(digest, []).append(number + row)
        for recipe in table.recipes():
            self._recipes.setdefault(recipe.digest, []).append((path, recipe))

    def _forget(self, gone: "set[str]") -> None:
        tables = {path: table for path, table in self._tables.items() if path not in gone}
        self._tables, self._numbers = {}, []
        self._chunks, self._others, self._recipes = {}, {}, {}
        for path, table in tables.items():
            self._add(path, table)
        for path in gone:
            (self._folder / path.rpartition("/")[2]).unlink(missing_ok=True)


def _digits(name: str) -> bytes:
    try:
        digest = bytes.fromhex(name)
    except ValueError:
        return b""
    return digest if len(digest) == hashlib.sha256().digest_size and digest.hex() == name else b""


def _is_index(name: str) -> bool:
    pack, _, own = name.partition("-")
    return bool(_digits(pack) and _digits(own))


def _checked(path: str, data: bytes) -> Table | None:
    """Return the table if its bytes and its pack are those of its name."""
    pack, _, own = path.rpartition("/")[2].partition("-")
    if hashlib.sha256(data).hexdigest() != own:
        return None
    try:
        table = read_table(data)
    except MissingError:
        return None
    return table if table.pack.hex() == pack else None
