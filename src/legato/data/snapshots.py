"""What a local dataset is now: its digest, without reading what has not changed; and its way into the store.

Rule: a digest is of bytes that were read in one state of the file; what changes meanwhile is refused, not guessed.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from legato.data.known import Known
from legato.data.scanning import Scan, Seen, scan, state_of
from legato.domain.artifacts import ManifestEntry
from legato.domain.digests import PREFIX, Digest, digest_of
from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.store import Store, write_manifest

Meter = Callable[[str, int], None]
"""Told what is at work, and how many bytes more of it are done."""


def silent(what: str, size_bytes: int) -> None:
    """Be told of progress, and say nothing."""


class Snapshot(NamedTuple):
    """A local dataset as it is now."""

    digest: Digest
    size_bytes: int
    files: int
    tree: bool


def look(root: Path, name: str, known: Known, seen: Scan | None = None) -> Snapshot | None:
    """Return what lies at a path or pattern; None when nothing does. Only what changed is read.

    Raises:
        ConfigurationError: It holds what no dataset can.
        OutsideError: It cannot be read, or changed while it was.
    """
    seen = scan(root, name) if seen is None else seen
    if seen is None:
        return None
    whole = known.whole(name, seen)
    if whole is not None:
        return _snapshot(seen, whole)
    before = known.of(name)
    digests = {file.path: _remembered(before.get(file.path), file) or _hash(file) for file in seen.files}
    return _settle(name, seen, digests, known)


def take(root: Path, name: str, store: Store, known: Known, meter: Meter = silent) -> Snapshot:
    """Put what lies at a path or pattern into the store; what it holds already is not read again.

    Raises:
        MissingError: Nothing is there.
        ConfigurationError: It holds what no dataset can.
        OutsideError: It cannot be read, changed while it was, or the store's disk refuses.
    """
    seen = scan(root, name)
    if seen is None:
        raise MissingError(f"there is nothing at {name}", hint="look for a typing error in the path")
    for file in seen.files:
        check_name(file.path)  # before anything is read: the manifest would refuse it at the end
    before = known.of(name)
    told = {file.path: _remembered(before.get(file.path), file) for file in seen.files}
    held = store.has(digest for digest in told.values() if digest)
    digests: dict[str, Digest] = {}
    for file in seen.files:
        remembered = told[file.path]
        if remembered is None or remembered not in held:
            remembered = _store(file, store)
        digests[file.path] = remembered
        meter(name, file.state[0])
    found = _settle(name, seen, digests, known)
    if seen.tree:
        store.put(io.BytesIO(_manifest(seen, digests)))
    return found


def _settle(name: str, seen: Scan, digests: dict[str, Digest], known: Known) -> Snapshot:
    whole = digest_of(_manifest(seen, digests)) if seen.tree else digests[""]
    known.keep(name, seen, digests, whole)
    return _snapshot(seen, whole)


def _snapshot(seen: Scan, whole: Digest) -> Snapshot:
    return Snapshot(whole, sum(file.state[0] for file in seen.files), len(seen.files), seen.tree)


def _manifest(seen: Scan, digests: dict[str, Digest]) -> bytes:
    return write_manifest(
        ManifestEntry(file.path, digests[file.path], file.state[0], file.executable) for file in seen.files
    )


def _remembered(before: tuple[object, str] | None, file: Seen) -> Digest | None:
    return Digest(before[1].removesuffix("x")) if before is not None and before[0] == file.state else None


def _store(file: Seen, store: Store) -> Digest:
    try:
        placed = store.put_path(Path(file.source))
    except MissingError:
        raise _vanished(file) from None
    _check(file)
    return placed.digest


def _hash(file: Seen) -> Digest:
    import hashlib

    try:
        with open(file.source, "rb", buffering=0) as source:  # noqa: PTH123 - one of ten thousand
            found = hashlib.file_digest(source, "sha256").hexdigest()
    except FileNotFoundError:
        raise _vanished(file) from None
    except OSError as error:
        raise OutsideError(
            f"cannot read {file.source}: {(error.strerror or str(error)).lower()}", hint="look at its rights"
        ) from None
    _check(file)
    return Digest(PREFIX + found)


def _check(file: Seen) -> None:
    """Refuse a file that is not in the state any more in which it was seen."""
    try:
        now = state_of(os.stat(file.source))  # noqa: PTH116 - one of ten thousand
    except OSError:
        raise _vanished(file) from None
    if now[:2] != file.state[:2]:
        raise OutsideError(
            f"{file.source} changed while it was read", hint="try again when nothing writes to it"
        )


def _vanished(file: Seen) -> OutsideError:
    return OutsideError(
        f"{file.source} vanished while it was read", hint="try again when nothing writes there"
    )


def check_name(name: str) -> str:
    """Return a path of a dataset as it is, if the lock and the store can hold it and it is nobody else's.

    Raises:
        ConfigurationError: It cannot be written down, or lies in a repository's own folder, where a file may be run.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"the path {name!r} is not UTF-8", hint="rename the file; other machines could not make it"
        ) from None
    if "git" in name.lower() and ".git" in name.lower().split("/"):
        raise ConfigurationError(
            f"the path {name!r} belongs to a git repository", hint="leave that folder out, or name the files"
        )
    return name
