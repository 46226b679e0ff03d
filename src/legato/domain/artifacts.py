"""Artifacts and the results of steps that made them.

Rule: an artifact is named by its digest alone; everything else here says how to read it.
Format: docs/formats/artifact.md.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from legato.domain.digests import Digest
from legato.domain.graph import Struct
from legato.domain.keys import Read, Recipe

MAKERS: Final = ("untrusted", "laptop", "ci")
"""Who may have made a result, least trusted first."""


def trusts(reader: str, maker: str) -> bool:
    """Say whether a run of `reader` may use what `maker` made: only what is trusted as much, or more.

    >>> trusts("laptop", "ci"), trusts("ci", "laptop"), trusts("ci", "who?")
    (True, False, False)
    """
    return maker in MAKERS and MAKERS.index(maker) >= MAKERS.index(reader)


class Artifact(Struct, frozen=True, kw_only=True):
    """An immutable, typed output.

    Attributes:
        digest: Of the bytes, or of the manifest where `tree` is true.
        size_bytes: Of all its bytes.
        format: Name and number of the format that wrote it (`polars/1`).
        type: The Python type as people write it (`polars.DataFrame`).
        tree: It is a folder; the digest names a manifest.
        classes: First-party classes that the bytes refer to, as `module:Qual.name`.
        unsafe: Reading it may run code (a pickle).
        about: A few plain facts for people: rows, columns, shape.
    """

    digest: Digest
    size_bytes: int
    format: str
    type: str = ""
    tree: bool = False
    classes: tuple[str, ...] = ()
    unsafe: bool = False
    about: Mapping[str, Any] = {}


class ManifestEntry(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One file of a tree. `path` is relative, with `/`, normalised, never leaves the tree."""

    path: str
    digest: Digest
    size_bytes: int
    executable: bool = False


class Manifest(Struct, frozen=True, kw_only=True):
    """A folder as data: its files sorted by path. Its canonical JSON is stored as an object."""

    files: tuple[ManifestEntry, ...]
    format: int = 1


class Usage(Struct, frozen=True, kw_only=True):
    """What one execution used: wall and CPU seconds, and the peak resident bytes of all its processes together."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0


class Result(Struct, frozen=True, kw_only=True):
    """What a key leads to: the artifacts by output field, and who made them where.

    Attributes:
        key: The full key, reads included.
        base: The key without reads, by which results are looked up first.
        step: The name the step had then; not part of the key.
        run: The run that made it.
        outputs: Artifact by output field (empty field name for a single result).
        maker: `laptop`, `untrusted`, `ci`: who made it.
        platform: `linux-x86_64-cpython-3.11`.
    """

    key: str
    base: str
    step: str
    run: int
    outputs: Mapping[str, Artifact]
    reads: tuple[Read, ...] = ()
    recipe: Recipe = ()
    usage: Usage = Usage()
    maker: str = "laptop"
    platform: str = ""
    finished_at: float = 0.0
