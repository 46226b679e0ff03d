"""Remembers the digest of each file of a dataset, and the state in which it had it.

Rule: it only spares reading; a digest is remembered only for a file that was at rest when it was read, and believed
only while its state has not changed.
"""

import marshal
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from legato.data.scanning import Scan, State
from legato.domain.digests import Digest

FORMAT: Final = 1
FILE: Final = "known.bin"
REST_NS: Final = 20_000_000
"""How old a change must be so that a tick of the file system's clock cannot hide another one behind it."""


class Known:
    """What earlier commands found out, kept in one file of the project's state; `changed` since it was read.

    Args:
        folder: Below the project's state.
        now_ns: When this command began.
    """

    def __init__(self, folder: Path, now_ns: int) -> None:
        self._path = folder / FILE
        self._now_ns = now_ns
        self._sets: dict[str, dict[str, tuple[State, str]]] | None = None
        self._wholes: dict[str, tuple[int, str]] = {}
        self._last: dict[str, dict[str, str]] = {}
        self.changed = False

    def _read(self) -> dict[str, dict[str, tuple[State, str]]]:
        if self._sets is None:
            self._sets = {}
            data = _load(self._path)
            if data is not None:
                self._sets, self._wholes = data["sets"], data["wholes"]
        return self._sets

    def of(self, name: str) -> dict[str, tuple[State, str]]:
        """Return state and digest of the files of a dataset, by path."""
        return self._read().get(name, {})

    def last(self, name: str) -> dict[str, str]:
        """Return the digests of a dataset's files as they were looked at last, `x` at the end of programs'."""
        found = self._last.get(name)
        return {path: told for path, (_, told) in self.of(name).items()} if found is None else found

    def whole(self, name: str, seen: Scan) -> Digest | None:
        """Return the digest of the dataset if it is as it was when that was remembered."""
        files = self.of(name)
        if name not in self._wholes or len(files) != len(seen.files):
            return None
        for path, _, state, executable in seen.files:
            before = files.get(path)
            if before is None or before[0] != state or before[1].endswith("x") != executable:
                return None
        count, digest = self._wholes[name]
        return Digest(digest) if count == len(files) else None

    def keep(
        self, name: str, seen: Scan, digests: Mapping[str, Digest], whole: Digest, *, made: bool = False
    ) -> None:
        """Remember what was read, for those files that were at rest when this command began.

        Where Legato itself `made` them, read-only and from checked bytes, all are remembered.
        """
        limit = sys.maxsize if made else self._now_ns - REST_NS
        files = {
            path: (state, digests[path] + ("x" if executable else ""))
            for path, _, state, executable in seen.files
            if state[1] < limit and state[2] < limit
        }
        self._read()[name] = files
        self._last[name] = {
            file.path: digests[file.path] + ("x" if file.executable else "") for file in seen.files
        }
        self._wholes.pop(name, None)
        if len(files) == len(seen.files):
            self._wholes[name] = (len(files), whole)
        self.changed = True

    def restate(self, name: str, states: Mapping[str, State]) -> None:
        """Remember new states of files whose bytes are what they were."""
        files = self.of(name)
        for path, state in states.items():
            files[path] = (state, files[path][1])
            self.changed = True

    def exchange(
        self, name: str, placed: Mapping[str, tuple[State, str]], all_of_it: Collection[str], whole: Digest
    ) -> None:
        """Remember files that Legato itself placed; of those that lay there, what was known of them."""
        before = self.of(name)
        files = {path: placed.get(path) or before.get(path) for path in all_of_it}
        self._read()[name] = {path: told for path, told in files.items() if told is not None}
        self._last.pop(name, None)
        self._wholes.pop(name, None)
        if len(self.of(name)) == len(all_of_it):
            self._wholes[name] = (len(all_of_it), whole)
        self.changed = True

    def forget(self, name: str) -> None:
        """Remember nothing of a dataset."""
        self.changed = self._read().pop(name, None) is not None or self.changed
        self._wholes.pop(name, None)

    def write(self, scratch: Path) -> None:
        """Keep what changed for the next command; a disk that refuses costs time, no more."""
        if not self.changed:
            return
        try:
            fresh = scratch / FILE
            fresh.write_bytes(marshal.dumps({"format": FORMAT, "sets": self._read(), "wholes": self._wholes}))
            fresh.replace(self._path)
        except OSError:
            return


def _load(path: Path) -> dict[str, Any] | None:
    try:
        data = marshal.loads(path.read_bytes())  # noqa: S302 - our own file; a foreign one holds data, not code
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return data if isinstance(data, dict) and data.get("format") == FORMAT else None
