"""Objects of a bucket's ledger that are written a second time: collected into segments, and blanked.

Rule: a segment says what its batches say; two who write one at once write the same.
"""

from collections.abc import Callable, Sequence
from typing import Final

from legato.domain.errors import ConflictError
from legato.ledger.batches import (
    SEGMENT,
    blanked,
    event_numbers,
    header_of,
    pack_segment,
    unpack_segment,
)
from legato.ledger.objects import Objects

LOG: Final = "log"
SEGMENTS: Final = "segments"
_CHANGE_TRIES: Final = 50


def batch_name(position: int) -> str:
    """Return the name of a batch's object; names sort as their numbers do."""
    return f"{LOG}/{position:016d}"


def segment_name(number: int) -> str:
    """Return the name of a segment's object, counted from 0."""
    return f"{SEGMENTS}/{number:012d}"


def position_of(name: str) -> int:
    """Return the number at the end of a name; 0 where there is none."""
    last = name.rpartition("/")[2]
    return int(last) if last.isascii() and last.isdigit() else 0


def compact(objects: Objects, upto: int) -> tuple[int, int] | None:
    """Write the segments that are full and not there yet; return the first and last event in them."""
    there = {position_of(name) for name in objects.names(SEGMENTS)}
    copied: list[int] = []
    for number in range(upto // SEGMENT):
        if number not in there:
            copied += _collect(objects, number)
    return (min(copied), max(copied)) if copied else None


def blank_in_bucket(objects: Objects, seqs: Sequence[int]) -> None:
    """Write what holds those events anew, without what they say."""
    places: dict[int, list[int]] = {}
    for seq in seqs:
        places.setdefault(_holding(objects, seq), []).append(seq)
    for position, gone in places.items():
        _change(objects, batch_name(position), lambda data, gone=gone: blanked(data, gone))  # type: ignore[misc]
        name = segment_name((position - 1) // SEGMENT)
        _change(objects, name, lambda data, name=name, gone=gone: _blanked_segment(data, name, gone))  # type: ignore[misc]


def _blanked_segment(data: bytes, name: str, gone: Sequence[int]) -> bytes:
    plain = unpack_segment(data, name)
    left = blanked(plain, gone)
    return data if left == plain else pack_segment([left])


def _change(objects: Objects, name: str, change: Callable[[bytes], bytes]) -> None:
    for _ in range(_CHANGE_TRIES):
        found = objects.get_with_tag(name)
        if found is None:
            return
        data, tag = found
        new = change(data)
        if new == data or objects.change(name, new, tag):
            return
    raise ConflictError(f"{name} in {objects.name} changed {_CHANGE_TRIES} times meanwhile", hint="try again")


def _collect(objects: Objects, number: int) -> list[int]:
    first = number * SEGMENT + 1
    batches = objects.get_many([batch_name(position) for position in range(first, first + SEGMENT)])
    whole = [data for data in batches if data is not None]
    if len(whole) < SEGMENT:  # something is missing: the audit says what, a segment must not hide it
        return []
    objects.create(segment_name(number), pack_segment(whole))
    return [seq for data in whole for seq in event_numbers(data)]


def _holding(objects: Objects, seq: int) -> int:
    """Return the position of the batch that holds an event: the last whose head before it is an earlier one."""

    def is_behind(position: int) -> bool:
        data = objects.get(batch_name(position))
        return data is None or header_of(data, batch_name(position)).seq >= seq

    low, high = 1, 2
    while not is_behind(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_behind(middle) else (middle, high)
    return low
