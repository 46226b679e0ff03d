"""`legato ci export` and `legato ci check`: the files of other CI services.

Rule: notes on what a service cannot be told go to stderr; `check` exits 1 where a file is stale.
"""

import sys
from pathlib import Path

import click

from legato.app import actions, exporting
from legato.app.options import Options
from legato.cli.errors import clean
from legato.domain.errors import ConfigurationError
from legato.export import LAYOUTS, SERVICES


@click.group()
def ci() -> None:
    """Run the pipeline's triggers on the CI service that you have.

    \b
    legato ci export github                 write .github/workflows/legato.yml
    legato ci export gitlab --layout stages one job for each chain of steps
    legato ci check                         say whether it has to be written again
    """  # noqa: D301 - click's own mark


@ci.command()
@click.argument("service", type=click.Choice(list(SERVICES)))
@click.argument("pipeline", required=False, default="")
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="job",
    show_default=True,
    help="One job a trigger, or more.",
)
@click.option(
    "--install",
    multiple=True,
    metavar="LINE",
    help="A shell line that installs into .legato-ci/venv, instead of what the repository says.",
)
@click.option("--force", is_flag=True, help="Overwrite a file that Legato did not write.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print it, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def export(  # noqa: PLR0913 - one a word of the command
    service: str,
    pipeline: str,
    *,
    layout: str,
    install: tuple[str, ...],
    force: bool,
    to_stdout: bool,
    as_json: bool,
) -> int:
    """Write the file of SERVICE from the triggers of the pipeline (`churn:` names one below this folder)."""
    options = _options(pipeline)
    request = exporting.Request(service=service, layout=layout, install=install, member=options.member)
    if to_stdout:
        found = exporting.exported(options, request)
        sys.stdout.write(found.text)
        _tell(found.notes)
        return 0
    written = exporting.write(options, request, force=force)
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(written) + b"\n")
        return 0
    sys.stdout.write(f"{written.path} {'written' if written.changed else 'is as it was'}\n")
    _tell(written.notes)
    return 0


@ci.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check(*, as_json: bool) -> int:
    """Say whether the files that Legato wrote are what it would write now; exit 1 where one is not."""
    found = exporting.check(_options(""))
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(found) + b"\n")
        return int(any(one.stale for one in found))
    for one in found:
        sys.stdout.write(clean(one.diff) if one.stale else f"{one.path} is up to date\n")
    stale = [one for one in found if one.stale]
    for one in stale:
        sys.stderr.write(clean(f"error: {one.path} is stale\n\nhint: {one.command}\n"))
    return int(bool(stale))


def _options(pipeline: str) -> Options:
    if pipeline and not pipeline.endswith(":"):
        raise ConfigurationError(
            f"{pipeline!r} names no pipeline", hint=f"write the folder with a colon behind it: {pipeline}:"
        )
    return Options(folder=str(Path.cwd()), member=pipeline[:-1])


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        sys.stderr.write(clean(f"note: {note}\n"))
