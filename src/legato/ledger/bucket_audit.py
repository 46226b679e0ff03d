"""The audit of a ledger in a bucket: every object is read and whatever does not hold is named.

Rule: it goes on after the first finding, and a finding says which object or event it is about.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from legato.domain.errors import OutsideError
from legato.ledger import Head, Problem
from legato.ledger.batches import SEGMENT, unpack, unpack_segment
from legato.ledger.chain import GENESIS, Record, audit
from legato.ledger.log import Batch
from legato.ledger.objects import Objects
from legato.ledger.segments import LOG, SEGMENTS, batch_name, position_of, segment_name


class _Found(NamedTuple):
    """What one name of the log holds: bytes, and the batch where they are one."""

    position: int
    data: bytes
    batch: Batch | None
    why: str


def audit_bucket(objects: Objects, head: Head | None) -> list[Problem]:
    """Return all that is wrong with a bucket's ledger."""
    positions = sorted(filter(None, map(position_of, objects.names(LOG))))
    segments = {position_of(name) for name in objects.names(SEGMENTS)}
    records: dict[int, Record] = {}
    problems: list[Problem] = []
    unknown: set[int] = set()
    seal, last = Head(seq=0, digest=GENESIS), 0
    for number, some in itertools.groupby(positions, lambda position: (position - 1) // SEGMENT):
        found = list(_found(objects, list(some)))
        for item in found:
            problems += _gap(last, item.position, seal)
            last = item.position
            told, gone = _look(item, seal)
            problems += told
            unknown.update(gone)
            if item.batch is not None:
                problems += _gather(records, item.batch)
                seal = _behind(item.batch)
        if number in segments:
            problems += _segment(objects, number, found)
    ordered = [records[seq] for seq in sorted(records)]
    problems += [
        item for item in audit(ordered, head) if not (item.kind == "missing" and item.seq in unknown)
    ]
    return sorted(problems, key=lambda problem: problem.seq)


def _gap(last: int, position: int, seal: Head) -> Iterator[Problem]:
    if position > last + 1:
        which = (
            f"batch {last + 1} was" if position == last + 2 else f"batches {last + 1} to {position - 1} were"
        )
        yield Problem(seq=seal.seq + 1, kind="missing", message=f"{which} deleted")


def _found(objects: Objects, positions: Sequence[int]) -> Iterator[_Found]:
    names = [batch_name(position) for position in positions]
    for position, name, data in zip(positions, names, objects.get_many(names), strict=True):
        try:
            yield _Found(position, data or b"", unpack(data or b"", name), "")
        except OutsideError as error:
            yield _Found(position, data or b"", None, f"batch {position} was altered: {error.message}")


def _look(item: _Found, seal: Head) -> tuple[list[Problem], range]:
    """Return what is wrong with one object, and the events that are missing because of the one before."""
    if item.batch is None:
        return [Problem(seq=seal.seq + 1, kind="altered", message=item.why)], range(0)
    before = item.batch.before
    if item.batch.position != item.position:
        message = f"at the place of batch {item.position} stands batch {item.batch.position}"
        return [Problem(seq=before.seq + 1, kind="reordered", message=message)], range(0)
    if before.seq > seal.seq:
        return [], range(seal.seq + 1, before.seq + 1)
    if before != seal:
        message = f"batch {item.position} does not follow from the one before"
        return [Problem(seq=before.seq + 1, kind="altered", message=message)], range(0)
    return [], range(0)


def _gather(records: dict[int, Record], batch: Batch) -> Iterator[Problem]:
    for record in batch.records:
        if records.setdefault(record.seq, record) != record:
            message = f"two events stand at place {record.seq}"
            yield Problem(seq=record.seq, kind="altered", message=message)


def _behind(batch: Batch) -> Head:
    if not batch.records:
        return batch.before
    return Head(seq=batch.records[-1].seq, digest=batch.records[-1].chain)


def _segment(objects: Objects, number: int, found: list[_Found]) -> Iterator[Problem]:
    """Compare a segment, from which new readers read, with its batches."""
    name = segment_name(number)
    seq = next((item.batch.before.seq + 1 for item in found if item.batch is not None), 0)
    try:
        plain = unpack_segment(objects.get(name) or b"", name)
    except OutsideError as error:
        yield Problem(seq=seq, kind="altered", message=f"segment {number} was altered: {error.message}")
        return
    if plain != b"".join(item.data for item in found):
        message = f"segment {number} ({name}) does not say what its batches say"
        yield Problem(seq=seq, kind="altered", message=message)
