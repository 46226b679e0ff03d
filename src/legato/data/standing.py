"""Where each locked dataset stands: as the lock says, changed, gone from the work tree, or not in the store.

Rule: only looks; a file whose state has not changed is not read.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from msgspec.structs import replace

from legato.data.desk import Desk
from legato.data.lock import FILE, Entry
from legato.data.snapshots import look
from legato.domain.artifacts import ManifestEntry
from legato.domain.digests import Digest
from legato.domain.errors import LegatoError, MissingError
from legato.domain.graph import Struct
from legato.store import Store, read_manifest

NAMED: Final = 20


class Standing(Struct, frozen=True, kw_only=True):
    """One dataset.

    Attributes:
        state: `unchanged`, `changed`, `gone` (from the work tree), `missing` (from the store too, or for a source
            elsewhere), `held` (a source elsewhere whose bytes are here), `torn` (a merge conflict), `refused`
            (it cannot be read).
        digest: As locked.
        now: As it is in the work tree; empty where it is not there.
        added: Files of a folder that the lock does not know, the first few.
        removed: Files of a folder that are not there any more, the first few.
        changed: Files of a folder with other bytes, the first few.
        counts: How many of each: added, removed, changed.
        why: For `refused`: what is in the way.
    """

    name: str
    state: str
    digest: str = ""
    now: str = ""
    size_bytes: int = 0
    files: int = 0
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    counts: tuple[int, int, int] = (0, 0, 0)
    source: str = ""
    why: str = ""


def standings(desk: Desk, names: Sequence[str] = ()) -> list[Standing]:
    """Return where datasets stand, by name; all of the lock where none is named.

    Raises:
        MissingError: The lock does not know a name.
    """
    lock = desk.lock()
    known = {*lock.entries, *lock.torn}
    for name in names:
        if name not in known:
            raise unknown(name, known)
    return [
        _one(desk, lock.entries[name]) if name in lock.entries else Standing(name=name, state="torn")
        for name in sorted(names or known)
    ]


def unknown(name: str, known: set[str]) -> MissingError:
    """Return the error for a name that no line of the lock has."""
    import difflib
    import shlex

    near = difflib.get_close_matches(name, known, n=1)
    here = f"datasets here: {', '.join(sorted(known)[:NAMED])}; " if known else ""
    hint = (
        f"did you mean {near[0]!r}?" if near else f"{here}`legato data add {shlex.quote(name)}` locks a path"
    )
    return MissingError(f"{FILE} has no dataset {name!r}", hint=hint)


def _one(desk: Desk, entry: Entry) -> Standing:
    found = Standing(
        name=entry.name,
        state="held",
        digest=entry.digest,
        size_bytes=entry.size_bytes,
        files=entry.files,
        source=entry.source,
    )
    if entry.source:
        return found if held(desk.store, entry) else replace(found, state="missing")
    try:
        now = look(desk.root, entry.name, desk.known)
    except LegatoError as error:
        return replace(found, state="refused", why=str(error))
    if now is None:
        return replace(found, state="gone" if held(desk.store, entry) else "missing")
    if now.digest == entry.digest and now.tree == entry.tree:
        return replace(found, state="unchanged", now=now.digest)
    return _changes(desk, entry, replace(found, state="changed", now=now.digest))


def held(store: Store, entry: Entry) -> bool:
    """Say whether all bytes of an entry are in the store."""
    return entry.digest in store.has([entry.digest])


def _changes(desk: Desk, entry: Entry, found: Standing) -> Standing:
    if not entry.tree:
        return found
    before = manifest_of(desk.store, entry.digest)
    if before is None:
        return found
    now = desk.known.last(entry.name)
    then = {file.path: file.digest + ("x" if file.executable else "") for file in before}
    added = sorted(now.keys() - then.keys())
    removed = sorted(then.keys() - now.keys())
    changed = sorted(path for path in now.keys() & then.keys() if now[path] != then[path])
    return replace(
        found,
        added=tuple(islice(added, NAMED)),
        removed=tuple(islice(removed, NAMED)),
        changed=tuple(islice(changed, NAMED)),
        counts=(len(added), len(removed), len(changed)),
    )


def manifest_of(store: Store, digest: Digest) -> tuple[ManifestEntry, ...] | None:
    """Return the files of a folder, or None where its manifest is not in the store."""
    try:
        with store.open(digest) as source:
            return read_manifest(source.read()).files
    except MissingError:
        return None
