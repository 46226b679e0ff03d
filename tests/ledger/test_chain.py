"""The hash chain: whatever is changed behind the ledger's back is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.events import AliasMoved, PayloadRedacted, encode, kind_of
from legato.ledger import Head
from legato.ledger.chain import GENESIS, Record, audit, digest_payload, link, seal


def event(number: int) -> AliasMoved:
    return AliasMoved(model="wine", alias="champion", environment="local", before=number, after=number + 1)


def chain(length: int) -> list[Record]:
    records: list[Record] = []
    before = GENESIS
    for number in range(1, length + 1):
        said = event(number)
        salt = bytes([number]) * 16
        records.append(seal(before, number, number * 10**6, kind_of(said), encode(said), salt))
        before = records[-1].chain
    return records


def named(records: list[Record], head: Head | None = None) -> list[tuple[int, str]]:
    return [(problem.seq, problem.kind) for problem in audit(records, head)]


def head_of(records: list[Record]) -> Head:
    return Head(seq=len(records), digest=records[-1].chain)


lengths = st.integers(3, 12)


@given(lengths)
def test_an_untouched_chain_has_no_problems(length):
    records = chain(length)

    assert named(records, head_of(records)) == []


CHANGES = {
    "at_us": lambda record: record._replace(at_us=record.at_us + 1),
    "kind": lambda record: record._replace(kind="run.finished"),
    "payload": lambda record: record._replace(payload=record.payload.replace("wine", "vine")),
    "payload of another type": lambda record: record._replace(payload=17),
    "salt": lambda record: record._replace(salt=b"other"),
    "payload_digest": lambda record: record._replace(payload_digest="0" * 64),
    "chain": lambda record: record._replace(chain="f" * 64),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
@given(length=lengths, data=st.data())
def test_an_altered_column_names_its_event_and_no_other(change, length, data):
    records = chain(length)
    place = data.draw(st.integers(0, length - 1))
    records[place] = CHANGES[change](records[place])

    problems = named(records)

    assert {seq for seq, _ in problems} == {place + 1}
    assert {kind for _, kind in problems} == {"altered"}


@given(length=lengths, data=st.data())
def test_a_payload_altered_with_a_fitting_digest_is_named(length, data):
    records = chain(length)
    place = data.draw(st.integers(0, length - 1))
    payload = records[place].payload.replace("wine", "vine")
    digest = digest_payload(records[place].salt, payload.encode())
    records[place] = records[place]._replace(payload=payload, payload_digest=digest)

    assert named(records) == [(place + 1, "altered")]


@given(length=lengths, data=st.data())
def test_a_record_sealed_anew_breaks_the_one_behind_it(length, data):
    records = chain(length)
    place = data.draw(st.integers(0, length - 2))
    forged = records[place]._replace(at_us=5)
    records[place] = forged._replace(chain=link(records[place - 1].chain if place else GENESIS, forged))

    assert named(records) != []


@given(length=lengths, data=st.data())
def test_a_deleted_record_is_named(length, data):
    records = chain(length)
    place = data.draw(st.integers(0, length - 2))
    del records[place]

    assert named(records) == [(place + 1, "missing")]


@given(length=lengths, data=st.data())
def test_a_deleted_record_is_noticed_also_when_the_rest_moved_up(length, data):
    records = chain(length)
    place = data.draw(st.integers(0, length - 2))
    del records[place]
    moved = [record._replace(seq=seq) for seq, record in enumerate(records, 1)]

    assert min(seq for seq, _ in named(moved)) == place + 1


@given(length=lengths, data=st.data())
def test_swapped_records_are_named_with_their_old_places(length, data):
    records = chain(length)
    one, two = sorted(data.draw(st.sets(st.integers(0, length - 1), min_size=2, max_size=2)))
    first, second = records[one], records[two]
    records[one], records[two] = second._replace(seq=first.seq), first._replace(seq=second.seq)

    problems = audit(records, None)

    assert [(problem.seq, problem.kind) for problem in problems] == [
        (one + 1, "reordered"),
        (two + 1, "reordered"),
    ]
    assert f"event {two + 1}" in problems[0].message
    assert f"event {one + 1}" in problems[1].message


@given(length=lengths, data=st.data())
def test_a_cut_tail_is_found_against_a_published_head_only(length, data):
    records = chain(length)
    left = data.draw(st.integers(0, length - 1))

    assert named(records[:left]) == []
    assert named(records[:left], head_of(records)) == [(left + 1, "cut")]


@given(length=lengths, data=st.data())
def test_a_history_written_anew_to_its_end_is_found_against_a_published_head(length, data):
    records = chain(length)
    head = head_of(records)
    place = data.draw(st.integers(0, length - 1))
    before = records[place - 1].chain if place else GENESIS
    for at in range(place, length):
        forged = records[at]._replace(at_us=records[at].at_us + 7)
        records[at] = forged._replace(chain=link(before, forged))
        before = records[at].chain

    assert named(records) == []
    assert named(records, head) == [(length, "rewritten")]


def test_a_blanked_record_needs_an_event_that_says_so():
    records = chain(4)
    records[1] = records[1]._replace(payload=None, salt=None)
    said = PayloadRedacted(seq=2, why="a token")
    redaction = seal(records[-1].chain, 5, 5 * 10**6, kind_of(said), encode(said), b"salt")

    assert named(records) == [(2, "blanked")]
    assert named([*records, redaction], head_of([*records, redaction])) == []


@given(
    st.binary(max_size=20),
    st.binary(max_size=20),
    st.text(max_size=5),
    st.integers(0, 99),
    st.integers(0, 99),
)
def test_what_is_sealed_differently_has_another_seal(payload, salt, kind, seq, at_us):
    one = Record(seq, at_us, kind.replace("\n", ""), "", salt, digest_payload(salt, payload), "")

    seals = {
        link(GENESIS, one),
        link("0" * 64, one),
        link(GENESIS, one._replace(seq=seq + 100)),
        link(GENESIS, one._replace(at_us=at_us + 100)),
        link(GENESIS, one._replace(kind=one.kind + "x")),
        link(GENESIS, one._replace(payload_digest=digest_payload(salt, payload + b"x"))),
    }

    assert len(seals) == 6
