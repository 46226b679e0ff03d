"""Zip archives without dates, owners or compression: equal members give equal bytes.

Rule: members are written in the order of their names.
"""

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final, Protocol

_FIRST_DATE: Final = (1980, 1, 1, 0, 0, 0)
_READABLE_FILE: Final = 0o100644 << 16
_UNIX: Final = 3
_BLOCK_BYTES: Final = 1 << 20


class Member(Protocol):
    """One file of an archive that is yet to be written."""

    def write_to(self, target: BinaryIO) -> None:
        """Write all its bytes."""


class Bytes:
    """A member whose bytes are at hand."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def write_to(self, target: BinaryIO) -> None:
        """Write the bytes."""
        target.write(self._data)


class Copied:
    """A member that is copied from another archive, a block at a time."""

    def __init__(self, source: zipfile.ZipFile, name: str) -> None:
        self._source = source
        self._name = name

    def write_to(self, target: BinaryIO) -> None:
        """Copy the bytes."""
        with self._source.open(self._name) as member:
            shutil.copyfileobj(member, target, _BLOCK_BYTES)


def write_archive(target: Path | BinaryIO, members: Iterable[tuple[str, Member]]) -> None:
    """Write an archive of named members."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, member in sorted(members, key=lambda pair: pair[0]):
            info = zipfile.ZipInfo(name, _FIRST_DATE)
            info.create_system = _UNIX
            info.external_attr = _READABLE_FILE
            with archive.open(info, "w", force_zip64=True) as stream:
                member.write_to(stream)  # type: ignore[arg-type]
