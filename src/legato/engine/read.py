"""What people see of past runs: the engine's tables as values.

Rule: reads only; nothing here writes or decides.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from legato.domain.artifacts import Artifact, Result
from legato.domain.events import ResultFetched, StepFinished, decode
from legato.domain.graph import Struct
from legato.domain.messages import Override
from legato.ledger import Reader

_OVERRIDES: Final = msgspec.json.Decoder(tuple[Override, ...])
_READ: Final = frozenset({"commit", "targets", "parameters", "dirty", "overrides"})
"""Fields of a run that are not a column as it stands."""


class RunRow(Struct, frozen=True, kw_only=True):
    """One run as a list shows it; times in seconds since the epoch."""

    number: int
    state: str
    targets: tuple[str, ...]
    pipeline: str
    environment: str
    commit: str
    dirty: bool
    branch: str
    actor: str
    owner: str
    parameters: Mapping[str, str]
    started_at: float
    finished_at: float | None
    computed: int
    reused: int
    failed: int
    skipped: int
    wall_s: float
    overrides: tuple[Override, ...] = ()
    cancelled_by: str = ""


class ExecutionRow(Struct, frozen=True, kw_only=True):
    """One step of one run."""

    step: str
    kind: str
    state: str
    key: str
    reason: str
    message: str
    details: str
    hint: str
    attempt: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    log: str
    at: float


def runs(ledger: Reader, limit: int = 50) -> tuple[RunRow, ...]:
    """Return the newest runs, newest first."""
    return tuple(_run(row) for row in ledger.query("runs", limit=limit))


def run(ledger: Reader, number: int) -> RunRow | None:
    """Return one run."""
    rows = ledger.query("run", number=number)
    return _run(rows[0]) if rows else None


def executions(ledger: Reader, number: int) -> tuple[ExecutionRow, ...]:
    """Return what became of each step of a run, in order; retried attempts included."""
    names = ExecutionRow.__struct_fields__
    return tuple(
        ExecutionRow(**{name: row[name] for name in names}) for row in ledger.query("executions", run=number)
    )


def result(ledger: Reader, key: str) -> Result | None:
    """Return the result of a full key."""
    rows = ledger.query("result_by_key", key=key)
    if not rows:
        return None
    payload = rows[0]["payload"]
    event = decode(payload.encode() if isinstance(payload, str) else payload)
    return event.result if isinstance(event, StepFinished | ResultFetched) else None


def artifacts(ledger: Reader, number: int) -> Iterator[tuple[str, str, Artifact]]:
    """Yield step, output field and artifact of all that a run computed or reused."""
    for row in executions(ledger, number):
        found = result(ledger, row.key) if row.state in {"computed", "reused"} else None
        for field, artifact in (found.outputs if found else {}).items():
            yield row.step, field, artifact


def _run(row: Mapping[str, Any]) -> RunRow:
    names = [name for name in RunRow.__struct_fields__ if name not in _READ]
    return RunRow(
        commit=row["commit_id"],
        dirty=bool(row["dirty"]),
        targets=tuple(json.loads(row["targets"])),
        parameters=json.loads(row["parameters"]),
        overrides=_OVERRIDES.decode(row["overrides"]),
        **{name: row[name] for name in names},
    )


class Sought(Struct, frozen=True, kw_only=True):
    """Which runs are asked for; what is empty does not count. `before`: only runs of a smaller number."""

    branch: str = ""
    actor: str = ""
    step: str = ""
    before: int = 0


def runs_like(ledger: Reader, sought: Sought, limit: int) -> tuple[RunRow, ...]:
    """Return the newest runs that are as they were asked for, newest first."""
    rows = ledger.query(
        "runs_like",
        branch=sought.branch,
        actor=sought.actor,
        step=sought.step,
        before=sought.before,
        limit=limit,
    )
    return tuple(_run(row) for row in rows)


def times(ledger: Reader, steps: Sequence[str], lately: int) -> dict[str, tuple[float, ...]]:
    """Return the wall seconds of the last executions of each step that had some."""
    found: dict[str, tuple[float, ...]] = {}
    for row in ledger.query("times", steps=list(steps), lately=lately) if steps else ():
        found[row["step"]] = (*found.get(row["step"], ()), row["wall_s"])
    return found


def times_of_family(ledger: Reader, family: str, lately: int) -> tuple[float, ...]:
    """Return the wall seconds of the last executions of any element of a fanned-out step."""
    rows = ledger.query("times_of_family", low=f"{family}[", high=f"{family}\\", lately=lately)
    return tuple(row["wall_s"] for row in rows)
