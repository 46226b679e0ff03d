"""Packs, indexes and chunks as bytes: they come back as they were, and nothing that was altered is taken."""

# ruff: noqa: S311 - seeded, so that every run has the same bytes; no secrets

import hashlib
import io
import random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError, MissingError
from legato.store.chunks import AVERAGE, Press, cut, unfold
from legato.store.packs import (
    COMPRESSED,
    MAX_CHUNK,
    PACK_HEAD_BYTES,
    DraftPack,
    RecipeRow,
    read_index,
    write_index,
)

CUTS = [33258, 78308, 80973, 39403, 28737, 67810, 159371, 71728, 135843, 117997, 63250, 49701, 73621]


def drafted(chunks: list[bytes]) -> DraftPack:
    draft, press = DraftPack(), Press()
    for chunk in chunks:
        stored, flags = press.squeeze(chunk)
        draft.add(hashlib.sha256(chunk).digest(), stored, len(chunk), flags)
    return draft


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300), times=st.integers(0, 3000), average=st.sampled_from([4096, AVERAGE]))
def test_chunks_put_together_are_what_was_cut(data, times, average):
    whole = data * times

    chunks = [bytes(chunk) for chunk in cut(io.BytesIO(whole), average)]

    assert b"".join(chunks) == whole
    assert all(len(chunk) <= MAX_CHUNK for chunk in chunks)
    assert len(whole) > average or len(chunks) == 1


def test_the_same_bytes_are_cut_alike_however_they_come():
    data = random.Random(1).randbytes(3_000_000)

    class Trickle:
        def __init__(self) -> None:
            self.source = io.BytesIO(data)

        def read(self, size: int, /) -> bytes:
            return self.source.read(min(size, 777))

    whole = [bytes(chunk) for chunk in cut(io.BytesIO(data))]
    trickled = [bytes(chunk) for chunk in cut(Trickle())]

    assert whole == trickled


def test_the_cuts_are_those_of_this_format():
    data = random.Random(1).randbytes(1_000_000)

    sizes = [len(chunk) for chunk in cut(io.BytesIO(data))]

    assert sizes == CUTS


@settings(max_examples=50, deadline=None)
@given(chunks=st.lists(st.binary(max_size=2000), max_size=8, unique=True))
def test_an_index_comes_back_and_finds_every_chunk(chunks):
    draft = drafted(chunks)
    draft.recipes.append(RecipeRow(b"o" * 32, b"r" * 32, 7, 2))

    index = read_index(write_index(draft.index()))

    assert (index.pack, index.pack_bytes) == (hashlib.sha256(draft.data).digest(), len(draft.data))
    assert index.recipes == tuple(draft.recipes)
    found = {
        unfold(row, memoryview(draft.data)[row.offset : row.offset + row.stored_bytes])
        for row in index.chunks
    }
    assert found == set(chunks)


@settings(max_examples=100, deadline=None)
@given(cut_at=st.integers(0, 400))
def test_an_index_that_was_cut_short_is_refused(cut_at):
    data = write_index(drafted([b"one", b"two" * 500]).index())

    with pytest.raises(MissingError, match="not used"):
        read_index(data[: min(cut_at, len(data) - 1)])


def test_an_index_of_a_newer_legato_is_refused():
    with pytest.raises(ConfigurationError, match="'2'"):
        read_index(b"legato index 2\nanything")


@pytest.mark.parametrize(
    "change",
    [
        {"offset": PACK_HEAD_BYTES - 1},
        {"offset": 1 << 31},
        {"size_bytes": MAX_CHUNK + 1, "flags": 1},
        {"flags": 64},
    ],
)
def test_a_row_that_does_not_fit_its_pack_is_refused(change):
    draft = drafted([b"chunk"])
    draft.chunks[0] = draft.chunks[0]._replace(**change)

    with pytest.raises(MissingError, match="does not fit"):
        read_index(write_index(draft.index()))


def test_two_drafts_in_one_pack_keep_their_chunks():
    one, two = drafted([b"a" * 100, b"b" * 100]), drafted([b"c" * 100])

    one.add_pack(two)

    for row in one.chunks:
        assert unfold(row, one.data[row.offset : row.offset + row.stored_bytes]) is not None


def test_another_edition_of_the_same_chunks_is_another_pack():
    draft = drafted([b"chunk"])
    before = draft.index().pack

    draft.set_edition(1)

    assert draft.index().pack != before


def test_a_frame_that_asks_for_too_much_memory_is_not_unfolded():
    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(MAX_CHUNK + 1))
    row = drafted([b"x"]).chunks[0]._replace(flags=COMPRESSED, stored_bytes=len(bomb), size_bytes=MAX_CHUNK)

    assert unfold(row, bomb) is None


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_always_found(at, bit):
    chunk = b"column,another\n" * 900
    stored, flags = Press().squeeze(chunk)
    row = drafted([chunk]).chunks[0]
    altered = bytearray(stored)
    altered[at % len(altered)] ^= 1 << bit

    assert flags == COMPRESSED
    assert unfold(row, bytes(altered)) in (None, chunk)
