"""`legato.lock`: which bytes each dataset stands for.

Rule: one line a dataset, sorted, an unchanged empty line between any two, so that git merges lines that differ.
Format: docs/formats/lock.md.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from legato.data.scratch import move, umask
from legato.domain.digests import Digest, canonical, is_digest
from legato.domain.errors import ConfigurationError, ConflictError, OutsideError
from legato.domain.graph import Struct

LOCK_FORMAT: Final = 1
FILE: Final = "legato.lock"
_HEAD: Final = '{"legato.lock":1}'
_OURS, _BASE, _SPLIT, _THEIRS = "<<<<<<<", "|||||||", "=======", ">>>>>>>"


class Entry(Struct, frozen=True, kw_only=True):
    """What one dataset stands for.

    Attributes:
        name: A path or pattern relative to the lock's folder; for a source elsewhere the dataset's name.
        digest: Of the bytes, or of the manifest where `tree` is true.
        size_bytes: Of all files.
        files: How many.
        version: What the source answered when it was asked for its version; empty for files.
        source: Where it comes from, without secrets; empty for files.
        query: Names the query that was asked (the first digits of its digest).
        format: How the bytes are read (`file/1`, `folder/1`, `arrow/1`).
        file: The name that the bytes came with, where `name` does not say it.
    """

    name: str
    digest: Digest
    size_bytes: int = 0
    files: int = 1
    tree: bool = False
    version: str = ""
    source: str = ""
    query: str = ""
    format: str = "file/1"
    file: str = ""


class Lock:
    """The entries of one file by name.

    Attributes:
        torn: For names that a merge left in conflict: what either side says (None: not there).
    """

    def __init__(
        self,
        entries: Mapping[str, Entry] | None = None,
        torn: Mapping[str, tuple[Entry | None, Entry | None]] | None = None,
    ) -> None:
        self.entries: dict[str, Entry] = dict(entries or {})
        self.torn = dict(torn or {})

    def whole(self) -> "Lock":
        """Return the lock itself; raises ConflictError where a merge left it in conflict."""
        for name, (ours, theirs) in self.torn.items():
            said = " and ".join(side.digest[:19] if side else "nothing" for side in (ours, theirs))
            raise ConflictError(
                f"{FILE} has a merge conflict at {name!r}: {said}",
                hint="put the data right that you want (theirs: legato data pull, then legato data checkout "
                f"{_quoted([name])} --rev MERGE_HEAD), then type: legato data update {_quoted(self.torn)}",
            )
        return self

    def get(self, name: str) -> Entry | None:
        """Return the entry of a name; raises ConflictError where a merge left that one in conflict."""
        if name in self.torn:
            self.whole()
        return self.entries.get(name)

    def put(self, entry: Entry) -> None:
        """Set an entry; a conflict over it is over."""
        self.torn.pop(entry.name, None)
        self.entries[entry.name] = entry

    def drop(self, name: str) -> None:
        """Take a name out; a conflict over it is over."""
        self.torn.pop(name, None)
        self.entries.pop(name, None)


def _quoted(names: Iterable[str]) -> str:
    import shlex

    return " ".join(shlex.quote(name) for name in sorted(names))


def parse(data: bytes) -> Lock:
    """Return the lock that `data` says; merge conflicts are kept apart in `torn`.

    Raises:
        ConfigurationError: It is no lock, or one of a newer Legato.
    """
    try:
        lines = data.decode().split("\n")  # not splitlines: JSON leaves U+2028 as it is
    except UnicodeDecodeError:
        raise _unreadable(1, "it is not UTF-8") from None
    lock, ours, theirs = Lock(), dict[str, Entry](), dict[str, Entry]()
    sides = {_OURS: ours, _BASE: None, _SPLIT: theirs, _THEIRS: lock.entries}
    side: dict[str, Entry] | None = lock.entries
    for number, line in enumerate(lines, start=1):
        if line[:7] not in sides:
            _take(line, number, side)
            continue
        side = sides[line[:7]]
        if line.startswith(_THEIRS):
            _settle(lock, ours, theirs)
    if side is not lock.entries:
        raise _unreadable(len(lines), f"a merge conflict has no end ({_THEIRS})")
    for name in lock.torn:
        lock.entries.pop(name, None)
    return lock


def _settle(lock: Lock, ours: dict[str, Entry], theirs: dict[str, Entry]) -> None:
    """Decide what both sides of a conflict say alike; the rest stays torn, for a person to decide."""
    for name in {*ours, *theirs}:
        if ours.get(name) == theirs.get(name):
            lock.entries[name] = ours[name]
        else:
            lock.torn[name] = (ours.get(name), theirs.get(name))
    ours.clear()
    theirs.clear()


def _take(line: str, number: int, side: dict[str, Entry] | None) -> None:
    if not line.strip() or side is None:
        return
    if line.startswith('{"legato.lock"'):
        if line.strip() != _HEAD:
            raise ConfigurationError(
                f"{FILE} line {number}: its format is {line.strip()}; this Legato reads {LOCK_FORMAT}",
                hint="upgrade Legato: pip install --upgrade legato",
            )
        return
    try:
        entry = _DECODER.decode(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _unreadable(number, str(error)) from None
    trouble = _trouble(entry)
    if trouble:
        raise _unreadable(number, trouble)
    if side.get(entry.name, entry) != entry:
        raise ConflictError(
            f"{FILE} line {number}: {entry.name!r} is there twice, and differs",
            hint=f"delete one of the two lines, then type: legato data update {_quoted([entry.name])}",
        )
    side[entry.name] = entry


_DECODER: Final = msgspec.json.Decoder(Entry)


def _trouble(entry: Entry) -> str:
    if not is_digest(entry.digest):
        return f"{entry.digest!r} is no digest"
    if not entry.name or "\0" in entry.name:
        return f"{entry.name!r} is no name"
    if not entry.source and (entry.name.startswith("/") or ".." in entry.name.split("/")):
        return f"{entry.name!r} leaves the repository"
    if not entry.source and {".git", ".legato"}.intersection(entry.name.lower().split("/")):
        return f"{entry.name!r} belongs to git or Legato itself"
    if "/" in entry.file or entry.file in {".", ".."}:
        return f"{entry.file!r} is no file name"
    return ""


def _unreadable(number: int, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{FILE} line {number} cannot be read: {why}",
        hint=f"put it right, or take the last good one: git checkout {FILE}",
    )


def render(lock: Lock) -> bytes:
    """Return the bytes of a lock: a head, then its entries by name; a name in conflict stays in conflict."""
    lines = {name: canonical(entry).decode() for name, entry in lock.entries.items()}
    for name, (ours, theirs) in lock.torn.items():
        sides = [canonical(side).decode() + "\n" if side else "" for side in (ours, theirs)]
        lines[name] = f"{_OURS} ours\n{sides[0]}{_SPLIT}\n{sides[1]}{_THEIRS} theirs"
    return "\n\n".join([_HEAD, *(lines[name] for name in sorted(lines))]).encode() + b"\n"


def read_lock(root: Path) -> Lock:
    """Return the lock of a project; an empty one where there is none.

    Raises:
        ConfigurationError: It is no lock, or one of a newer Legato.
        ConflictError: A name is there twice.
        OutsideError: It cannot be read.
    """
    try:
        data = (root / FILE).read_bytes()
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise OutsideError(
            f"cannot read {root / FILE}: {error.strerror}", hint="look at its rights"
        ) from None
    return parse(data)


def write_lock(root: Path, lock: Lock, scratch: Path) -> None:
    """Replace the lock of a project, whole or not at all; equal bytes are not written again.

    Args:
        root: The project.
        lock: What to write.
        scratch: A folder on the same file system, for the new file until it is whole.

    Raises:
        OutsideError: The disk refuses.
    """
    replace_file(root / FILE, render(lock), scratch)


def replace_file(path: Path, data: bytes, scratch: Path) -> None:
    """Write a small file in `scratch` and rename it; a file that holds this already is left alone."""
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        fresh = scratch / f"{path.name}.new"
        with fresh.open("wb") as target:
            target.write(data)
            target.flush()
            os.fsync(target.fileno())
        fresh.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask())
        move(fresh, path)
    except OSError as error:
        raise OutsideError(
            f"cannot write {path}: {(error.strerror or str(error)).lower()}",
            hint="look at its rights and at the space on its disk",
        ) from None
