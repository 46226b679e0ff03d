"""How bytes come into a directory store: by way of a temporary file, or by renaming a file that was given up.

Rule: an object appears under its name whole or not at all; what a failed intake wrote is gone when it raises.
"""

# Several calls for each object: a Path for each would double their cost.
# ruff: noqa: PTH103, PTH108, PTH116

import errno
import hashlib
import os
import stat
from types import TracebackType
from typing import Final, NamedTuple, Self

from legato.domain.errors import MissingError, OutsideError
from legato.store.copying import BLOCK, copy_hashing, hash_file, share, write_all
from legato.store.manifest import MANIFEST_START, is_manifest
from legato.store.objects import Objects
from legato.store.streams import Readable
from legato.store.temporary import open_temporary
from legato.store.trouble import not_storable, nothing_at, outside

STORE_FORMAT: Final = 1


class Taken(NamedTuple):
    """What came in: its SHA-256, its size, and the stamp to write for it (empty where it stood already)."""

    hexadecimal: str
    size_bytes: int
    stamp: bytes


class Draft:
    """A temporary file, removed on leaving the `with` unless it was taken over by `settled`."""

    def __init__(self, path: str, descriptor: int, root: str) -> None:
        self.path = path
        self.descriptor = descriptor
        self.taken = False
        self._root = root

    def __enter__(self) -> Self:
        """Return the draft itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, and remove it if nobody took it over."""
        os.close(self.descriptor)
        if not self.taken:
            try:
                os.unlink(self.path)
            except OSError:  # the next to open the store sweeps it
                return

    def write(self, data: bytes) -> None:
        """Append all of `data`."""
        try:
            write_all(self.descriptor, data)
        except OSError as error:
            raise outside(error, "write to the store", self._root) from None


class Intake:
    """Takes bytes, streams and files into one store.

    Args:
        objects: Where they go.
        temporary: The folder for temporary files, on the same file system.
        space: What `legato.store.temporary.space_name` says.
    """

    def __init__(self, objects: Objects, temporary: str, space: str) -> None:
        self._objects = objects
        self._temporary = temporary
        self._space = space

    def take_bytes(self, data: bytes, expected: str = "") -> Taken:
        """Take bytes; those that stand already are not written. `expected` is as for `take_stream`."""
        hexadecimal, tree = hashlib.sha256(data).hexdigest(), is_manifest(data)
        if expected:
            check_expected(hexadecimal, expected)
        if self._known(hexadecimal, tree=tree):
            return Taken(hexadecimal, len(data), b"")
        with self._draft() as draft:
            draft.write(data)
            return self._settled(draft, hexadecimal, tree=tree)

    def take_stream(self, begun: bytes, source: Readable, expected: str = "") -> Taken:
        """Take what was read of a stream already, and the rest of it.

        Raises:
            MissingError: It is not what `expected` says, where that says something; nothing was taken.
        """
        hashing = hashlib.sha256()
        block = begun
        with self._draft() as draft:
            while block:
                hashing.update(block)
                draft.write(block)
                block = source.read(BLOCK)
            if expected:
                check_expected(hashing.hexdigest(), expected)
            return self._settled(draft, hashing.hexdigest())

    def take_file(self, source: str, *, move: bool) -> Taken:
        """Take a regular file, with `move` by renaming it where that is safe and possible."""
        descriptor, found = open_file(source)
        try:
            if move and self._is_ours_to_rename(descriptor, found):
                return self._moved(descriptor, found, source)
            taken = self._copied(descriptor, found)
            check_unchanged(descriptor, found, source)
        finally:
            os.close(descriptor)
        return taken

    def _copied(self, source: int, found: os.stat_result) -> Taken:
        if found.st_size <= BLOCK:
            data = os.read(source, found.st_size + 1)
            if len(data) == found.st_size:
                return self.take_bytes(data)
            os.lseek(source, 0, os.SEEK_SET)
        with self._draft() as draft:
            try:
                shared = share(source, draft.descriptor)
                hexadecimal = (
                    hash_file(draft.descriptor) if shared else copy_hashing(source, draft.descriptor)
                )
            except OSError as error:
                raise outside(error, "write to the store", self._objects.root) from None
            return self._settled(draft, hexadecimal)

    def _moved(self, descriptor: int, found: os.stat_result, source: str) -> Taken:
        try:
            hexadecimal = hash_file(descriptor)
        except OSError as error:
            raise outside(error, "read", source) from None
        check_unchanged(descriptor, found, source)
        tree = _holds_manifest(descriptor, found)
        if self._known(hexadecimal, tree=tree):
            return Taken(hexadecimal, found.st_size, b"")
        self._objects.adopt(source, hexadecimal, tree=tree)
        return Taken(hexadecimal, found.st_size, self._objects.stamps.line(hexadecimal, found))

    def _is_ours_to_rename(self, descriptor: int, found: os.stat_result) -> bool:
        """Make the file read-only if no other name leads to it and it is on the store's file system."""
        try:
            there = os.stat(self._objects.folder)
        except FileNotFoundError:
            self._make_folders()
            there = os.stat(self._objects.folder)
        if found.st_nlink != 1 or found.st_dev != there.st_dev:
            return False
        try:
            os.fchmod(descriptor, 0o444)
        except OSError:  # someone else's file: copy it
            return False
        return True

    def _settled(self, draft: Draft, hexadecimal: str, *, tree: bool | None = None) -> Taken:
        """Make a written draft the object of its digest, unless that stands already."""
        found = os.fstat(draft.descriptor)
        if tree is None:
            tree = _holds_manifest(draft.descriptor, found)
            if self._known(hexadecimal, tree=tree):
                return Taken(hexadecimal, found.st_size, b"")
        self._objects.adopt(draft.path, hexadecimal, tree=tree)
        draft.taken = True
        return Taken(hexadecimal, found.st_size, self._objects.stamps.line(hexadecimal, found))

    def _known(self, hexadecimal: str, *, tree: bool) -> bool:
        """Say whether an object stands already; if so, a sweep is to take it for a new one."""
        return self._objects.stands(hexadecimal, tree=tree) and self._objects.renew(hexadecimal, tree=tree)

    def _draft(self) -> Draft:
        try:
            try:
                descriptor, path = open_temporary(self._temporary, self._space)
            except FileNotFoundError:
                self._make_folders()
                descriptor, path = open_temporary(self._temporary, self._space)
        except OSError as error:
            raise outside(error, "write to the store", self._objects.root) from None
        return Draft(path, descriptor, self._objects.root)

    def _make_folders(self) -> None:
        try:
            os.makedirs(self._objects.folder, exist_ok=True)
            os.makedirs(self._temporary, exist_ok=True)
            number = os.open(f"{self._objects.root}/format", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                write_all(number, b"%d\n" % STORE_FORMAT)
            finally:
                os.close(number)
        except OSError as error:
            raise outside(error, "make the store", self._objects.root) from None


def check_expected(found: str, expected: str) -> None:
    """Refuse bytes whose digest is not the one that they came under."""
    if found != expected:
        raise MissingError(
            f"sha256:{expected} was damaged on its way: its bytes are sha256:{found}",
            hint="run the step that makes it again, or take it from another store",
        )


def _opened(source: str) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        try:
            return os.open(source, flags)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return os.open(os.path.realpath(source), flags)  # a symlink: eight times as many calls
    except FileNotFoundError:
        raise nothing_at(source) from None
    except OSError as error:
        raise outside(error, "read", source) from None


def open_file(source: str) -> tuple[int, os.stat_result]:
    """Open a regular file that is to be stored, and return its state.

    Raises:
        MissingError: Nothing is there.
        ConfigurationError: It is no regular file.
    """
    descriptor = _opened(source)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise not_storable(source, "neither a file nor a folder")
    return descriptor, found


def check_unchanged(descriptor: int, before: os.stat_result, source: str) -> None:
    """Refuse a file that someone wrote to while it was read."""
    after = os.fstat(descriptor)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise OutsideError(f"{source} changed while it was read", hint="try again when nothing writes to it")


def _holds_manifest(descriptor: int, found: os.stat_result) -> bool:
    if os.pread(descriptor, len(MANIFEST_START), 0) != MANIFEST_START:
        return False
    return is_manifest(os.pread(descriptor, found.st_size, 0))
