"""Moves objects and trees from one store to another, and only those that are missing there.

Rule: a call that is killed leaves nothing that has to be put right; the next one moves the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import BinaryIO, Final

from legato.domain.digests import Digest
from legato.domain.errors import MissingError, OutsideError
from legato.domain.graph import Struct
from legato.store.manifest import read_manifest
from legato.store.port import Depot, Source

Told = Callable[[int, int], None]
"""Called with the bytes that have been moved, and with all that are to be."""


_TRIES: Final = 3


class Moved(Struct, frozen=True, kw_only=True):
    """What a push or pull did: objects and bytes that were asked for, and those of them that were missing."""

    objects: int
    size_bytes: int
    moved_objects: int
    moved_bytes: int


def push(local: Depot, remote: Depot, digests: Iterable[Digest], told: Told | None = None) -> Moved:
    """Send objects, and all files of those that are trees, to a remote; what it has does not travel.

    Args:
        local: Where they are; their bytes are checked on the way.
        remote: Where they shall be.
        digests: Of objects and trees.
        told: Hears of progress in bytes, often.

    Raises:
        MissingError: One is not in `local`, or not whole, and not in `remote` either.
        OutsideError: The remote does not answer, or refuses.
    """
    return _move(local, remote, digests, told)


def pull(remote: Depot, local: Depot, digests: Iterable[Digest], told: Told | None = None) -> Moved:
    """Fetch objects, and all files of those that are trees, from a remote; what is here does not travel.

    Arguments and errors are as for `push`.
    """
    return _move(remote, local, digests, told)


def _move(source: Depot, target: Depot, digests: Iterable[Digest], told: Told | None) -> Moved:
    asked = dict.fromkeys(digests)
    there = target.has(asked)
    files, trees = _expanded(source, (digest for digest in asked if digest not in there))
    sizes = files | trees
    missing = _lacking(target, sizes)
    moved = Moved(
        objects=len(there) + len(sizes),
        size_bytes=sum(sizes.values()),
        moved_objects=len(missing),
        moved_bytes=sum(sizes[digest] for digest in missing),
    )
    progress = _Progress(moved.moved_bytes, told)
    for _ in range(_TRIES):
        if not missing:
            return moved
        moving = chain(
            source.open_many([digest for digest in missing if digest not in trees]),
            source.open_many([digest for digest in missing if digest in trees]),  # no tree before its files
        )
        target.put_many(_sources(moving), progress.more)
        target.sync()
        missing = _lacking(target, missing)  # a sweep beside us may have condemned what we relied on
    raise OutsideError(
        f"{missing[0]} does not stay where it is put: something removes it again and again",
        hint="let no sweep of the remote run at the same time, then try again",
    )


def _lacking(target: Depot, digests: Iterable[Digest]) -> list[Digest]:
    wanted = list(digests)
    held = target.has(wanted)
    return [digest for digest in wanted if digest not in held]


class _Progress:
    """Adds up what is done."""

    def __init__(self, total: int, told: Told | None) -> None:
        self._total = total
        self._done = 0
        self._told = told
        self.more(0)

    def more(self, size_bytes: int) -> None:
        """Count some more bytes, and say so."""
        self._done += size_bytes
        if self._told is not None:
            self._told(min(self._done, self._total), self._total)


def _sources(opened: Iterator[tuple[Digest, BinaryIO]]) -> Iterator[Source]:
    for digest, stream in opened:
        with stream:
            yield digest, lambda stream=stream: stream  # type: ignore[misc]


def _expanded(source: Depot, digests: Iterable[Digest]) -> tuple[dict[Digest, int], dict[Digest, int]]:
    """Return files and manifests with their sizes: the objects named, and all that their trees hold."""
    files: dict[Digest, int] = {}
    trees: dict[Digest, int] = {}
    wanted = list(dict.fromkeys(digests))
    while wanted:
        known = source.about(wanted)
        _check_all(wanted, known)
        fresh = [digest for digest in wanted if known[digest].tree and digest not in trees]
        files |= {digest: known[digest].size_bytes for digest in wanted if not known[digest].tree}
        trees |= {digest: known[digest].size_bytes for digest in fresh}
        inside = dict.fromkeys(chain.from_iterable(_files(source, fresh)))
        wanted = [digest for digest in inside if digest not in files and digest not in trees]
    return files, trees


def _files(source: Depot, trees: Iterable[Digest]) -> Iterator[Iterator[Digest]]:
    for _, stream in source.open_many(trees):
        with stream:
            manifest = read_manifest(stream.read())
        yield (file.digest for file in manifest.files)


def _check_all(wanted: Iterable[Digest], known: Mapping[Digest, object]) -> None:
    for digest in wanted:
        if digest not in known:
            raise MissingError(
                f"{digest} is not in the store that it should be taken from",
                hint="run the step that makes it again, or push it from where it was made",
            )
