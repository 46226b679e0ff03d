"""Batches as bytes: what is read back is what was written, and damage is named."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError, OutsideError
from legato.ledger import Head
from legato.ledger.batches import (
    batches_of,
    blanked,
    event_numbers,
    header_of,
    pack,
    pack_segment,
    unpack,
    unpack_segment,
)
from legato.ledger.chain import Record
from legato.ledger.log import Batch, Mark, Move, end_of

texts = st.text(st.characters(codec="utf-8"), max_size=30)
records = st.builds(
    Record,
    seq=st.integers(1, 2**53),
    at_us=st.integers(0, 2**53),
    kind=texts,
    payload=st.none() | texts,
    salt=st.none() | st.binary(max_size=16),
    payload_digest=texts,
    chain=texts,
)
moves = st.builds(
    Move,
    name=texts,
    owner=texts,
    fencing=st.integers(1, 2**53),
    expires_at=st.none() | st.floats(0, 1e12),
)
batches = st.builds(
    Batch,
    position=st.integers(1, 2**53),
    before=st.builds(Head, seq=st.integers(0, 2**53), digest=texts),
    records=st.lists(records, max_size=4).map(tuple),
    moves=st.lists(moves, max_size=3).map(tuple),
)


@given(batches, st.binary(min_size=16, max_size=16))
def test_a_batch_comes_back_as_it_was(batch, nonce):
    assert unpack(pack(batch, nonce), "log/1") == batch


@given(st.lists(batches, max_size=5))
def test_a_segment_is_its_batches_one_behind_the_other(some):
    data = pack_segment(pack(batch, b"n") for batch in some)

    assert list(batches_of(unpack_segment(data, "segments/0"), "segments/0")) == some


@given(batches)
def test_blanking_takes_payload_and_salt_of_those_events_and_nothing_else(batch):
    seqs = {record.seq for record in batch.records[::2]}

    left = unpack(blanked(pack(batch, b"n"), seqs), "log/1")

    expected = [
        record._replace(payload=None, salt=None)
        if record.seq in seqs and record.payload is not None
        else record
        for record in batch.records
    ]
    assert left == batch._replace(records=tuple(expected))


@given(batches)
def test_blanking_what_is_blank_changes_no_byte(batch):
    once = blanked(pack(batch, b"n"), range(1, 100))

    assert blanked(once, range(1, 100)) == once
    assert blanked(once, []) == once


@given(batches, st.data())
def test_a_batch_that_was_cut_is_never_taken_for_a_whole_one(batch, data):
    whole = pack(batch, b"n")
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]

    with pytest.raises(OutsideError, match="log/1 of the ledger cannot be read"):
        unpack(cut, "log/1")


def one() -> Batch:
    record = Record(5, 1, "run.started", "{}", b"salt", "d", "c")
    return Batch(3, Head(seq=4, digest="b"), (record, record._replace(seq=6)), ())


def test_a_header_says_where_a_batch_belongs():
    data = pack(one(), b"n")

    assert header_of(data, "log/3") == Head(seq=4, digest="b")
    assert event_numbers(data) == range(5, 7)
    assert end_of(one()) == Mark(3, 6, "c")
    assert end_of(one()._replace(records=())) == Mark(3, 4, "b")


def test_a_newer_form_is_refused_with_the_advice_to_upgrade():
    data = pack(one(), b"n").replace(b'"format":1', b'"format":9')

    with pytest.raises(ConfigurationError, match="format 9") as caught:
        unpack(data, "log/3")

    assert "upgrade" in caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]\n",
        b"{}\n",
        b'{"format":"1"}\n',
        b"\xff\xfe\n",
        pack(one(), b"n") + b"\n",
        pack(one(), b"n") * 2,
    ],
)
def test_what_is_no_batch_is_named(data):
    with pytest.raises(OutsideError, match="cannot be read"):
        unpack(data, "log/3")


@pytest.mark.parametrize("data", [b"", b"plain", pack_segment([b"x" * 999])[:-5]])
def test_a_damaged_segment_is_named(data):
    with pytest.raises(OutsideError, match="segments/0 of the ledger cannot be read"):
        unpack_segment(data, "segments/0")


def test_a_segment_that_holds_no_batches_is_named():
    plain = unpack_segment(zlib.compress(b"my notes\n"), "segments/0")

    with pytest.raises(OutsideError, match="cannot be read"):
        list(batches_of(plain, "segments/0"))
