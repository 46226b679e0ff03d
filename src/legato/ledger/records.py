"""Rows of the table `events` to records and events, and back.

Rule: a row that cannot be understood is named, never skipped.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from legato.domain.errors import OutsideError
from legato.domain.events import Event, Redacted, decode, encode, kind_of
from legato.ledger import Stored
from legato.ledger.chain import Record, seal

COLUMNS: Final = "seq, at, kind, payload, salt, payload_digest, chain"
INSERT: Final = f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - no foreign text


def record_of(event: Event, before: tuple[int, str], at_us: int, salt: bytes) -> Record:
    """Return the sealed record of an event that follows the head `before` (place and seal)."""
    return seal(before[1], before[0] + 1, at_us, kind_of(event), encode(event), salt)


def stored_of(row: Sequence[Any], path: str, redacted_by: int = 0) -> Stored:
    """Return a row's event.

    Args:
        row: The columns `COLUMNS`.
        path: The ledger, for messages.
        redacted_by: Where the payload was blanked: the event that did it.

    Raises:
        OutsideError: Its payload is not one that this Legato knows.
    """
    record = Record(*row)
    at = record.at_us / 1e6
    if record.payload is None:
        event = Redacted(kind=record.kind, by=redacted_by)
        return Stored(seq=record.seq, at=at, event=event, digest=record.chain)
    try:
        known = decode(record.payload.encode())
    except (msgspec.MsgspecError, AttributeError) as error:
        raise OutsideError(
            f"event {record.seq} ({record.kind}) of the ledger {path} cannot be read: {error}",
            hint="a newer Legato may have written it: pip install --upgrade legato; else it was altered",
        ) from None
    return Stored(seq=record.seq, at=at, event=known, digest=record.chain)
