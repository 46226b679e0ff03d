"""Which versions a dataset had, in git's history of the lock, and what lies where for each.

Rule: a lock of another commit that cannot be read is passed over: history is not to be mended.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from legato.data.desk import Desk
from legato.data.differing import Side, nothing
from legato.data.lock import FILE as LOCK_FILE
from legato.data.lock import Entry, parse
from legato.data.moves import absent
from legato.data.scanning import scan
from legato.data.snapshots import look
from legato.data.standing import held, manifest_of
from legato.domain.artifacts import ManifestEntry
from legato.domain.digests import Digest
from legato.domain.errors import LegatoError
from legato.domain.graph import Struct
from legato.scm.asking import files_at, history_of
from legato.store import Store


class Version(Struct, frozen=True, kw_only=True):
    """One version of a dataset, where it was seen.

    Attributes:
        where: `commit` or `run`.
        name: The commit's hash, or the run's number.
        at: Seconds since 1970.
        who: Who made the commit or the run.
        subject: What the commit says of itself.
        held: Its bytes are in the store.
        gone: The commit took it off the lock.
    """

    where: str
    name: str
    at: float
    who: str = ""
    subject: str = ""
    digest: str = ""
    size_bytes: int = 0
    files: int = 0
    version: str = ""
    held: bool = False
    gone: bool = False


def locked_versions(desk: Desk, name: str) -> list[Version]:
    """Return the commits that changed a dataset's line, newest first."""
    revisions = history_of(desk.root, LOCK_FILE)
    entries = [
        _entry(data, name) for data in files_at(desk.root, [one.commit for one in revisions], LOCK_FILE)
    ]
    found = []
    for at, (revision, entry) in enumerate(zip(revisions, entries, strict=True)):
        before = entries[at + 1] if at + 1 < len(entries) else None
        if entry == before:
            continue
        told = Version(
            where="commit",
            name=revision.commit,
            at=revision.at,
            who=revision.author,
            subject=revision.subject,
        )
        found.append(_with_entry(desk.store, told, entry))
    return found


def _entry(data: bytes | None, name: str) -> Entry | None:
    if data is None:
        return None
    try:
        return parse(data).entries.get(name)
    except LegatoError:
        return None


def _with_entry(store: Store, told: Version, entry: Entry | None) -> Version:
    from msgspec.structs import replace

    if entry is None:
        return replace(told, gone=True)
    return replace(
        told,
        digest=entry.digest,
        size_bytes=entry.size_bytes,
        files=entry.files,
        version=entry.version,
        held=held(store, entry),
    )


def side_now(desk: Desk, name: str) -> Side:
    """Return what lies in the work tree.

    Raises:
        MissingError: Nothing does.
    """
    seen = scan(desk.root, name)
    found = None if seen is None else look(desk.root, name, desk.known, seen)
    if seen is None or found is None:
        raise nothing(name, "work tree")
    told = desk.known.last(name)
    files = tuple(
        ManifestEntry(file.path, Digest(told[file.path].removesuffix("x")), file.state[0], file.executable)
        for file in sorted(seen.files)
    )
    return Side(
        label="work tree",
        digest=found.digest,
        size_bytes=found.size_bytes,
        tree=found.tree,
        file=Path(name).name,
        files=files,
        places={file.path: Path(file.source) for file in seen.files},
    )


def side_of(store: Store, entry: Entry, label: str) -> Side:
    """Return a version whose bytes are in the store.

    Raises:
        MissingError: They are not.
    """
    if not held(store, entry):
        raise absent(entry)
    files: Iterable[ManifestEntry] = (ManifestEntry("", entry.digest, entry.size_bytes),)
    if entry.tree:
        files = manifest_of(store, entry.digest) or ()
    kept = tuple(files)
    return Side(
        label=label,
        digest=entry.digest,
        size_bytes=entry.size_bytes,
        tree=entry.tree,
        file=entry.file or Path(entry.name).name,
        files=kept,
        places={file.path: store.path(file.digest) for file in kept},
    )


def newest_first(versions: Sequence[Version]) -> list[Version]:
    """Return versions by time."""
    return sorted(versions, key=lambda one: one.at, reverse=True)
