"""Schedules and patterns of branches: what is accepted, and what it means elsewhere."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError
from legato.domain.triggers import check_at_most, check_pattern, matches, parse_cron, shift, show_cron


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 3 * *", "has 4 fields"),
        ("60 3 * * *", "minute '60'"),
        ("0 24 * * *", "hour '24'"),
        ("0 3 0 * *", "day '0'"),
        ("0 3 * 13 *", "month '13'"),
        ("0 3 * * MOO", "weekday 'MOO'"),
        ("0 3 * * 5-1", "weekday '5-1'"),
        ("*/0 * * * *", "minute '*/0'"),
        ("0 3 31 2,4 *", "never comes"),
        ("@daily", "has 1 fields"),
        ("0 3 * * ,", "weekday ''"),
        ("٣ 3 * * *", "minute"),
    ],
)
def test_a_schedule_that_is_none_is_refused(text, message):
    with pytest.raises(ConfigurationError) as caught:
        parse_cron(text)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0 3 * * MON", "0 3 * * 1"),
        ("0 3 * * 7", "0 3 * * 0"),
        ("0 3 * * sun-sat", "0 3 * * *"),
        ("*/5 * * * *", "*/5 * * * *"),
        ("5/20 1,2,3,9 1 JAN-MAR *", "5,25,45 1-3,9 1 1-3 *"),
    ],
)
def test_a_schedule_has_a_shortest_form(text, shown):
    assert show_cron(parse_cron(text)) == shown
    assert parse_cron(show_cron(parse_cron(text), steps=False)) == parse_cron(text)


def fires(cron, moment):
    return (
        moment.minute in cron.minutes
        and moment.hour in cron.hours
        and moment.month in cron.months
        and moment.day in cron.days
        and moment.isoweekday() % 7 in cron.weekdays
    )


@given(
    minute=st.integers(0, 59),
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=3),
    weekdays=st.sets(st.integers(0, 6), min_size=1),
    offset=st.sampled_from([-720, -300, -210, 0, 60, 330, 345, 840]),
)
def test_a_shifted_schedule_fires_at_the_same_moments(minute, hours, weekdays, offset):
    cron = parse_cron(f"{minute} {','.join(map(str, hours))} * * {','.join(map(str, weekdays))}")
    moved = shift(cron, offset)
    start = dt.datetime(2026, 3, 1, 0, minute, tzinfo=dt.UTC)

    for hour in range(24 * 9) if moved else ():
        there = start + dt.timedelta(hours=hour)
        assert fires(cron, there) == fires(moved, there - dt.timedelta(minutes=offset))


@pytest.mark.parametrize("pattern", ["main", "release/*", "*", "v*", "feature/x-1", "a.b"])
def test_names_and_beginnings_are_patterns(pattern):
    assert check_pattern(pattern, "branch") == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a b",
        "a**",
        "*/x",
        "[ab]",
        "a?",
        "-x",
        "a..b",
        "a/",
        "x.lock",
        "a$(id)",
        "a'b",
        "${{ x }}",
        "@{u}",
        "a\nb",
        3,
        None,
        ".a",
        "a//b",
    ],
)
def test_what_git_or_a_service_could_misread_is_no_pattern(pattern):
    with pytest.raises(ConfigurationError, match="no pattern of a branch") as caught:
        check_pattern(pattern, "branch")
    assert "release/*" in caught.value.hint


def test_a_star_stands_for_any_rest():
    assert matches(["release/*"], "release/a/b")
    assert not matches(["release/*"], "releases")


@pytest.mark.parametrize("text", ["1 day", "0 a day", "a day", "1 a year", 3])
def test_a_rate_that_is_none_is_refused(text):
    with pytest.raises(ConfigurationError, match="says no rate"):
        check_at_most(text)
