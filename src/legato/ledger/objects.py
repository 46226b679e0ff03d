"""Objects of one bucket below one prefix, as a ledger needs them.

Rule: no error of the bucket's library leaves this file; what is not there is None, never an error.
"""

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from legato.domain.errors import LegatoError, OutsideError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_AT_ONCE: Final = 16
_MOST_WORDS: Final = 300
_SECRET: Final = re.compile(r"\b(sig|X-Amz-[A-Za-z-]+|X-Goog-[A-Za-z-]+)=[^&\s]+")
_NO_BUCKET: Final = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")
_REASONS: Final = {
    "NoSuchBucket": "make the bucket first, or correct its name",
    "ContainerNotFound": "make the container first, or correct its name",
    "bucket does not exist": "make the bucket first, or correct its name",
    "169.254.169.254": "set the credentials in the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}


class Objects:
    """Reads and writes objects by name.

    Args:
        store: The bucket, as obstore opens it.
        prefix: What every name begins with, without slashes at its ends; may be empty.
        name: The bucket's address for messages, without secrets.
    """

    def __init__(self, store: "ObjectStore", prefix: str, name: str) -> None:
        import obstore.store  # starts threads: only where a bucket is used, and never before a fork

        self.name = name
        self._obstore = obstore
        self._errors = (obstore.exceptions.BaseError, OSError, ValueError)
        self._store = store
        self._prefix = f"{prefix}/" if prefix else ""
        root = getattr(store, "prefix", None)
        self._root = root if isinstance(root, Path) else None  # only a folder of this machine has one
        self.is_remote = self._root is None and not isinstance(store, obstore.store.MemoryStore)
        self._workers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ledger")

    def get(self, name: str) -> bytes | None:
        """Return an object's bytes, None where there is no such object."""
        found = self._got(name)
        return None if found is None else found[0]

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Return several objects' bytes, read at once."""
        if len(names) == 1:
            return [self.get(names[0])]
        return list(self._workers.map(self.get, names))

    def create(self, name: str, data: bytes) -> bool:
        """Write an object if there is none of that name; say whether it was written.

        A repeated request can find what it wrote itself: the caller compares.
        """
        errors = self._obstore.exceptions
        try:
            self._obstore.put(self._store, self._prefix + name, data, mode="create")
        except (errors.AlreadyExistsError, errors.PreconditionError):
            return False
        except self._errors as error:
            raise self._outside(error, f"write {name}") from error
        return True

    def replace(self, name: str, data: bytes) -> None:
        """Write an object, whatever is there."""
        try:
            self._obstore.put(self._store, self._prefix + name, data, mode="overwrite", use_multipart=False)
        except self._errors as error:
            raise self._outside(error, f"write {name}") from error

    def change(self, name: str, data: bytes, tag: str | None) -> bool:
        """Write an object if it is still the one with that tag; False when it changed meanwhile.

        Where the bucket cannot compare, it is written whatever is there.
        """
        errors = self._obstore.exceptions
        try:
            self._obstore.put(self._store, self._prefix + name, data, mode={"e_tag": tag})
        except errors.PreconditionError:
            return False
        except (NotImplementedError, errors.NotSupportedError):
            self.replace(name, data)
        except self._errors as error:
            raise self._outside(error, f"write {name}") from error
        return True

    def get_with_tag(self, name: str) -> tuple[bytes, str | None] | None:
        """Return an object's bytes and the tag of this version of it."""
        return self._got(name)

    def written_at(self, name: str) -> float:
        """Return when an object was written, by the bucket's clock."""
        try:
            meta = self._obstore.head(self._store, self._prefix + name)
        except self._errors as error:
            raise self._outside(error, f"read {name}") from error
        return meta["last_modified"].timestamp()

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, in order."""
        return sorted(name for page in self._pages(folder, None) for name in page)

    def first_name(self, folder: str, after: str) -> str | None:
        """Return the first name in a folder that comes behind `after`."""
        first = next(self._pages(folder, self._prefix + after), [])
        return min(first, default=None)

    def sync(self, names: Sequence[str]) -> None:
        """Force objects in a folder of this machine to the disk; a bucket has done so before it answered."""
        if self._root is None:
            return
        paths = [self._root / self._prefix / name for name in names]
        for path in [*paths, *{path.parent for path in paths}]:
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise OutsideError(f"cannot flush {path}: {error.strerror}", hint="try again") from None

    def close(self) -> None:
        """Let the threads go."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _pages(self, folder: str, offset: str | None) -> Iterator[list[str]]:
        try:
            for page in self._obstore.list(self._store, f"{self._prefix}{folder}", offset=offset):
                yield [item["path"].removeprefix(self._prefix) for item in page]
        except self._errors as error:
            raise self._outside(error, f"list {folder}") from error

    def _got(self, name: str) -> tuple[bytes, str | None] | None:
        try:
            answer = self._obstore.get(self._store, self._prefix + name)
            return bytes(answer.bytes()), answer.meta["e_tag"]
        except FileNotFoundError as error:
            if any(words in str(error) for words in _NO_BUCKET):
                raise self._outside(error, f"read {name}") from None
            return None
        except self._errors as error:
            raise self._outside(error, f"read {name}") from error

    def _outside(self, error: Exception, deed: str) -> LegatoError:
        errors: Any = self._obstore.exceptions
        if isinstance(error, errors.PermissionDeniedError | errors.UnauthenticatedError | PermissionError):
            return OutsideError(
                f"cannot {deed} in {self.name}: it is not allowed",
                hint="see that the credentials are there, and may read, write and list below that prefix",
            )
        words = _SECRET.sub(r"\1=***", " ".join(str(error).split("Debug source")[0].split()))[:_MOST_WORDS]
        hint = next((hint for reason, hint in _REASONS.items() if reason in str(error)), "")
        return OutsideError(
            f"cannot {deed} in {self.name}: {words}",
            hint=hint or "see that the address is right and the bucket can be reached, then try again",
        )
