"""Sweeps a bucket: condemns packs that hold nothing wanted, saves what is wanted, deletes after the grace.

Rule: a pack is deleted only when it has been condemned for the whole grace by the bucket's own clock, and only after
whatever is wanted of it was copied; so a writer who did not see it condemned loses nothing.
Format: docs/formats/pack.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from legato.domain.errors import MissingError, OutsideError
from legato.store.bucket_requests import Bucket
from legato.store.catalogue import CLOCK_PATH, Catalogue, condemned_path, pack_path
from legato.store.fetching import Fetcher, Need
from legato.store.packing import PACK_BYTES, Packer
from legato.store.packs import OBJECT, ChunkRow, Index, RecipeRow
from legato.store.port import Swept
from legato.store.recipes import Closure, Recipes

_SMALL_BYTES: Final = PACK_BYTES // 16
_MANY_SMALL: Final = 32
"""So many small packs are written anew as few large ones."""

_NO_REASON: Final = b"unwanted\n"


class _Share(NamedTuple):
    """What is wanted of one pack: chunks and objects that nothing else holds, and their bytes as stored."""

    chunks: list[ChunkRow]
    recipes: list[RecipeRow]
    live_bytes: int
    objects: int
    dead_bytes: int = 0

    @property
    def is_wanted(self) -> bool:
        """Say whether anything is."""
        return bool(self.chunks or self.recipes)

    @property
    def is_mostly_dead(self) -> bool:
        """Say whether less than half of its content is wanted; what a pack adds to that does not count."""
        return self.live_bytes < self.dead_bytes


_NOTHING: Final = _Share([], [], 0, 0)


class _Verdict(NamedTuple):
    """What becomes of the packs."""

    copied: dict[bytes, _Share]
    condemned: set[bytes]
    pardoned: set[bytes]
    deleted: set[bytes]


class BucketSweep:
    """One sweep.

    Args:
        bucket: The bucket.
        catalogue: What is known of it.
        fetcher: Reads its chunks.
        grace_s: How long a pack stays condemned, in seconds of the bucket's clock.
    """

    def __init__(self, bucket: Bucket, catalogue: Catalogue, fetcher: Fetcher, grace_s: float) -> None:
        self._bucket = bucket
        self._catalogue = catalogue
        self._fetcher = fetcher
        self._grace_s = grace_s

    def run(self, keep: Iterable[bytes], *, dry_run: bool) -> Swept:
        """Sweep, and return what was done or would be."""
        self._catalogue.refresh()
        now_s = self._now_s(dry_run=dry_run)
        self._catalogue.refresh()
        sizes = {pack: entry.size_bytes for pack, entry in self._catalogue.listing.packs.items()}
        waiting = self._catalogue.listing.condemned.keys()
        wanted = set(keep)
        closure = Recipes(self._catalogue, self._fetcher).whole_closure(wanted)
        wanted.update(file for files in closure.files.values() for file in files)
        spared = self._unreadable() if wanted - closure.made.keys() else frozenset()
        shares = self._shares(closure)
        verdict = self._verdict(shares, now_s, spared)
        if not self._grace_s:
            verdict.deleted.update(verdict.condemned)
        condemned = verdict.condemned - verdict.deleted
        rewritten_bytes = sum(share.live_bytes for share in verdict.copied.values())
        going = verdict.deleted | condemned | (waiting - verdict.pardoned - spared)
        if not dry_run:
            self._bucket.tidy(now_s - self._grace_s)
            self._carry_out(verdict)
        return Swept(
            freed_bytes=sum(sizes.get(pack, 0) for pack in verdict.deleted),
            condemned_bytes=sum(sizes[pack] for pack in condemned),
            rewritten_bytes=rewritten_bytes,
            kept_bytes=sum(size for pack, size in sizes.items() if pack not in going) + rewritten_bytes,
            objects=sum(
                shares[pack].objects for pack in verdict.condemned | verdict.deleted if pack in shares
            ),
        )

    def _now_s(self, *, dry_run: bool) -> float:
        """Return the time by the bucket's clock; a dry run, which writes nothing, knows only that it is not earlier."""
        if not dry_run:
            self._bucket.put(CLOCK_PATH, b"the time of the last sweep\n")
        found = self._bucket.head(CLOCK_PATH)
        listing = self._catalogue.listing
        entries = [*listing.packs.values(), *listing.indexes.values(), *listing.condemned.values()]
        return max((entry.written_at for entry in [*entries, *([found] if found else [])]), default=0.0)

    def _unreadable(self) -> frozenset[bytes]:
        """Return the packs whose indexes are all damaged: they may hold what is wanted and not found elsewhere."""
        indexed = {index.pack for index in self._catalogue.indexes().values()}
        names = (path.rpartition("/")[2].partition("-")[0] for path in self._catalogue.damaged)
        return frozenset(map(bytes.fromhex, names)) - indexed

    def _shares(self, closure: Closure) -> dict[bytes, _Share]:
        """Return, for every pack that is listed, what is wanted of it."""
        chunks: set[bytes] = set()
        objects = set(closure.made)
        for made in closure.made.values():
            chunks.update(made.chunks, made.list_chunks)
            objects.update(made.lists)
        shares = {pack: _Share([], [], 0, 0) for pack in self._catalogue.listing.packs}
        for index in self._in_order():
            share = shares.get(index.pack)
            if share is not None:
                shares[index.pack] = _taken(share, index, chunks, objects)
        return shares

    def _in_order(self) -> Iterator[Index]:
        """Yield indexes, those of sound packs first: what they hold need not be taken from condemned ones."""
        condemned, packs = self._catalogue.listing.condemned, self._catalogue.listing.packs
        for index in sorted(
            self._catalogue.indexes().values(), key=lambda index: (index.pack in condemned, -index.pack_bytes)
        ):
            entry = packs.get(index.pack)
            if entry is not None and entry.size_bytes == index.pack_bytes:
                yield index

    def _verdict(self, shares: dict[bytes, _Share], now_s: float, spared: frozenset[bytes]) -> _Verdict:
        verdict = _Verdict({}, set(), set(), set())
        for pack, marker in self._catalogue.listing.condemned.items():
            if pack in spared:
                continue
            self._judge_condemned(verdict, pack, shares.get(pack, _NOTHING), now_s - marker.written_at)
        small = self._small(shares)
        indexed = {index.pack for index in self._catalogue.indexes().values()}
        for pack, share in shares.items():
            entry = self._catalogue.listing.packs[pack]
            young = (
                pack not in indexed and now_s - entry.written_at < self._grace_s
            )  # its index may be on its way
            if young or pack in spared or pack in self._catalogue.listing.condemned:
                continue
            if not share.is_wanted:
                verdict.condemned.add(pack)
            elif share.is_mostly_dead or pack in small:
                verdict.copied[pack] = share
                verdict.condemned.add(pack)
        return verdict

    def _judge_condemned(self, verdict: _Verdict, pack: bytes, share: _Share, age_s: float) -> None:
        if share.is_wanted and self._may_pardon(pack, share, age_s):
            verdict.pardoned.add(pack)
            return
        if share.is_wanted:
            verdict.copied[pack] = share
        if age_s >= self._grace_s:
            verdict.deleted.add(pack)

    def _may_pardon(self, pack: bytes, share: _Share, age_s: float) -> bool:
        """Say whether a pack was condemned so lately, and not for damage, that no other sweep is about to delete it."""
        if age_s >= self._grace_s / 2 or share.is_mostly_dead:
            return False
        return bytes(self._bucket.get(condemned_path(pack)) or b"") == _NO_REASON

    def _small(self, shares: dict[bytes, _Share]) -> set[bytes]:
        listing = self._catalogue.listing
        small = {
            pack
            for pack, share in shares.items()
            if share.chunks
            and pack not in listing.condemned
            and listing.packs[pack].size_bytes < _SMALL_BYTES
        }
        return small if len(small) >= _MANY_SMALL else set()

    def _carry_out(self, verdict: _Verdict) -> None:
        for pack in verdict.pardoned:
            self._bucket.delete(condemned_path(pack))
        going = frozenset(verdict.condemned | verdict.deleted)  # a copy may be byte for byte what is to go
        with Packer(self._bucket, self._catalogue, avoid=going) as packer:
            for _, share in sorted(verdict.copied.items()):
                packer.copy(self._read(share), share.recipes)
        for pack in sorted(verdict.condemned):
            self._bucket.put_new(condemned_path(pack), _NO_REASON)
        names = defaultdict(list)
        for name in self._catalogue.listing.indexes:
            names[name.rpartition("/")[2].partition("-")[0]].append(name)
        for pack in sorted(verdict.deleted):
            for name in names[pack.hex()]:
                self._bucket.delete(name)
            self._bucket.delete(pack_path(pack))
            self._bucket.delete(condemned_path(pack))
        self._catalogue.refresh()

    def _read(self, share: _Share) -> Iterator[tuple[bytes, bytes, int]]:
        """Yield what is wanted of a pack; of a damaged one, what is left."""
        rows = sorted(share.chunks, key=lambda row: row.offset)
        chunks = self._fetcher.read(Need(row.digest, row.digest) for row in rows)
        for at, row in enumerate(rows):
            try:
                yield row.digest, next(chunks), row.flags
            except (MissingError, StopIteration):
                yield from self._read_singly(rows[at:])
                return

    def _read_singly(self, rows: Iterable[ChunkRow]) -> Iterator[tuple[bytes, bytes, int]]:
        for row in rows:
            try:
                yield row.digest, next(self._fetcher.read([Need(row.digest, row.digest)])), row.flags
            except (MissingError, OutsideError):
                continue


def _taken(share: _Share, index: Index, chunks: set[bytes], objects: set[bytes]) -> _Share:
    """Return the share with what an index adds to it; what is taken is not wanted any more."""
    live_bytes, dead_bytes, unwanted = share.live_bytes, share.dead_bytes, share.objects
    for row in index.chunks:
        is_object = bool(row.flags & OBJECT) and row.digest in objects
        if row.digest in chunks or is_object:
            share.chunks.append(row)
            live_bytes += row.stored_bytes
            chunks.discard(row.digest)
            objects.discard(row.digest) if is_object else None
            continue
        dead_bytes += row.stored_bytes
        if row.flags & OBJECT:
            unwanted += 1
    for recipe in index.recipes:
        if recipe.digest in objects:
            share.recipes.append(recipe)
            objects.discard(recipe.digest)
        elif recipe.flags & OBJECT:
            unwanted += 1
    return share._replace(live_bytes=live_bytes, dead_bytes=dead_bytes, objects=unwanted)
