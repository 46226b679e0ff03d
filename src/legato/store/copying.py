"""Moves bytes between open files: hashing, copying, sharing.

Rule: what is hashed is what is written; a partial write is never taken for a whole one.
"""

import hashlib
import os
import sys
from typing import Final

BLOCK: Final = 1 << 20
"""Up to this many bytes are taken into memory whole."""

_PIECE: Final = 1 << 18
"""Bytes that are hashed and written at once: stays in the processor's cache, half the time of 1 MiB."""

_SMALL: Final = 1 << 14
"""Up to this size a file is read at once: a file object would cost more than the reading."""

_FICLONE: Final = 0x40049409  # linux/fs.h


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data`; the system may take it in parts."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left[:_PIECE]) :]


def hash_file(descriptor: int) -> str:
    """Return the SHA-256 of an open file from its start, and leave it there."""
    first = os.pread(descriptor, _SMALL, 0)
    if len(first) < _SMALL and not os.pread(descriptor, 1, len(first)):
        return hashlib.sha256(first).hexdigest()
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", buffering=0, closefd=False) as source:
        found = hashlib.file_digest(source, "sha256").hexdigest()
    os.lseek(descriptor, 0, os.SEEK_SET)
    return found


def copy_hashing(source: int, target: int) -> str:
    """Copy the rest of `source` to `target` and return the SHA-256 of exactly what was written."""
    hashing = hashlib.sha256()
    block = memoryview(bytearray(_PIECE))
    while count := os.readv(source, [block]):
        hashing.update(block[:count])
        write_all(target, block[:count])
    return hashing.hexdigest()


def copy(source: int, target: int) -> None:
    """Copy all of `source` to `target`, inside the kernel where it can."""
    if sys.platform == "linux" and _copied_by_kernel(source, target):
        return
    os.lseek(source, 0, os.SEEK_SET)
    os.ftruncate(target, 0)
    os.lseek(target, 0, os.SEEK_SET)
    copy_hashing(source, target)


def _copied_by_kernel(source: int, target: int) -> bool:
    size = os.fstat(source).st_size
    done = 0
    try:
        while done < size:
            count = os.copy_file_range(source, target, size - done, done)
            if not count:
                break
            done += count
    except OSError as error:
        import errno

        if error.errno in {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
            return False
        raise
    return done == size


def share(source: int, target: int) -> bool:
    """Let an empty file share the bytes of another until either is written; False where the disk cannot."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True
