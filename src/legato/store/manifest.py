"""Manifests: a folder as bytes, and bytes as a folder that cannot reach outside itself.

Rule: one folder has one manifest; a manifest that is not in that one form is refused.
Format: docs/formats/store.md.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from legato.domain.artifacts import Manifest, ManifestEntry
from legato.domain.digests import canonical, is_digest
from legato.domain.errors import ConfigurationError

MANIFEST_FORMAT: Final = 1
MANIFEST_START: Final = b'{"files":['
"""How the bytes of every manifest of format 1 begin."""

_ALTERED: Final = "it was altered, or another program wrote it: make it again"
_DECODER = msgspec.json.Decoder(Manifest)


def write_manifest(files: Iterable[ManifestEntry]) -> bytes:
    """Return the one manifest of these files, in whatever order they come.

    Raises:
        ConfigurationError: A path leaves the folder, is there twice, or is both a file and a folder.

    >>> write_manifest([])
    b'{"files":[]}'
    """
    ordered = tuple(sorted(files))
    _check(ordered)
    return canonical(Manifest(files=ordered))


def read_manifest(data: bytes) -> Manifest:
    """Return the folder that `data` describes, every path safe to make below a folder.

    Raises:
        ConfigurationError: The bytes are no manifest, one of a newer Legato, or not in canonical form.
    """
    try:
        manifest = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(
            f"not a manifest: {error}", hint="this object is a file, not a folder"
        ) from None
    if manifest.format != MANIFEST_FORMAT:
        raise ConfigurationError(
            f"this manifest has format {manifest.format}; this Legato reads {MANIFEST_FORMAT}",
            hint="upgrade Legato: pip install --upgrade legato",
        )
    _check(manifest.files)
    if canonical(manifest) != data:
        raise ConfigurationError("not a manifest: its JSON is not canonical", hint=_ALTERED)
    return manifest


def is_manifest(data: bytes) -> bool:
    """Say whether these bytes are a canonical manifest."""
    if not data.startswith(MANIFEST_START):
        return False
    try:
        read_manifest(data)
    except ConfigurationError:
        return False
    return True


def check_path(path: str) -> str:
    """Return a path of a manifest as it is, if it is relative, normalised, UTF-8, and stays where it is put.

    >>> check_path("a/b.txt")
    'a/b.txt'

    Raises:
        ConfigurationError: It is not.
    """
    trouble = _trouble_of(path)
    if trouble:
        raise ConfigurationError(f"a folder cannot hold the path {path!r}: {trouble}", hint="rename the file")
    return path


def _trouble_of(path: str) -> str:
    if "\0" in path:
        return "it has a NUL"
    if "\\" in path:
        return "it has a backslash, which some systems take for a separator"
    if path.startswith("/"):
        return "it is absolute"
    if any(part in {"", ".", ".."} for part in path.split("/")):
        return "it is not normalised ('..', '.' or an empty part)"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    return ""


def _check(files: Sequence[ManifestEntry]) -> None:
    before = ""
    for entry in files:
        check_path(entry.path)
        if not is_digest(entry.digest) or entry.size_bytes < 0:
            raise ConfigurationError(
                f"a manifest says of {entry.path!r}: {entry.digest!r}, {entry.size_bytes} bytes",
                hint=_ALTERED,
            )
        if entry.path <= before:
            raise ConfigurationError(f"a manifest names {entry.path!r} twice or out of order", hint=_ALTERED)
        before = entry.path
    _check_folders(files)


def _check_folders(files: Sequence[ManifestEntry]) -> None:
    folders = {path.rpartition("/")[0] for path in (entry.path for entry in files) if "/" in path}
    above = {folder[:at] for folder in folders for at, letter in enumerate(folder) if letter == "/"}
    for entry in files:
        if entry.path in folders or entry.path in above:
            raise ConfigurationError(
                f"a manifest has {entry.path!r} both as a file and as a folder", hint=_ALTERED
            )
