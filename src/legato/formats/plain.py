"""Plain values as one line of JSON that brings back their types; tables and models inside them lie beside it.

Rule: sets are sorted, dictionaries keep their order (a consumer sees it), floats are the shortest text that
comes back. What JSON has no form for is an object with `$` among its keys.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

from legato.domain.artifacts import Artifact
from legato.domain.digests import Digest
from legato.domain.errors import ConfigurationError
from legato.domain.units import with_article
from legato.formats import Saved, Trust
from legato.formats.annotations import type_name
from legato.formats.plain_types import decode, encode, is_plain

_FILE: Final = "value.json"


class Folder:
    """Values that no JSON holds, each saved by its own format in a folder beside it."""

    def __init__(self, folder: Path, trust: Trust) -> None:
        self.folder = folder
        self.trust = trust
        self.classes: set[str] = set()
        self.count = 0

    def save(self, value: object, where: str) -> dict[str, Any]:
        """Save one part and return what stands for it."""
        if isinstance(value, Path) or self.trust.shelf is None:
            raise ConfigurationError(
                f"{with_article(type_name(type(value)))} inside a value ({where}) cannot be saved",
                hint="return it alone, or as a field of a NamedTuple; a file: return its pathlib.Path",
            )
        self.count += 1
        try:
            saved = self.trust.shelf.save(value, self.folder, name=f"part{self.count}")
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error.message}", hint=error.hint) from error
        self.classes.update(saved.classes)
        return {
            "$": "part",
            "file": saved.path.name,
            "format": saved.format,
            "type": saved.type,
            "classes": list(saved.classes),
        }

    def load(self, note: dict[str, Any]) -> object:
        """Read one part back; it may name no more classes than the whole."""
        name = str(note["file"])
        if name != Path(name).name or name in {"", ".", ".."} or self.trust.shelf is None:
            raise ConfigurationError(
                f"the artifact names a part {name!r} outside itself", hint="run the step again"
            )
        artifact = Artifact(
            digest=Digest("sha256:part"),
            size_bytes=0,
            format=note["format"],
            type=note["type"],
            classes=tuple(name for name in note["classes"] if name in self.trust.classes),
        )
        return self.trust.shelf.load(self.folder / name, artifact)


def accepts(value: object) -> bool:
    """Take what JSON with tags can hold at the top; what lies inside is seen on saving."""
    return is_plain(value)


def save(value: object, target: Path, trust: Trust) -> Saved:
    """Write one `.json` file, or a folder when something inside has a format of its own."""
    parts = Folder(target, trust)
    try:
        encoded = encode(value, parts, "the value")
    except RecursionError:
        raise ConfigurationError(
            "the value holds itself, or is nested too deep", hint="return a flatter value"
        ) from None
    text = json.dumps(encoded, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    tree = parts.count > 0
    path = target / _FILE if tree else target.with_name(target.name + ".json")
    _write(path, text.encode() + b"\n")
    about = {"items": len(value)} if isinstance(value, (dict, list, tuple, set, frozenset)) else {}
    return Saved(
        path=target if tree else path,
        format="plain/1",
        type=type_name(type(value)),
        tree=tree,
        classes=tuple(sorted(parts.classes)),
        about=about,
    )


def _write(path: Path, data: bytes) -> None:
    """Write a file in three calls of the system, where `Path.write_text` makes seven: every small result does it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read the value back."""
    file = path / _FILE if path.is_dir() else path
    return decode(json.loads(file.read_text()), Folder(path, trust))
