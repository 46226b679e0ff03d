"""A ledger in one file of JSON lines: written whole, and read back only when every line of it holds.

Rule: the first line says which head the file leads to, so that a file that was cut off is found.
Format: docs/formats/ledger.md.
"""

import os
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Final

import msgspec

from legato.domain.digests import canonical
from legato.domain.errors import ConfigurationError, ConflictError, MissingError, OutsideError
from legato.ledger import Head, Problem
from legato.ledger.batches import event_line, record_of_line
from legato.ledger.chain import Record, audit
from legato.ledger.moving import History, Source, move

BACKUP_FORMAT: Final = 1
"""Number of the form of such a file."""


class _First(msgspec.Struct, frozen=True):
    legato_ledger: int
    seq: int
    seal: str


class Backup:
    """A file that `backup` wrote, as a source to read from.

    Raises:
        MissingError: There is no such file.
        OutsideError: It is no such file, or cannot be read.
        ConfigurationError: A newer Legato wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                first = msgspec.json.decode(file.readline(), type=_First)
        except FileNotFoundError:
            raise MissingError(f"there is no file {path}", hint="name the file of a backup") from None
        except OSError as error:
            raise OutsideError(f"cannot read {path}: {error.strerror}", hint="name another file") from None
        except msgspec.MsgspecError:
            raise OutsideError(
                f"{path} is no backup of a ledger", hint="name a file that legato backup wrote"
            ) from None
        if first.legato_ledger > BACKUP_FORMAT:
            raise ConfigurationError(
                f"{path} has format {first.legato_ledger}; this Legato reads up to {BACKUP_FORMAT}",
                hint="upgrade Legato: pip install --upgrade legato",
            )
        self._head = Head(seq=first.seq, digest=first.seal)

    def head(self) -> Head:
        """Return the head that the file leads to."""
        return self._head

    def records(self, after: int = 0) -> Iterator[Record]:
        """Yield the events behind `after`.

        Raises:
            OutsideError: A line cannot be read.
        """
        with self._path.open("rb") as file:
            file.readline()
            for number, line in enumerate(file, 2):
                try:
                    record = record_of_line(line)
                except (ValueError, msgspec.MsgspecError) as error:
                    raise OutsideError(
                        f"line {number} of {self._path} cannot be read: {error}",
                        hint="take an older backup; this file was changed or cut off",
                    ) from None
                if record.seq > after:
                    yield record

    def verify(self, head: Head | None = None) -> list[Problem]:
        """Return all that does not hold in the file."""
        return audit(self.records(), head or self._head)


def backup(source: Source, path: Path, told: Callable[[int, int], None] | None = None) -> Head:
    """Write all events of a ledger into a file, which is there whole or not at all; return the head it leads to.

    Raises:
        ConflictError: There is such a file already.
        OutsideError: The ledger or what was written does not hold, or the disk refuses.
    """
    if path.exists():
        raise ConflictError(f"{path} is there already", hint="name another file")
    head = source.head()
    draft = path.with_name(f".{path.name}.unfinished")
    try:
        with draft.open("wb") as file:
            file.write(canonical(_First(BACKUP_FORMAT, head.seq, head.digest)) + b"\n")
            for record in takewhile(lambda record: record.seq <= head.seq, source.records()):
                file.write(event_line(record) + b"\n")
                if told is not None:
                    told(record.seq, head.seq)
            file.flush()
            os.fsync(file.fileno())
        problems = Backup(draft).verify()
        if problems:
            raise OutsideError(
                f"the ledger does not hold, so it was not backed up: {problems[0].message}",
                hint="see all that was changed: legato ledger verify --shared",
            )
        draft.replace(path)
    except OSError as error:
        raise OutsideError(f"cannot write {path}: {error.strerror}", hint="name a file elsewhere") from None
    finally:
        draft.unlink(missing_ok=True)
    return head


def restore(path: Path, target: History, told: Callable[[int, int], None] | None = None) -> Head:
    """Bring all events of a file into a ledger that is empty, or has the beginning of them.

    Nothing is written unless the whole file holds.

    Raises:
        MissingError: There is no such file.
        OutsideError: The file does not hold.
        ConflictError: The target has another history.
    """
    return move(Backup(path), target, told)
