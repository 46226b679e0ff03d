"""Secrets do not leave a mask, however they are spelled and wherever the stream is cut."""

import base64
import itertools
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.engine.masking import MASK, Mask, spellings

SECRET = "hunter2+pass/word"  # noqa: S105 - of the test


def through(mask, *pieces):
    return b"".join(mask.feed(piece) for piece in pieces) + mask.rest()


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET.encode(),
        base64.b64encode(SECRET.encode()),
        base64.b64encode(b"u" + SECRET.encode()),
        base64.b64encode(b"us" + SECRET.encode() + b"tail"),
        base64.urlsafe_b64encode(b"user:" + SECRET.encode()),
        quote(SECRET, safe="").encode(),
        quote_plus(SECRET).encode(),
    ],
)
def test_every_spelling_is_masked(spelled):
    shown = through(Mask([SECRET]), b"before " + spelled + b" after")

    assert MASK in shown
    assert shown.startswith(b"before ")
    assert shown.endswith(b" after")
    assert not [text for text in spellings(SECRET) if text in shown]


@given(st.lists(st.integers(0, 60), max_size=6))
def test_a_secret_is_masked_wherever_the_stream_is_cut(cuts):
    text = b"x" * 20 + SECRET.encode() + b"y" * 20
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]

    assert through(Mask([SECRET]), *pieces) == b"x" * 20 + MASK + b"y" * 20


@given(st.lists(st.binary(max_size=12), max_size=12))
def test_what_holds_no_secret_comes_out_as_it_went_in(pieces):
    secret = "\u00fc" * 40

    assert through(Mask([secret]), *pieces) == b"".join(pieces)


@given(st.text("ab", min_size=4, max_size=8), st.text("ab", max_size=60), st.integers(0, 60))
def test_secrets_that_repeat_themselves_are_masked_too(secret, text, cut):
    data = text.encode()

    shown = through(Mask([secret]), data[:cut], data[cut:])

    assert secret.encode() not in shown


def test_nothing_is_held_back_that_cannot_become_a_secret():
    mask = Mask([SECRET])

    assert mask.feed(b"a whole line\n") == b"a whole line\n"
    assert mask.feed(SECRET[:4].encode()) == b""
    assert mask.feed(b"-no") == SECRET[:4].encode() + b"-no"
    assert mask.rest() == b""


def test_the_longer_of_two_secrets_is_masked_whole():
    assert through(Mask(["abcd", "abcdefgh"]), b"abcdefgh") == MASK


def test_lines_of_a_secret_are_masked_line_by_line():
    key = "-----BEGIN-----\nabcdefghijk\nlmnopqrstuv\n-----END-----"

    shown = through(Mask([key]), key.replace("\n", "\r\n").encode())

    assert b"abcdefghijk" not in shown
    assert b"lmnopqrstuv" not in shown


@pytest.mark.parametrize("secret", ["", "a", "abc"])
def test_a_secret_too_short_to_hide_blanks_nothing(secret):
    assert through(Mask([secret]), b"abc abc") == b"abc abc"
