"""Reads YAML as plain data that remembers its lines, bounded in size, depth and number of values.

Rule: only plain data comes out: no tag makes an object, and an alias counts each time it is used. Plain words
mean what YAML 1.2 says: `1e-3` is a number, `yes` is a text.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

from legato.domain.errors import ConfigurationError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

BIGGEST_BYTES: Final = 8 * 2**20
DEEPEST: Final = 64
MOST_VALUES: Final = 200_000

Path = tuple[str | int, ...]
"""Where a value stands in a document: keys and positions from the top."""

_TAG: Final = "tag:yaml.org,2002:"
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS: Final = {
    word: truth == "true" for truth in ("true", "false") for word in (truth, truth.title(), truth.upper())
}
_INT: Final = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT: Final = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
    r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)
_NOT_FINITE: Final = re.compile(r"\.(inf|nan)")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_BASES: Final = {"0b": 2, "0o": 8, "0x": 16}


class Document:
    """One file as plain data.

    Attributes:
        file: As errors name it.
        data: Mappings, lists, texts, numbers, truths, dates and None.
    """

    __slots__ = ("_lines", "data", "file")

    def __init__(self, file: str, data: Any, lines: dict[Path, int]) -> None:  # noqa: ANN401 - any plain data
        self.file = file
        self.data = data
        self._lines = lines

    def line(self, path: Path) -> int:
        """Return the line of a value, or of the nearest that holds it; counts from 1."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def refuse(self, path: Path, message: str, hint: str) -> ConfigurationError:
        """Return an error that names the file, the line and the key."""
        return ConfigurationError(message, hint=hint, where=f"{self.file}:{self.line(path)}")


def shown(path: Path) -> str:
    """Return a path as people write it.

    >>> shown(("stages", "train", "outs", 0, "model.pkl"))
    'stages.train.outs[0].model.pkl'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def read_yaml(text: bytes, file: str) -> Document:
    r"""Return a YAML file as a document; an empty one holds None.

    Raises:
        ConfigurationError: It is no YAML, too large or too deep, or asks for a Python object.
        MissingError: There is no library that reads YAML.

    >>> read_yaml(b"lr: 1e-3\nsteps: [1, 2]\n", "params.yaml").data
    {'lr': 0.001, 'steps': [1, 2]}
    """
    if len(text) > BIGGEST_BYTES:
        raise ConfigurationError(
            f"{file} has {len(text)} bytes, more than the {BIGGEST_BYTES} that are read",
            hint="keep large data in a file of its own",
        )
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise MissingError(
            f"reading {file} needs the package PyYAML",
            hint="pip install 'legato[yaml]', or: pip install pyyaml",
        ) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(file).built(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(
            f"it is not YAML: {error.problem}", hint="mend the line", where=f"{file}:{line}"
        ) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigurationError(
            f"{file} is not YAML: {' '.join(str(error).split())}", hint="write it as UTF-8 text"
        ) from None


class _Builder:
    """Builds a document from events, one after the other, so that no depth overruns the stack."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[Path, int] = {}
        self._anchors: dict[str, Any] = {}
        self._count = 0

    def built(self, events: Iterator[Any]) -> Document:
        """Return the document of the events; a second document in the file is refused."""
        data, seen = None, False
        for event in events:
            name = type(event).__name__
            if name in {"ScalarEvent", "SequenceStartEvent", "MappingStartEvent", "AliasEvent"}:
                if seen:
                    raise self._error(event, "it holds a second document", "keep one document in the file")
                data, seen = self._value(event, events, ()), True
        return Document(self._file, data, self._lines)

    def _error(self, event: Any, message: str, hint: str) -> ConfigurationError:  # noqa: ANN401 - an event
        return ConfigurationError(message, hint=hint, where=f"{self._file}:{event.start_mark.line + 1}")

    def _value(self, event: Any, events: Iterator[Any], path: Path) -> Any:  # noqa: ANN401 - any plain data
        self._lines.setdefault(path, event.start_mark.line + 1)
        self._counted(event, 1)
        if len(path) > DEEPEST:
            raise self._error(event, f"it is nested more than {DEEPEST} deep", "write it flatter")
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._aliased(event)
        if kind == "ScalarEvent":
            value = self._scalar(event)
        elif kind == "SequenceStartEvent":
            value = self._sequence(event, events, path)
        else:
            value = self._mapping(event, events, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _counted(self, event: Any, values: int) -> None:  # noqa: ANN401 - an event
        self._count += values
        if self._count > MOST_VALUES:
            raise self._error(
                event,
                f"it holds more than {MOST_VALUES} values",
                "an alias counts each time it is used: use fewer",
            )

    def _aliased(self, event: Any) -> Any:  # noqa: ANN401 - any plain data
        if event.anchor not in self._anchors:
            raise self._error(
                event, f"nothing above is called &{event.anchor}", f"write &{event.anchor} where it is"
            )
        value = self._anchors[event.anchor]
        self._counted(event, _size(value, MOST_VALUES))
        return value

    def _sequence(self, event: Any, events: Iterator[Any], path: Path) -> list[Any]:  # noqa: ANN401 - an event
        self._refuse_tag(event, "seq")
        found: list[Any] = []
        for inner in events:
            if type(inner).__name__ == "SequenceEndEvent":
                break
            found.append(self._value(inner, events, (*path, len(found))))
        return found

    def _mapping(self, event: Any, events: Iterator[Any], path: Path) -> dict[Any, Any]:  # noqa: ANN401 - an event
        self._refuse_tag(event, "map")
        found: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for inner in events:
            if type(inner).__name__ == "MappingEndEvent":
                break
            key = self._key(inner)
            self._lines[(*path, key)] = inner.start_mark.line + 1
            value = self._value(next(events), events, (*path, key))
            if key == "<<" and not inner.style:
                merged = {**self._merged(inner, value), **merged}
            elif key in found:
                raise self._error(inner, f"the key {key!r} is there twice", "leave one of them out")
            else:
                found[key] = value
        return {**merged, **found} if merged else found

    def _key(self, event: Any) -> Any:  # noqa: ANN401 - a plain value
        if type(event).__name__ != "ScalarEvent":
            raise self._error(event, "a key is no plain text", "write `key: value`")
        key = self._scalar(event)
        return key if isinstance(key, str) else event.value if key is None else key

    def _merged(self, event: Any, value: Any) -> dict[Any, Any]:  # noqa: ANN401 - any plain data
        sources = value if isinstance(value, list) else [value]
        found: dict[Any, Any] = {}
        for source in sources:
            if not isinstance(source, dict):
                raise self._error(event, "`<<` takes a mapping", "write <<: *name")
            found = {**source, **found}
        return found

    def _refuse_tag(self, event: Any, own: str) -> None:  # noqa: ANN401 - an event
        if event.tag not in (None, "!", _TAG + own):
            tag = event.tag.replace(_TAG, "!!")
            raise self._error(
                event, f"the tag {tag} is refused: a file is data and makes no objects", f"leave {tag} out"
            )

    def _scalar(self, event: Any) -> Any:  # noqa: ANN401 - a plain value
        if event.implicit[0] and event.tag is None:
            return plain(event.value)
        if event.tag in (None, "!", _TAG + "str"):
            return event.value
        own = event.tag.removeprefix(_TAG)
        if own not in {"int", "float", "bool", "null"}:
            self._refuse_tag(event, "str")
        value = plain(event.value)
        if own == "float" and isinstance(value, int):
            return float(value)
        if type(value).__name__ != {"null": "NoneType"}.get(own, own):
            raise self._error(event, f"{event.value!r} is no {own}", f"leave !!{own} out")
        return value


def plain(text: str) -> Any:  # noqa: ANN401 - a plain value
    """Return what an unquoted word stands for.

    >>> plain("1e-3"), plain("yes"), plain("0x10"), plain("~"), plain("True")
    (0.001, 'yes', 16, None, True)
    """
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if _INT.fullmatch(text):
        return _int(text)
    if _FLOAT.fullmatch(text):
        return float(_NOT_FINITE.sub(r"\1", text.replace("_", "").lower()))
    if _DATE.fullmatch(text):
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            return text
    return text


def _int(text: str) -> int | str:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if len(digits) > 4000:  # noqa: PLR2004 - where Python itself refuses to convert
        return text
    base = _BASES.get(digits[:2], 10)
    return sign * int(digits[2:] if base != 10 else digits, base)  # noqa: PLR2004 - decimal


def _size(value: Any, most: int) -> int:  # noqa: ANN401 - any plain data
    """Return how many values a value holds, itself included; stops counting above `most`."""
    count, left = 0, [value]
    while left and count <= most:
        item = left.pop()
        count += 1
        if isinstance(item, dict):
            left += item.values()
        elif isinstance(item, list):
            left += item
    return count
