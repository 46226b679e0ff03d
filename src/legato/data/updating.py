"""Looks at the sources of datasets again, and locks what is there now.

Rule: a source whose version answers as before is not read; what was read is stored before its line changes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from legato.data.adding import Added, add_one
from legato.data.addresses import Address
from legato.data.desk import Desk
from legato.data.elsewhere import reader_of
from legato.data.lock import Entry, Lock
from legato.data.scanning import scan
from legato.data.snapshots import Meter, silent
from legato.data.standing import held, manifest_of
from legato.domain.errors import LegatoError, OutsideError


def updated(desk: Desk, address: Address, before: Entry | None, *, meter: Meter = silent) -> Entry:
    """Return what a source elsewhere holds now; its bytes are in the store.

    Args:
        desk: The project.
        address: The source.
        before: What is locked of it; is returned where the version answers as then.
        meter: Gets progress.

    Raises:
        OutsideError: It cannot be read.
        MissingError: It is not there, or a variable or package is missing.
        ConfigurationError: The address or query cannot be followed.
    """
    reader = reader_of(address, desk)
    same = before is not None and (before.source, before.query) == (address.shown, address.asks)
    if (
        before is not None
        and same
        and before.version
        and held(desk.store, before)
        and reader.version() == before.version
    ):
        return before
    folder = desk.scratch / "fetch"
    folder.mkdir(exist_ok=True)
    try:
        fetched = reader.fetch(folder, lambda size_bytes: meter(address.name, size_bytes))
    except OSError as error:
        raise OutsideError(
            f"cannot write {folder}: {(error.strerror or str(error)).lower()}", hint="free some space there"
        ) from None
    placed = desk.store.put_path(fetched.path, move=True)
    files = manifest_of(desk.store, placed.digest) if placed.tree else None
    _clear(folder)
    return Entry(
        name=address.name,
        digest=placed.digest,
        size_bytes=placed.size_bytes,
        files=1 if files is None else len(files),
        tree=placed.tree,
        version=fetched.version,
        source=address.shown,
        query=address.asks,
        format=fetched.format,
        file=fetched.file,
    )


def _clear(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def update(
    desk: Desk,
    names: Sequence[str],
    addresses: Mapping[str, Address],
    *,
    copy: bool = False,
    meter: Meter = silent,
) -> list[Added]:
    """Look at datasets again and lock what is there now; all that are locked or have an address where none is named.

    Raises:
        LegatoError: One cannot be read; those before it are locked.
    """
    lock = desk.lock()
    local = {name for name in {*lock.entries, *lock.torn} if not _is_elsewhere(lock, name)}
    done: list[Added] = []
    for name in names or sorted({*local, *addresses}):
        try:
            if name in addresses:
                done.append(_update_source(desk, addresses[name], meter))
            else:
                done.append(_update_path(desk, name, copy=copy, meter=meter, named=bool(names)))
        except LegatoError as error:
            locked = [one.name for one in done if one.state != "unchanged"]
            if locked:
                error.hint = f"{error.hint}; what came before is locked: {', '.join(locked)}"
            raise
    return done


def _is_elsewhere(lock: Lock, name: str) -> bool:
    sides = (lock.entries.get(name), *lock.torn.get(name, ()))
    return any(side is not None and side.source for side in sides)


def _update_source(desk: Desk, address: Address, meter: Meter) -> Added:
    lock = desk.lock()
    before = lock.entries.get(address.name)
    entry = updated(desk, address, before, meter=meter)
    if entry != before or address.name in lock.torn:
        desk.change(lambda lock: lock.put(entry))
    return _told(entry, before)


def _told(entry: Entry, before: Entry | None) -> Added:
    same = before is not None and before.digest == entry.digest
    return Added(
        name=entry.name,
        state="new" if before is None else "unchanged" if same else "changed",
        digest=entry.digest,
        size_bytes=entry.size_bytes,
        files=entry.files,
        version=entry.version,
    )


def _update_path(desk: Desk, name: str, *, copy: bool, meter: Meter, named: bool) -> Added:
    """Lock what lies at a path; one that is not in the work tree keeps its line, where there is one to keep."""
    lock = desk.lock()
    before = lock.entries.get(name)
    if scan(desk.root, name) is None:
        sides = [side for side in lock.torn.get(name, ()) if side is not None]
        if len(sides) == 1:  # one side of a merge has it, the other never had: both are as they want it
            desk.change(lambda lock: lock.put(sides[0]))
            return _told(sides[0], None)
        if before is not None and not named:
            return _told(before, before)
    return add_one(desk, name, copy=copy, meter=meter)


def forget(desk: Desk, names: Sequence[str]) -> list[str]:
    """Take datasets off the lock; their files stay where they are.

    Raises:
        LegatoError: The lock does not know a name; nothing was changed then.
    """
    from legato.data.standing import unknown

    def change(lock: Lock) -> None:
        for name in names:
            if name not in lock.entries and name not in lock.torn:
                raise unknown(name, {*lock.entries, *lock.torn})
        for name in names:
            lock.drop(name)

    desk.change(change)
    for name in names:
        desk.known.forget(name)
    return list(names)
