"""Puts local data under version control: into the store, onto a line of the lock, out of git.

Rule: the line is written after its bytes are stored; killed anywhere, adding again goes on from what is stored.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from legato.data.addresses import shown
from legato.data.desk import Desk
from legato.data.globs import is_glob
from legato.data.lock import Entry, Lock
from legato.data.sharing import share_with_store
from legato.data.snapshots import Meter, Snapshot, silent, take
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Struct
from legato.scm.asking import tracked_below, tracked_matching


class Added(Struct, frozen=True, kw_only=True):
    """What became of one dataset.

    Attributes:
        state: `new`, `changed`, `unchanged`, or `tracked` where git keeps it.
        shared: How many of its files now share their bytes with the store, and are read-only for that.
    """

    name: str
    state: str
    digest: str = ""
    size_bytes: int = 0
    files: int = 0
    shared: int = 0
    version: str = ""


def add(desk: Desk, typed: Sequence[str], *, copy: bool = False, meter: Meter = silent) -> list[Added]:
    """Add paths and patterns, each as a dataset of its own.

    Args:
        desk: The project.
        typed: Paths as typed.
        copy: Leave the files writable though that keeps their bytes twice.
        meter: Gets progress.

    Raises:
        MissingError: Nothing is there; nothing was added then.
        ConfigurationError: A path cannot be a dataset, or is part of one already.
    """
    _refuse_addresses(typed)
    names = list(dict.fromkeys(desk.name_of(path) for path in typed))
    lock = desk.lock()
    for name in names:
        _refuse_absent(desk.root, name)
        _refuse_overlap(name, [*lock.entries, *lock.torn, *names])
    tracked = {name: _is_tracked(desk.root, name) for name in names}
    return [
        Added(name=name, state="tracked") if tracked[name] else add_one(desk, name, copy=copy, meter=meter)
        for name in names
    ]


def add_one(desk: Desk, name: str, *, copy: bool = False, meter: Meter = silent) -> Added:
    """Add, or add again, what lies at one path or pattern; raises as `add`."""
    found = take(desk.root, name, desk.store, desk.known, meter)
    entry = entry_of(name, found)
    before: list[Entry | None] = []

    def change(lock: Lock) -> None:
        before.append(lock.entries.get(name))
        lock.put(entry)

    desk.change(change)
    shared = 0 if copy else share_with_store(desk, name)
    state = "unchanged" if before[0] == entry else "changed" if before[0] else "new"
    return Added(
        name=name,
        state=state,
        digest=found.digest,
        size_bytes=found.size_bytes,
        files=found.files,
        shared=shared,
    )


def entry_of(name: str, found: Snapshot) -> Entry:
    """Return the lock's entry for a snapshot of local data."""
    return Entry(
        name=name,
        digest=found.digest,
        size_bytes=found.size_bytes,
        files=found.files,
        tree=found.tree,
        format="folder/1" if found.tree else "file/1",
    )


def _refuse_addresses(typed: Sequence[str]) -> None:
    for address in typed:
        if "://" in address:
            raise ConfigurationError(
                f"{shown(address)!r} is an address, not a path",
                hint="declare it: data = lg.dataset(…) in pipeline.py, then type: legato data update data",
            )


def _refuse_absent(root: Path, name: str) -> None:
    if os.path.lexists(root / name) or is_glob(name):
        return
    import difflib

    folder = (root / name).parent
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(Path(name).name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "look for a typing error in the path"
    raise MissingError(f"there is nothing at {name!r}", hint=hint)


def _refuse_overlap(name: str, others: Sequence[str]) -> None:
    for other in others:
        if other.startswith(name + "/") or name.startswith(other + "/"):
            outer, inner = sorted((name, other), key=len)
            raise ConfigurationError(
                f"{inner!r} lies inside {outer!r}: one file would belong to two datasets",
                hint=f"keep one of them; to let go of one: legato data forget {other}",
            )


def _is_tracked(root: Path, name: str) -> bool:
    """Say whether git keeps a path; a folder that git keeps in part belongs to neither."""
    pattern = is_glob(name) and not os.path.lexists(root / name)
    tracked = tracked_matching(root, name) if pattern else tracked_below(root, [name])
    if not tracked or tracked == (name,):
        return bool(tracked)
    raise ConfigurationError(
        f"git tracks {tracked[0]!r}, which is part of {name!r}",
        hint=f"let git go of it (git rm -r --cached {tracked[0]}), or leave {name!r} to git",
    )
