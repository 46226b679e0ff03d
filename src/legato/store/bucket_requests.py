"""Requests to a bucket: tried again where that may help, and refused in words where it cannot.

Rule: every request may be repeated without harm, so a lost answer is no different from a lost request.
"""

import random
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeVar

from legato.domain.errors import OutsideError
from legato.store.trouble import outside

if TYPE_CHECKING:
    from obstore.store import ObjectStore

TRIES: Final = 8
_TRIES_TO_REACH: Final = 3
"""A server that refuses so many connections is not there."""

FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 10.0

_NEEDS_PLACE: Final = frozenset({"write"})
"""Deeds whose failing for want of something is a failure."""

_BEYOND_THE_END: Final = ("416 Range Not Satisfiable", "StartTooLarge")

_NO_RANGES: Final = "non-partial response"
"""So it is said that a server sends all where a part was asked for, as some small ones do."""

Answer = TypeVar("Answer")


class Entry(NamedTuple):
    """One object of a listing: its path, its size, and when it was written by the bucket's clock."""

    path: str
    size_bytes: int
    written_at: float


class Patience(NamedTuple):
    """How failed requests are tried again.

    Attributes:
        sleep: Waits for that many seconds.
        jitter: Spreads the waits of many clients.
        tries: How often a request is made in all.
        first_wait_s: The longest first wait; each next one may be twice as long, up to ten seconds.
    """

    sleep: Callable[[float], None]
    jitter: random.Random
    tries: int = TRIES
    first_wait_s: float = FIRST_WAIT_S


class Traffic:
    """What has gone over the wire so far; for people and benchmarks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.sent_bytes = 0
        self.received_bytes = 0

    def count(self, *, sent_bytes: int = 0, received_bytes: int = 0) -> None:
        """Count one request."""
        with self._lock:
            self.requests += 1
            self.sent_bytes += sent_bytes
            self.received_bytes += received_bytes


class Bucket:
    """One folder of a bucket. Safe from many threads, not across a fork.

    Args:
        objects: The connection, itself without retries.
        name: Its address for people, without secrets.
        patience: How failed requests are tried again.
        writing: Another connection, for writing, whose answers may take as long as the bytes need to get there.
    """

    def __init__(
        self, objects: "ObjectStore", name: str, patience: Patience, writing: "ObjectStore | None" = None
    ) -> None:
        self.name = name
        self.traffic = Traffic()
        self._objects = objects
        self._writing = writing or objects
        self._patience = patience
        self._has_ranges = True

    def get(self, path: str) -> memoryview | None:
        """Return the bytes of an object; None where there is none."""
        import obstore

        return self._tried("read", path, lambda: self._received(obstore.get(self._objects, path).bytes()))

    def get_range(self, path: str, start: int, end: int) -> memoryview | None:
        """Return the bytes from `start` up to `end`, or fewer if the object ends before; None as for `get`."""
        import obstore
        from obstore.exceptions import GenericError

        if start == end:  # which HTTP cannot ask for
            return memoryview(b"")

        def ask() -> memoryview:
            try:
                return self._received(obstore.get_range(self._objects, path, start=start, end=end))
            except GenericError as error:
                if any(word in str(error) for word in _BEYOND_THE_END):
                    return memoryview(b"")
                if _NO_RANGES not in str(error):
                    raise
                self._has_ranges = False
                return self._received(obstore.get(self._objects, path).bytes())[start:end]

        if not self._has_ranges:
            whole = self.get(path)
            return None if whole is None else whole[start:end]
        return self._tried("read", path, ask)

    def head(self, path: str) -> Entry | None:
        """Return what the bucket says of an object; None where there is none."""
        import obstore

        def ask() -> Entry:
            self.traffic.count()
            return _entry(obstore.head(self._objects, path))

        return self._tried("read", path, ask)

    def put(self, path: str, data: bytes | bytearray) -> None:
        """Write an object whole, over what may be there."""
        import obstore

        def ask() -> None:
            self.traffic.count(sent_bytes=len(data))
            obstore.put(self._writing, path, data, use_multipart=False)

        self._tried("write", path, ask)

    def put_new(self, path: str, data: bytes | bytearray) -> bool:
        """Write an object where none is; False: one was there already, maybe from a try whose answer was lost."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def ask() -> bool:
            self.traffic.count(sent_bytes=len(data))
            try:
                obstore.put(self._writing, path, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
            return True

        return bool(self._tried("write", path, ask))

    def delete(self, path: str) -> None:
        """Remove an object; one that is not there is fine."""
        import obstore

        def ask() -> None:
            self.traffic.count()
            obstore.delete(self._objects, path)

        self._tried("delete", path, ask)

    def tidy(self, before_s: float) -> None:
        """Remove what killed writers left half written before a time; only plain folders show that."""

    def list(self) -> Iterator[Entry]:
        """Return all objects of the folder."""
        import obstore

        def ask() -> list[Entry]:
            found: list[Entry] = []
            for some in obstore.list(self._objects, chunk_size=1000):
                self.traffic.count()
                found += map(_entry, some)
            return found

        return iter(self._tried("list", "", ask) or ())

    def _received(self, data: object) -> memoryview:
        view = memoryview(data)  # type: ignore[arg-type]  # obstore's Bytes has the buffer protocol
        self.traffic.count(received_bytes=len(view))
        return view

    def _tried(self, deed: str, path: str, ask: Callable[[], Answer]) -> Answer | None:
        """Return the answer; None where the object is not there; try again what may pass."""
        from obstore.exceptions import BaseError

        for left in reversed(range(self._patience.tries)):
            try:
                return ask()
            except FileNotFoundError as error:
                if deed in _NEEDS_PLACE or _lacks_bucket(error):
                    self._refuse(deed, path, error)
                return None
            except (BaseError, OSError, ValueError) as error:
                unreachable = self._patience.tries - left >= _TRIES_TO_REACH and "tcp connect error" in str(
                    error
                )
                if not left or unreachable or _is_final(error):
                    self._refuse(deed, path, error)
            self.pause(self._patience.tries - 1 - left)
        return None

    def pause(self, attempt: int) -> None:
        """Wait before trying again what failed for the first (0), second (1), … time, longer each time."""
        longest_s = min(self._patience.first_wait_s * 2**attempt, LONGEST_WAIT_S)
        self._patience.sleep(self._patience.jitter.uniform(longest_s / 2, longest_s))

    def _refuse(self, deed: str, path: str, error: Exception) -> NoReturn:
        if isinstance(error, OSError) and error.errno:
            raise outside(error, deed, f"{self.name}/{path}") from None
        why, hint = reason(error)
        where = f"{self.name}/{path}".rstrip("/")
        raise OutsideError(f"cannot {deed} {where}: {why}", hint=hint) from None


class FolderBucket(Bucket):
    """A plain folder as a bucket.

    Args:
        objects: The connection.
        folder: The folder.
        patience: As for a bucket.
    """

    def __init__(self, objects: "ObjectStore", folder: Path, patience: Patience) -> None:
        super().__init__(objects, str(folder), patience)
        self._folder = folder

    def put_new(self, path: str, data: bytes | bytearray) -> bool:
        """Write a file where none is. Two at once both write: by its name it is the same, and renaming is atomic.

        To make it only if absent would take hard links, which many shared folders lack.
        """
        if self.head(path) is not None:
            return False
        self.put(path, data)
        return True

    def tidy(self, before_s: float) -> None:
        """Remove files whose names say that they were being written: listings leave them out."""
        try:
            for path in self._folder.rglob("*#*"):
                number = path.name.rpartition("#")[2]
                if number.isdigit() and path.is_file() and path.stat().st_mtime < before_s:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise outside(error, "sweep", self._folder) from None


def _entry(meta: object) -> Entry:
    return Entry(meta["path"], meta["size"], meta["last_modified"].timestamp())  # type: ignore[index]  # obstore gives dicts


def _lacks_bucket(error: Exception) -> bool:
    text = str(error)
    return any(word in text for word in ("NoSuchBucket", "ContainerNotFound", "bucket does not exist"))


def _is_final(error: Exception) -> bool:
    """Say whether trying again cannot help: who asks is not let in, or asks for what cannot be."""
    from obstore.exceptions import GenericError

    if isinstance(error, GenericError):
        status = _STATUS.search(str(error))
        return status is not None and status[1] not in _PASSING
    return not isinstance(error, OSError) or bool(error.errno)


_STATUS: Final = re.compile(r"status code: (4\d\d)")
_PASSING: Final = frozenset({"408", "425", "429"})
"""Refusals that end by themselves: timed out, too early, too many."""

_DENIED: Final = (
    "look at the credentials in the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_KEY) and at the bucket's policy"
)
_KEPT: Final = "what has arrived does not travel again"
_REASONS: Final = (
    (("NoSuchBucket", "ContainerNotFound", "bucket does not exist"), "there is no such bucket",
     "create the bucket, or correct its name in legato.toml"),
    (("SlowDown", "503", "429", "TooManyRequests"), "it is too busy and asks to slow down",
     f"try again in a while; {_KEPT}"),
    (("timed out", "TimedOut", "timeout"), "it did not answer in time",
     f"look at the network, then try again; {_KEPT}"),
    (("dns error", "Connect", "connection refused", "tcp connect"), "it cannot be reached",
     "look at the network and at the address and endpoint in legato.toml, then try again"),
    (("InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "401", "AccessDenied", "MissingCredentials",
      "169.254.169.254"), "access is denied", _DENIED),
    (("error sending request", "IncompleteMessage", "connection closed", "error decoding response body"),
     "the connection broke off", f"look at the network, then try again; {_KEPT}"),
)  # fmt: skip
_ADDRESS: Final = re.compile(r"(https?://[^/\s]+)\S*")
_DURATION: Final = re.compile(r"\bin [\d.]+\w+|retry_timeout: \S+|retry_timeout")


def reason(error: Exception) -> tuple[str, str]:
    """Return why a bucket refused, and what to do about it."""
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
        return "access is denied", _DENIED
    text = _DURATION.sub("", _ADDRESS.sub(r"\1", str(error)))
    for words, why, hint in _REASONS:
        if any(_says(text, word) for word in words):
            return why, hint
    return " ".join(text.partition("Debug source")[0].split())[:300], f"try again; {_KEPT}"


def _says(text: str, word: str) -> bool:
    """Say whether an error holds a word; of a number not as part of another one, of a digest or of an address."""
    if not word.isdecimal():
        return word in text
    return re.search(rf"(?<![\w./:-]){word}(?![\w./-])", text) is not None
