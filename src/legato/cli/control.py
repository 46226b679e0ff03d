"""`legato cancel`, and what `legato run --resume` says before it runs.

Rule: a run ends itself; this only says that somebody wants it to.
"""

import sys
from pathlib import Path

import click

from legato.app import actions, control
from legato.app.options import Options
from legato.cli.errors import clean


@click.command()
@click.argument("run", required=False, default="")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def cancel(run: str, *, as_json: bool) -> int:
    """End RUN (`17`, `latest`), or the one that is running; its jobs are stopped, what is done is kept."""
    found = control.cancel(Path.cwd(), run)
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(found) + b"\n")
    elif found.state == "running":
        sys.stdout.write(f"run {found.run} was asked to end, and has not yet: legato show {found.run}\n")
    else:
        sys.stdout.write(f"run {found.run} is {found.state}\n")
    return 0 if found.state != "running" else 1


def resumed(options: Options, which: str) -> Options:
    """Return the options of an earlier run, and say on stderr what they are."""
    found = control.again(options, which)
    told = [f"run {which} again: {' '.join(found.targets) or 'everything'}"]
    for override in found.overrides:
        name = f"{override.step}.{override.name}" if override.step else override.name
        told.append(f"-p {name}={override.text if override.text is not None else override.wire}")
    if found.environment != "local":
        told.append(f"--environment {found.environment}")
    sys.stderr.write(clean("  ".join(told)) + "\n")
    return found
