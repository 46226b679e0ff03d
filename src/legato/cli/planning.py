"""`legato plan` and `legato why`: what would run, and what a key is made of.

Rule: both only look; neither runs a step nor writes a fact.
"""

import sys
from pathlib import Path

import click

from legato.app import actions
from legato.app.options import read_options
from legato.cli.causes import summed, told
from legato.cli.colours import mark
from legato.cli.errors import clean
from legato.cli.running import options_of, run_options
from legato.domain.keys import Ingredient
from legato.domain.plan import Decision, PlannedStep
from legato.domain.units import show_seconds

MARKS = {Decision.REUSE: "=", Decision.RUN: "▶", Decision.MAY_RUN: "?", Decision.HOLD: "!"}
ORDER = ("parameter", "input", "class", "code", "value", "uses", "read", "env", "package", "platform", "kind")


_TOLD_BY_DIGEST = frozenset({"package", "platform"})


@click.command()
@run_options
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON.")
def plan(*, as_json: bool, **words: object) -> int:
    """Say what `legato run TARGETS` would do: what runs and why, and what is reused.

    A step marked `?` depends on one that runs: when its inputs come out equal, it is reused after all.
    """
    found = actions.plan(options_of(words))
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(found) + b"\n")
        return 0
    width = max((len(step.name) for step in found.steps), default=0)
    for step in found.steps:
        sys.stdout.write(
            f"  {mark(MARKS[step.decision], sys.stdout)} {step.name.ljust(width)}  {_told(step)}\n"
        )
    counts = [f"{found.count(decision)} {decision}" for decision in Decision if found.count(decision)]
    sys.stdout.write(f"{', '.join(counts) or 'nothing to do'}\n")
    return 0


def _told(step: PlannedStep) -> str:
    last = (
        f"  (took {show_seconds(step.last_s)} last time)"
        if step.last_s and step.decision is not Decision.REUSE
        else ""
    )
    if step.decision is Decision.REUSE:
        return f"reuse    from run {step.made_by}"
    return f"{step.decision:<8} {summed(step.causes, step.name)}{last}"


@click.command()
@click.argument("step")
@click.option("--all", "everything", is_flag=True, help="Every function and value that the step reaches.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def why(step: str, *, everything: bool, as_json: bool) -> int:
    """Say why STEP would run, or why its result serves, and what its key is made of."""
    options = read_options(Path.cwd(), {"targets": (step,)})
    found = actions.why(options, options.targets[0])
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(found) + b"\n")
        return 0
    if found.decision is Decision.REUSE:
        sys.stdout.write(
            f"{found.name} would be reused: nothing it depends on changed since run {found.made_by}\n"
        )
    else:
        verb = {Decision.MAY_RUN: "may run", Decision.HOLD: "is held"}.get(found.decision, "would run")
        sys.stdout.write(f"{found.name} {verb}:\n")
        for cause in found.causes:
            sys.stdout.write(f"  - {told(cause, found.name)}\n")
    _recipe(found.recipe, everything=everything)
    return 0


def _recipe(recipe: tuple[Ingredient, ...], *, everything: bool) -> None:
    if not recipe:
        return
    sys.stdout.write("\nits key is made of:\n")
    for kind in ORDER:
        items = [item for item in recipe if item.kind == kind and item.name]
        shown = items if everything else items[:12]
        for item in shown:
            told = item.shown or (item.digest if kind in _TOLD_BY_DIGEST else "")
            sys.stdout.write(f"  {kind:<10} {clean(item.name)}  {clean(told)}".rstrip() + "\n")
        if len(items) > len(shown):
            sys.stdout.write(f"  {kind:<10} … and {len(items) - len(shown)} more (--all)\n")
