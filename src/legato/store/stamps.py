"""Remembers which objects were checked, and in which state of their file.

Rule: a stamp only spares work. Losing one, or all, costs a second check and nothing else; a stamp that may
have outlived its object in a loss of power is not believed. Format: docs/formats/store.md.
"""

# Several calls for each object: a Path for each would double their cost.
# ruff: noqa: PTH105, PTH116

import os
from collections.abc import Iterable
from typing import Final

LASTING: Final = b"-"
"""Stands for the boot in lines about objects that are known to be on the disk itself."""

_DIGEST_END: Final = 64
_WORTH_REWRITING: Final = 1 << 20
_LINE_BYTES: Final = 140


def line_of(hexadecimal: str, found: os.stat_result, boot: bytes) -> bytes:
    """Return the line that says: this digest was found right in this state of its file."""
    return b"%s %d %d %d %s\n" % (
        hexadecimal.encode(), found.st_ino, found.st_size, found.st_mtime_ns, boot,
    )  # fmt: skip


class Stamps:
    """One store's stamps: an append-only file of short lines, read as it grows.

    Args:
        path: The file; it need not be there.
        boot: Names this start of this machine. Lines of an earlier one count up to its last `synced` line.
    """

    def __init__(self, path: str, boot: bytes) -> None:
        self._path = path
        self._boot = boot
        self._known: dict[bytes, bytes] = {}
        self._pending: dict[bytes, dict[bytes, tuple[int, bytes]]] = {}
        self._lasting: set[bytes] = set()
        self._inode = 0
        self._read_to = 0

    def holds(self, hexadecimal: str, found: os.stat_result) -> bool:
        """Say whether the object was checked in this very state."""
        digest = hexadecimal.encode()
        state = b"%d %d %d" % (found.st_ino, found.st_size, found.st_mtime_ns)
        if self._known.get(digest) == state:
            return True
        if self._glance(digest) != state:
            self._read_on()
        return self._known.get(digest) == state

    def _glance(self, digest: bytes) -> bytes:
        """Return the state in the last line about one object, and believe it, where that line needs no other.

        A job asks about a few objects: to search the bytes for them costs a tenth of reading every line.
        """
        try:
            source = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            data = b"\n" + os.pread(source, os.fstat(source).st_size, 0)
        finally:
            os.close(source)
        begin = data.rfind(b"\n" + digest + b" ") + 1
        end = data.find(b"\n", begin)
        if not begin or end < 0:
            return b""
        state, _, boot = data[begin + _DIGEST_END + 1 : end].rpartition(b" ")
        if boot not in {self._boot, LASTING}:
            return b""
        self._known[digest] = state
        if boot == LASTING:
            self._lasting.add(digest)
        return state

    def line(self, hexadecimal: str, found: os.stat_result) -> bytes:
        """Return a line for `write`, and believe it from now on."""
        line = line_of(hexadecimal, found, self._boot)
        self._known[line[:_DIGEST_END]] = line[_DIGEST_END + 1 : line.rindex(b" ")]
        self._lasting.discard(line[:_DIGEST_END])
        return line

    def write(self, lines: Iterable[bytes]) -> None:
        """Append lines; a store that cannot be written to just forgets them."""
        data = b"".join(lines)
        if not data:
            return
        try:
            target = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(target, data)
            finally:
                os.close(target)
        except OSError:
            return

    def mark(self) -> tuple[int, int]:
        """Return which file the stamps are in and how long it is now, for `synced`."""
        try:
            found = os.stat(self._path)
        except OSError:
            return 0, 0
        return found.st_ino, found.st_size

    def synced(self, mark: tuple[int, int]) -> None:
        """Say that all objects whose lines stood before `mark` have reached the disk."""
        self.write([b"synced %s %d %d\n" % (self._boot, *mark)])
        if mark[1] > _WORTH_REWRITING:  # jobs only glance, so that here is who keeps it short
            self._read_on()

    def _read_on(self) -> None:
        try:
            source = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            found = os.fstat(source)
            if found.st_ino != self._inode or found.st_size < self._read_to:
                self._inode, self._read_to = found.st_ino, 0
                self._pending = {}
            data = os.pread(source, found.st_size - self._read_to, self._read_to)
        finally:
            os.close(source)
        whole = data[: data.rfind(b"\n") + 1]
        start = self._read_to
        self._learn(whole, start)
        self._read_to = start + len(whole)  # not `+=`: two threads may learn the same lines
        if not start and self._read_to > max(_WORTH_REWRITING, 2 * _LINE_BYTES * len(self._known)):
            self._rewrite()

    def _learn(self, data: bytes, start: int) -> None:
        ours, lasting = b" " + self._boot, b" " + LASTING
        known, position = self._known, start
        for line in data.split(b"\n"):
            if line.endswith(ours):
                known[line[:_DIGEST_END]] = line[_DIGEST_END + 1 : line.rindex(b" ")]
            elif line.endswith(lasting):
                known[line[:_DIGEST_END]] = line[_DIGEST_END + 1 : line.rindex(b" ")]
                self._lasting.add(line[:_DIGEST_END])
            elif line.startswith(b"synced "):
                self._settle(line.split(b" "))
            elif line:
                state, _, boot = line[_DIGEST_END + 1 :].rpartition(b" ")
                self._pending.setdefault(boot, {})[line[:_DIGEST_END]] = (position, state)
            position += len(line) + 1

    def _settle(self, words: list[bytes]) -> None:
        """Believe the lines of an earlier boot that a `synced` line covers."""
        try:
            _, boot, inode, size = words
            end = int(size) if int(inode) == self._inode else 0
        except ValueError:  # cut short when the disk was full
            return
        pending = self._pending.get(boot, {})
        for digest, (position, state) in list(pending.items()):
            if position < end:
                self._known[digest] = state
                self._lasting.add(digest)
                del pending[digest]

    def _rewrite(self) -> None:
        """Leave out what is said twice or not believed. Lines added meanwhile are lost: see the rule."""
        fresh = f"{self._path}.{os.getpid()}"
        lines = [
            b"%s %s %s\n" % (digest, state, LASTING if digest in self._lasting else self._boot)
            for digest, state in self._known.items()
        ]
        try:
            target = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                os.write(target, b"".join(lines))
            finally:
                os.close(target)
            os.replace(fresh, self._path)
        except OSError:
            return
