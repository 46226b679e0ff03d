"""Takes a list, mapping or folder apart, so that a step can run once for each of its elements.

Rule: an element is an artifact of its own, named by what it is and not by where it stands, so that order and additions
change no other one.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from legato.app.work import Work
from legato.domain.artifacts import Artifact
from legato.domain.digests import canonical
from legato.domain.elements import ELEMENTS, pack
from legato.domain.errors import UserCodeError
from legato.domain.messages import Given
from legato.domain.units import with_article
from legato.formats import FILE
from legato.store import read_manifest

_NAMES: Final = ("name", "key", "id")
"""Fields by which an element is called that is no plain value."""
_DIGITS: Final = 12
_LONGEST: Final = 100_000
_PLAIN: Final = (str, int, float, bool, bytes, type(None))


def take_elements(work: Work) -> dict[str, Artifact]:
    """Store each element of the input by itself, and what they are called.

    Raises:
        UserCodeError: It is nothing that has elements, or two of them are called the same.
    """
    given = work.order.inputs[0]
    source = work.order.wiring[0].artifact
    items = _files(work, given) if given.artifact.tree else None
    if items is None:
        items = _kept(work, _named(source, work.value(given)), source)
    data = pack(items)
    stored = Artifact(
        digest=work.store.put(io.BytesIO(data)),
        size_bytes=len(data),
        format=ELEMENTS,
        about={"elements": len(items)},
    )
    return {work.order.outputs[0].field: stored}


def _files(work: Work, given: Given) -> dict[str, Artifact] | None:
    """Return the files of a folder, each as it lies there; None where the tree is a value of another format."""
    if not given.artifact.format.startswith("folder/"):
        return None
    manifest = read_manifest(work.store.path(given.artifact.digest).read_bytes())
    return {
        entry.path: Artifact(
            digest=entry.digest,
            size_bytes=entry.size_bytes,
            format=FILE,
            type="pathlib.Path",
            about={"name": Path(entry.path).name},
        )
        for entry in manifest.files
    }


def _named(source: str, value: object) -> Iterator[tuple[str | None, object]]:
    if isinstance(value, Mapping):
        return ((_key_of(key, source), item) for key, item in value.items())
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return ((_name_of(item), item) for item in value)
    kind = type(value).__name__
    hint = f"return a list or a mapping from {source}"
    if hasattr(value, "to_dicts") or hasattr(value, "to_dict"):
        hint += ", for example one table for each group: {key: table, …}"
    raise UserCodeError(
        f"each= runs over {source}, which is {with_article(kind)} and has no elements", hint=hint
    )


def _key_of(key: object, source: str) -> str:
    if isinstance(key, _PLAIN) and key is not None and not isinstance(key, bytes):
        return _shown(key)
    raise UserCodeError(
        f"each= runs over {source}, whose key {key!r:.80} is {with_article(type(key).__name__)}",
        hint="use texts or numbers as keys",
    )


def _name_of(item: object) -> str | None:
    """Return what an element calls itself, or None where it has no name."""
    if isinstance(item, _PLAIN) and not isinstance(item, bytes):
        return _shown(item)
    for field in _NAMES:
        found = item.get(field) if isinstance(item, Mapping) else getattr(item, field, None)
        if isinstance(found, str | int) and not isinstance(found, bool):
            return str(found)
    return None


def _shown(value: object) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _kept(work: Work, named: Iterable[tuple[str | None, object]], source: str) -> dict[str, Artifact]:
    items: dict[str, Artifact] = {}
    values: dict[str, object] = {}
    for at, (name, item) in enumerate(named):
        kept = work.keep(f"{at}", item)
        key = name if name is not None else kept.digest[7 : 7 + _DIGITS]
        _refuse_key(source, key)
        if key in items:
            raise UserCodeError(
                f"two elements of {source} are called {key[:80]!r}: {values[key]!r:.80} and {item!r:.80}",
                hint="return a mapping with a key for each, or give each a field `name`, `key` or `id` of its own",
            )
        items[key], values[key] = kept, item
    return items


def _refuse_key(source: str, key: str) -> None:
    """Refuse what cannot be written down: no text of Unicode, or longer than anybody meant."""
    try:
        canonical(key)
    except (UnicodeEncodeError, msgspec.MsgspecError) as error:
        raise UserCodeError(
            f"an element of {source} is called {key!r:.80}, which is no text: {error}", hint="use other keys"
        ) from error
    if len(key) > _LONGEST:
        raise UserCodeError(
            f"an element of {source} has a key of {len(key)} characters ({key[:40]!r}…)",
            hint="return a mapping with short keys",
        )
