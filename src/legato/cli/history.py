"""`legato status`, `runs`, `show`, `logs`, `get`: what has happened, read from the ledger.

Rule: none of these imports the user's code.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from legato.app import actions, comparing, looking, standing, taking
from legato.cli.causes import tree
from legato.cli.colours import mark
from legato.cli.completing import names, steps
from legato.cli.errors import clean
from legato.domain.errors import ConfigurationError
from legato.domain.units import show_bytes, show_seconds
from legato.engine.read import ExecutionRow, RunRow, Sought

RUN_STATES = ("succeeded", "failed", "cancelled", "lost", "running")
STATE_MARKS = {
    "computed": "✓",
    "reused": "=",
    "failed": "✗",
    "skipped": "-",
    "cancelled": "-",
    "held": "!",
    "retried": "↻",
    "not wanted": "·",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(*, as_json: bool) -> int:
    """Say where this project stands: the last run, what serves, what is in the store."""
    found = standing.status(Path.cwd())
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(found) + b"\n")
        return 0
    sys.stdout.write(
        f"project    {found.root}\n" + (f"pipeline   {found.pipeline}\n" if found.pipeline else "")
    )
    if found.last is None:
        sys.stdout.write("runs       none yet; `legato run` makes the first\n")
    else:
        sys.stdout.write(f"last run   {_run_line(found.last)}\n")
    for model in found.models:
        sys.stdout.write(f"model      {model}\n")
    for endpoint in found.endpoints:
        sys.stdout.write(f"endpoint   {endpoint}\n")
    sys.stdout.write(f"store      {found.objects} objects, {show_bytes(found.size_bytes)} in {found.store}\n")
    return 0


@click.command()
@click.option("-n", "limit", default=20, show_default=True, help="How many.")
@click.option(
    "--state", default="", metavar="STATE", help="Only those that ended so: succeeded, failed, cancelled, …"
)
@click.option("--branch", default="", help="Only those of this branch.")
@click.option("--actor", default="", help="Only those that this person or service started.")
@click.option("--step", default="", shell_complete=steps, help="Only those that had this step.")
@click.option(
    "--before", default=0, metavar="RUN", help="Only those before this number: the next page of a script."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a run.")
def runs(*, limit: int, state: str, before: int, as_json: bool, **words: str) -> int:
    """List past runs, newest first."""
    looking.runs(Path.cwd(), limit=1 if limit > 0 else limit)  # refuses what cannot be listed
    if state and state not in RUN_STATES:
        raise ConfigurationError(f"no run is {state!r}", hint=f"--state is one of {', '.join(RUN_STATES)}")
    if before < 0:
        raise ConfigurationError(f"--before {before} is no run", hint="write the number of a run")
    sought = Sought(before=before, **words)
    any_ = False
    for run in comparing.runs_sought(Path.cwd(), sought, state, limit) if _has_runs() else ():
        any_ = True
        if as_json:
            sys.stdout.buffer.write(actions.encode_json(run) + b"\n")
        else:
            sys.stdout.write(_run_line(run) + "\n")
    if not any_ and not as_json:
        narrowed = state or before or any(words.values())
        none = (
            "no run is like that" if narrowed and _has_runs() else "no runs yet; `legato run` makes the first"
        )
        sys.stderr.write(f"{none}\n")
    return 0


def _has_runs() -> bool:
    return bool(looking.runs(Path.cwd(), 1))


def _run_line(run: RunRow) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at))
    counts = f"{run.computed} computed, {run.reused} reused"
    failed = f", {run.failed} failed" if run.failed else ""
    commit = f"  {run.commit[:8]}{'+' if run.dirty else ''}" if run.commit else ""
    targets = f"  {' '.join(run.targets)}" if run.targets else ""
    took = show_seconds(run.wall_s)
    return clean(f"run {run.number}  {when}  {run.state:<9}  {took:>6}  {counts}{failed}{commit}{targets}")


@click.command()
@click.argument("what", required=False, default="latest", shell_complete=names)
@click.argument("other", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(what: str, other: str | None, *, as_json: bool) -> int:
    """Show WHAT: a run's number (`17`, `run:17`, `latest`), a step, or an artifact by name or digest.

    A field that several steps make is named with its step: STEP.FIELD. With OTHER, both are runs, and what
    differs between them is shown; a branch's name is its newest run.
    """
    if other is not None:
        return _compare(what, other, as_json=as_json)
    found = looking.show(Path.cwd(), what)
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(found) + b"\n")
        return 0
    match found:
        case looking.ShownRun():
            _show_run(found)
        case looking.ShownStep():
            _show_step(found)
        case looking.ShownArtifact():
            _show_artifact(found)
    return 0


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def diff(before: str, after: str, *, as_json: bool) -> int:
    """Say what differs between two runs (`17`, `run:17`, `latest`, or a branch: its newest run)."""
    return _compare(before, after, as_json=as_json)


def _compare(before: str, after: str, *, as_json: bool) -> int:
    found = comparing.compare(Path.cwd(), before, after)
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(found) + b"\n")
        return 0
    sys.stdout.write(f"- {_run_line(found.before)}\n+ {_run_line(found.after)}\n")
    for title, pairs in (("parameter", found.parameters), ("data", found.data), ("metric", found.metrics)):
        for pair in pairs:
            old, new = _short(pair.before), _short(pair.after)
            sys.stdout.write(clean(f"{title:<10} {pair.name}  {old} -> {new}") + "\n")
    for step in found.steps:
        if not step.same:
            _show_pair(step)
    if all(step.same for step in found.steps):
        sys.stdout.write("all steps have the same results\n")
    return 0


def _show_pair(step: comparing.StepPair) -> None:
    times = f"{show_seconds(step.before_s)} -> {show_seconds(step.after_s)}"
    states = f"{step.before or 'not there'} -> {step.after or 'not there'}"
    sys.stdout.write(clean(f"step       {step.name}  {states}  {times}") + "\n")
    for line in tree(step.reasons, step.name, "             "):
        sys.stdout.write(line + "\n")


def _short(value: str | float | None) -> str:
    """Return a value as a line holds it; digests by their first digits."""
    if value is None:
        return "none"
    return (
        f"{value:.6g}"
        if isinstance(value, float)
        else value.removeprefix("sha256:")[: 60 if ":" not in value[:7] else 12]
    )


def _show_run(found: looking.ShownRun) -> None:
    sys.stdout.write(_run_line(found.run) + "\n")
    for name, value in found.run.parameters.items():
        sys.stdout.write(f"  parameter {clean(name)} = {clean(value)}\n")
    width = max((len(row.step) for row in found.steps), default=0)
    for row in found.steps:
        _show_execution(row, width)


def _show_execution(row: ExecutionRow, width: int) -> None:
    took = show_seconds(row.wall_s) if row.wall_s else ""
    memory = show_bytes(row.peak_bytes) if row.peak_bytes else ""
    cpu = f"cpu {show_seconds(row.cpu_s)}" if row.cpu_s else ""
    shown = mark(STATE_MARKS.get(row.state, " "), sys.stdout)
    message, *more = clean(row.message).splitlines() or [""]
    line = f"  {shown} {row.step.ljust(width)}  {row.state:<9} {took:>7} {cpu:>9} {memory:>10}  {message}"
    sys.stdout.write(line.rstrip() + "\n")
    for further in () if row.details else more:
        sys.stdout.write(f"      {further}\n")
    if row.details:
        told = "\n".join(f"      {further}" for further in clean(row.details).rstrip().splitlines())
        sys.stdout.write(f"\n{told}\n\n")
    if row.hint:
        sys.stdout.write(f"      hint: {clean(row.hint)}\n")


def _show_step(found: looking.ShownStep) -> None:
    sys.stdout.write(f"{found.execution.kind} {clean(found.name)} in run {found.run}\n")
    _show_execution(found.execution, len(found.name))
    for field, artifact in found.artifacts.items():
        name = f"{found.name}.{field}" if field else found.name
        kind = artifact.type or artifact.format
        sys.stdout.write(f"  {clean(name)}  {artifact.digest}  {kind}  {show_bytes(artifact.size_bytes)}\n")


def _show_artifact(found: looking.ShownArtifact) -> None:
    artifact = found.artifact
    sys.stdout.write(f"{clean(found.name)}  {artifact.digest}\n")
    sys.stdout.write(f"  made by    {clean(found.step)} in run {found.run}\n")
    sys.stdout.write(f"  type       {artifact.type or '-'}\n  format     {artifact.format}\n")
    sys.stdout.write(f"  size       {show_bytes(artifact.size_bytes)}\n")
    for name, value in artifact.about.items():
        sys.stdout.write(f"  {name:<10} {clean(str(value))}\n")
    if artifact.unsafe:
        sys.stdout.write("  unsafe     reading it may run code\n")


@click.command()
@click.argument("step", shell_complete=steps)
@click.option("--run", "number", type=int, help="Of this run; else the last that wrote something.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line that it wrote.")
def logs(step: str, number: int | None, *, as_json: bool) -> int:
    """Print what STEP wrote to stdout and stderr."""
    blocks = looking.log(Path.cwd(), step, number)
    for data in map(_as_json, _lines(blocks)) if as_json else blocks:
        sys.stdout.buffer.write(data)
    return 0


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _as_json(line: bytes) -> bytes:
    return actions.encode_json({"line": line.decode(errors="backslashreplace")}) + b"\n"


@click.command()
@click.argument("artifact", shell_complete=names)
@click.option(
    "-o", "--output", required=True, metavar="PATH", help="Where to write it; into a folder: folder/."
)
@click.option("--run", "number", type=int, help="As this run made it; else the newest.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: where it was written.")
def get(artifact: str, output: str, number: int | None, *, force: bool, as_json: bool) -> int:
    """Copy ARTIFACT (a name or a digest) out of the store to a file or folder.

    A field that several steps make is named with its step: STEP.FIELD.
    """
    written = taking.get(Path.cwd(), artifact, output, number=number, force=force)
    if as_json:
        sys.stdout.buffer.write(actions.encode_json({"path": str(written)}) + b"\n")
    else:
        sys.stdout.write(f"{written}\n")
    return 0
