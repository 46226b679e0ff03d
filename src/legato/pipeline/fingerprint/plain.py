"""Turns plain data into bytes: numbers, texts, dates, paths, and containers of them.

Rule: values that Python can tell apart (`1`, `True`, `1.0`, `-0.0`) have different bytes; the order of a
dict counts, the order of a set does not; paths below the repository are relative to it.
"""

import datetime as dt
import decimal
import fractions
import os
import pathlib
import re
import struct
import types
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

_DEEPEST: Final = 60
LARGEST: Final = 1_000_000
"""Most elements that one value may have."""

_CONTAINERS: Final = (list, tuple, dict, set, frozenset)
_PATHS: Final = (pathlib.PosixPath, pathlib.PurePosixPath, pathlib.WindowsPath, pathlib.PureWindowsPath)
_BY_REPR: Final = (
    dt.date, dt.timedelta, decimal.Decimal, fractions.Fraction, uuid.UUID, range, bytearray,
    type(None), type(Ellipsis), type(NotImplemented), bool,
)  # fmt: skip
_ROOT_MARK: Final = "\0root\0"


class NotPlainError(Exception):
    """The value holds something that is not plain data, or is too deep or too large for one go."""


class Plain:
    """Encodes plain data for one repository.

    Args:
        root: The repository's root; texts and paths that hold it are made relative.
    """

    def __init__(self, root: str) -> None:
        """Prepare for the repository at `root`."""
        real = os.path.realpath(root)
        self._roots = tuple(dict.fromkeys(one.rstrip(os.sep) for one in (root, real) if len(one) > 1))
        self._encoders: dict[type, Callable[[Any], bytes]] = {
            str: self._text, int: _integer, float: _float, complex: _complex, bytes: _bytes,
            re.Pattern: _pattern,
            dt.datetime: _moment, dt.time: _moment, dt.timezone: _by_repr,
        }  # fmt: skip
        self._encoders |= dict.fromkeys(_BY_REPR, _by_repr)
        self._encoders |= dict.fromkeys(_PATHS, self._path)
        self._left = LARGEST

    def encode(self, value: object) -> bytes | None:
        """Return `value` as bytes, or None when it is not plain data through and through."""
        encoder = self._encoders.get(type(value))
        try:
            if encoder is not None:
                return encoder(value)
            if type(value) not in _CONTAINERS and type(value) is not slice:
                return None
            self._left = LARGEST
            return self._encode(value, 0)
        except NotPlainError:
            return None

    def _encode(self, value: object, depth: int) -> bytes:
        kind = type(value)
        encoder = self._encoders.get(kind)
        if encoder is not None:
            return encoder(value)
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise NotPlainError
        if isinstance(value, slice) and kind is slice:
            return b"l" + self._several((value.start, value.stop, value.step), depth)
        if kind is dict and isinstance(value, dict):
            return b"d" + self._several((part for item in value.items() for part in item), depth)
        if kind in _CONTAINERS and isinstance(value, _CONTAINERS):
            mark = {list: b"L", tuple: b"T", set: b"S", frozenset: b"F"}[kind]
            return mark + self._several(value, depth, in_order=kind in (list, tuple))
        raise NotPlainError

    def _several(self, values: Iterable[object], depth: int, *, in_order: bool = True) -> bytes:
        parts = [self._encode(one, depth + 1) for one in values]
        self._left -= len(parts)
        if self._left < 0:
            raise NotPlainError
        if not in_order:
            parts.sort()
        return b"%d:" % len(parts) + b"".join(b"%d:" % len(part) + part for part in parts)

    def relative(self, text: str) -> str:
        """Return `text` with the repository's own place taken out of it."""
        for root in self._roots:
            if root in text:
                text = re.sub(re.escape(root) + r"(?=/|$)", _ROOT_MARK, text)
        return text

    def _text(self, value: str) -> bytes:
        return b"s" + self.relative(value).encode("utf-8", "surrogatepass")

    def _path(self, value: pathlib.PurePath) -> bytes:
        return f"p{type(value).__name__}:{self.relative(str(value))}".encode("utf-8", "surrogatepass")


def _integer(value: int) -> bytes:
    return b"i%x" % value if value >= 0 else b"i-%x" % -value


def _float(value: float) -> bytes:
    return b"f" + struct.pack(">d", value)


def _complex(value: complex) -> bytes:
    return b"c" + struct.pack(">dd", value.real, value.imag)


def _bytes(value: bytes) -> bytes:
    return b"b" + value


def _by_repr(value: object) -> bytes:
    return f"r{type(value).__name__}:{value!r}".encode()


def _moment(value: dt.datetime | dt.time) -> bytes:
    if value.tzinfo is not None and not type(value.tzinfo).__module__.startswith(("datetime", "zoneinfo")):
        raise NotPlainError
    return f"m{type(value).__name__}:{value!r} {value.fold}".encode()


def _pattern(value: "re.Pattern[str] | re.Pattern[bytes]") -> bytes:
    return f"re{value.flags}:{value.pattern!r}".encode()


HARMLESS: Final = frozenset(
    {
        "_thread.lock", "_thread.RLock", "_thread._local", "threading.Event", "threading.Condition",
        "threading.Semaphore",
        "threading.BoundedSemaphore", "weakref.ReferenceType", "weakref.WeakKeyDictionary",
        "weakref.WeakValueDictionary", "weakref.WeakSet", "weakref.WeakMethod", "weakref.ProxyType",
        "weakref.CallableProxyType", "logging.Logger", "logging.RootLogger", "_abc._abc_data",
    }
)  # fmt: skip
"""Types whose objects cannot change a result by their content: they only keep order, or point elsewhere."""


def kind_name(kind: type) -> str:
    """Return `module.Name` of a type."""
    return f"{kind.__module__}.{kind.__qualname__}"


SLOTS: Final = (types.MemberDescriptorType, types.GetSetDescriptorType)
"""What stands in a class for its slots; it holds no value."""
