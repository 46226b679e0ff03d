"""`legato run` and `legato debug`.

Rule: what ran and why is told while it happens; the last line says what was computed and what was reused.
"""

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from legato.app import actions, debugging
from legato.app.options import Options, read_options
from legato.cli.errors import clean
from legato.cli.progress import Lines, summary_line
from legato.domain.errors import INTERRUPTED_EXIT_CODE
from legato.domain.progress import AnyProgress, State, Summary, Waited
from legato.domain.units import show_seconds


def run_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options that choose what a run is about."""
    for decorate in reversed(
        (
            click.argument("targets", nargs=-1),
            click.option(
                "-p",
                "--parameter",
                "parameters",
                multiple=True,
                metavar="STEP.NAME=VALUE",
                help="Set a parameter.",
            ),
            click.option(
                "--params",
                "params_file",
                type=click.Path(path_type=Path),
                help="Read parameters from a JSON or TOML file.",
            ),
            click.option(
                "--environment", default="local", show_default=True, help="Where the run may have effects."
            ),
            click.option(
                "--again", multiple=True, metavar="STEP", help="Run a step even if its result could serve."
            ),
            click.option(
                "--from", "from_", multiple=True, metavar="STEP", help="Run a step and all that needs it."
            ),
            click.option(
                "--only", multiple=True, metavar="STEP", help="Run a step and nothing that it does not need."
            ),
        )
    ):
        command = decorate(command)
    return command


def options_of(words: dict[str, object]) -> Options:
    """Return the typed options of the words that `run_options` added."""
    return read_options(Path.cwd(), words)


@click.command()
@run_options
@click.option("-q", "--quiet", is_flag=True, help="Print failures and the last line only.")
@click.option("-v", "--verbose", is_flag=True, help="Print all that steps write.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: progress, then the summary.")
@click.option("--pdb", is_flag=True, help="Open a debugger where the first failed step raises.")
def run(*, quiet: bool, verbose: bool, as_json: bool, pdb: bool, **words: object) -> int:
    """Run TARGETS (steps, artifacts, models, endpoints) and all they need; without any, everything.

    \b
    legato run                              everything
    legato run evaluation                   one step and what it needs
    legato run -p classifier.trees=300      with another parameter
    legato run --again classifier           once more, though nothing changed

    What did not change is reused. The exit code is 1 when a step, check or gate failed.
    """  # noqa: D301 - click's own mark
    options = options_of(words)
    signal.signal(signal.SIGTERM, _interrupt)  # what a CI service sends; ends as Ctrl-C does
    report = JsonLines() if as_json else Lines(sys.stderr, quiet=quiet, verbose=verbose)
    try:
        summary = actions.run(options, report, typed=_typed())
    finally:
        report.close()
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(summary) + b"\n")
    else:
        _conclude(summary)
    failed = [
        step for step in summary.steps if step.state is State.FAILED and step.kind in debugging.DEBUGGED
    ]
    if pdb and failed:
        sys.stderr.write(f"\n{failed[0].name} again, with a debugger where it raises:\n")
        debugging.debug(options, failed[0].name, post_mortem=True)
    return exit_code(summary)


def exit_code(summary: Summary) -> int:
    """Return the exit code that a summary asks for."""
    return {"succeeded": 0, "cancelled": INTERRUPTED_EXIT_CODE}.get(summary.state, 1)


def _typed() -> Sequence[str]:
    return sys.argv[2:]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _conclude(summary: Summary) -> None:
    sys.stdout.write(summary_line(summary) + "\n")
    if summary.count(State.COMPUTED):
        sys.stdout.write(f"left this machine: {', '.join(summary.left_machine) or 'nothing'}\n")
    if summary.state == "failed":
        sys.stderr.write(f"\nhint: legato show {summary.number}, or legato logs STEP, tell more\n")


class JsonLines:
    """Progress as one JSON object a line on stdout."""

    def __call__(self, progress: AnyProgress) -> None:
        """Write one object."""
        if isinstance(progress, Waited):
            return
        sys.stdout.buffer.write(actions.encode_json(progress) + b"\n")
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Nothing to put back."""


@click.command()
@click.argument("step")
@click.option(
    "--run", "number", type=int, help="With the inputs of this run; else those a run would use now."
)
def debug(step: str, number: int | None) -> int:
    """Run STEP alone in this terminal with its stored inputs; `breakpoint()` works.

    Its outputs are not kept, and nothing that depends on it runs.
    """
    options = read_options(Path.cwd(), {"targets": (step,)})
    ended = debugging.debug(options, options.targets[0], number=number)
    if ended.message:
        sys.stderr.write(f"{clean(ended.message)}\n\n{clean(ended.details)}")
        return 1
    sys.stdout.write(f"{step} returned after {show_seconds(ended.wall_s)}; nothing was kept\n")
    return 0
