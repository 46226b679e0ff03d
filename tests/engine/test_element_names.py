"""What elements are called: safe in a file name, a shell and a terminal, and never shared by two keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.artifacts import Artifact
from legato.domain.digests import digest_of
from legato.domain.elements import element_name, gathered_key, pack, shown_key, split_target, unpack
from legato.domain.graph import Coordinate

KEYS = st.text(max_size=80)


def at(**keys):
    return tuple(Coordinate(axis=axis, key=key, shown=shown_key(key)) for axis, key in keys.items())


@given(KEYS, KEYS)
def test_two_keys_never_share_a_name(one, other):
    assert (shown_key(one) == shown_key(other)) == (one == other)


@given(KEYS)
def test_a_name_is_one_safe_word_that_is_read_back(key):
    name = element_name("training", at(store=key))

    assert split_target(name) == ("training", {"store": shown_key(key)})
    assert not set(name[len("training[store=") : -1]) & set("/\\\n\r\t\0[],=:\x1b*?'\"$`")
    assert len(name.encode()) <= 200


@given(st.lists(KEYS, min_size=2, max_size=8, unique=True))
def test_names_of_many_axes_stay_short_and_apart(keys):
    names = {
        element_name("n", at(**{f"axis_{i}": key for i, key in enumerate(keys[: n + 1])}))
        for n in range(len(keys))
    }

    assert len(names) == len(keys)
    assert max(len(name.encode()) for name in names) <= 200


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("berlin", "berlin"),
        ("new york", "new york"),
        ("2026-11-01", "2026-11-01"),
        ("a/b", "a%2Fb"),
        ("..", ".."),
        ("a=1,b=2", "a%3D1%2Cb%3D2"),
        ("line\nline", "line%0Aline"),
        ("münchen", "münchen"),
        ("50%", "50%25"),
        ("", "%"),
    ],
)
def test_a_key_is_shown_as_it_is_where_that_is_safe(key, shown):
    assert shown_key(key) == shown


def test_a_long_key_is_cut_and_told_apart_by_its_digest():
    long, longer = shown_key("x" * 10_000), shown_key("x" * 10_001)

    assert len(long) < 40
    assert long != longer


def test_a_family_comes_back_and_its_order_makes_no_difference():
    one = Artifact(digest=digest_of(b"1"), size_bytes=1, format="plain/1")
    two = Artifact(digest=digest_of(b"2"), size_bytes=1, format="plain/1")

    packed = pack({"b": two, "a": one}, ["z", "y"])

    assert packed == pack({"a": one, "b": two}, ["y", "z"])
    assert unpack(packed).items == {"a": one, "b": two}
    assert unpack(packed).missing == ("y", "z")


def test_a_gathered_key_is_the_element_s_own_or_one_for_each_axis():
    assert gathered_key(at(store="a/b")) == "a/b"
    assert gathered_key(at(depth="4", kind="a")) == "depth=4,kind=a"
