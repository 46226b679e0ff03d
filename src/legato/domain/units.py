"""Reads the units that people write: `2GiB`, `10m`, `10ms`, `7d`.

Rule: a text that is not wholly understood is refused, never guessed.
"""

import re
from typing import Final

from legato.domain.errors import ConfigurationError

_NUMBER: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_SECONDS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES: Final = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip


def _read(text: str, units: dict[str, float] | dict[str, int], example: str) -> float:
    match = _NUMBER.fullmatch(text)
    if match is None or match[2] not in units:
        raise ConfigurationError(
            f"{text!r} has no unit that fits here",
            hint=f"write for example {example!r}; units: {', '.join(units)}",
        )
    return float(match[1]) * units[match[2]]


def seconds(text: str | float) -> float:
    """Return a duration in seconds; a bare number is already in seconds.

    >>> seconds("10m"), seconds("250ms"), seconds(3)
    (600.0, 0.25, 3.0)
    """
    return _read(text, _SECONDS, "10m") if isinstance(text, str) else float(text)


def size_bytes(text: str | int) -> int:
    """Return a size in bytes; a bare number is already in bytes.

    >>> size_bytes("2GiB"), size_bytes("1.5kB")
    (2147483648, 1500)
    """
    return int(_read(text, _BYTES, "2GiB")) if isinstance(text, str) else int(text)


def show_seconds(value_s: float) -> str:
    """Return a duration as people read it.

    >>> show_seconds(0.0042), show_seconds(3.14159), show_seconds(75)
    ('4ms', '3.1s', '1m15s')
    """
    if value_s < 1:
        return f"{value_s * 1000:.0f}ms"
    if value_s < 60:  # noqa: PLR2004 - a minute
        return f"{value_s:.1f}s"
    minutes, rest_s = divmod(round(value_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest_s:02d}s"


def counted(number: int, thing: str) -> str:
    """Return a number with its thing, in the plural where that is right.

    >>> counted(1, "step"), counted(2, "step")
    ('1 step', '2 steps')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def with_article(noun: str) -> str:
    """Return a noun led by its article, by its first letter.

    >>> with_article("int"), with_article("list"), with_article("object")
    ('an int', 'a list', 'an object')
    """
    return f"{'an' if noun[:1].lower() in {'a', 'e', 'i', 'o'} else 'a'} {noun}"


def show_bytes(value: int) -> str:
    """Return a size as people read it.

    >>> show_bytes(512), show_bytes(2 * 2**20)
    ('512 B', '2.0 MiB')
    """
    size = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - the step between units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
