"""How `lg.Reference` is written and read, and how any artifact is handed over as an `lg.Remote`.

Rule: nothing is downloaded or looked at; the bytes of a reference are its name and version, and nothing else.
"""

from pathlib import Path
from typing import Final, Never

import msgspec

from legato.domain.artifacts import Artifact
from legato.domain.digests import canonical
from legato.domain.elsewhere import Reference, Remote
from legato.domain.errors import ConfigurationError
from legato.domain.units import with_article
from legato.formats import Saved, Trust

REFERENCE: Final = "reference/1"
ADDRESS: Final = "address"
"""The name in `Artifact.about` under which an artifact says where its bytes lie for those who read them there."""


REMOTE: Final = "legato.Remote"
_REFERENCE: Final = "legato.Reference"
PLACES: Final = frozenset({REMOTE, "pathlib.Path"})
"""Forms that say where the bytes of an artifact lie, whatever its format is."""


def accepts(value: object) -> bool:
    """Take both; a remote is refused when it is saved, with a hint."""
    return isinstance(value, Reference | Remote)


def save(value: object, target: Path, trust: Trust) -> Saved:  # noqa: ARG001 - the port
    """Write the name and version; the address only tells where to look, so it is no part of the bytes.

    Raises:
        ConfigurationError: It is a `Remote`, which says nothing of a version.
    """
    if isinstance(value, Remote):
        raise ConfigurationError(
            f"an lg.Remote cannot be returned: {value.address} may hold something else tomorrow",
            hint=f"return lg.Reference(NAME, version=…, address={value.address!r})",
        )
    assert isinstance(value, Reference)  # noqa: S101 - `accepts` said so
    target.write_bytes(canonical({"name": value.name, "version": value.version}))
    about = {"reference": value.name, "version": value.version, "held": "not held"}
    if value.address:
        about[ADDRESS] = value.address
    return Saved(path=target, format=REFERENCE, type=_REFERENCE, about=about)


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Return the reference, or its address where that is asked for.

    Raises:
        ConfigurationError: It is asked for as a value.
    """
    if form not in ("", _REFERENCE):
        refuse(artifact, with_article(form))
    told = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    return Reference(told["name"], version=told["version"], address=str(artifact.about.get(ADDRESS, "")))


def place(path: Path, artifact: Artifact, form: str) -> Path | Remote:
    """Return where an artifact's bytes lie, as one of `PLACES`."""
    if form == REMOTE:
        return remote(path, artifact)
    return refuse(artifact, "a path") if not_held(artifact) else path


def remote(path: Path | None, artifact: Artifact) -> Remote:
    """Return an artifact as an address: its own where it has one, else that of its bytes on this machine.

    Raises:
        ConfigurationError: It is a reference without an address.
    """
    address = str(artifact.about.get(ADDRESS, ""))
    if not address and (path is None or not_held(artifact)):
        refuse(artifact, "an lg.Remote")
    where = address or (path.absolute().as_uri() if path else "")
    size = 0 if not_held(artifact) else artifact.size_bytes
    return Remote(where, digest=artifact.digest, size_bytes=size)


def has_address(artifact: Artifact) -> bool:
    """Say whether an artifact can be read where it is, so that nothing need be placed on this machine."""
    return bool(artifact.about.get(ADDRESS))


def not_held(artifact: Artifact) -> bool:
    """Say whether the store holds only the name and version of an artifact."""
    return artifact.format.partition("/")[0] == REFERENCE.partition("/")[0]


def refuse(artifact: Artifact, asked: str) -> Never:
    """Raise ConfigurationError: what a reference stands for is not here."""
    name, version = artifact.about.get("reference", "?"), artifact.about.get("version", "?")
    raise ConfigurationError(
        f"{name} (version {version}) is not held here, so it cannot be had as {asked}",
        hint=_where(artifact),
    )


def _where(artifact: Artifact) -> str:
    address = artifact.about.get(ADDRESS)
    if address:
        return f"it stays at {address}; annotate the parameter lg.Reference or lg.Remote and read it there"
    return (
        "annotate the parameter lg.Reference and read it where it is, or give the reference an address=… "
        "to take it as lg.Remote"
    )
