"""`legato backup` and `restore`: the ledger and every object of the store in one file.

Rule: a backup is there whole or not at all; a restore believes nothing that its digest or seal does not confirm, and
changes nothing of a ledger that has another history.
"""

import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from legato.app.config import find_root, make_state
from legato.app.looking import project_at
from legato.app.wiring import open_ledger, open_store
from legato.domain.digests import PREFIX, Digest, is_digest
from legato.domain.errors import ConfigurationError, ConflictError, MissingError, OutsideError
from legato.domain.graph import Struct
from legato.ledger.backups import backup as write_ledger
from legato.ledger.backups import restore as read_ledger
from legato.store import Depot

BACKUP_FORMAT: Final = 1
_ABOUT: Final = "legato-backup.json"
_LEDGER: Final = "ledger.jsonl"
_OBJECTS: Final = "objects/"

Telling = Callable[[str, int], None]
"""Called with what is being done and how many more bytes of it are."""


class BackedUp(Struct, frozen=True, kw_only=True):
    """What a backup holds, or a restore brought back."""

    path: str
    events: int
    objects: int
    size_bytes: int


def backup(folder: Path, target: Path, telling: Telling) -> BackedUp:
    """Write ledger and store of the project at `folder` into the file `target`.

    Raises:
        ConflictError: There is such a file already.
        MissingError: Nothing has run here yet.
        OutsideError: The ledger or an object does not hold, or the disk refuses.
    """
    project = project_at(folder)
    if target.exists():
        raise ConflictError(f"{target} is there already", hint="name another file")
    if not (project.state / "ledger.db").is_file():
        raise MissingError(f"nothing has run in {project.root} yet", hint="`legato run` makes the first run")
    draft = target.with_name(f".{target.name}.unfinished")
    store, ledger = open_store(project.state), open_ledger(project.state)
    try:
        with tempfile.TemporaryDirectory(dir=project.state) as work, tarfile.open(draft, "w") as archive:
            head = write_ledger(ledger, Path(work) / _LEDGER)
            _add(
                archive,
                _ABOUT,
                json.dumps({"format": BACKUP_FORMAT, "seq": head.seq, "seal": head.digest}).encode(),
            )
            archive.add(Path(work) / _LEDGER, _LEDGER)
            objects, size_bytes = 0, 0
            for digest in store.list():
                size_bytes += _add_object(archive, store, digest)
                objects += 1
                telling("backing up", size_bytes)
        draft.replace(target)
    except OSError as error:
        raise OutsideError(
            f"cannot write {target}: {error.strerror}", hint="name a file elsewhere"
        ) from error
    finally:
        ledger.close()
        draft.unlink(missing_ok=True)
    return BackedUp(path=str(target), events=head.seq, objects=objects, size_bytes=size_bytes)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _add_object(archive: tarfile.TarFile, store: Depot, digest: Digest) -> int:
    member = tarfile.TarInfo(_OBJECTS + digest.removeprefix(PREFIX))
    member.size = store.about([digest])[digest].size_bytes
    with store.open(digest) as source:
        archive.addfile(member, source)
    return member.size


def restore(folder: Path, source: Path, telling: Telling) -> BackedUp:
    """Bring ledger and store of a backup into the project at `folder`; what is there already stays.

    Raises:
        MissingError: There is no such file.
        OutsideError: It is no backup, or was altered; objects that held until then are kept, the ledger is untouched.
        ConflictError: The ledger here has another history.
    """
    state = find_root(folder) / ".legato"
    try:
        with tarfile.open(source, "r:") as archive, tempfile.TemporaryDirectory() as work:
            members = _members(archive, source)
            about = json.loads(members(_ABOUT).read())
            if about["format"] > BACKUP_FORMAT:
                raise OutsideError(f"{source} was written by a newer Legato", hint="upgrade Legato")
            lines = Path(work) / _LEDGER
            with lines.open("wb") as target:
                _copy(members(_LEDGER), target)
            make_state(state)
            objects, size_bytes = _restore_objects(archive, open_store(state), source, telling)
            ledger = open_ledger(state)
            try:
                head = read_ledger(lines, ledger)
            except OutsideError as error:  # which names a file that is gone by then
                said = error.message.replace(str(lines), f"{_LEDGER} in {source}")
                raise OutsideError(said, hint=error.hint) from None
            finally:
                ledger.close()
    except FileNotFoundError:
        raise MissingError(
            f"there is no file {source}", hint="name a file that `legato backup` wrote"
        ) from None
    except IsADirectoryError:
        raise ConfigurationError(
            f"{source} is a folder", hint="name a file that `legato backup` wrote"
        ) from None
    except (tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise _no_backup(source) from error
    except OSError as error:
        raise OutsideError(f"cannot read {source}: {error.strerror}", hint="look at its rights") from error
    return BackedUp(path=str(source), events=head.seq, objects=objects, size_bytes=size_bytes)


def _members(archive: tarfile.TarFile, source: Path) -> Callable[[str], IO[bytes]]:
    """Return what opens the next member, which must have this name: nothing is ever extracted to a path."""

    def following(name: str) -> IO[bytes]:
        member = archive.next()
        found = archive.extractfile(member) if member is not None and member.name == name else None
        if found is None:
            raise _no_backup(source)
        return found

    return following


def _restore_objects(
    archive: tarfile.TarFile, store: Depot, source: Path, telling: Telling
) -> tuple[int, int]:
    objects, size_bytes = 0, 0

    def sources() -> Iterator[tuple[Digest, Callable[[], BinaryIO]]]:
        nonlocal objects, size_bytes
        while (member := archive.next()) is not None:
            digest = PREFIX + member.name.removeprefix(_OBJECTS)
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is None or not member.name.startswith(_OBJECTS) or not is_digest(digest):
                raise OutsideError(
                    f"{source} holds {member.name!r}, which is no object", hint="take another backup"
                )
            objects, size_bytes = objects + 1, size_bytes + member.size
            yield Digest(digest), _given(stream)

    try:
        store.put_many(sources(), lambda more: telling("restoring", more))
    except MissingError as error:
        raise OutsideError(f"{source} was altered: {error.message}", hint="take another backup") from error
    return objects, size_bytes


def _given(stream: IO[bytes]) -> Callable[[], BinaryIO]:
    return lambda: cast("BinaryIO", stream)


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while block := source.read(1 << 20):
        target.write(block)


def _no_backup(source: Path) -> OutsideError:
    return OutsideError(
        f"{source} is no backup of Legato, or was cut off", hint="name a file that `legato backup` wrote"
    )
