"""The hash chain: how an event is sealed, and how every change behind the ledger's back is named. Pure.

Rule: a seal covers the seal before it, the place, the time, the kind and a salted digest of the payload, so
that a payload can be blanked without breaking the chain. Format: docs/formats/ledger.md.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from legato.domain.events import PayloadRedacted, decode
from legato.ledger import Head, Problem

GENESIS: Final = hashlib.sha256(b"legato ledger 1").hexdigest()
"""What the first event's seal follows."""

REDACTION: Final = "payload.redacted"
_MOST_BROKEN: Final = 32
"""Up to how many broken seals moved events are told from altered ones: the search is cubic."""


class Record(NamedTuple):
    """One event as it is kept: time in microseconds since 1970, payload as JSON, or None where blanked."""

    seq: int
    at_us: int
    kind: str
    payload: str | None
    salt: bytes | None
    payload_digest: str
    chain: str


def digest_payload(salt: bytes, payload: bytes) -> str:
    """Return the digest that stands for a payload; without the salt nobody can guess back what it was."""
    return hashlib.sha256(salt + payload).hexdigest()


def link(before: str, record: Record) -> str:
    """Return the seal of a record that follows the seal `before`."""
    seq, at_us, kind, _, _, digest, _ = record
    return hashlib.sha256(f"{before}\n{seq}\n{at_us}\n{kind}\n{digest}".encode()).hexdigest()


def seal(before: str, seq: int, at_us: int, kind: str, payload: bytes, salt: bytes) -> Record:
    """Return the record of a new event."""
    draft = Record(seq, at_us, kind, payload.decode(), salt, digest_payload(salt, payload), "")
    return draft._replace(chain=link(before, draft))


class _Broken(NamedTuple):
    """A record whose seal does not follow from the one before it."""

    record: Record
    before: str


def audit(records: Iterable[Record], head: Head | None) -> list[Problem]:
    """Return all that is wrong with a ledger's records, given in the order of their places.

    Args:
        records: All of them.
        head: One that was published earlier, or None.
    """
    problems: list[Problem] = []
    broken: list[_Broken] = []
    blanked: set[int] = set()
    redacted: set[int] = set()
    before, last, at_head = GENESIS, 0, GENESIS
    for record in records:
        problems += _gap(last + 1, record.seq)
        if record.seq == last + 1 and link(before, record) != record.chain:
            broken.append(_Broken(record, before))
        if record.payload is None:
            blanked.add(record.seq)
        else:
            problems += _payload_trouble(record)
            redacted.update(_redacted_by(record))
        before, last = record.chain, record.seq
        at_head = record.chain if head is not None and record.seq == head.seq else at_head
    problems += _explained(broken)
    problems += [_blanked(seq) for seq in blanked - redacted]
    problems += [_kept(seq) for seq in redacted - blanked if 0 < seq <= last]
    problems += _against(head, last, at_head)
    return sorted(problems, key=lambda problem: problem.seq)


def _gap(expected: int, found: int) -> Iterator[Problem]:
    for seq in range(expected, found):
        yield Problem(seq=seq, kind="missing", message=f"event {seq} was deleted")


def is_whole(record: Record) -> bool:
    """Say whether a payload is what its digest stands for; one that was blanked is."""
    payload: Any = record.payload  # SQLite keeps whatever type someone wrote into the column
    if payload is None:
        return True
    data = payload if isinstance(payload, bytes) else str(payload).encode()
    return digest_payload(record.salt or b"", data) == record.payload_digest


def _payload_trouble(record: Record) -> Iterator[Problem]:
    if not is_whole(record):
        yield Problem(
            seq=record.seq,
            kind="altered",
            message=f"what event {record.seq} ({record.kind}) says was altered",
        )


def _redacted_by(record: Record) -> Iterator[int]:
    if record.kind != REDACTION or record.payload is None:
        return
    try:
        event = decode(record.payload.encode())
    except (msgspec.MsgspecError, AttributeError):  # reported as altered by its digest
        return
    if isinstance(event, PayloadRedacted):
        yield event.seq


def _blanked(seq: int) -> Problem:
    return Problem(
        seq=seq, kind="blanked", message=f"what event {seq} says was removed, and no event says so"
    )


def _kept(seq: int) -> Problem:
    return Problem(seq=seq, kind="kept", message=f"event {seq} was redacted, and what it says is still there")


def _explained(broken: list[_Broken]) -> Iterator[Problem]:
    """Tell records that were moved from such as were altered, and both from intact ones behind them."""
    seals = {item.before for item in broken} | {item.record.chain for item in broken}
    seals |= {link(item.before, item.record) for item in broken}
    places = [item.record.seq for item in broken] if len(broken) <= _MOST_BROKEN else []
    for record, _ in broken:
        home = _home(record, places, seals)
        if home is None:
            message = f"event {record.seq} ({record.kind}) was altered"
            yield Problem(seq=record.seq, kind="altered", message=message)
        elif home != record.seq:
            message = f"at place {record.seq} stands what was event {home} ({record.kind})"
            yield Problem(seq=record.seq, kind="reordered", message=message)


def _home(record: Record, places: list[int], seals: set[str]) -> int | None:
    """Return the place for which a record was sealed, if a seal that we know leads to it."""
    for place in (record.seq, *places):
        if any(link(before, record._replace(seq=place)) == record.chain for before in seals):
            return place
    return None


def _against(head: Head | None, last: int, at_head: str) -> Iterator[Problem]:
    if head is None:
        return
    if last < head.seq:
        message = f"the ledger ends at {last}; events {last + 1} to {head.seq} were cut off"
        yield Problem(seq=last + 1, kind="cut", message=message)
    elif at_head != head.digest:
        message = f"the history up to event {head.seq} is not the one whose head was published"
        yield Problem(seq=head.seq, kind="rewritten", message=message)
