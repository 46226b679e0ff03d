"""Batches as bytes: the objects of a ledger in a bucket. Pure. Format: docs/formats/ledger.md.

Rule: what cannot be read is refused by name; what is read back is byte for byte what was written.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from legato.domain.digests import canonical
from legato.domain.errors import ConfigurationError, OutsideError
from legato.ledger import Head
from legato.ledger.chain import Record
from legato.ledger.log import Batch, Move

LOG_FORMAT: Final = 1
"""Number of the form of a ledger's objects in a bucket."""
SEGMENT: Final = 256
"""How many batches a segment holds."""
_MOST_BYTES: Final = 1 << 30


class _Header(msgspec.Struct, frozen=True):
    format: int
    batch: int
    seq: int
    seal: str
    events: int
    nonce: str
    leases: tuple[tuple[str, str, int, float | None], ...] = ()


class _Event(msgspec.Struct, frozen=True):
    seq: int
    at: int
    kind: str
    payload: str | None
    salt: str | None
    payload_digest: str
    chain: str


_HEADER: Final = msgspec.json.Decoder(_Header)
_EVENT: Final = msgspec.json.Decoder(_Event)


def pack(batch: Batch, nonce: bytes) -> bytes:
    """Return the bytes of a batch; `nonce` makes them unlike any other writer's."""
    header = _Header(
        LOG_FORMAT,
        batch.position,
        batch.before.seq,
        batch.before.digest,
        len(batch.records),
        base64.b64encode(nonce).decode(),
        tuple((move.name, move.owner, move.fencing, move.expires_at) for move in batch.moves),
    )
    lines = [canonical(header), *(event_line(record) for record in batch.records)]
    return b"\n".join(lines) + b"\n"


def unpack(data: bytes, name: str) -> Batch:
    """Return the batch that `pack` wrote.

    Raises:
        OutsideError: The object was damaged.
        ConfigurationError: A newer Legato wrote it.
    """
    lines = data.split(b"\n")
    try:
        _check_format(lines[0], name)
        header = _HEADER.decode(lines[0])
        records = tuple(record_of_line(line) for line in lines[1 : 1 + header.events])
        if len(lines) != header.events + 2 or lines[-1]:
            raise ValueError(f"it has {len(lines) - 2} events, not {header.events}")  # noqa: TRY301 - one report
    except (ValueError, msgspec.MsgspecError) as error:
        raise unreadable(name, str(error)) from None
    moves = tuple(Move(*move) for move in header.leases)
    return Batch(header.batch, Head(seq=header.seq, digest=header.seal), records, moves)


def header_of(data: bytes, name: str) -> Head:
    """Return the head that a batch follows.

    Raises:
        OutsideError: The object was damaged.
    """
    try:
        header = _HEADER.decode(data.partition(b"\n")[0])
    except msgspec.MsgspecError as error:
        raise unreadable(name, str(error)) from None
    return Head(seq=header.seq, digest=header.seal)


def event_numbers(data: bytes) -> range:
    """Return the places of a batch's events."""
    header = _HEADER.decode(data.partition(b"\n")[0])
    return range(header.seq + 1, header.seq + 1 + header.events)


def event_line(record: Record) -> bytes:
    """Return one event as a line of JSON, its columns by name."""
    salt = None if record.salt is None else base64.b64encode(record.salt).decode()
    row = record._asdict() | {"salt": salt, "at": record.at_us}
    del row["at_us"]
    return canonical(row)


def record_of_line(line: bytes) -> Record:
    """Return the record of a line; raises `ValueError` or `msgspec.MsgspecError`."""
    row = _EVENT.decode(line)
    salt = None if row.salt is None else base64.b64decode(row.salt, validate=True)
    return Record(row.seq, row.at, row.kind, row.payload, salt, row.payload_digest, row.chain)


def blanked(data: bytes, seqs: Iterable[int]) -> bytes:
    """Return a batch's or a segment's lines without what those events say; equal bytes where nothing is left to do."""
    wanted = set(seqs)
    lines = data.split(b"\n")
    for place, line in enumerate(lines):
        if line.startswith(b'{"at":'):
            record = record_of_line(line)
            if record.seq in wanted and record.payload is not None:
                lines[place] = event_line(record._replace(payload=None, salt=None))
    return b"\n".join(lines)


def pack_segment(batches: Iterable[bytes]) -> bytes:
    """Return the bytes of a segment: those of its batches, one behind the other, compressed."""
    return zlib.compress(b"".join(batches), 6)


def unpack_segment(data: bytes, name: str) -> bytes:
    """Return the bytes of a segment's batches.

    Raises:
        OutsideError: The object was damaged.
    """
    machine = zlib.decompressobj()
    try:
        plain = machine.decompress(data, _MOST_BYTES)
    except zlib.error as error:
        raise unreadable(name, str(error)) from None
    if not machine.eof:
        raise unreadable(name, "its end is missing")
    return plain


def batches_of(plain: bytes, name: str) -> Iterator[Batch]:
    """Yield the batches of a segment.

    Raises:
        OutsideError: The object was damaged.
    """
    lines = plain.split(b"\n")
    place = 0
    while place < len(lines) - 1:
        try:
            end = place + 1 + _HEADER.decode(lines[place]).events
        except msgspec.MsgspecError as error:
            raise unreadable(name, str(error)) from None
        yield unpack(b"\n".join(lines[place:end]) + b"\n", name)
        place = end


def unreadable(name: str, why: str) -> OutsideError:
    """Return the error for an object that was damaged."""
    return OutsideError(
        f"{name} of the ledger cannot be read: {why}",
        hint="see all that was changed: legato ledger verify --shared; then restore it from a backup",
    )


def _check_format(line: bytes, name: str) -> None:
    said: Mapping[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    number = said.get("format")
    if isinstance(number, int) and number > LOG_FORMAT:
        raise ConfigurationError(
            f"{name} of the ledger has format {number}; this Legato reads up to {LOG_FORMAT}",
            hint="upgrade Legato: pip install --upgrade legato",
        )
