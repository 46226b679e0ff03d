"""Tells a shared ledger what happened in this one: runs, what became of their steps, and results.

Rule: what is told, and how far telling has come, is one append; killed at any point, telling again tells the rest once.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from legato.domain.artifacts import Artifact
from legato.domain.events import (
    AnyEvent,
    Event,
    Published,
    Redacted,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepReused,
    kinds,
)
from legato.domain.graph import Struct
from legato.ledger import Execute, Ledger, Query, Reader, Stored, Workshop, named_queries

BATCH: Final = 2000
"""How many events one append tells at most."""

_KINDS: Final = kinds(RunStarted, StepFinished, StepReused, StepFailed, RunFinished)
_QUERIES: Final = """
-- name: published_upto
SELECT upto FROM published WHERE source = :source;

-- name: shared_run
SELECT number FROM shared_runs WHERE source = :source AND local = :local;
"""
_TABLES: Final = """
CREATE TABLE published (source TEXT PRIMARY KEY, upto INTEGER NOT NULL);
CREATE TABLE shared_runs (
    source TEXT NOT NULL, local INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (source, local)
) WITHOUT ROWID;
"""


def _project(execute: Execute, stored: Stored) -> None:
    match stored.event:
        case Published(source=source, upto=upto):
            execute("INSERT OR REPLACE INTO published (source, upto) VALUES (?, ?)", (source, upto))
        case RunStarted(origin=origin, number=number) if origin:
            source, _, local = origin.rpartition(":")
            row = (source, int(local), number)
            execute("INSERT OR REPLACE INTO shared_runs (source, local, number) VALUES (?, ?, ?)", row)
        case _:
            pass


WORKSHOP: Final = Workshop(
    name="sharing", migrations=(_TABLES,), queries=named_queries(_QUERIES), project=_project
)


def ledger_name(ledger: Reader) -> str:
    """Return what tells this ledger from all others: its first event's salted digest; empty while it has none."""
    first = next(iter(ledger.events()), None)
    return first.digest[:16] if first else ""


class Told(Struct, frozen=True, kw_only=True):
    """How many facts, and results among them, a shared ledger was told of."""

    facts: int = 0
    results: int = 0


def publish(
    local: Reader,
    shared: Ledger,
    *,
    maker: str,
    push: Callable[[Sequence[Artifact]], object],
) -> Told:
    """Tell `shared` what `local` knows and it does not yet.

    Args:
        local: Where the runs were.
        shared: Where others look.
        maker: Only runs of this maker are told.
        push: Called with outputs before they are made known: what is known can be fetched.

    Raises:
        OutsideError: The shared ledger or store cannot be reached; what was told stays told.
    """
    source = ledger_name(local)
    told = Told()
    while source:
        after = _upto(shared.query, source)
        batch = [*itertools.islice(local.events(after, _KINDS), BATCH)]
        if not batch:
            break
        own = _of_maker(local, batch, maker)
        whole = len(batch) == BATCH
        if own:
            push(_outputs(own))
            results = sum(isinstance(stored.event, StepFinished) for stored in own)
            told = Told(facts=told.facts + len(own), results=told.results + results)
        if own or whole:
            shared.transact(partial(_tell, source=source, batch=own, last=batch[-1].seq))
        if not whole:
            break
    return told


def shared_number(shared: Reader, local: Reader, number: int) -> int:
    """Return the number that a run of `local` has in `shared`; 0 where it was not told."""
    rows = shared.query("shared_run", source=ledger_name(local), local=number)
    return int(rows[0]["number"]) if rows else 0


def _upto(query: Query, source: str) -> int:
    rows = query("published_upto", source=source)
    return int(rows[0]["upto"]) if rows else 0


def _of_maker(local: Reader, batch: Iterable[Stored], maker: str) -> list[Stored]:
    """Return the events of runs by `maker`; a run's first event may lie in an earlier batch."""
    batch = list(batch)
    makers = {
        event.number: event.maker for event in (s.event for s in batch) if isinstance(event, RunStarted)
    }
    earlier: Mapping[int, str] | None = None
    found = []
    for stored in batch:
        number = _number(stored.event)
        if number not in makers:
            if earlier is None:
                earlier = _makers(local)
            makers[number] = earlier.get(number, "")
        if makers[number] == maker:
            found.append(stored)
    return found


def _makers(local: Reader) -> dict[int, str]:
    started = (stored.event for stored in local.events(0, kinds(RunStarted)))
    return {event.number: event.maker for event in started if isinstance(event, RunStarted)}


def _number(event: AnyEvent | Redacted) -> int:
    match event:
        case RunStarted(number=number) | RunFinished(number=number):
            return number
        case StepReused(run=number) | StepFailed(run=number):
            return number
        case StepFinished(result=result):
            return result.run
        case _:
            return 0


def _outputs(events: Iterable[Stored]) -> list[Artifact]:
    results = (stored.event.result for stored in events if isinstance(stored.event, StepFinished))
    return [artifact for result in results for artifact in result.outputs.values()]


def _tell(query: Query, *, source: str, batch: list[Stored], last: int) -> list[Event]:
    """Return the events as the shared ledger will hold them, each run under its number there."""
    upto = _upto(query, source)
    if upto >= last:
        return []
    numbers: dict[int, int] = {}
    following = int(query("next_run")[0]["number"])
    said: list[Event] = []
    for stored in batch:
        event, number = stored.event, _number(stored.event)
        if stored.seq <= upto or isinstance(event, Redacted):
            continue
        if isinstance(event, RunStarted):
            numbers[number], following = following, following + 1
        elif number not in numbers:
            rows = query("shared_run", source=source, local=number)
            numbers[number] = int(rows[0]["number"]) if rows else 0
        if numbers[number]:
            said.append(_renumbered(event, numbers[number], f"{source}:{number}"))
    return [*said, Published(source=source, upto=last)]


def _renumbered(event: AnyEvent, number: int, origin: str) -> Event:
    replace: Callable[..., Any] = msgspec.structs.replace
    match event:
        case RunStarted():
            return replace(event, number=number, origin=origin)  # type: ignore[no-any-return]
        case RunFinished():
            return replace(event, number=number)  # type: ignore[no-any-return]
        case StepFinished(result=result):
            return replace(event, result=replace(result, run=number))  # type: ignore[no-any-return]
        case _:
            return replace(event, run=number)  # type: ignore[no-any-return]
