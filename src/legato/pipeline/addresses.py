"""What `lg.dataset(...)` may name: paths and patterns below the repository, and addresses of data elsewhere.

Rule: only the form is looked at here; nothing is asked of a disk or a network, and no secret gets into a message.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from legato.domain.errors import ConfigurationError
from legato.pipeline.nearest import did_you_mean

if TYPE_CHECKING:
    from legato.pipeline.handles import Dataset
    from legato.pipeline.places import Places

BYTES: Final = ("http", "https", "s3", "gs", "az")
"""Schemes of files elsewhere."""
TABLES: Final = ("postgresql", "sqlite", "duckdb")
"""Schemes of databases."""
_LOCAL_FILES: Final = ("sqlite", "duckdb")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_OTHERS: Final = {
    "gcs": "gs",
    "postgres": "postgresql",
    "s3a": "s3",
    "s3n": "s3",
    "abfs": "az",
    "abfss": "az",
}


def scheme_of(address: str) -> str:
    """Return the scheme of an address; empty for a path.

    >>> scheme_of("s3://bucket/rows"), scheme_of("data/wine.csv")
    ('s3', '')
    """
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def refusal(address: str, query: object, version: object) -> tuple[str, str] | None:
    """Return what is wrong with the arguments of a dataset, and a hint; None when nothing is.

    >>> refusal("data/wine.csv", None, None)
    >>> refusal("s3:/bucket", None, None)[1]
    'write s3://bucket'
    """
    scheme = scheme_of(address)
    if not address or "\0" in address:
        return f"{address!r} is no path", 'write for example lg.dataset("data/wine.csv")'
    if scheme and scheme not in (*BYTES, *TABLES):
        return _unknown_scheme(scheme)
    slip = re.match(rf"({'|'.join((*BYTES, *TABLES))}):/?(?!/)", address)
    if slip:
        return f"{address!r} is no address", f"write {slip[1]}://{address[slip.end() :]}"
    return _wrong_words(scheme, query, version)


def _unknown_scheme(scheme: str) -> tuple[str, str]:
    known = (*BYTES, *TABLES)
    meant = _OTHERS.get(scheme)
    hint = f"did you mean {meant}://?" if meant else did_you_mean(scheme, known, "schemes")
    return f"an address that starts with {scheme}:// is of no kind that a dataset can have", hint


def _wrong_words(scheme: str, query: object, version: object) -> tuple[str, str] | None:
    for word, value in (("query", query), ("version", version)):
        if value is not None and (not isinstance(value, str) or not value.strip()):
            return f"{word}={value!r} is no text", f'write {word}="select …"'
        if value is not None and scheme not in TABLES:
            return f"{word}= is for databases, and this is a path or file", f"leave {word}= out"
    if scheme in TABLES and query is None:
        return "a database needs a query that says what to read", 'write query="select … order by …"'
    return None


def detail_of(handle: Dataset, places: Places) -> dict[str, object]:
    """Return what a dataset's node says of it: a `path` relative to the repository, or an `address`.

    Raises:
        ConfigurationError: The path leaves the repository.
    """
    folder = posixpath.dirname(handle.spot.file)
    scheme = scheme_of(handle.path)
    if not scheme:
        return _local(handle.path, folder, places)
    detail: dict[str, object] = {
        "address": _from_root(handle.path, scheme, folder, places),
        "kind": "elsewhere",
    }
    if handle.query:
        detail["query"] = handle.query
    if handle.version:
        detail["version"] = handle.version
    return detail


def _local(path: str, folder: str, places: Places) -> dict[str, object]:
    absolute = posixpath.abspath(posixpath.join(folder, path))
    relative = places.relative(absolute)
    if relative == absolute or absolute.endswith("/.."):
        raise ConfigurationError(
            f"{path!r} lies outside the repository",
            hint="put it below the repository (a symbolic link serves), or read it in a step without inputs",
        )
    if any(letter in path for letter in "*?["):
        return {"path": relative, "kind": "pattern"}
    is_folder = path.endswith("/") or Path(absolute).is_dir()
    return {"path": relative, "kind": "folder" if is_folder else "file"}


def _from_root(address: str, scheme: str, folder: str, places: Places) -> str:
    """Return an address whose file, where it names one of this machine, is relative to the repository."""
    path = address[len(scheme) + 3 :]
    if scheme not in _LOCAL_FILES or not path.startswith("/") or path.startswith("//"):
        return address
    return f"{scheme}:///{places.relative(posixpath.abspath(posixpath.join(folder, path[1:])))}"
