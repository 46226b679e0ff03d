"""Reads the words that fan a step out or leave it out: `matrix=`, `each=`, `when=`.

Rule: a word is read alone; whether its names mean anything is looked at when all is collected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from legato.domain.errors import ConfigurationError

MOST: Final = 100_000
"""So many elements a step may have by its matrix alone."""


class FanOut:
    """What an author says of one step's fan-out, as it stands there."""

    __slots__ = ("each", "matrix", "when")

    def __init__(self, words: Mapping[str, object]) -> None:
        self.matrix = _mapping("matrix", words.get("matrix"), 'matrix={"depth": [4, 8]}')
        self.each = _mapping("each", words.get("each"), 'each={"store": "stores"}')
        self.when = words.get("when")
        for name in self.matrix.keys() & self.each.keys():
            raise ConfigurationError(
                f"`{name}` is in matrix= and in each=", hint="a parameter is for matrix=, an input for each="
            )
        for name, values in self.matrix.items():
            if isinstance(values, str | bytes) or not isinstance(values, list | tuple | range):
                raise ConfigurationError(
                    f"matrix= holds {name}={values!r}, which is no list",
                    hint=f'write matrix={{"{name}": [1, 2]}}',
                )
            if not values:
                raise ConfigurationError(
                    f"the matrix has no value for `{name}`", hint=f'write matrix={{"{name}": [1, 2]}}'
                )
        sizes: list[int] = [len(values) for values in self.matrix.values() if isinstance(values, Sequence)]
        number = math.prod(sizes)
        if number > MOST:
            raise ConfigurationError(
                f"the matrix makes {number} elements, more than {MOST}", hint="let one step loop over an axis"
            )

    def rename(self, name_of: Callable[[object], object]) -> None:
        """Let the artifacts that it speaks of have other names."""
        self.each = {name: name_of(source) for name, source in self.each.items()}
        self.when = name_of(self.when)


def _mapping(word: str, value: object, example: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ConfigurationError(f"{word}={value!r} is not a mapping from names", hint=f"write {example}")
    if not value:
        raise ConfigurationError(f"{word}= is empty", hint=f"write {example}, or leave it out")
    return value
