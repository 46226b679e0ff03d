"""The types that plain JSON with tags can hold, and how each looks there.

Rule: a type comes back as exactly itself, or it is refused; subclasses of plain types are refused.
"""

import base64
import datetime as dt
import decimal
import enum
import fractions
import math
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from legato.domain.digests import canonical
from legato.domain.errors import ConfigurationError
from legato.formats import Trust
from legato.formats.references import refer_first_party, resolve

_TAG: Final = "$"
_DIRECT: Final = (str, bool, int, type(None))
_NUMPY_KINDS: Final = "biufSU"
_CONTAINERS: Final = (list, tuple, set, frozenset, dict, OrderedDict, Counter)
_MAPPINGS: Final[Mapping[type, str]] = {OrderedDict: "ordered", Counter: "counter"}

_SCALARS: Final[Mapping[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]] = {
    complex: ("complex", lambda v: [repr(v.real), repr(v.imag)], lambda t: complex(float(t[0]), float(t[1]))),
    bytes: ("bytes", lambda v: base64.b64encode(v).decode(), base64.b64decode),
    bytearray: (
        "bytearray",
        lambda v: base64.b64encode(v).decode(),
        lambda t: bytearray(base64.b64decode(t)),
    ),
    decimal.Decimal: ("decimal", str, decimal.Decimal),
    fractions.Fraction: ("fraction", str, fractions.Fraction),
    uuid.UUID: ("uuid", str, uuid.UUID),
    dt.date: ("date", dt.date.isoformat, dt.date.fromisoformat),
    dt.timedelta: (
        "timedelta",
        lambda v: [v.days, v.seconds, v.microseconds],
        lambda t: dt.timedelta(days=t[0], seconds=t[1], microseconds=t[2]),
    ),
    range: ("range", lambda v: [v.start, v.stop, v.step], lambda t: range(*t)),
    slice: ("slice", lambda v: [v.start, v.stop, v.step], lambda t: slice(*t)),
}
_BY_TAG: Final = {tag: read for tag, _, read in _SCALARS.values()}


class Parts(Protocol):
    """Where values go that no JSON holds, and what the artifact has said about classes so far."""

    trust: Trust
    classes: set[str]

    def save(self, value: object, where: str) -> dict[str, Any]:
        """Save one value by its own format; return what stands for it."""

    def load(self, note: dict[str, Any]) -> object:
        """Read one value back."""


def is_plain(value: object) -> bool:
    """Say whether a value is of a type that `encode` knows itself."""
    kind = type(value)
    known = kind in _SCALARS or kind in (*_DIRECT, float, dt.datetime, dt.time) or kind in _CONTAINERS
    return known or isinstance(value, enum.Enum) or _is_record(value) or _is_named_tuple(value)


def encode(value: Any, parts: Parts, where: str) -> Any:  # noqa: ANN401 - any plain value
    """Return `value` as plain JSON data; `where` says in errors which part of the whole it is."""
    kind = type(value)
    if kind in _DIRECT:
        return value
    if kind is float:
        return value if math.isfinite(value) else {_TAG: "float", "v": repr(value)}
    if kind is list:
        return [encode(item, parts, f"{where}[{i}]") for i, item in enumerate(value)]
    if kind is dict:
        return _encode_dict(value, parts, where)
    if kind in _SCALARS:
        tag, write, _ = _SCALARS[kind]
        return {_TAG: tag, "v": write(value)}
    return _encode_rarer(value, parts, where)


def _encode_rarer(value: Any, parts: Parts, where: str) -> Any:  # noqa: ANN401 - any plain value
    kind = type(value)
    if kind is tuple:
        return {_TAG: "tuple", "v": encode(list(value), parts, where)}
    if kind in (set, frozenset):
        items = [encode(item, parts, f"an item of {where}") for item in value]
        return {_TAG: kind.__name__, "v": sorted(items, key=canonical)}
    if kind in _MAPPINGS:
        return {_TAG: _MAPPINGS[kind], "v": encode(dict(value), parts, where)}
    if kind in (dt.datetime, dt.time):
        return _encode_time(value, where)
    if isinstance(value, enum.Enum) or _is_named_tuple(value) or _is_record(value):
        return _encode_own(value, parts, where)
    if kind.__module__ == "numpy" and getattr(getattr(value, "dtype", None), "kind", "") in _NUMPY_KINDS:
        return _encode_numpy(value, parts, where)
    return parts.save(value, where)


def _encode_own(value: Any, parts: Parts, where: str) -> Any:  # noqa: ANN401 - of a first-party class
    kind = type(value)
    reference = refer_first_party(kind, parts.trust)
    parts.classes.add(reference)
    if isinstance(value, enum.Enum):
        return {_TAG: "enum", "c": reference, "v": encode(value.value, parts, where)}
    if _is_named_tuple(value):
        return {_TAG: "named", "c": reference, "v": encode(list(value), parts, where)}
    fields = {name: encode(getattr(value, name), parts, f"{where}.{name}") for name in _fields(kind)}
    return {_TAG: "record", "c": reference, "v": fields}


def _encode_numpy(value: Any, parts: Parts, where: str) -> Any:  # noqa: ANN401 - a numpy value
    """Put a scalar in place, since figures are often numpy's; an array is a part."""
    item = value.item() if value.shape == () and not hasattr(value, "__array_finalize__") else None
    if type(item) not in (*_DIRECT, float, bytes) or item is None:
        return parts.save(value, where)
    return {_TAG: "numpy", "d": value.dtype.str, "v": encode(item, parts, where)}


def _encode_dict(value: Mapping[Any, Any], parts: Parts, where: str) -> Any:  # noqa: ANN401 - JSON
    if all(type(key) is str and key != _TAG for key in value):
        return {key: encode(item, parts, f"{where}[{key!r}]") for key, item in value.items()}
    pairs = [
        [encode(key, parts, f"a key of {where}"), encode(item, parts, f"{where}[{key!r}]")]
        for key, item in value.items()
    ]
    return {_TAG: "dict", "v": pairs}


def _encode_time(value: dt.datetime | dt.time, where: str) -> dict[str, Any]:
    zone = value.tzinfo
    note: dict[str, Any] = {_TAG: type(value).__name__, "v": value.replace(tzinfo=None).isoformat()}
    if value.fold:
        note["fold"] = value.fold
    if zone is None:
        return note
    if hasattr(zone, "key") and zone.key:
        return {**note, "zone": zone.key}
    offset = zone.utcoffset(None) if isinstance(zone, dt.timezone) else None
    if offset is None:
        raise ConfigurationError(
            f"{where} has the time zone {zone!r}, which cannot be named",
            hint="use datetime.UTC or zoneinfo.ZoneInfo('Europe/Berlin')",
        )
    return {**note, "offset": [offset.days, offset.seconds, offset.microseconds]}


def decode(data: Any, parts: Parts) -> Any:  # noqa: ANN401 - any plain value
    """Return the value that `encode` wrote as `data`."""
    if isinstance(data, list):
        return [decode(item, parts) for item in data]
    if not isinstance(data, dict):
        return data
    if _TAG not in data:
        return {key: decode(item, parts) for key, item in data.items()}
    tag = data[_TAG]
    if tag in _BY_TAG:
        return _BY_TAG[tag](data["v"])
    if tag == "part":
        return parts.load(data)
    if tag not in _TAGGED:
        raise ConfigurationError(
            f"the artifact holds a value tagged {tag!r}, unknown here", hint="upgrade legato"
        )
    return _TAGGED[tag](data, parts)


def _decode_time(data: dict[str, Any], kind: Any) -> Any:  # noqa: ANN401 - datetime or time
    value = kind.fromisoformat(data["v"]).replace(fold=data.get("fold", 0))
    if "zone" in data:
        import zoneinfo

        return value.replace(tzinfo=zoneinfo.ZoneInfo(data["zone"]))
    if "offset" in data:
        days, seconds, microseconds = data["offset"]
        offset = dt.timedelta(days=days, seconds=seconds, microseconds=microseconds)
        return value.replace(tzinfo=dt.timezone(offset))
    return value


def _decode_enum(data: dict[str, Any], parts: Parts) -> Any:  # noqa: ANN401 - a member
    kind = _resolved(data, parts, lambda found: issubclass(found, enum.Enum))
    return kind(decode(data["v"], parts))


def _decode_named(data: dict[str, Any], parts: Parts) -> Any:  # noqa: ANN401 - a NamedTuple
    kind = _resolved(data, parts, lambda found: issubclass(found, tuple))
    return kind(*decode(data["v"], parts))


def _decode_record(data: dict[str, Any], parts: Parts) -> Any:  # noqa: ANN401 - a dataclass
    kind = _resolved(data, parts, lambda found: hasattr(found, "__dataclass_fields__"))
    record = object.__new__(kind)  # as it was: without running __init__ or __post_init__ again
    for name in _fields(kind):
        object.__setattr__(record, name, decode(data["v"][name], parts))
    return record


def _decode_numpy(data: dict[str, Any], parts: Parts) -> Any:  # noqa: ANN401 - a numpy scalar
    import numpy as np

    return np.dtype(data["d"]).type(decode(data["v"], parts))


def _resolved(data: dict[str, Any], parts: Parts, fits: Callable[[Any], bool]) -> Any:  # noqa: ANN401 - a class
    found = resolve(data["c"], parts.trust)
    if not isinstance(found, type) or not fits(found):
        raise ConfigurationError(
            f"{data['c']} is another kind of class than when the artifact was saved",
            hint="run the step again with --again",
        )
    return found


def _items(data: dict[str, Any], parts: Parts) -> Iterable[Any]:
    return [decode(item, parts) for item in data["v"]]


_TAGGED: Final[Mapping[str, Callable[[dict[str, Any], Any], Any]]] = {
    "float": lambda data, parts: float(data["v"]),  # noqa: ARG005 - a row of the table
    "tuple": lambda data, parts: tuple(_items(data, parts)),
    "set": lambda data, parts: set(_items(data, parts)),
    "frozenset": lambda data, parts: frozenset(_items(data, parts)),
    "dict": lambda data, parts: {decode(k, parts): decode(v, parts) for k, v in data["v"]},
    "ordered": lambda data, parts: OrderedDict(decode(data["v"], parts)),
    "counter": lambda data, parts: Counter(decode(data["v"], parts)),
    "datetime": lambda data, parts: _decode_time(data, dt.datetime),  # noqa: ARG005 - a row of the table
    "time": lambda data, parts: _decode_time(data, dt.time),  # noqa: ARG005 - a row of the table
    "numpy": _decode_numpy,
    "enum": _decode_enum,
    "named": _decode_named,
    "record": _decode_record,
}


def _is_record(value: object) -> bool:
    return hasattr(type(value), "__dataclass_fields__")


def _fields(kind: Any) -> list[str]:  # noqa: ANN401 - a dataclass
    from dataclasses import fields

    return [field.name for field in fields(kind)]


def _is_named_tuple(value: object) -> bool:
    return isinstance(value, tuple) and type(value) is not tuple and hasattr(type(value), "_fields")
