"""Prints a tree of plain values as YAML.

Rule: what is printed reads back as the same tree in YAML 1.1 and 1.2; the same tree prints the same bytes.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

_PLAIN: Final = re.compile(r"[A-Za-z_./][A-Za-z0-9_./@=+-]*(?: [A-Za-z0-9_./@=+()-]+)*")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "~", "."})
_KEY: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


class Noted(NamedTuple):
    """A text with a comment behind it."""

    text: str
    comment: str


Value = str | bool | int | float | Noted | Sequence["Value"] | Mapping[str, "Value"]


def to_yaml(value: Mapping[str, Value], comments: Sequence[str] = ()) -> str:
    """Return a mapping as YAML, led by comments; what is under a top-level key stands apart by an empty line."""
    parts = ["\n".join(f"# {line}".rstrip() for line in comments)] if comments else []
    parts += ["\n".join(_mapping({key: inner}, 0)) for key, inner in value.items()]
    return "\n\n".join(parts) + "\n"


def _mapping(value: Mapping[str, Value], depth: int) -> Iterator[str]:
    for key, inner in value.items():
        shown = key if _KEY.fullmatch(key) and key.lower() not in _WORDS else _quoted(key)
        yield from _entry(f"{'  ' * depth}{shown}:", inner, depth)


def _entry(lead: str, value: Value, depth: int) -> Iterator[str]:
    if isinstance(value, str) and _is_block(value):
        yield f"{lead} |-"
        yield from (f"{'  ' * (depth + 1)}{line}".rstrip() for line in value.split("\n"))
    elif isinstance(value, Noted):
        yield f"{lead} {_scalar(value.text)}  # {value.comment}"
    elif isinstance(value, Mapping):
        yield f"{lead} {{}}" if not value else lead
        yield from _mapping(value, depth + 1)
    elif isinstance(value, str | bool | int | float):
        yield f"{lead} {_scalar(value)}"
    else:
        yield f"{lead} []" if not value else lead
        yield from _sequence(value, depth + 1)


def _is_block(text: str) -> bool:
    """Say whether a text of several lines can stand as it is."""
    lines = text.split("\n")
    plain = all(line.isascii() and line.isprintable() and line == line.rstrip() for line in lines)
    return len(lines) > 1 and plain and bool(lines[-1]) and lines[0][:1] not in {"", " "}


def _sequence(values: Sequence[Value], depth: int) -> Iterator[str]:
    for value in values:
        mark = f"{'  ' * depth}- "
        if isinstance(value, Mapping) and value:
            first, *rest = _mapping(value, depth + 1)
            yield mark + first.lstrip()
            yield from rest
        else:
            lines = list(_entry(f"{'  ' * depth}-", value, depth))
            yield from lines


def _scalar(value: str | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if '"' in value and "'" not in value and value.isascii() and value.isprintable():
        return f"'{value}'"
    return _quoted(value)


def _quoted(text: str) -> str:
    """Return a text between double quotes, in which JSON and YAML agree but for what lies beyond 16 bits."""
    return "".join(
        letter
        if " " <= letter <= "~"
        else f"\\u{ord(letter):04x}"
        if letter <= "\uffff"
        else f"\\U{ord(letter):08x}"
        for letter in json.dumps(text, ensure_ascii=False)
    )
