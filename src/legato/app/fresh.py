"""The fast path: says that a run is up to date by looking at nothing but file stats.

Rule: a record answers only while every file, folder, variable and object that the recorded run rested on is
as it was, and the ledger has not moved; when in doubt it is silent, and the whole engine decides.
"""

import marshal
import os
import sys

FORMAT = 1
FILE = "fresh.bin"
LIMIT = 64
_TAKES_VALUE = frozenset({"-p", "--parameter"})


def answer(arguments: list[str]) -> str | None:
    """Return what `legato run` with these arguments would print, or None when it has to be run.

    Args:
        arguments: As typed, without `run`.
    """
    if not _plain(arguments):
        return None
    folder = os.getcwd()  # noqa: PTH109 - pathlib costs more than the whole answer
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
        elif argument.startswith("-"):
            return False
    return True


def name_of(folder: str, arguments: list[str]) -> str:
    """Return the name under which a run's record is kept: where it was typed, and what."""
    return "\0".join([folder, sys.executable, *arguments])


def _find(folder: str, arguments: list[str]) -> dict[str, object] | None:
    name = name_of(folder, arguments)
    while True:
        records = read(folder + "/.legato/" + FILE)
        if name in records:
            found: dict[str, object] = records[name]
            return found
        parent = os.path.dirname(folder)  # noqa: PTH120 - as above
        if parent == folder:
            return None
        folder = parent


def read(path: str) -> dict[str, dict[str, object]]:
    """Return the records in a file; none when it is missing, of another version, or damaged."""
    try:
        with open(path, "rb") as source:  # noqa: PTH123 - as above
            data = marshal.loads(source.read())  # noqa: S302 - our own file; a foreign one holds data, not code
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    if not isinstance(data, dict) or data.get("format") != (FORMAT, sys.hexversion):
        return {}
    records: dict[str, dict[str, object]] = data["records"]
    return records


def _holds(record: dict[str, object]) -> bool:
    stat = os.stat
    try:
        for path, size, mtime_ns, ctime_ns, inode in record["files"]:  # type: ignore[attr-defined]
            now = stat(path)
            if (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino) != (size, mtime_ns, ctime_ns, inode):
                return False
        for path, mtime_ns in record["folders"]:  # type: ignore[attr-defined]
            if stat(path).st_mtime_ns != mtime_ns:
                return False
    except OSError:
        return False
    for path in record["absent"]:  # type: ignore[attr-defined]
        if os.path.lexists(path):
            return False
    environment = os.environ  # noqa: TID251 - the roof's own doorway
    return all(environment.get(name) == value for name, value in record["variables"].items())  # type: ignore[attr-defined]


def write(state: str, name: str, record: dict[str, object]) -> None:
    """Keep a record; the newest `LIMIT` stay.

    Args:
        state: The state folder.
        name: From `name_of`.
        record: `files` (path, size, mtime_ns, ctime_ns, inode), `folders` (path, mtime_ns), `absent` paths,
            `variables` by name, and `said`.
    """
    path = f"{state}/{FILE}"
    records = read(path)
    records.pop(name, None)
    records[name] = record
    kept = dict(list(records.items())[-LIMIT:])
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as target:  # noqa: PTH123 - as above
        target.write(marshal.dumps({"format": (FORMAT, sys.hexversion), "records": kept}))
    os.replace(temporary, path)  # noqa: PTH105 - as above
