"""Parameter values: between texts that people type, Python's values, and the canonical JSON that keys see.

Rule: a value that does not come back equal is refused. Format: docs/formats/value.md.
"""

from __future__ import annotations

import datetime as dt
import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from legato.domain.digests import canonical
from legato.domain.errors import ConfigurationError
from legato.pipeline.annotations import show
from legato.pipeline.fitting import Misfit, Tag, Text, convert, member_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DEEPEST: Final = 64


def from_text(annotation: object, text: str) -> object:
    """Return the value that a person typed, by the parameter's type.

    Raises:
        ConfigurationError: The text does not say a value of this type.

    >>> from_text(int | None, "3"), from_text(float, "1"), from_text(tuple[int, ...], "1,2")
    (3, 1.0, (1, 2))
    """
    return _converted(annotation, Text(text), repr(text))


def from_json(annotation: object, text: str) -> object:
    """Return the value that plain JSON says: a list may stand for a tuple, a text for a date or Enum member.

    Raises:
        ConfigurationError: It is no JSON, or not a value of this type.

    >>> from_json(tuple[int, int], "[1, 2]")
    (1, 2)
    """
    try:
        plain = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ConfigurationError(
            f"{text!r} is not JSON: {error}", hint='write for example 3, "text" or [1, 2]'
        ) from None
    return _converted(annotation, plain, text)


def from_wire(annotation: object, wire: str) -> object:
    """Return the value of canonical JSON that `wire_of` wrote.

    Raises:
        ConfigurationError: It is not a value of this type.

    >>> from_wire(float, wire_of(float("inf")))
    inf
    """
    try:
        plain = untagged(msgspec.json.decode(wire))
    except (msgspec.DecodeError, UnicodeError, ValueError, TypeError, KeyError):
        raise ConfigurationError(
            f"{wire!r} is not the wire form of a parameter", hint="it is what `wire_of` writes"
        ) from None
    return _converted(annotation, plain, wire)


def fitted(annotation: object, value: object) -> object:
    """Return a Python value as the annotation says it: an int becomes a float where a float is asked for.

    Raises:
        ConfigurationError: It is not of this type, or the type is none that a parameter can have.

    >>> fitted(float, 1)
    1.0
    """
    return _converted(annotation, value, repr(value))


def wire_of(value: object) -> str:
    """Return a value as canonical JSON: equal values give equal texts, and what JSON lacks is tagged.

    Raises:
        ConfigurationError: The value is of no type that a parameter can have.

    >>> wire_of((1, 2.0)), wire_of(dt.date(2026, 11, 1))
    ('{"tuple":[1,2.0]}', '{"date":"2026-11-01"}')
    """
    try:
        return canonical(_plain(value, _DEEPEST)).decode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"{value!r} holds half a character, which no JSON can hold", hint="pass it as UTF-8"
        ) from None


def typed(value: object) -> str:
    """Return a value as a person types it behind `-p STEP.NAME=`.

    >>> typed(dt.date(2026, 11, 1)), typed((1, 2)), typed("eu"), typed(""), typed(None)
    ('2026-11-01', '[1,2]', 'eu', "''", 'None')
    """
    if isinstance(value, str) and not isinstance(value, Enum):
        return value if value and value.isprintable() and value == value.strip() else repr(value)
    if value is None or (isinstance(value, bool | int | float) and not isinstance(value, Enum)):
        return repr(value)
    told = _told(value)
    return told if isinstance(told, str) else canonical(told).decode()


def _told(value: Any) -> Any:  # noqa: ANN401 - any plain data
    """Return `value` as the JSON that `from_json` would read: dates, members and records without tags."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _told(item) for name, item in value.items()}
    fields = getattr(value, "_fields", None) or getattr(value, "__dataclass_fields__", None)
    if fields:
        return {name: _told(getattr(value, name)) for name in fields}
    if isinstance(value, list | tuple):
        return [_told(item) for item in value]
    return value if not isinstance(value, float) or math.isfinite(value) else repr(value)


def _converted(annotation: object, raw: object, shown: str) -> object:
    try:
        return convert(annotation, raw)
    except Misfit as misfit:
        wanted = show(annotation)
        reason = misfit.reason or f"is no {wanted}"
        raise ConfigurationError(
            f"{shown[:200]} {reason}",
            hint=misfit.hint or (f"the parameter is typed {wanted}" if wanted else ""),
        ) from None


def _plain(value: Any, depth: int) -> Any:  # noqa: ANN401 - any plain data
    """Return `value` as plain data with tags; by exact type, since a bool is an int and an IntEnum is too."""
    if depth < 0:
        raise _no_value(value, "is nested too deeply")
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, Enum):
        return {"enum": member_name(value)}
    if kind is dt.datetime:
        return {"datetime": value.isoformat()}
    if kind is dt.date:
        return {"date": value.isoformat()}
    if kind is list:
        return [_plain(item, depth - 1) for item in value]
    return _structured(value, kind, depth)


def _structured(value: Any, kind: type, depth: int) -> Any:  # noqa: ANN401 - any plain data
    if kind is dict:
        if all(type(key) is str for key in value):
            return {"dict": {key: _plain(item, depth - 1) for key, item in value.items()}}
        raise _no_value(value, "has keys that are not texts")
    if kind is tuple:
        return {"tuple": [_plain(item, depth - 1) for item in value]}
    names = (
        getattr(kind, "_fields", None)
        if isinstance(value, tuple)
        else getattr(kind, "__dataclass_fields__", None)
    )
    if names is None:
        raise _no_value(value, f"is of type {show(kind)}")
    fields = {name: _plain(getattr(value, name), depth - 1) for name in names}
    return {"data": kind.__qualname__, "fields": fields}


def _no_value(value: object, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{str(value)[:80]!r} {reason}, so it cannot be a parameter",
        hint="parameters are bool, int, float, str, None, Enum, Literal, date, tuple, frozen dataclass; "
        "anything else is an input: a parameter without default",
    )


def untagged(plain: Any) -> Any:  # noqa: ANN401 - any plain data
    """Undo the tags of `_plain`; every object of canonical JSON is one."""
    if isinstance(plain, list):
        return [untagged(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if "data" in plain:
        return Tag(plain["data"], {name: untagged(item) for name, item in plain["fields"].items()})
    ((tag, inner),) = plain.items()
    return _UNTAG[tag](inner)


_UNTAG: Final[Mapping[str, Callable[[Any], Any]]] = {
    "float": float,
    "date": dt.date.fromisoformat,
    "datetime": dt.datetime.fromisoformat,
    "enum": lambda name: Tag(name, None),
    "dict": lambda inner: {key: untagged(item) for key, item in inner.items()},
    "tuple": lambda inner: tuple(untagged(item) for item in inner),
}


def comes_back(annotation: object, value: object, wire: str) -> bool:
    """Say whether `wire` brings `value` back; plain values always do."""
    if type(value) in (bool, int, float, str, type(None)):
        return True
    return wire_of(from_wire(annotation, wire)) == wire


def type_of(value: object) -> object:
    """Return the type that a default stands for where there is no annotation."""
    return Any if value is None else type(value)
