"""Reads the words on a step: what it needs and what it may do.

Rule: an unknown word is refused by name where it is written; a value is refused with what would do instead.
"""

from __future__ import annotations

import math
import posixpath
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, TypedDict

from legato.domain.errors import ConfigurationError
from legato.pipeline.handles import Spot, refuse
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.retrying import Retries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from legato.domain.graph import Words


class StepWords(TypedDict, total=False):
    """What `@lg.step(...)`, `@lg.check(...)` and `lg.command(...)` may be told.

    Attributes:
        cpus: Cores that it may use at once (1).
        memory: Memory that it may use: `"2GiB"`.
        gpus: How many GPUs it has to itself (0).
        pool: The named pool of `legato.toml` that it takes a place of.
        timeout: Time until it is killed: `"10m"` (a day).
        retries: How often it is tried again (0), or `lg.retries(3, on=["timeout"], backoff="10s")`.
        when: A bool artifact or parameter: False leaves the step out, and what depends on it.
        matrix: Values by parameter: one element of the step for each combination.
        each: By input: the list or mapping artifact of which each element gets one.
        tolerate: Share of the elements that it gathers that may be missing (0).
        uses: Paths and objects that its result depends on beyond what is found.
        env: Names of variables it may see, part of the key.
        secrets: Names of variables it may see, masked and never in the key.
        cache: False runs it each time; `"7d"` runs it again after a week.
        effect: It acts outside this machine.
        packages: Its own Python packages: a locked requirements file, or a list of requirements.
    """

    cpus: float
    memory: str | int
    timeout: str | float
    gpus: int
    pool: str
    retries: int | Retries
    when: object
    matrix: Mapping[str, Sequence[object]]
    each: Mapping[str, object]
    tolerate: float
    uses: Sequence[object]
    env: Sequence[str]
    secrets: Sequence[str]
    cache: bool | str
    effect: bool
    packages: str | Sequence[str]


KNOWN: Final = tuple(StepWords.__annotations__)


def refuse_unknown(words: Mapping[str, object], where: Spot) -> None:
    """Raise ConfigurationError for the first word that a step does not have."""
    for word in words:
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
    both = sorted(set(fields.get("env", ())) & set(fields.get("secrets", ())))  # type: ignore[call-overload]
    if both:
        raise ConfigurationError(
            f"{both[0]} is in both env= and secrets=: the first puts its value into the key, the second hides it",
            hint=f"leave {both[0]} in secrets= alone if nobody should read it, else in env= alone",
        )
    return Words(**fields, **_retries(words.get("retries", 0)), **_cache(words.get("cache", True)))  # type: ignore[arg-type]


def read_uses(words: Mapping[str, object]) -> tuple[object, ...]:
    """Return what `uses=` holds: paths (text or `pathlib.Path`) and objects."""
    uses = words.get("uses", ())
    if isinstance(uses, str | bytes) or not isinstance(uses, list | tuple | set | frozenset):
        raise ConfigurationError(
            f"uses={uses!r} is not a list",
            hint='write a list of paths and objects: uses=["rules.json", TABLE]',
        )
    return tuple(uses)


def read_packages(words: Mapping[str, object], folder: str) -> dict[str, object]:
    """Return what `packages=` says, for a node's detail: a file relative to the repository, or requirements.

    Args:
        words: As they were written.
        folder: Of the file that says it, relative to the repository.
    """
    if "packages" not in words:
        return {}
    value = words["packages"]
    if (
        isinstance(value, list | tuple)
        and value
        and all(isinstance(item, str) and item.strip() for item in value)
    ):
        return {"packages": sorted(item.strip() for item in value)}
    text = str(value) if isinstance(value, str | PurePath) else ""
    path = posixpath.normpath(posixpath.join(folder, text))
    if not text or path.startswith(("/", "../")) or path == "..":
        raise ConfigurationError(
            f"packages={value!r} is neither a file of the repository nor a list of requirements",
            hint='write packages="requirements.lock", or packages=["polars==1.9.0"]',
        )
    return {"packages": path}


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


def _retries(value: object) -> dict[str, object]:
    if isinstance(value, Retries):
        return {"retries": value.number, "retry_on": value.on, "backoff_s": value.backoff_s}
    return {"retries": _whole("retries", value)}


def _whole(word: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigurationError(f"{word}={value!r} is not a whole number from 0", hint=f"write {word}=2")
    return value


def _pool(word: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(
            f"{word}={value!r} is not the name of a pool",
            hint='write pool="gpu", and [pools] gpu = 1 in legato.toml',
        )
    return value


def _share(word: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigurationError(f"{word}={value!r} is not a share from 0 to 1", hint=f"write {word}=0.02")
    return float(value)


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
    "gpus": _whole,
    "pool": _pool,
    "tolerate": _share,
    "env": _names,
    "secrets": _names,
    "effect": _truth,
}
_FIELDS: Final = {"memory": "memory_bytes", "timeout": "timeout_s"}
