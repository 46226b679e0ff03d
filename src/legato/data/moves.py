"""What has to move in the work tree so that a dataset is as the lock says.

Rule: it only looks; bytes that nobody could bring back are named, so that nobody overwrites them unasked.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from legato.data.desk import Desk
from legato.data.globs import fixed_folder, is_glob
from legato.data.lock import Entry
from legato.data.scanning import Scan, scan
from legato.data.snapshots import check_name, look
from legato.data.standing import manifest_of
from legato.domain.artifacts import ManifestEntry
from legato.domain.digests import Digest
from legato.domain.errors import ConflictError, MissingError


class Moves(NamedTuple):
    """What has to move for one dataset.

    Attributes:
        base: The folder that paths are relative to, absolute; the file itself where the dataset is one.
        place: Files to be made.
        remove: Paths of files that are in the way or too many.
        unsafe: Those of the files to go whose bytes are in no store.
        digests: What every file will be, by path.
        folder: The dataset is to be a folder.
    """

    entry: Entry
    base: str
    place: Sequence[ManifestEntry]
    remove: Sequence[str]
    unsafe: Sequence[str]
    digests: dict[str, Digest]
    folder: bool

    @property
    def any(self) -> bool:
        """Whether anything has to move."""
        return bool(self.place or self.remove)


def moves_for(desk: Desk, entry: Entry, *, away: bool = False) -> Moves:
    """Return what has to move so that the work tree has the entry, or (`away`) nothing of it.

    Raises:
        MissingError: Bytes that have to be placed are not in the store.
        ConflictError: The way there leads through a link out of the project.
    """
    wanted = {} if away else _wanted(desk, entry)
    seen = scan(desk.root, entry.name)
    base = _base(desk.root, entry)
    now = _now(desk, entry, seen)
    if seen is not None and seen.tree != entry.tree:  # a file where a folder belongs, or the other way round
        gone, place = list(now), list(wanted.values())
        over = gone
    else:
        gone = [path for path in now if path not in wanted]
        place = [file for path, file in wanted.items() if now.get(path) != _told(file)]
        over = [*gone, *(file.path for file in place if file.path in now)]
    unsafe = _unsafe(desk, [(path, now[path]) for path in over])
    _refuse_missing(desk, entry, place)
    _refuse_outside(desk.root, base, [file.path for file in place] + gone)
    return Moves(
        entry, base, place, gone, unsafe, {path: file.digest for path, file in wanted.items()}, entry.tree
    )


def _base(root: Path, entry: Entry) -> str:
    pattern = is_glob(entry.name) and entry.tree and not os.path.lexists(root / entry.name)
    return os.fspath(root / fixed_folder(entry.name) if pattern else root / entry.name)


def _wanted(desk: Desk, entry: Entry) -> dict[str, ManifestEntry]:
    if not entry.tree:
        return {"": ManifestEntry("", entry.digest, entry.size_bytes)}
    files = manifest_of(desk.store, entry.digest)
    if files is None:
        raise absent(entry)
    return {check_name(file.path): file for file in files}


def _now(desk: Desk, entry: Entry, seen: Scan | None) -> dict[str, str]:
    """Return the digest of each file that is there, `x` at its end where it may be executed."""
    if seen is None or look(desk.root, entry.name, desk.known, seen) is None:
        return {}
    found = desk.known.last(entry.name)
    return (
        found if entry.tree or seen.tree else {"": found[""].removesuffix("x")}
    )  # a lone file has no such mark


def _told(file: ManifestEntry) -> str:
    return file.digest + ("x" if file.executable else "")


def _unsafe(desk: Desk, files: Sequence[tuple[str, str]]) -> list[str]:
    wanted = {path: Digest(told.removesuffix("x")) for path, told in files}
    held = desk.store.has(set(wanted.values()))
    return [path for path, digest in wanted.items() if digest not in held]


def _refuse_missing(desk: Desk, entry: Entry, place: Sequence[ManifestEntry]) -> None:
    wanted = {file.digest for file in place}
    if wanted - desk.store.has(wanted):
        raise absent(entry)


def absent(entry: Entry) -> MissingError:
    """Return the error for a dataset whose bytes are not here."""
    import shlex

    name = shlex.quote(entry.name)
    again = f"legato data update {name}" if entry.source else "legato data pull"
    other = (
        "legato data pull" if entry.source else f"legato data update {name} (takes what is in the work tree)"
    )
    return MissingError(
        f"the bytes of {entry.name!r} ({entry.digest[:19]}) are not in the store",
        hint=f"{again}; or {other}",
    )


def _refuse_outside(root: Path, base: str, paths: Sequence[str]) -> None:
    real = os.path.realpath(root)
    folders = {os.path.dirname(f"{base}/{path}" if path else base) for path in paths}  # noqa: PTH120 - many
    for folder in folders:
        at = os.path.realpath(folder)
        if at != real and not at.startswith(real.rstrip("/") + "/"):
            raise ConflictError(
                f"{folder!r} leads out of the project, to {at!r}",
                hint="nothing was written; remove the symbolic link, or place the data by hand: legato get",
            )
