"""`legato tune`: searches parameters, shows what was found, and writes it down where it is asked to.

Rule: the search is a step like any other; what is typed here only runs it and tells of it.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import click

from legato.app import actions, searching
from legato.app.options import Options
from legato.cli.completing import steps
from legato.cli.errors import clean
from legato.cli.progress import Lines
from legato.cli.running import JsonLines, exit_code, one_target, options_of, value_options
from legato.domain.messages import Override
from legato.domain.progress import Summary


@click.command()
@click.argument("search", shell_complete=steps)
@click.option("--trials", type=click.IntRange(min=1), help="Try so many; those that are known count.")
@click.option("--write", is_flag=True, help="Set the found values in the configuration's parameters.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw it: an SVG file.")
@click.option("-q", "--quiet", is_flag=True, help="Print failures and the result only.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: progress, then the result.")
@value_options
def tune(
    *,
    search: str,
    trials: int | None,
    write: bool,
    picture: Path | None,
    quiet: bool,
    as_json: bool,
    **words: object,
) -> int:
    """Run SEARCH, an lg.tune of the pipeline: a run for each trial, the best values at the end.

    \b
    legato tune search                 what is not known yet is tried
    legato tune search --trials 100    more of the same search
    legato tune search --write         and set what was found in legato.toml

    A search that was stopped goes on where it was.
    """  # noqa: D301 - click's own mark
    options = options_of(words | {"targets": (search,)})
    name = one_target(options, search)
    if trials is not None:
        more = Override(step=name, name="trials", text=str(trials))
        options = _with(options, more)
    signal.signal(signal.SIGTERM, _interrupt)
    report = JsonLines() if as_json else Lines(sys.stderr, quiet=quiet)
    try:
        summary = searching.tune(options, name, report)
    finally:
        report.close()
    if summary.state != "succeeded":
        return exit_code(summary)
    _tell(options, name, summary, picture=picture, write=write, as_json=as_json)
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _with(options: Options, override: Override) -> Options:
    import msgspec

    return msgspec.structs.replace(options, overrides=(*options.overrides, override))


def _tell(
    options: Options, name: str, summary: Summary, *, picture: Path | None, write: bool, as_json: bool
) -> None:
    found = searching.result(options, name, summary)
    drawn = searching.drawn(found)
    if picture is not None:
        picture.write_text(drawn.svg, encoding="utf-8")
    difference = searching.write(options, found) if write else ""
    if as_json:
        told: dict[str, Any] = {**found, "written": difference}
        sys.stdout.buffer.write(actions.encode_json(told) + b"\n")
        return
    best = found["best"]
    sys.stdout.write(
        f"{found['goal']} = {best['value']:.6g}  (best of {len(found['trials'])}, trial {best['trial']})\n"
    )
    for key, value in best["parameters"].items():
        sys.stdout.write(f"  {clean(key)} = {clean(json.dumps(value, ensure_ascii=False))}\n")
    if drawn.bars:
        sys.stdout.write("what mattered:\n" + "".join(f"  {line}\n" for line in drawn.bars))
    if write:
        sys.stdout.write(clean(difference) or "the configuration says so already\n")
