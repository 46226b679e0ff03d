"""How people name a model, one of its versions or candidates: `wine`, `wine@champion`, `wine:3`, `wine:c4`.

Rule: a name is plain enough to be a folder, an address and an SQL value; anything else is refused, never
repaired.
"""

import re
from typing import Final

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Struct

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)
_NUMBER: Final = re.compile(r"(c|v?)([1-9][0-9]{0,8})", re.ASCII)
_SHOWN: Final = 100


class Reference(Struct, frozen=True, kw_only=True):
    """What was named; at most one of `alias`, `version` and `candidate` is set, none for the model alone."""

    model: str
    alias: str = ""
    version: int = 0
    candidate: int = 0

    def __str__(self) -> str:
        """Return the reference as people type it."""
        if self.alias:
            return f"{self.model}@{self.alias}"
        if self.version:
            return f"{self.model}:{self.version}"
        return f"{self.model}:c{self.candidate}" if self.candidate else self.model


def parse(text: str) -> Reference:
    """Return what `text` names.

    Raises:
        ConfigurationError: It is no reference.

    >>> parse("wine@champion").alias, parse("wine:3").version, parse("wine:c4").candidate
    ('champion', 3, 4)
    """
    if "@" in text:
        model, _, alias = text.partition("@")
        return Reference(model=checked("model", model), alias=checked("alias", alias))
    model, colon, number = text.partition(":")
    checked("model", model)
    if not colon:
        return Reference(model=model)
    match = _NUMBER.fullmatch(number)
    if match is None:
        raise ConfigurationError(
            f"{text!r} names no version or candidate of a model",
            hint=f"write {model}:3 for a version, {model}:c4 for a candidate, {model}@champion for an alias",
        )
    if match[1] == "c":
        return Reference(model=model, candidate=int(match[2]))
    return Reference(model=model, version=int(match[2]))


def checked(what: str, name: str) -> str:
    """Return `name` where it may name a `what` (`model`, `alias`, `environment`).

    Raises:
        ConfigurationError: It is empty, longer than 100, starts with a dot or dash, or holds other signs.
    """
    if _NAME.fullmatch(name) is None:
        shown = repr(name) if len(name) <= _SHOWN else f"{name[:_SHOWN]!r}… of {len(name)} signs"
        raise ConfigurationError(
            f"{shown} cannot name a {what}",
            hint="use letters, digits, . _ and -, no leading dot or dash, at most 100 of them",
        )
    return name
