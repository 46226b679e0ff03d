"""What the tests of shared ledgers open and write.

Rule: one workshop that counts, and everything from outside handed in.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from legato.domain.events import RunStarted
from legato.ledger import Execute, Stored, Workshop
from legato.ledger.bucket import BucketLog
from legato.ledger.log import Log
from legato.ledger.mirrored import MirroredLedger
from legato.ledger.mirroring import MirroredReader, Mirroring
from legato.ledger.objects import Objects

PREFIX = "team/ledger"


def project(execute: Execute, stored: Stored) -> None:
    if isinstance(stored.event, RunStarted):
        execute("INSERT INTO seen (number, actor) VALUES (?, ?)", (stored.event.number, stored.event.actor))


SEEN = Workshop(
    name="seen",
    migrations=("CREATE TABLE seen (number INTEGER PRIMARY KEY, actor TEXT);",),
    queries={
        "next": "SELECT coalesce(max(number), 0) + 1 AS number FROM seen",
        "seen": "SELECT * FROM seen ORDER BY number",
    },
    project=project,
)
CLOCK = itertools.count(1_700_000_000)


def started(number: int, actor: str = "ann") -> RunStarted:
    return RunStarted(number=number, targets=(), pipeline="pipeline.py", actor=actor)


def clock() -> float:
    return float(next(CLOCK))


def salt() -> bytes:
    return os.urandom(16)


def alive(_: str) -> bool:
    return True


def log_in(store: Any, *, at: Any = clock) -> BucketLog:
    return BucketLog(Objects(store, PREFIX, "the bucket"), at, salt)


def machine(log: Log, mirror: Path | str = ":memory:", **how: Any) -> MirroredLedger:
    return MirroredLedger(log, Mirroring(mirror, **how), [SEEN], salt=salt, alive=alive)


def looker(log: Log, mirror: Path | str = ":memory:") -> MirroredReader:
    return MirroredReader(log, Mirroring(mirror), [SEEN], salt=salt, alive=alive)


def numbers(ledger: MirroredReader) -> list[int]:
    return [row["number"] for row in ledger.query("seen")]


def named(ledger: MirroredReader, head: Any = None) -> list[tuple[int, str]]:
    return [(problem.seq, problem.kind) for problem in ledger.verify(head)]


def objects_of(store: Any) -> Iterator[str]:
    """Yield the names of all objects below the ledger's prefix."""
    for page in store.list(PREFIX):
        yield from (item["path"].removeprefix(f"{PREFIX}/") for item in page)
