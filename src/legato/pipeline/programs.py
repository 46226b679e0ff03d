"""Reads the line of an `lg.command`, and fills it in for one execution.

Rule: the line is split into arguments first and filled in afterwards, so no value, path or name can become
another argument, a word of a shell, or a program.
"""

from __future__ import annotations

import datetime as dt
import re
import shlex
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from legato.domain.errors import BugError, ConfigurationError
from legato.pipeline.fitting import Tag
from legato.pipeline.values import untagged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from legato.domain.graph import Setting

_HOLE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME: Final = re.compile(r"(out\.)?[A-Za-z_]\w*")


class Line:
    """A command's line: its arguments, and the names in its holes.

    Attributes:
        arguments: The line split as a shell would split it, holes unfilled.
        outputs: Names of `{out.x}`.
        names: Names of `{x}`: inputs and parameters.
    """

    __slots__ = ("arguments", "names", "outputs")

    def __init__(self, text: str) -> None:
        try:
            self.arguments = tuple(shlex.split(text))
        except ValueError as error:
            raise ConfigurationError(
                f"the line {text!r} cannot be split: {error}", hint="close the quotes"
            ) from None
        holes = [hole for argument in self.arguments for hole in _holes(argument)]
        self.outputs = tuple(dict.fromkeys(hole[4:] for hole in holes if hole.startswith("out.")))
        self.names = tuple(dict.fromkeys(hole for hole in holes if not hole.startswith("out.")))
        if _holes(self.arguments[0]):
            raise ConfigurationError(
                f"the line {text!r} takes its program from {self.arguments[0]}",
                hint="name the program: a value never becomes what is run",
            )


def _holes(argument: str) -> list[str]:
    found = []
    for match in _HOLE.finditer(argument):
        if match[0] in {"{{", "}}"}:
            continue
        if match[1] is None or _NAME.fullmatch(match[1]) is None:
            raise ConfigurationError(
                f"{argument!r} holds {match[0]!r}, which names no input, output or parameter",
                hint="write {name} or {out.name}; a brace of the program's own is doubled: {{ }}",
            )
        found.append(match[1])
    return found


def argv(
    detail: Mapping[str, Any], paths: Mapping[str, str], outs: Mapping[str, str], settings: Iterable[Setting]
) -> list[str]:
    """Return the arguments of one execution of a command.

    Args:
        detail: Of the node: `arguments` holds the split line.
        paths: Path of each input, by name.
        outs: Path to write, by output.
        settings: The parameters.

    Raises:
        ConfigurationError: A filled-in argument holds a NUL, which no program can be given.
    """
    filled = {f"out.{name}": path for name, path in outs.items()} | dict(paths)
    filled |= {setting.name: as_argument(from_wire_untyped(setting.wire)) for setting in settings}

    def fill(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        if match[1] not in filled:
            raise BugError(f"the command's {{{match[1]}}} was not given")
        return filled[match[1]]

    arguments = [_HOLE.sub(fill, argument) for argument in detail["arguments"]]
    for argument in arguments:
        if "\0" in argument:
            raise ConfigurationError(
                f"the argument {argument!r} holds a NUL", hint="leave it out of the value"
            )
    return arguments


def from_wire_untyped(wire: str) -> object:
    """Return the value of canonical JSON without knowing its type; Enum members come as their names."""
    value = untagged(msgspec.json.decode(wire))
    return value.name.rpartition(".")[2] if isinstance(value, Tag) and value.inner is None else value


def as_argument(value: object) -> str:
    """Return a parameter's value as one argument.

    >>> as_argument(True), as_argument(0.5), as_argument(None), as_argument((1, 2))
    ('true', '0.5', '', '1,2')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return ",".join(as_argument(item) for item in value)
    return str(value)


def followed(arguments: tuple[str, ...]) -> tuple[str, str] | None:
    """Return what Python runs, to be followed like a step: a script or a module with its name; else None.

    >>> followed(("python", "train.py", "{wine}")), followed(("python3", "-m", "churn.train"))
    (('script', 'train.py'), ('module', 'churn.train'))
    """
    if re.fullmatch(r"python(3(\.\d+)?)?", arguments[0]) is None:
        return None
    rest = [argument for argument in arguments[1:] if argument not in _HARMLESS]
    if len(rest) > 1 and rest[0] == "-m":
        return None if _holes(rest[1]) else ("module", rest[1])
    if rest and rest[0].endswith(".py") and not rest[0].startswith("-") and not _holes(rest[0]):
        return "script", rest[0]
    return None


_HARMLESS: Final = frozenset({"-u", "-B", "-I", "-s", "-E"})
