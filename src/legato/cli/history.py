"""`legato status`, `runs`, `show`, `logs`, `get`: what has happened, read from the ledger.

Rule: none of these imports the user's code.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from legato.app import actions, looking, standing, taking
from legato.cli.colours import mark
from legato.cli.completing import names, steps
from legato.cli.errors import clean
from legato.domain.units import show_bytes, show_seconds
from legato.engine.read import ExecutionRow, RunRow

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
@click.option("--json", "as_json", is_flag=True, help="One JSON object a run.")
def runs(limit: int, *, as_json: bool) -> int:
    """List past runs, newest first."""
    found = looking.runs(Path.cwd(), limit)
    if not found and not as_json:
        sys.stderr.write("no runs yet; `legato run` makes the first\n")
    for run in found:
        if as_json:
            sys.stdout.buffer.write(actions.encode_json(run) + b"\n")
        else:
            sys.stdout.write(_run_line(run) + "\n")
    return 0


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
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(what: str, *, as_json: bool) -> int:
    """Show WHAT: a run's number (`17`, `run:17`, `latest`), a step, or an artifact by name or digest.

    A field that several steps make is named with its step: STEP.FIELD.
    """
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
    shown = mark(STATE_MARKS.get(row.state, " "), sys.stdout)
    message, *more = clean(row.message).splitlines() or [""]
    line = f"  {shown} {row.step.ljust(width)}  {row.state:<9} {took:>7} {memory:>10}  {message}"
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
