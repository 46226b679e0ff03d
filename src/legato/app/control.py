"""Ending a run from another terminal, and asking for an earlier one again.

Rule: whoever wants a run to end says so in the ledger; the run ends itself, and only one that does not hear is
signalled.
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

import msgspec

from legato.app.config import find_project
from legato.app.looking import ledger_of, living, run_number
from legato.app.options import Options
from legato.app.processes import actor, local_id
from legato.domain.errors import ConfigurationError, ConflictError, MissingError
from legato.domain.events import CancelAsked
from legato.domain.graph import Struct
from legato.engine import read
from legato.engine.read import RunRow
from legato.ledger import Ledger, Reader

HEARS_S: Final = 5.0
"""A run looks for this wish every half second; one that has not ended after so long is signalled."""
PATIENCE_S: Final = 20.0
POLL_S: Final = 0.05


class Cancelled(Struct, frozen=True, kw_only=True):
    """What became of a wish to end a run; `state` is `running` where it goes on, on another machine perhaps."""

    run: int
    state: str
    by: str


def cancel(folder: Path, which: str = "", *, wait_s: float = PATIENCE_S) -> Cancelled:
    """Ask a run to end, and wait until it has.

    Args:
        folder: Where it was typed.
        which: `17`, `run:17`, `latest`; empty: the one that runs.
        wait_s: How long to wait for its end.

    Raises:
        MissingError: There is no such run, or none that runs.
        ConflictError: It is over, or several run and none is named.
    """
    with ledger_of(folder) as (_, ledger):
        run = _running(ledger, which)
        by = actor()
        ledger.append([CancelAsked(run=run.number, actor=by)])
        return Cancelled(run=run.number, state=_wait(ledger, run, wait_s), by=by)


def _running(ledger: Ledger, which: str) -> RunRow:
    if which:
        run = find_run(ledger, which)
        if run.state != "running":
            raise ConflictError(
                f"run {run.number} does not run: it is {run.state}", hint="`legato runs` lists them"
            )
        return run
    running = [run for run in map(living, read.runs(ledger)) if run.state == "running"]
    if not running:
        raise MissingError("no run is running here", hint="`legato runs` lists past ones")
    if len(running) > 1:
        numbers = ", ".join(str(run.number) for run in running)
        raise ConflictError(
            f"runs {numbers} are running", hint=f"name one: legato cancel {running[0].number}"
        )
    return running[0]


def find_run(ledger: Reader, which: str) -> RunRow:
    """Return the run that `17`, `run:17`, `latest` or `last` names.

    Raises:
        MissingError: There is no such run.
    """
    number = run_number(ledger, "latest" if which == "last" else which)
    run = read.run(ledger, number) if number is not None else None
    if run is None:
        raise MissingError(f"there is no run {which!r}", hint="`legato runs` lists them")
    return living(run)


def _wait(ledger: Ledger, run: RunRow, wait_s: float) -> str:
    """Return the run's state when it has ended, or when it is not worth waiting longer."""
    began, signalled = time.monotonic(), False
    while (waited_s := time.monotonic() - began) < wait_s:
        now = read.run(ledger, run.number)
        state = living(now).state if now is not None else "lost"
        if state != "running":
            return state
        if waited_s > HEARS_S and not signalled:
            signalled = _signal(run.owner)
        time.sleep(POLL_S)
    return "running"


def _signal(owner: str) -> bool:
    """Signal the process of a run where it is one of this machine; `living` has said that it lives."""
    pid = local_id(owner)
    if pid is not None:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    return True


def again(options: Options, which: str) -> Options:
    """Return the options of an earlier run: its targets, parameters and environment.

    What succeeded in it is reused, so that only what failed, was cancelled or has changed since runs.

    Args:
        options: As typed; `-p` is set on top of what the run had.
        which: `17`, `run:17`, `last`.

    Raises:
        MissingError: There is no such run.
        ConfigurationError: Targets were typed too.
    """
    if options.targets or options.only:
        raise ConfigurationError(
            "--resume runs what the earlier run was asked for, so it takes no targets",
            hint=f"leave {(*options.targets, *options.only)[0]} out, or run it without --resume",
        )
    folder = Path(options.folder)
    with ledger_of(folder) as (project, ledger):
        run = find_run(ledger, which)
    same = find_project(folder, options.member).pipeline == run.pipeline
    member = options.member if same else _member(project.root, run.pipeline)
    return msgspec.structs.replace(
        options,
        member=member,
        targets=run.targets,
        overrides=(*run.overrides, *options.overrides),
        environment=run.environment,
    )


def _member(root: Path, pipeline: str) -> str:
    """Return the name before the colon by which a pipeline is asked for."""
    path = Path(pipeline)
    if not (root / path).is_file():
        raise MissingError(f"the pipeline of that run is gone: {pipeline}", hint="check out its commit again")
    return path.parent.as_posix() if path.name == "pipeline.py" else path.with_suffix("").as_posix()
