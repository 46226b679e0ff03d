"""Converts one raw value to the type of a parameter.

Rule: a value of the type stays as it is, a text from the command line is read by the type, and nothing is
guessed: in a union the exact member is taken before one that would have to convert.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import msgspec

from legato.pipeline.annotations import Named, Unresolved, bare, is_any, members, show
from legato.pipeline.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable


class Text(str):
    """A text as a person typed it, to be read by the parameter's type."""

    __slots__ = ()


class Tag:
    """What the wire holds for a value whose class only the annotation knows: an Enum member, a record."""

    __slots__ = ("inner", "name")

    def __init__(self, name: str, inner: object) -> None:
        self.name = name
        self.inner = inner

    def __repr__(self) -> str:
        """Return the name of the class or member."""
        return self.name


class Misfit(ValueError):  # noqa: N818 - caught next door and made an error with its place
    """A raw value is not of the type; `reason` completes the sentence that begins with the value."""

    def __init__(self, reason: str = "", hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def convert(annotation: object, raw: object) -> object:
    """Return `raw` as a value of `annotation`.

    Args:
        annotation: A resolved annotation.
        raw: A Python value, decoded JSON, or a `Text`.

    Raises:
        Misfit: It is not one.
    """
    annotation = bare(annotation)
    if is_any(annotation) or isinstance(annotation, Named):
        return _free(raw)
    sides = members(annotation)
    if len(sides) > 1:
        return _first_that_fits(sides, raw)
    reader = _READERS.get(annotation) if isinstance(annotation, type) else None
    if reader is not None:
        return reader(raw)
    return _special(annotation, raw)


def _special(annotation: object, raw: object) -> object:
    origin = get_origin(annotation)
    if origin is Literal:
        return _literal(annotation, raw)
    if annotation is tuple or origin is tuple:
        return _tuple(get_args(annotation), raw)
    if origin is list:
        return [convert(get_args(annotation)[0], item) for item in _items(raw, list)]
    if origin is Sequence or annotation is Sequence:
        return _sequence(get_args(annotation), raw)
    if origin in (dict, Mapping) or annotation is Mapping:
        return _dict(get_args(annotation), raw)
    if isinstance(annotation, type):
        return _own_class(annotation, raw)
    raise _unfit(annotation)


def _own_class(kind: type, raw: object) -> object:
    if issubclass(kind, Enum):
        return _enum(kind, raw)
    if is_record(kind):
        return _record(kind, raw)
    raise _unfit(kind)


def _unfit(annotation: object) -> Misfit:
    return Misfit(
        f"cannot be a parameter of type {show(annotation)}",
        "parameters are bool, int, float, str, None, Enum, Literal, date, tuple, frozen dataclass; "
        "anything else is an input: a parameter without default",
    )


def is_record(kind: type) -> bool:
    """Say whether a class is a NamedTuple or a frozen dataclass."""
    if issubclass(kind, tuple):
        return hasattr(kind, "_fields")
    parameters = kind.__dict__.get("__dataclass_params__")
    return parameters is not None and bool(parameters.frozen)


def _first_that_fits(sides: Sequence[object], raw: object) -> object:
    for side in sorted(sides, key=lambda side: _rank(side, raw)):
        try:
            return convert(side, raw)
        except Misfit:
            continue
    raise Misfit


def _rank(side: object, raw: object) -> int:
    """Exact types first; for a typed text the most particular first, `str` last."""
    if isinstance(raw, Text):
        return _TEXT_ORDER.get(side, 1) if isinstance(side, type) else 1
    kind = get_origin(side) or side
    return 0 if kind is type(raw) else 1


def _free(raw: object) -> object:
    """Without a type: a typed text says JSON's plain values or itself; the rest is taken as it is."""
    if isinstance(raw, Tag):
        raise Misfit("needs its class to be read", "annotate the parameter with the class of its value")
    if not isinstance(raw, Text):
        return raw
    try:
        plain = msgspec.json.decode(str(raw))
    except (msgspec.DecodeError, UnicodeError):
        return str(raw)
    return plain if plain is None or isinstance(plain, bool | int | float) else str(raw)


def _none(raw: object) -> None:
    if raw is not None and not (isinstance(raw, Text) and raw in {"None", "none", "null"}):
        raise Misfit


_TRUTH: Final = {
    "true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip


def _bool(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, Text) and raw.lower() in _TRUTH:
        return _TRUTH[raw.lower()]
    raise Misfit("is neither true nor false", "write true or false")


def _int(raw: object) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool | Enum):
        return int(raw)
    if isinstance(raw, Text):
        try:
            return int(raw)
        except ValueError:
            pass
    raise Misfit("is not a whole number", "write for example 300")


def _float(raw: object) -> float:
    if isinstance(raw, float | int | Text) and not isinstance(raw, bool | Enum):
        try:
            return float(raw)
        except (ValueError, OverflowError):
            pass
    raise Misfit("is not a number", "write for example 0.05 or 1e-3")


def _str(raw: object) -> str:
    if isinstance(raw, str) and not isinstance(raw, Enum):
        return str(raw)
    raise Misfit("is not a text", 'write it in quotes: "…"')


def _date(raw: object) -> dt.date:
    if type(raw) is dt.date:
        return raw
    if isinstance(raw, str):
        try:
            return dt.date.fromisoformat(raw)
        except ValueError:
            pass
    raise Misfit("is not a date", "write for example 2026-11-01")


def _datetime(raw: object) -> dt.datetime:
    if isinstance(raw, dt.datetime):
        return raw
    if isinstance(raw, str):
        try:
            return dt.datetime.fromisoformat(raw)
        except ValueError:
            pass
    raise Misfit("is not a date with a time", "write for example 2026-11-01T09:30:00+00:00")


def _literal(annotation: object, raw: object) -> object:
    options = get_args(annotation)
    for option in options:
        if type(option) is type(raw) and option == raw:
            return option
        if isinstance(raw, Text) and raw == (option.name if isinstance(option, Enum) else str(option)):
            return option
        if isinstance(option, Enum) and isinstance(raw, Tag) and raw.name == member_name(option):
            return option
    shown = ", ".join(repr(option) for option in options)
    raise Misfit(f"is none of {shown}", did_you_mean(str(raw), [str(option) for option in options], "values"))


def member_name(member: Enum) -> str:
    """Return `Class.NAME`, as canonical JSON holds it."""
    return f"{type(member).__qualname__}.{member.name}"


def _enum(kind: type[Enum], raw: object) -> Enum:
    if isinstance(raw, kind):
        return raw
    if isinstance(raw, Tag):
        owner, _, name = raw.name.rpartition(".")
        raw = name if owner == kind.__qualname__ else raw
    if isinstance(raw, str) and raw in kind.__members__:
        return kind[raw]
    for member in kind:
        if member.value == raw or (isinstance(raw, Text) and str(member.value) == raw):
            return member
    raise Misfit(f"is no {kind.__name__}", did_you_mean(str(raw), kind.__members__, "values"))


def _tuple(sides: tuple[object, ...], raw: object) -> tuple[object, ...]:
    items = _items(raw, tuple)
    if not sides:
        return tuple(_free(item) for item in items)
    if len(sides) == 2 and sides[1] is ...:  # noqa: PLR2004 - tuple[X, ...]
        return tuple(convert(sides[0], item) for item in items)
    if sides == ((),):
        sides = ()
    if len(items) != len(sides):
        raise Misfit(f"has {len(items)} values where {len(sides)} are wanted", "separate them by commas: 1,2")
    return tuple(convert(side, item) for side, item in zip(sides, items, strict=True))


def _sequence(sides: tuple[object, ...], raw: object) -> Sequence[object]:
    side = sides[0] if sides else Any
    items = [convert(side, item) for item in _items(raw, tuple)]
    return items if isinstance(raw, list) else tuple(items)


def _items(raw: object, kind: type) -> Sequence[object]:
    if isinstance(raw, Text):
        return _typed_items(raw)
    if isinstance(raw, list) or (isinstance(raw, tuple) and kind is tuple):
        return raw
    raise Misfit(f"is not a {kind.__name__}", "write its values, separated by commas: 1,2")


def _typed_items(text: Text) -> Sequence[object]:
    inner = str(text).strip()
    if inner.startswith("["):
        try:
            decoded = msgspec.json.decode(inner)
        except (msgspec.DecodeError, UnicodeError):
            decoded = None
        if isinstance(decoded, list):
            return decoded
    if inner[:1] + inner[-1:] in {"()", "[]"}:
        inner = inner[1:-1]
    parts = [part.strip() for part in inner.split(",")]
    if parts[-1] == "":
        parts.pop()
    return [Text(part) for part in parts]


def _dict(sides: tuple[object, ...], raw: object) -> dict[str, object]:
    plain = _mapping(raw)
    side = sides[1] if len(sides) > 1 else Any
    return {key: convert(side, item) for key, item in plain.items()}


def _mapping(raw: object) -> dict[str, Any]:
    if isinstance(raw, Text):
        try:
            raw = msgspec.json.decode(str(raw))
        except (msgspec.DecodeError, UnicodeError):
            raise Misfit("is not a JSON object", 'write for example {"low": 1, "high": 9}') from None
    if isinstance(raw, dict) and all(isinstance(key, str) for key in raw):
        return raw
    raise Misfit("is not a mapping from texts", 'write for example {"low": 1, "high": 9}')


def _record(kind: type, raw: object) -> object:
    if isinstance(raw, kind):
        return raw
    plain = _mapping(raw.inner if isinstance(raw, Tag) and raw.name == kind.__qualname__ else raw)
    types = _field_types(kind)
    for name in plain:
        if name not in types:
            raise Misfit(
                f"has the field `{name}`, which {kind.__name__} has not", did_you_mean(name, types, "fields")
            )
    values = {}
    for name, item in plain.items():
        try:
            values[name] = convert(types[name], item)
        except Misfit as misfit:
            reason = misfit.reason or f"is no {show(types[name])}"
            raise Misfit(f"has the field `{name}` = {item!r}, which {reason}", misfit.hint) from None
    try:
        made: object = kind(**values)
    except TypeError as error:
        raise Misfit(f"makes no {kind.__name__}: {error}", "give every field that has no default") from None
    return made


def _field_types(kind: type) -> dict[str, object]:
    """Return the fields' types; texts among the annotations are looked up where the class is defined."""
    from typing import get_type_hints

    names = getattr(kind, "_fields", None) or kind.__dict__["__dataclass_fields__"]
    try:
        hints = get_type_hints(kind)
    except Exception:  # noqa: BLE001 - an annotation may do anything; the field then takes plain values
        hints = {}
    return {name: hints.get(name, Unresolved("")) for name in names}


_READERS: Final[dict[type, Callable[[object], object]]] = {
    type(None): _none, bool: _bool, int: _int, float: _float, str: _str,
    dt.date: _date, dt.datetime: _datetime,
    tuple: lambda raw: _tuple((), raw),
    list: lambda raw: [_free(item) for item in _items(raw, list)],
    dict: lambda raw: _dict((), raw),
}  # fmt: skip
_TEXT_ORDER: Final[dict[type, int]] = {type(None): 0, int: 2, bool: 3, float: 4, str: 9}
