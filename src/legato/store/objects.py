"""The object files of a directory store: where they lie, and whether they are what their names say.

Rule: bytes are handed out only in a state of the file in which they were checked; what is wrong is set aside.
"""

# Several calls for each object: a Path for each would double their cost.
# ruff: noqa: PTH101, PTH103, PTH104, PTH108, PTH116, PTH119, PTH120

import errno
import os
from collections.abc import Iterator
from typing import Final

from legato.domain.digests import PREFIX, Digest, is_digest
from legato.domain.errors import ConfigurationError, OutsideError
from legato.store.copying import hash_file
from legato.store.port import Held
from legato.store.stamps import Stamps
from legato.store.trouble import absent, damaged, outside

TREE: Final = ".tree"
"""Ends the file names of manifests, so that they are known without reading."""

_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # ELOOP: a symlink is no object


def hexadecimal_of(digest: Digest) -> str:
    """Return the digits of a digest, by which its file is named.

    Raises:
        ConfigurationError: It is no digest, so it may not become part of a path.
    """
    if not is_digest(digest):
        raise ConfigurationError(
            f"{digest!r} is no digest", hint="a digest is 'sha256:' and 64 hexadecimal digits, in lower case"
        )
    return digest[len(PREFIX) :]


class Objects:
    """The folder `objects` of one store.

    Args:
        root: The store's folder.
        stamps: What was checked already.
    """

    def __init__(self, root: str, stamps: Stamps) -> None:
        self.root = root
        self.folder = f"{root}/objects"
        self.stamps = stamps

    def path_of(self, hexadecimal: str, *, tree: bool) -> str:
        """Return where an object lies or would lie."""
        return f"{self.folder}/{hexadecimal[:2]}/{hexadecimal[2:]}{TREE if tree else ''}"

    def stands(self, hexadecimal: str, *, tree: bool, again: bool = False) -> bool:
        """Say whether an object is there and whole; `again` reads it whatever its stamp says."""
        path = self.path_of(hexadecimal, tree=tree)
        try:
            found = os.lstat(path)
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise outside(error, "read", path) from None
        if not again and self.stamps.holds(hexadecimal, found):
            return True
        descriptor = _opened(path)
        if descriptor is None:
            return False
        try:
            return self._passes(hexadecimal, path, descriptor)
        finally:
            os.close(descriptor)

    def look(self, hexadecimal: str) -> Held | None:
        """Return what the file of an object says from outside; None where there is none."""
        for tree in (False, True):
            path = self.path_of(hexadecimal, tree=tree)
            try:
                return Held(size_bytes=os.lstat(path).st_size, tree=tree)
            except OSError as error:
                if error.errno not in _GONE:
                    raise outside(error, "read", path) from None
        return None

    def stands_at_all(self, hexadecimal: str) -> Held | None:
        """Return what is known of an object that is there and whole, whichever it is; a sweep spares it."""
        held = self.look(hexadecimal)
        if held is None or not self.stands(hexadecimal, tree=held.tree):
            return None
        return held if self.renew(hexadecimal, tree=held.tree) else None

    def renew(self, hexadecimal: str, *, tree: bool) -> bool:
        """Set the time of an object's last change of state to now, so that a sweep spares it; False: it is gone."""
        try:
            os.chmod(self.path_of(hexadecimal, tree=tree), 0o444)
        except FileNotFoundError:
            return False
        except OSError:  # someone else's store: who may not write to it does not sweep it either
            return True
        return True

    def open(self, digest: Digest) -> tuple[int, str]:
        """Return an object's file, open and checked, and its path.

        Raises:
            MissingError: It is not there, or not whole.
        """
        hexadecimal = hexadecimal_of(digest)
        for tree in (False, True):
            path = self.path_of(hexadecimal, tree=tree)
            descriptor = _opened(path)
            if descriptor is None:
                continue
            if self.stamps.holds(hexadecimal, os.fstat(descriptor)):
                return descriptor, path
            try:
                whole = self._passes(hexadecimal, path, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if whole:
                return descriptor, path
            os.close(descriptor)
            raise damaged(digest, self.root)
        raise absent(digest, self.root)

    def adopt(self, source: str, hexadecimal: str, *, tree: bool) -> None:
        """Rename a file that was checked to the object's name; the file is left where that fails.

        Raises:
            OutsideError: The system refuses, or the file has vanished.
        """
        path = self.path_of(hexadecimal, tree=tree)
        try:
            try:
                os.rename(source, path)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.rename(source, path)
        except FileNotFoundError:
            raise OutsideError(
                f"{source} vanished while it was stored",
                hint=f"stop whatever cleans up in {os.path.dirname(source)}, then try again",
            ) from None
        except OSError as error:
            raise outside(error, "write to the store", self.root) from None

    def listing(self) -> Iterator[Digest]:
        """Yield the digests that the file names say."""
        try:
            for shard in os.scandir(self.folder):
                for entry in os.scandir(shard.path):
                    digest = PREFIX + shard.name + entry.name.removesuffix(TREE)
                    if is_digest(digest):
                        yield Digest(digest)
        except FileNotFoundError:
            return
        except OSError as error:
            raise outside(error, "list the store", self.root) from None

    def delete(self, digest: Digest) -> None:
        """Remove an object's file if there is one."""
        hexadecimal = hexadecimal_of(digest)
        for tree in (False, True):
            try:
                os.unlink(self.path_of(hexadecimal, tree=tree))
            except OSError as error:
                if error.errno not in _GONE:
                    raise outside(error, "delete from the store", self.root) from None

    def _passes(self, hexadecimal: str, path: str, descriptor: int) -> bool:
        """Read an open object; stamp it when it is whole, else set it aside."""
        found = os.fstat(descriptor)
        try:
            whole = hash_file(descriptor) == hexadecimal
        except OSError as error:
            raise outside(error, "read", path) from None
        if whole:
            self.stamps.write([self.stamps.line(hexadecimal, found)])
        else:
            self._set_aside(path, found)
        return whole

    def _set_aside(self, path: str, found: os.stat_result) -> None:
        """Move a damaged object out of the way; one that was replaced meanwhile goes back."""
        aside = f"{self.root}/damaged/{os.path.basename(os.path.dirname(path))}{os.path.basename(path)}"
        try:
            os.makedirs(os.path.dirname(aside), exist_ok=True)
            os.rename(path, aside)
            if os.stat(aside).st_ino != found.st_ino:
                os.rename(aside, path)
        except OSError:  # a read-only store, or another process was first: it counts as absent all the same
            return


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise outside(error, "read", path) from None
