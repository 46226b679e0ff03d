"""A workshop's file of named SQL."""

import pytest

from legato.domain.errors import BugError
from legato.ledger import named_queries


def test_statements_are_found_by_name_whatever_stands_around_them():
    text = "-- What runs ask.\n\n-- name: one\n-- a comment\nSELECT 1;\n\n-- name:two  \nSELECT\n  2\n"

    assert named_queries(text) == {"one": "-- a comment\nSELECT 1;", "two": "SELECT\n  2"}


@pytest.mark.parametrize(
    "text", ["-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;", "-- name: a\n\n-- name: b\nSELECT 1;"]
)
def test_a_name_twice_or_without_a_statement_is_our_bug(text):
    with pytest.raises(BugError, match="'a'"):
        named_queries(text)
