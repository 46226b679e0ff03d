"""When triggers fire: times in cron's five fields, and patterns of branches and tags.

Rule: what is accepted here can be said in the words of every CI service; all else is refused with what to write.
"""

import fnmatch
import re
from collections.abc import Sequence
from typing import Final

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Struct

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY_MINUTES: Final = 24 * 60
_FIELDS: Final = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, ("", *_MONTHS)),
    ("weekday", 0, 7, _DAYS),
)
_PATTERN: Final = re.compile(r"[\w.+@#-][\w.+@#/-]*\*?|\*", re.ASCII)
_AT_MOST: Final = re.compile(r"([1-9][0-9]{0,3}) an? (hour|day|week|month)")
_SHOWN_RANGE: Final = 3


class Cron(Struct, frozen=True, kw_only=True):
    """Times of a schedule: each field as the sorted values that it allows; Sunday is 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]


def parse_cron(text: str) -> Cron:
    """Return the times that five fields say: minute, hour, day of the month, month, weekday.

    Raises:
        ConfigurationError: They are not five, a value is out of range, or the times never come.

    >>> parse_cron("0 3 * * MON").weekdays, parse_cron("*/20 8-9 1 1,7 *").minutes
    ((1,), (0, 20, 40))
    """
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ConfigurationError(
            f"the schedule {text!r} has {len(fields)} fields, not five",
            hint='write minute, hour, day, month, weekday: "0 3 * * MON" is Mondays at three',
        )
    values = [_field(field, *about, whole=text) for field, about in zip(fields, _FIELDS, strict=True)]
    weekdays = tuple(sorted({day % 7 for day in values[4]}))
    found = Cron(minutes=values[0], hours=values[1], days=values[2], months=values[3], weekdays=weekdays)
    if len(weekdays) == len(_DAYS) and not any(
        found.days[0] <= _LONGEST[month - 1] for month in found.months
    ):
        raise ConfigurationError(
            f"the schedule {text!r} never comes: no such month has a day {found.days[0]}",
            hint="change the third field, the day of the month",
        )
    return found


def _field(text: str, what: str, low: int, high: int, names: Sequence[str], *, whole: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = low if span == "*" else _value(first, names)
        top = high - (what == "weekday")
        end = top if span == "*" or (slash and not dash) else _value(last, names) if dash else begin
        every = (int(step) if step.isascii() and step.isdecimal() and len(step) < 4 else 0) if slash else 1  # noqa: PLR2004 - no field is that long
        if begin is None or end is None or not low <= begin <= end <= high or every < 1:
            raise ConfigurationError(
                f"the {what} {part!r} of the schedule {whole!r} is none",
                hint=f"a {what} is {low} to {top}, a range 1-5, a step */2, or several with a comma"
                + (f"; or {names[-2].upper()}, {names[-1].upper()}" if names else ""),
            )
        found.update(range(begin, end + 1, every))
    return tuple(sorted(found))


def _value(text: str, names: Sequence[str]) -> int | None:
    if text.isascii() and text.isdecimal() and len(text) < 3:  # noqa: PLR2004 - two digits at most
        return int(text)
    lowered = text.lower()
    return names.index(lowered) if lowered and lowered in names else None


def show_cron(cron: Cron, *, steps: bool = True) -> str:
    """Return the five fields of a schedule in their shortest form.

    Args:
        cron: When.
        steps: Whether `*/5` may be written; else such values are listed.

    >>> show_cron(parse_cron("*/20 8,9,10 * * MON-FRI")), show_cron(parse_cron("*/20 8 * * *"), steps=False)
    ('*/20 8-10 * * 1-5', '0,20,40 8 * * *')
    """
    fields = (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays)
    limits = [(low, high - (what == "weekday")) for what, low, high, _ in _FIELDS]
    return " ".join(
        _shown(values, low, high, steps=steps) for values, (low, high) in zip(fields, limits, strict=True)
    )


def _shown(values: tuple[int, ...], low: int, high: int, *, steps: bool) -> str:
    if values == tuple(range(low, high + 1)):
        return "*"
    step = values[1] - values[0] if len(values) > 1 else 0
    if steps and step > 1 and len(values) >= _SHOWN_RANGE and values == tuple(range(low, high + 1, step)):
        return f"*/{step}"
    parts: list[str] = []
    run: list[int] = []
    for value in (*values, None):
        if run and (value is None or value != run[-1] + 1):
            joined = f"{run[0]}-{run[-1]}"
            parts += [joined] if len(run) >= _SHOWN_RANGE else [str(one) for one in run]
            run = []
        if value is not None:
            run.append(value)
    return ",".join(parts)


def shift(cron: Cron, minutes: int) -> Cron | None:
    """Return the same times as a clock that is `minutes` behind says them, or None where five fields cannot.

    >>> show_cron(shift(parse_cron("30 0 * * MON"), 60))
    '30 23 * * 0'
    >>> shift(parse_cron("30 0 1 * *"), 60) is None
    True
    """
    moved = [(hour * 60 + minute - minutes) for hour in cron.hours for minute in cron.minutes]
    times = {divmod(one % _DAY_MINUTES, 60) for one in moved}
    hours = tuple(sorted({hour for hour, _ in times}))
    new_minutes = tuple(sorted({minute for _, minute in times}))
    if len(hours) * len(new_minutes) != len(times):
        return None
    days = {one // _DAY_MINUTES for one in moved}
    dates_matter = len(cron.days) < 31 or len(cron.months) < 12  # noqa: PLR2004 - all of them
    weekdays_matter = len(cron.weekdays) < len(_DAYS)
    if days != {0} and (dates_matter or (weekdays_matter and len(days) > 1)):
        return None
    over = days.pop() if weekdays_matter else 0
    return Cron(
        minutes=new_minutes,
        hours=hours,
        days=cron.days,
        months=cron.months,
        weekdays=tuple(sorted((day + over) % 7 for day in cron.weekdays)),
    )


def check_pattern(pattern: object, what: str) -> str:
    """Return a pattern of branches or tags as it is.

    Args:
        pattern: A name, or the beginning of names with a `*` behind it.
        what: `branch` or `tag`, for the message.

    Raises:
        ConfigurationError: It is none, or not one that every CI service has words for.
    """
    if isinstance(pattern, str) and _PATTERN.fullmatch(pattern) and not _unfit(pattern):
        return pattern
    raise ConfigurationError(
        f"{pattern!r} is no pattern of a {what}",
        hint=f'write the name of a {what}, or its beginning with one * at the end: "release/*"',
    )


def _unfit(pattern: str) -> bool:
    """Say whether git could have no such branch or tag."""
    name = pattern.removesuffix("*")
    return (
        any(part in name for part in ("..", "//", "@{", "/."))
        or name[:1] in {"-", "."}
        or (not pattern.endswith("*") and name.endswith(("/", ".", ".lock")))
        or name == "@"
    )


def matches(patterns: Sequence[str], name: str) -> bool:
    """Say whether a branch or tag is one of those that the patterns mean.

    >>> matches(["main", "release/*"], "release/2026/1"), matches(["main"], "maine")
    (True, False)
    """
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def check_at_most(text: object) -> str:
    """Return how often a trigger may start a run, as written: `1 a day`.

    Raises:
        ConfigurationError: It is no such text.
    """
    if text == "" or (isinstance(text, str) and _AT_MOST.fullmatch(text)):
        return str(text)
    raise ConfigurationError(f"at_most={text!r} says no rate", hint='write "1 a day", or "4 an hour"')
