"""Which chunks the objects of a bucket are made of: reads lists of chunks, and lists of such lists.

Rule: a list is used only if its bytes are what its digest says.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from legato.domain.digests import PREFIX, Digest
from legato.domain.errors import ConfigurationError, MissingError
from legato.store.catalogue import Catalogue, Known
from legato.store.fetching import Fetcher, Need
from legato.store.manifest import read_manifest
from legato.store.packs import TREE

_DEEPEST: Final = 8
"""More lists of lists than this no honest writer makes: each holds over a hundred times as much as the one below."""

_DIGEST_BYTES: Final = 32


class Made(NamedTuple):
    """What one object is made of: its chunks in order, all chunks of its lists, and the lists' digests."""

    chunks: list[bytes]
    list_chunks: list[bytes]
    lists: list[bytes]


class Recipes:
    """Reads what the objects of one bucket are made of.

    Args:
        catalogue: What is known of the bucket.
        fetcher: Reads its chunks.
    """

    def __init__(self, catalogue: Catalogue, fetcher: Fetcher) -> None:
        self._catalogue = catalogue
        self._fetcher = fetcher

    def made_of(self, objects: Mapping[bytes, Known]) -> dict[bytes, Made]:
        """Return what objects are made of.

        Raises:
            MissingError: A list is not there, or not whole.
        """
        wanted = {known.recipe for digest, known in objects.items() if known.recipe != digest}
        lists = self._lists(wanted, 0)
        return {
            digest: Made([digest], [], []) if known.recipe == digest else lists[known.recipe]
            for digest, known in objects.items()
        }

    def whole(self, objects: Mapping[bytes, Known]) -> dict[bytes, Made]:
        """Return the same for those of them whose lists can be read."""
        try:
            return self.made_of(objects)
        except MissingError:
            if len(objects) == 1:
                return {}
        found: dict[bytes, Made] = {}
        for digest, known in objects.items():
            found |= self.whole({digest: known})
        return found

    def read(self, made: Mapping[bytes, Made]) -> dict[bytes, bytes]:
        """Return the bytes of objects, which are known to be small.

        Raises:
            MissingError: One is not whole.
        """
        pieces = self._fetcher.read(
            Need(chunk, digest) for digest, parts in made.items() for chunk in parts.chunks
        )
        found = {digest: b"".join(next(pieces) for _ in parts.chunks) for digest, parts in made.items()}
        for digest, data in found.items():
            _check(digest, data)
        return found

    def files(self, trees: Mapping[bytes, Made]) -> dict[bytes, list[bytes]]:
        """Return the digests of the files of those trees that can be read."""
        found: dict[bytes, list[bytes]] = {}
        for digest, made in trees.items():
            try:
                manifest = read_manifest(self.read({digest: made})[digest])
            except (MissingError, ConfigurationError):
                continue
            found[digest] = [bytes.fromhex(file.digest.removeprefix(PREFIX)) for file in manifest.files]
        return found

    def closure(self, digests: Iterable[bytes], *, sound: bool) -> "Closure":
        """Follow objects and trees down to chunks, and leave out those that cannot be followed.

        Args:
            digests: Of objects; those that are not known are passed over.
            sound: Only what may be relied on counts.
        """
        closure = Closure({}, {})
        wanted = set(digests)
        while wanted:
            known = {digest: self._catalogue.known(digest, sound=sound) for digest in wanted}
            made = self.whole({digest: found for digest, found in known.items() if found is not None})
            closure.made.update(made)
            trees = {digest: made[digest] for digest in made if _is_tree(known[digest])}
            files = self.files(trees)
            for digest in trees.keys() - files.keys():
                del closure.made[digest]
            closure.files.update(files)
            wanted = {file for inside in files.values() for file in inside} - closure.made.keys() - wanted
        return closure

    def whole_closure(self, digests: Iterable[bytes]) -> "Closure":
        """Follow all objects that are known, also in condemned packs.

        Raises:
            MissingError: One cannot be followed, so it cannot be told what it needs.
        """
        wanted = set(digests)
        closure = self.closure(wanted, sound=False)
        wanted.update(file for files in closure.files.values() for file in files)
        for digest in wanted - closure.made.keys():
            if self._catalogue.known(digest) is not None:
                raise MissingError(
                    f"{digest_text(digest)} is wanted, but it is damaged: what it is made of cannot be told",
                    hint="push it again from where it was made; until then nothing is swept",
                )
        return closure

    def _lists(self, wanted: Iterable[bytes], depth: int) -> dict[bytes, Made]:
        wanted = set(wanted)
        if not wanted:
            return {}
        upper: dict[bytes, bytes] = {}
        for digest in wanted:
            if not self._catalogue.places(digest):
                known = self._catalogue.parts_of(digest)
                if known is None or depth == _DEEPEST:
                    raise _lost(digest)
                upper[digest] = known.recipe
        below = self._lists(upper.values(), depth + 1)
        parts = {
            digest: below[upper[digest]] if digest in upper else Made([digest], [], []) for digest in wanted
        }
        contents = self.read(parts)
        return {
            digest: Made(
                _split(digest, contents[digest]), [*part.list_chunks, *part.chunks], [*part.lists, digest]
            )
            for digest, part in parts.items()
        }


class Closure(NamedTuple):
    """All objects that were found, what they are made of, and the files of those that are trees."""

    made: dict[bytes, Made]
    files: dict[bytes, list[bytes]]


def digest_text(digest: bytes) -> Digest:
    """Return a digest as people and ports write it."""
    return Digest(PREFIX + digest.hex())


def _is_tree(known: Known | None) -> bool:
    return known is not None and bool(known.flags & TREE)


def _check(digest: bytes, data: bytes) -> None:
    if hashlib.sha256(data).digest() != digest:
        raise _lost(digest)


def _split(digest: bytes, data: bytes) -> list[bytes]:
    if len(data) % _DIGEST_BYTES:
        raise _lost(digest)
    return [data[at : at + _DIGEST_BYTES] for at in range(0, len(data), _DIGEST_BYTES)]


def _lost(digest: bytes) -> MissingError:
    return MissingError(
        f"the list of chunks sha256:{digest.hex()} is gone or damaged",
        hint="push again from where the data is",
    )
