"""Reads the words on a step: what it needs and what it may do.

Rule: an unknown word is refused by name where it is written; a value is refused with what would do instead.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypedDict

from legato.domain.errors import ConfigurationError
from legato.pipeline.handles import Spot, refuse
from legato.pipeline.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from legato.domain.graph import Words


class StepWords(TypedDict, total=False):
    """What `@lg.step(...)`, `@lg.check(...)` and `lg.command(...)` may be told.

    Attributes:
        cpus: Cores that it may use at once (1).
        memory: Memory that it may use: `"2GiB"`.
        timeout: Time until it is killed: `"10m"` (a day).
        retries: How often it is tried again (0).
        uses: Paths and objects that its result depends on beyond what is found.
        env: Names of variables it may see, part of the key.
        secrets: Names of variables it may see, masked and never in the key.
        cache: False runs it each time; `"7d"` runs it again after a week.
        effect: It acts outside this machine.
    """

    cpus: float
    memory: str | int
    timeout: str | float
    retries: int
    uses: Sequence[object]
    env: Sequence[str]
    secrets: Sequence[str]
    cache: bool | str
    effect: bool


KNOWN: Final = tuple(StepWords.__annotations__)
LATER: Final = ("gpus", "pool", "packages", "when", "matrix", "each", "tolerate")


def refuse_unknown(words: Mapping[str, object], where: Spot) -> None:
    """Raise ConfigurationError for the first word that a step does not have."""
    for word in words:
        if word in LATER:
            raise refuse(
                f"{word}= is not supported by this version of legato", where, f"leave {word}= out for now"
            )
        if word not in KNOWN:
            raise refuse(f"a step knows no word {word}=", where, did_you_mean(word, KNOWN, "words"))


def read_words(words: Mapping[str, object]) -> Words:
    """Return the words as the graph holds them.

    Raises:
        ConfigurationError: A value is of the wrong kind.
    """
    from legato.domain.graph import Words

    fields = {
        _FIELDS.get(word, word): read(word, words[word]) for word, read in _READERS.items() if word in words
    }
    return Words(**fields, **_cache(words.get("cache", True)))  # type: ignore[arg-type]


def read_uses(words: Mapping[str, object]) -> tuple[object, ...]:
    """Return what `uses=` holds: paths (text or `pathlib.Path`) and objects."""
    uses = words.get("uses", ())
    if isinstance(uses, str | bytes) or not isinstance(uses, list | tuple | set | frozenset):
        raise ConfigurationError(
            f"uses={uses!r} is not a list",
            hint='write a list of paths and objects: uses=["rules.json", TABLE]',
        )
    return tuple(uses)


def _cache(value: object) -> dict[str, object]:
    from legato.domain.units import seconds

    if isinstance(value, bool):
        return {"cache": value}
    if isinstance(value, str):
        return {"cache_age_s": _above_zero("cache", value, seconds(value))}
    raise ConfigurationError(f"cache={value!r} is neither True, False nor an age", hint='write cache="7d"')


def _cpus(word: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"{word}={value!r} is not a number of cores", hint=f"write {word}=2")
    return _above_zero(word, value, float(value))


def _memory(word: str, value: object) -> int:
    from legato.domain.units import size_bytes

    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ConfigurationError(f"{word}={value!r} is not a size", hint=f'write {word}="2GiB"')
    return int(_above_zero(word, value, size_bytes(value)))


def _timeout(word: str, value: object) -> float:
    from legato.domain.units import seconds

    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ConfigurationError(f"{word}={value!r} is not a duration", hint=f'write {word}="10m"')
    return _above_zero(word, value, seconds(value))


def _above_zero(word: str, value: object, number: float) -> float:
    if not (number > 0 and math.isfinite(number)):
        raise ConfigurationError(
            f"{word}={value!r} is not above zero", hint=f"leave {word}= out for its default"
        )
    return number


def _retries(word: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigurationError(f"{word}={value!r} is not a whole number from 0", hint=f"write {word}=2")
    return value


def _names(word: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ConfigurationError(f"{word}={value!r} is a text, not a list", hint=f"write {word}=[{value!r}]")
    names = tuple(value) if isinstance(value, list | tuple) else (value,)
    for name in names:
        if not isinstance(name, str) or not name.replace("_", "a").isalnum() or name[0].isdigit():
            raise ConfigurationError(
                f"{word}= holds {name!r}, which is no name of an environment variable",
                hint=f'write {word}=["REGION"]',
            )
    return names


def _truth(word: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{word}={value!r} is neither True nor False", hint=f"write {word}=True")
    return value


_READERS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "cpus": _cpus,
    "memory": _memory,
    "timeout": _timeout,
    "retries": _retries,
    "env": _names,
    "secrets": _names,
    "effect": _truth,
}
_FIELDS: Final = {"memory": "memory_bytes", "timeout": "timeout_s"}
