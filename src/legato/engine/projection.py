"""The engine's tables, read from events: runs, executions, and which key leads to which result.

Rule: a table holds nothing that its events do not.
"""

from typing import Any

from legato.domain.digests import canonical
from legato.domain.events import (
    CancelAsked,
    ResultFetched,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepReused,
)
from legato.ledger import Execute, Stored

_RUN = """INSERT INTO runs (number, state, targets, pipeline, environment, commit_id, dirty, branch, actor, owner,
 parameters, overrides, started_at) VALUES (?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_RUN_END = """UPDATE runs SET state = ?, finished_at = ?, computed = ?, reused = ?, failed = ?, skipped = ?, wall_s = ?,
 cancelled_by = ? WHERE number = ?"""
_EXECUTION = """INSERT INTO executions (seq, run, step, kind, state, key, attempt, wall_s, cpu_s, peak_bytes, log,
 message, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_FAILURE = """INSERT INTO executions (seq, run, step, kind, state, key, reason, message, details, hint, attempt, wall_s,
 cpu_s, peak_bytes, log, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def project(execute: Execute, stored: Stored) -> None:
    """Write what one event means into the engine's tables."""
    seq, at, event = stored.seq, stored.at, stored.event
    match event:
        case StepFinished(kind=kind, result=r):
            execute(
                "INSERT INTO results (seq, key, base, step) VALUES (?, ?, ?, ?)", (seq, r.key, r.base, r.step)
            )
            use = r.usage
            made = (seq, r.run, r.step, kind, "computed", r.key, event.attempt)
            execute(
                _EXECUTION,
                (*made, use.wall_s, use.cpu_s, use.peak_bytes, event.log, "; ".join(event.notes), at),
            )
        case ResultFetched(result=r):
            execute(
                "INSERT INTO results (seq, key, base, step) VALUES (?, ?, ?, ?)", (seq, r.key, r.base, r.step)
            )
        case StepReused():
            reused = (seq, event.run, event.step, event.kind, "reused", event.key, 0)
            execute(_EXECUTION, (*reused, 0.0, 0.0, 0, "", "", at))
        case StepFailed():
            state = "retried" if event.will_retry else _FAILED_STATES.get(event.reason, "failed")
            row = (seq, event.run, event.step, event.kind, state, event.key, event.reason, event.message)
            used = (event.wall_s, event.usage.cpu_s, event.usage.peak_bytes)
            execute(_FAILURE, (*row, event.details, event.hint, event.attempt, *used, event.log, at))
        case RunStarted():
            execute(_RUN, _run_row(event, at))
        case RunFinished():
            counts = (event.computed, event.reused, event.failed, event.skipped)
            execute(_RUN_END, (event.state, at, *counts, event.wall_s, event.cancelled_by, event.number))
        case CancelAsked():
            execute(
                "INSERT INTO cancels (seq, run, actor, at) VALUES (?, ?, ?, ?)",
                (seq, event.run, event.actor, at),
            )
        case _:
            pass


_FAILED_STATES = {"skipped": "skipped", "cancelled": "cancelled", "held": "held", "not wanted": "not wanted"}


def _run_row(event: RunStarted, at: float) -> tuple[Any, ...]:
    return (
        event.number,
        canonical(event.targets).decode(),
        event.pipeline,
        event.environment,
        event.commit,
        int(event.dirty),
        event.branch,
        event.actor,
        event.owner,
        canonical(event.parameters).decode(),
        canonical(event.overrides).decode(),
        at,
    )
