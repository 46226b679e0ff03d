"""The fast path: says that a run is up to date by looking at nothing but file stats.

Rule: a record answers only while every file, folder, variable and object that the recorded run rested on is
as it was, and the ledger has not moved; when in doubt it is silent, and the whole engine decides.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself costs more than the whole answer
    from typing import Any

FORMAT = 1
FILE = "fresh.bin"
LIMIT = 64
_IGNORED = frozenset({".legato", "__pycache__"})
_LOUDNESS = frozenset({"-q", "--quiet", "-v", "--verbose"})
_TAKES_VALUE = frozenset({"-p", "--parameter"})


def answer(arguments: list[str]) -> str | None:
    """Return what `legato run` with these arguments would print, or None when it has to be run.

    Args:
        arguments: As typed, without `run`.
    """
    if not _plain(arguments):
        return None
    try:
        folder = os.getcwd()  # noqa: PTH109 - pathlib costs more than the whole answer
    except OSError:  # the folder is gone: the run itself says so
        return None
    record = _find(folder, arguments)
    if record is None or not _holds(record):
        return None
    said: str = record["said"]
    return said


def _plain(arguments: list[str]) -> bool:
    """Say whether the arguments are only targets and parameters."""
    value = False
    for argument in arguments:
        if value:
            value = False
        elif argument in _TAKES_VALUE:
            value = True
        elif argument.startswith("-") and argument not in _LOUDNESS:
            return False
    return True


def name_of(folder: str, arguments: list[str]) -> str:
    """Return the name under which a run's record is kept: where it was typed, and what."""
    return "\0".join([folder, sys.executable, *(word for word in arguments if word not in _LOUDNESS)])


def _find(folder: str, arguments: list[str]) -> dict[str, Any] | None:
    name = name_of(folder, arguments)
    while True:
        records = read(folder + "/.legato/" + FILE)
        if name in records:
            found: dict[str, Any] = records[name]
            return found
        parent = os.path.dirname(folder)  # noqa: PTH120 - as above
        if parent == folder:
            return None
        folder = parent


def read(path: str) -> dict[str, dict[str, Any]]:
    """Return the records in a file; none when it is missing, of another version, or damaged."""
    try:
        with open(path, "rb") as source:  # noqa: PTH123 - as above
            data = marshal.loads(source.read())  # noqa: S302 - our own file; a foreign one holds data, not code
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    if not isinstance(data, dict) or data.get("format") != _format():
        return {}
    records: dict[str, dict[str, Any]] = data["records"]
    return records


def _format() -> tuple[int, int, str]:
    from legato.domain.version import __version__

    return FORMAT, sys.hexversion, __version__


def _holds(record: dict[str, Any]) -> bool:
    try:
        if not _as_before(record["files"]) or any(
            listing(path) != names for path, names in record["folders"]
        ):
            return False
    except OSError:
        return False
    if any(os.path.lexists(path) for path in record["absent"]):
        return False
    now = os.environ.get
    return all(_lives(pid, started) for pid, started in record["alive"]) and all(
        variable_digest(now(name)) == digest for name, digest in record["variables"].items()
    )


def _as_before(files: list[tuple[str, int, int, int, int]]) -> bool:
    stat = os.stat
    for path, *before in files:
        now = stat(path)
        if [now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino] != before:
            return False
    return True


def _lives(pid: int, started: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as source:  # noqa: PTH123 - as above
            fields = source.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return fields[0] not in b"ZX" and fields[19].decode() == started


def variable_digest(value: str | None) -> str:
    """Return the digest of a variable's value, as the loader tells it; empty when it is not set."""
    if value is None:
        return ""
    import hashlib

    return "sha256:" + hashlib.sha256(os.fsencode(value)).hexdigest()


def listing(folder: str) -> list[str] | int:
    """Return what lies in a folder that imports are looked for in; our own state does not count.

    A folder of installed packages is too long to list, and changes only by installing: its time stamp serves.
    """
    if "-packages" in folder:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - as above
    return sorted(name for name in os.listdir(folder) if name not in _IGNORED)  # noqa: PTH208 - as above


def write(state: str, name: str, record: dict[str, Any]) -> None:
    """Keep a record; the newest `LIMIT` stay.

    Args:
        state: The state folder.
        name: From `name_of`.
        record: `files` (path, size, mtime_ns, ctime_ns, inode), `folders` (path, listing), `absent` paths,
            `variables` by name, and `said`.
    """
    path = f"{state}/{FILE}"
    records = read(path)
    records.pop(name, None)
    records[name] = record
    kept = dict(list(records.items())[-LIMIT:])
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as target:  # noqa: PTH123 - as above
        target.write(marshal.dumps({"format": _format(), "records": kept}))
    os.replace(temporary, path)  # noqa: PTH105 - as above
