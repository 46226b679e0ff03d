"""Registering and promoting for real: a decision of `moves` inside one transaction of the ledger.

Rule: what moved an alias is on the disk before the caller hears of it.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from legato.domain.events import AliasMoved, CandidateRegistered, Event, VersionCreated
from legato.ledger import Ledger, Query
from legato.registry import moves
from legato.registry.moves import Judged, Promotion, Registration, Request

_Move = TypeVar("_Move", Registration, Promotion)


def register(ledger: Ledger, candidate: CandidateRegistered, judged: Judged | None = None) -> Registration:
    """Register a candidate; see `moves.register` for what that comes to and its errors."""
    return _done(ledger, lambda query: moves.register(query, candidate, judged))


def promote(ledger: Ledger, request: Request) -> Promotion:
    """Promote a version or candidate; see `moves.promote` for what that comes to and its errors."""
    return _done(ledger, lambda query: moves.promote(query, request))


def _done(ledger: Ledger, decide: Callable[[Query], _Move]) -> _Move:
    decided: list[_Move] = []

    def events(query: Query) -> Sequence[Event]:
        decided.append(decide(query))  # may be asked again: the last answer is the one that was written
        return decided[-1].events

    ledger.transact(events)
    found = decided[-1]
    if any(isinstance(event, VersionCreated | AliasMoved) for event in found.events):
        ledger.sync()
    return found
