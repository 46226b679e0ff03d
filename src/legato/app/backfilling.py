"""One run for each value of a parameter: `--each as_of=2026-10-01..2026-10-31`.

Rule: every value is a run of its own, in order; one that fails does not stop the others, and is named at the end;
only where the first cannot even be asked for is there no second.
"""

import datetime as dt
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from legato.domain.errors import INTERRUPTED_EXIT_CODE, ConfigurationError
from legato.domain.graph import Struct

LIMIT: Final = 10_000
_RANGE: Final = re.compile(r"(.+?)\.\.(.+)")
_EXAMPLE: Final = "write for example --each as_of=2026-10-01..2026-10-31, or --each model.depth=2,4,8"


class Each(Struct, frozen=True, kw_only=True):
    """A parameter, and the values that it takes one after the other."""

    name: str
    values: tuple[str, ...]


class Backfilled(Struct, frozen=True, kw_only=True):
    """What became of each value: the exit code of its run, in order."""

    each: Each
    codes: tuple[int, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """The values whose run did not succeed."""
        return tuple(value for value, code in zip(self.each.values, self.codes, strict=False) if code)

    @property
    def code(self) -> int:
        """The exit code of the whole: that of the first run that did not succeed."""
        return next((code for code in self.codes if code), 0)


def parse(text: str) -> Each:
    """Return what `NAME=A..B` (days, or whole numbers, both ends included) or `NAME=A,B,C` says.

    Raises:
        ConfigurationError: It says neither, or more than `LIMIT` values.

    >>> parse("as_of=2026-02-27..2026-03-01").values
    ('2026-02-27', '2026-02-28', '2026-03-01')
    >>> parse("model.depth=2,4")
    Each(name='model.depth', values=('2', '4'))
    """
    name, equals, rest = text.partition("=")
    if not name or not equals or not rest:
        raise ConfigurationError(f"--each {text!r} names no parameter with values", hint=_EXAMPLE)
    between = _RANGE.fullmatch(rest)
    if between is None:
        values = tuple(value.strip() for value in rest.split(","))
    else:
        values = tuple(_range(text, between[1], between[2]))
    if not all(values) or len(set(values)) < len(values):
        raise ConfigurationError(f"--each {text!r} has an empty value, or one twice", hint=_EXAMPLE)
    return Each(name=name, values=values)


def _range(text: str, first: str, last: str) -> Iterator[str]:
    """Yield days or whole numbers, both ends included."""
    days = _day(first), _day(last)
    if days[0] is not None and days[1] is not None:
        start, count = days[0].toordinal(), (days[1] - days[0]).days + 1
        show: Callable[[int], str] = lambda at: dt.date.fromordinal(at).isoformat()  # noqa: E731 - a choice of two
    elif _whole(first) and _whole(last):
        start, count, show = int(first), int(last) - int(first) + 1, str
    else:
        raise ConfigurationError(
            f"--each {text!r}: {first}..{last} are neither days nor whole numbers", hint=_EXAMPLE
        )
    if count < 1:
        raise ConfigurationError(f"--each {text!r} is empty: {last} comes before {first}", hint=_EXAMPLE)
    if count > LIMIT:
        raise ConfigurationError(f"--each {text!r} asks for {count} runs", hint=f"at most {LIMIT} at once")
    yield from (show(start + offset) for offset in range(count))


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def backfill(each: Each, arguments: Sequence[str], told: Callable[[str], None]) -> Backfilled:
    """Run `legato run` with these arguments for each value.

    Args:
        each: The parameter and its values.
        arguments: As typed after `run`, without `--each`.
        told: Called with `NAME=VALUE` before each run.
    """
    codes: list[int] = []
    for value in each.values:
        told(f"{each.name}={value}")
        code = subprocess.run(
            [sys.executable, "-m", "legato", "run", *arguments, "-p", f"{each.name}={value}"], check=False
        ).returncode
        codes.append(code if code >= 0 else INTERRUPTED_EXIT_CODE)
        if codes[-1] == INTERRUPTED_EXIT_CODE or codes == [ConfigurationError.exit_code]:
            break  # what the first run could not be told, no other can
    return Backfilled(each=each, codes=tuple(codes))


def without_each(arguments: Sequence[str]) -> list[str]:
    """Return typed words without `--each` and its value.

    >>> without_each(["train", "--each", "a=1..3", "-q"]), without_each(["--each=a=1,2"])
    (['train', '-q'], [])
    """
    kept: list[str] = []
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word == "--each":
            skip = True
        elif not word.startswith("--each="):
            kept.append(word)
    return kept
