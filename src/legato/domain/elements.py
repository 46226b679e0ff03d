"""Elements: how the parts of a fanned-out step are named, and how many artifacts travel as one.

Rule: a name holds nothing that a file name, a shell or a terminal could misread, and two keys never share one.
Format: docs/formats/graph.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from legato.domain.artifacts import Artifact
from legato.domain.digests import canonical, digest_of
from legato.domain.graph import Coordinate, Struct

ELEMENTS: Final = "elements/1"
"""Format of the artifact that holds the elements of a list or mapping, each an artifact of its own."""

GATHERED: Final = "gathered/1"
"""Format of the artifact that holds what the elements of a fanned-out step made."""

_LONGEST_KEY: Final = 64
_LONGEST_NAME: Final = 200
_KEPT: Final = 24
_PLAIN: Final = " +@-_."


class Family(Struct, frozen=True, kw_only=True):
    """Many artifacts as one, by key; `missing` are the keys whose artifact could not be made.

    Keys of an `elements/1` are as its source had them; those of a `gathered/1` over several axes are
    `depth=4,kind=a`.
    """

    items: Mapping[str, Artifact] = {}
    missing: tuple[str, ...] = ()


_DECODER: Final = msgspec.json.Decoder(Family)


def pack(items: Mapping[str, Artifact], missing: Iterable[str] = ()) -> bytes:
    """Return a family as its canonical bytes: the order of `items` makes no difference."""
    return canonical(Family(items=items, missing=tuple(sorted(missing))))


def unpack(data: bytes) -> Family:
    """Return the family that `pack` wrote; raises `msgspec.DecodeError`."""
    family: Family = _DECODER.decode(data)
    return family


def shown_key(key: str) -> str:
    """Return a key as names hold it: one short word, unlike that of any other key.

    >>> shown_key("berlin"), shown_key("a/b"), shown_key("x" * 99)
    ('berlin', 'a%2Fb', 'xxxxxxxxxxxxxxxxxxxxxxxx~d0621fdd')
    >>> shown_key("")
    '%'
    """
    if key.isalnum() and len(key) * 4 <= _LONGEST_KEY and key.isascii():
        return key
    shown = "".join(letter if letter.isalnum() or letter in _PLAIN else _escaped(letter) for letter in key)
    if len(shown.encode(errors="replace")) > _LONGEST_KEY:
        return f"{shown[:_KEPT]}~{digest_of(key.encode(errors='surrogatepass'))[7:15]}"
    return shown or "%"


def _escaped(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode(errors="surrogatepass"))


def suffix(at: Sequence[Coordinate]) -> str:
    """Return what stands behind a name to tell its elements apart.

    >>> suffix((Coordinate(axis="depth", key="4", shown="4"), Coordinate(axis="kind", key="a", shown="a")))
    '[depth=4,kind=a]'
    """
    return f"[{','.join(f'{one.axis}={one.shown}' for one in at)}]"


def element_name(name: str, at: Sequence[Coordinate]) -> str:
    """Return the name of one element of a node or artifact; nothing is added where it has no axes."""
    if not at:
        return name
    whole = name + suffix(at)
    if len(whole.encode()) <= _LONGEST_NAME:
        return whole
    return f"{name}[{suffix(at)[1:_KEPT]}~{digest_of(canonical(at))[7:23]}]"


def gathered_key(at: Sequence[Coordinate]) -> str:
    """Return the key under which a gathering step finds an element: its own, or one `axis=key` an axis."""
    return at[0].key if len(at) == 1 else suffix(at)[1:-1]


def split_target(target: str) -> tuple[str, dict[str, str]]:
    """Return the name before the brackets, and the shown key by axis.

    >>> split_target("training[store=berlin]"), split_target("training")
    (('training', {'store': 'berlin'}), ('training', {}))
    """
    name, bracket, rest = target.partition("[")
    if not bracket or not rest.endswith("]"):
        return target, {}
    pairs = (pair.partition("=") for pair in rest[:-1].split(",") if pair)
    return name, {axis.strip(): key for axis, _, key in pairs}
