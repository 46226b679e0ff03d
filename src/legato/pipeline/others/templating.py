"""Fills in `${name.inner[0]}` from values that were gathered before.

Rule: a name that has no value is an error, never an empty text; only a command may take a whole mapping.
"""

from __future__ import annotations

import re
import shlex
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from legato.pipeline.nearest import did_you_mean
from legato.pipeline.others.param_files import MISSING, pick

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HOLE: Final = re.compile(r"(?<!\\)\$\{(.*?)\}")
_NAME: Final = re.compile(r"[^.\[\]{}$]+(?:\.[^.\[\]{}$]+|\[[^.\[\]{}$]+\])*")
MOST_FILLED: Final = 2**20


class TemplateError(Exception):
    """What is wrong with a template, in words; who knows the line makes the error of it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Values:
    """The values that templates are filled in from.

    Attributes:
        data: By name, nested.
    """

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        self.data: dict[str, Any] = dict(data or {})
        self._loaded: dict[str, frozenset[str] | None] = {}

    def copy(self) -> Values:
        """Return values that can be added to without changing these."""
        found = Values(deepcopy(self.data))
        found._loaded = dict(self._loaded)
        return found

    def with_items(self, items: Mapping[str, Any]) -> Values:
        """Return these values with `item` and `key` on top."""
        found = Values({**self.data, **items})
        found._loaded = dict(self._loaded)
        return found

    def add(self, values: Mapping[str, Any], source: str, *, keys: Iterable[str] = ()) -> None:
        """Add the values of a file or list; one that is there already may not be said again.

        Raises:
            TemplateError: A name has two values, or the file lacks one of `keys`.
        """
        wanted = frozenset(keys)
        if source in self._loaded and not self._again(source, wanted):
            return
        for key in wanted:
            if key not in values:
                raise TemplateError(f"{source} has no {key!r}", did_you_mean(key, map(str, values), "names"))
        chosen = {key: values[key] for key in values if key in wanted} if wanted else values
        _merge(self.data, chosen, source, "")
        before = self._loaded.get(source, frozenset())
        self._loaded[source] = (before or frozenset()) | wanted if wanted else None

    def _again(self, source: str, wanted: frozenset[str]) -> bool:
        before = self._loaded[source]
        if before is None and not wanted:
            return False
        if before is None or not wanted or before & wanted:
            raise TemplateError(f"{source} is loaded twice", "name it once")
        return True


def _merge(into: dict[str, Any], values: Mapping[Any, Any], source: str, path: str) -> None:
    for key, value in values.items():
        if not isinstance(key, str):
            continue
        if isinstance(into.get(key), dict) and isinstance(value, dict):
            _merge(into[key], value, source, f"{path}{key}.")
        elif key in into:
            raise TemplateError(
                f"{path}{key} of {source} has a value already", "let each name have one value"
            )
        else:
            into[key] = deepcopy(value)


def is_template(text: str) -> bool:
    r"""Say whether a text holds `${…}`.

    >>> is_template("a ${b}"), is_template("a \\${b}")
    (True, False)
    """
    return _HOLE.search(text) is not None


def check_template(text: str) -> None:
    """Raise TemplateError where a hole of a text names nothing that can be a name."""
    for match in _HOLE.finditer(text):
        if _NAME.fullmatch(match[1].strip()) is None:
            raise TemplateError(
                f"{match[0]!r} is no ${{name}}",
                "write ${name}, ${name.inner} or ${name[0]}; a hole in a hole is not filled in",
            )


def fill(value: Any, values: Values, *, key: str = "") -> Any:  # noqa: ANN401 - any plain data
    """Return plain data with every template in it filled in.

    Args:
        value: Texts, lists and mappings of them; keys of mappings are templates too.
        values: What to fill in.
        key: `cmd` where whole mappings become options, `foreach` or `matrix` where any value may stand.

    Raises:
        TemplateError: A name has no value, or one that cannot stand there.

    >>> fill("python t.py --lr ${lr} ${on}", Values({"lr": 0.1, "on": True}))
    'python t.py --lr 0.1 true'
    """
    if isinstance(value, str):
        return _fill_text(value, values, key)
    if isinstance(value, list):
        return [fill(item, values, key=key) for item in value]
    if isinstance(value, dict):
        return {fill(name, values, key=key): fill(inner, values, key=key) for name, inner in value.items()}
    return value


def _fill_text(text: str, values: Values, key: str) -> Any:  # noqa: ANN401 - any plain data
    check_template(text)
    holes = _HOLE.findall(text)
    if len(holes) == 1 and text == f"${{{holes[0]}}}":
        return _value(holes[0], values, key)
    filled = _HOLE.sub(lambda match: as_text(_value(match[1], values, key)), text)
    if len(filled) > MOST_FILLED:
        raise TemplateError(f"{text[:60]!r} fills in to {len(filled)} characters", "fill in less")
    return filled.replace("\\${", "${")


def _value(hole: str, values: Values, key: str) -> Any:  # noqa: ANN401 - any plain data
    name = hole.strip().replace("[", ".").replace("]", "")
    found = pick(values.data, ".".join(part.strip() for part in name.split(".")))
    if found is MISSING:
        known = list(values.data)
        raise TemplateError(f"${{{hole}}} has no value", did_you_mean(name.partition(".")[0], known, "names"))
    whole = isinstance(found, dict | list)
    if whole and not (key in {"foreach", "matrix"} or (key == "cmd" and isinstance(found, dict))):
        kind = "mapping" if isinstance(found, dict) else "list"
        raise TemplateError(f"${{{hole}}} is a {kind}, not one value", "name one value inside it")
    return found


def as_text(value: Any) -> str:  # noqa: ANN401 - any plain data
    """Return a value as it stands in a text: truths in small letters, a mapping as options of a command.

    >>> as_text({"lr": 0.1, "fast": True, "slow": False, "layers": [8, 4], "name": "a b"})
    "--lr 0.1 --fast --layers 8 4 --name 'a b'"
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return " ".join(_options(value, ""))
    return str(value)


def _options(values: Mapping[str, Any], path: str) -> Iterable[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _options(value, f"{path}{name}.")
        elif isinstance(value, bool):
            if value:
                yield f"--{path}{name}"
        elif isinstance(value, list):
            if any(isinstance(item, list | dict) for item in value):
                raise TemplateError(
                    f"{path}{name} is a list of lists, which no option can take", "flatten it"
                )
            yield " ".join([f"--{path}{name}", *map(_quoted, value)])
        else:
            yield f"--{path}{name} {_quoted(value)}"


def _quoted(value: object) -> str:
    return shlex.quote(value) if isinstance(value, str) else str(value)
