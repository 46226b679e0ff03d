"""Values of `--each`, as typed."""

import pytest

from legato.app.backfilling import Backfilled, Each, parse
from legato.domain.errors import ConfigurationError


def test_days_are_counted_over_the_end_of_a_month_both_ends_included():
    assert parse("as_of=2024-02-28..2024-03-01").values == ("2024-02-28", "2024-02-29", "2024-03-01")


def test_whole_numbers_may_be_negative():
    assert parse("shift=-1..1").values == ("-1", "0", "1")


def test_a_list_keeps_its_order():
    assert parse("model.kind=b, a").values == ("b", "a")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("as_of", "names no parameter"),
        ("=1..2", "names no parameter"),
        ("a=", "names no parameter"),
        ("a=3..1", "is empty"),
        ("a=2026-10-02..2026-10-01", "is empty"),
        ("a=1..99999999999", "asks for"),
        ("a=x..y", "neither days nor whole numbers"),
        ("a=2026-10-01..7", "neither days nor whole numbers"),
        ("a=1,,2", "empty value"),
        ("a=1,1", "one twice"),
    ],
)
def test_what_cannot_be_followed_is_named(text, word):
    with pytest.raises(ConfigurationError, match=word) as caught:
        parse(text)

    assert text in caught.value.message
    assert "--each" in caught.value.hint or "at most" in caught.value.hint


def test_the_whole_fails_with_the_first_run_that_failed():
    each = Each(name="a", values=("1", "2", "3"))

    assert Backfilled(each=each, codes=(0, 2, 1)).code == 2
    assert Backfilled(each=each, codes=(0, 2, 1)).failed == ("2", "3")
    assert Backfilled(each=each, codes=(0, 0, 0)).code == 0
