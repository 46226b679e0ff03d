"""`legato run` and `legato debug`.

Rule: what ran and why is told while it happens; the last line says what was computed and what was reused.
"""

import codecs
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

from legato.app import actions, debugging
from legato.app.options import ALL, Options, read_options
from legato.cli.completing import steps
from legato.cli.control import resumed
from legato.cli.errors import clean, show
from legato.cli.junit import write_junit
from legato.cli.progress import Lines, summary_line
from legato.domain.errors import INTERRUPTED_EXIT_CODE, UserCodeError
from legato.domain.progress import AnyProgress, Printed, State, Summary, Waited
from legato.domain.units import counted, show_seconds

_VALUES: Final = (
    click.option(
        "-p", "--parameter", "parameters", multiple=True, metavar="STEP.NAME=VALUE", help="Set a parameter."
    ),
    click.option(
        "--params",
        "params_file",
        type=click.Path(path_type=Path),
        help="Read parameters from a JSON or TOML file.",
    ),
    click.option("--environment", default="local", show_default=True, help="Where the run may have effects."),
)
_CHOICE: Final = (
    click.argument("targets", nargs=-1, shell_complete=steps),
    *_VALUES,
    click.option(
        "--again",
        multiple=True,
        metavar="STEP",
        shell_complete=steps,
        help="Run a step even if its result could serve.",
    ),
    click.option(
        "--from",
        "from_",
        multiple=True,
        metavar="STEP",
        shell_complete=steps,
        help="Run a step and all that needs it.",
    ),
    click.option(
        "--only",
        multiple=True,
        metavar="STEP",
        shell_complete=steps,
        help="Run a step and nothing that it does not need.",
    ),
)


def run_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options that choose what a run is about."""
    return _decorated(command, _CHOICE)


def value_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options that say with which parameters, for a command about one step."""
    return _decorated(command, _VALUES)


def _decorated(
    command: Callable[..., int], decorators: Sequence[Callable[[Callable[..., int]], Callable[..., int]]]
) -> Callable[..., int]:
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def options_of(words: dict[str, object]) -> Options:
    """Return the typed options of the words that `run_options` added."""
    return read_options(Path.cwd(), words)


def one_target(options: Options, typed: str) -> str:
    """Return the step of a command that is about one; raises UsageError where only a pipeline is named."""
    if not options.targets:
        raise click.UsageError(f"{typed!r} names a pipeline and no step. Write {typed}STEP")
    return options.targets[0]


@click.command()
@run_options
@click.option(
    "--refresh",
    is_flag=False,
    flag_value=ALL,
    multiple=True,
    metavar="[DATASET]",
    help="Look at the source of a dataset first, or of all; legato.lock stays as it is.",
)
@click.option("--each", metavar="NAME=A..B", help="One run for each day, number, or value of a list A,B,C.")
@click.option("-q", "--quiet", is_flag=True, help="Print failures and the last line only.")
@click.option("-v", "--verbose", is_flag=True, help="Print all that steps write.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: progress, then the summary.")
@click.option("--pdb", is_flag=True, help="Open a debugger where the first failed step raises.")
@click.option("--for", "trigger", metavar="TRIGGER", help="What a trigger of the pipeline runs, as it says.")
@click.option("--scheduled", default="", metavar="DATE", help="With --for: the date that the run is for.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the steps as JUnit XML into a file.")
@click.option(
    "--resume", metavar="RUN", help="As an earlier run was asked for (17, last): what it lacks is run."
)
def run(  # noqa: PLR0913 - one a word of the command
    *,
    each: str | None,
    trigger: str | None,
    scheduled: str,
    junit: Path | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    pdb: bool,
    resume: str | None,
    **words: object,
) -> int:
    """Run TARGETS (steps, artifacts, models, endpoints) and all they need; without any, everything.

    \b
    legato run                              everything
    legato run evaluation                   one step and what it needs
    legato run -p classifier.trees=300      with another parameter
    legato run --again classifier           once more, though nothing changed
    legato run --each as_of=2026-10-01..2026-10-31
    legato run --refresh                    with the newest data of every source

    What did not change is reused. The exit code is 1 when a step, check or gate failed.
    """  # noqa: D301 - click's own mark
    options = _triggered(options_of(words), trigger, scheduled, resume)
    if each is not None:
        return _backfill(each, as_json=as_json)
    if resume is not None:
        options = resumed(options, resume)
    signal.signal(signal.SIGTERM, _interrupt)  # what a CI service sends; ends as Ctrl-C does
    report = JsonLines() if as_json else Lines(sys.stderr, quiet=quiet, verbose=verbose)
    try:
        summary = actions.run(options, report, typed=_typed())
    finally:
        report.close()
    if junit is not None:
        write_junit(junit, summary)
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


def _triggered(options: Options, trigger: str | None, scheduled: str, resume: str | None) -> Options:
    """Return the options of what a trigger runs, where one is named."""
    if trigger is None:
        if scheduled:
            raise click.UsageError("--scheduled goes with --for TRIGGER")
        return options
    if resume is not None:
        raise click.UsageError("--for and --resume say both what to run: leave one of them out")
    from legato.app.triggering import for_trigger

    return for_trigger(options, trigger, scheduled)


def _backfill(text: str, *, as_json: bool) -> int:
    """Run once for each value, and say at the end which failed."""
    from legato.app.backfilling import backfill, parse, without_each

    done = backfill(parse(text), without_each(_typed()), lambda said: _tell(f"\n{said}\n"))
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(done) + b"\n")
    else:
        failed = f", {len(done.failed)} failed: {', '.join(done.failed)}" if done.failed else ""
        sys.stdout.write(f"{counted(len(done.codes), 'run')} for {done.each.name}{failed}\n")
    return done.code


def _tell(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(clean(text))
    sys.stderr.flush()


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
    """Progress as one JSON object a line on stdout; what steps print is `text`, bytes that are none escaped."""

    def __init__(self) -> None:
        self._decoders: dict[tuple[str, str], codecs.IncrementalDecoder] = {}

    def __call__(self, progress: AnyProgress) -> None:
        """Write one object."""
        if isinstance(progress, Waited):
            return
        shown = self._printed(progress) if isinstance(progress, Printed) else progress
        sys.stdout.buffer.write(actions.encode_json(shown) + b"\n")
        sys.stdout.buffer.flush()

    def _printed(self, printed: Printed) -> dict[str, str]:
        """Return what was printed as text; a character that a block ends within comes with the next."""
        key = (printed.step, printed.stream)
        if key not in self._decoders:
            self._decoders[key] = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        text = self._decoders[key].decode(printed.data)
        return {"progress": "printed", "step": printed.step, "stream": printed.stream, "text": text}

    def close(self) -> None:
        """Nothing to put back."""


@click.command()
@click.argument("step", shell_complete=steps)
@click.option(
    "--run", "number", type=int, help="With the inputs of this run; else those a run would use now."
)
@value_options
def debug(step: str, number: int | None, **words: object) -> int:
    """Run STEP alone in this terminal with its stored inputs; `breakpoint()` works.

    Its outputs are not kept, and nothing that depends on it runs.
    """
    options = options_of(words | {"targets": (step,)})
    ended = debugging.debug(options, one_target(options, step), number=number)
    if not ended.message:
        sys.stdout.write(f"{ended.step} returned after {show_seconds(ended.wall_s)}; nothing was kept\n")
        return 0
    show(UserCodeError(ended.message, details=ended.details, hint=ended.hint))
    return 1
