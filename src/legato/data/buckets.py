"""Objects and prefixes behind `s3://`, `gs://` and `az://`.

Rule: the connection is handed in, and is only read from; an object is written in pieces, never held whole.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from legato.data.fetched import Fetched, refused
from legato.data.globs import fixed_folder, is_glob, matcher
from legato.domain.errors import ConfigurationError, MissingError, OutsideError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_AT_ONCE: Final = 16
_PIECE: Final = 8 << 20

Connect = Callable[[str], "ObjectStore"]
"""Returns a connection to a whole bucket, by an address without a key; asks nothing yet."""


class Found(NamedTuple):
    """One object: its key, its path in the dataset, size, and what names its state."""

    key: str
    path: str
    size_bytes: int
    state: str


class BucketObjects:
    """One object, or all below a prefix or of a pattern.

    Args:
        address: `s3://bucket/key`, `s3://bucket/prefix/`, `s3://bucket/2026/*.parquet`, with `?endpoint=…` or
            another option of a bucket's address behind it.
        connect: Opens the bucket.
        private: The address may name an endpoint of its own, anywhere.
    """

    def __init__(self, address: str, connect: Connect, *, private: bool = True) -> None:
        self._address = address
        parts = urlsplit(address.replace("?", "%3F") if is_glob(address) and "=" not in address else address)
        self._key = unquote(parts.path).lstrip("/")
        self._one = False
        if not private and "endpoint" in parse_qs(parts.query, keep_blank_values=True):
            raise ConfigurationError(
                "an address that names an endpoint of its own, which is not asked from here",
                hint="leave ?endpoint= out; the server's own configuration says where buckets are",
            )
        self._store = connect(parts._replace(path="", fragment="").geturl())

    def version(self) -> str:
        """Return what names the state of all objects: one request for each thousand."""
        return _version(self._list())

    def fetch(self, folder: Path, told: Callable[[int], None]) -> Fetched:
        """Read all objects, several at once."""
        found = self._list()
        base = folder / "fetched"
        if self._one:
            self._read(found[0], base, told)
            return Fetched(path=base, format="file/1", version=_version(found), file=Path(self._key).name)
        for parent in {str(Path(one.path).parent) for one in found}:
            (base / parent).mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(lambda one: self._read(one, base / one.path, told), found):
                pass
        name = Path(fixed_folder(self._key) if is_glob(self._key) else self._key.rstrip("/")).name
        return Fetched(path=base, format="folder/1", version=_version(found), file=name)

    def _list(self) -> Sequence[Found]:
        import obstore
        from obstore.exceptions import BaseError, NotFoundError

        try:
            if self._key and not self._key.endswith("/") and not is_glob(self._key):
                try:
                    found = obstore.head(self._store, self._key)
                except (NotFoundError, FileNotFoundError):  # which of the two depends on the back end
                    pass
                else:
                    self._one = True
                    return [_found(found, "")]
            return self._below()
        except (BaseError, OSError) as error:
            raise self._refusal(error) from None

    def _below(self) -> Sequence[Found]:
        import obstore

        pattern = is_glob(self._key)
        prefix = fixed_folder(self._key) if pattern else self._key.rstrip("/")
        cut = len(prefix) + 1 if prefix else 0
        match = matcher(self._key).fullmatch if pattern else None
        found = [
            _found(meta, meta["path"][cut:])
            for page in obstore.list(self._store, prefix or None, chunk_size=1000)
            for meta in page
            if (match is None or match(meta["path"])) and not meta["path"].endswith("/")
        ]
        if not found:
            raise MissingError(
                f"there is nothing at {refused_name(self._address)}",
                hint="look for a typing error in the address, and at what the credentials may see",
            )
        for one in found:
            if any(part in {"", ".", ".."} for part in one.path.split("/")):
                raise ConfigurationError(
                    f"the bucket has an object {one.key!r} that no folder can hold",
                    hint="leave it out by a pattern",
                )
        return sorted(found)

    def _read(self, found: Found, target: Path, told: Callable[[int], None]) -> None:
        import obstore
        from obstore.exceptions import BaseError

        done = 0
        try:
            with target.open("wb") as sink:
                for piece in obstore.get(self._store, found.key).stream(min_chunk_size=_PIECE):
                    sink.write(piece)
                    told(len(piece))
                    done += len(piece)
        except BaseError as error:
            raise self._refusal(error) from None
        except OSError as error:
            raise refused(
                self._address, _first_line(error), "try again; look at the space on the disk too"
            ) from None
        if done != found.size_bytes:
            raise refused(self._address, f"{found.key!r} changed while it was read", "try again")

    def _refusal(self, error: Exception) -> OutsideError:
        hint = "look at the credentials, the region (AWS_REGION) and the endpoint (AWS_ENDPOINT_URL), then try again"
        return refused(self._address, _first_line(error), hint)


def refused_name(address: str) -> str:
    """Return an address as it may be shown."""
    from legato.data.addresses import shown

    return shown(address)


def _found(meta: Mapping[str, Any], path: str) -> Found:
    return Found(
        meta["path"], path, int(meta["size"]), str(meta.get("e_tag") or meta.get("last_modified") or "")
    )


def _version(found: Sequence[Found]) -> str:
    if len(found) == 1 and not found[0].path:
        return f"etag {found[0].state}, {found[0].size_bytes} bytes"
    said = hashlib.sha256()
    for one in found:
        said.update(f"{one.path}\0{one.size_bytes}\0{one.state}\n".encode())
    return f"{len(found)} objects {said.hexdigest()[:32]}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip()
