"""`legato plan` and `legato why`: what would run, and what a key is made of.

Rule: both only look; neither runs a step nor writes a fact.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import click

from legato.app import actions
from legato.cli.causes import summed, told
from legato.cli.colours import mark
from legato.cli.completing import steps
from legato.cli.errors import clean
from legato.cli.progress import ELEMENTS_SHOWN
from legato.cli.running import one_target, options_of, run_options, value_options
from legato.domain.keys import Ingredient
from legato.domain.plan import Decision, Plan, PlannedStep
from legato.domain.units import show_seconds

MARKS = {
    Decision.REUSE: "=",
    Decision.RUN: "▶",
    Decision.MAY_RUN: "?",
    Decision.HOLD: "!",
    Decision.NOT_WANTED: "·",
}
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
    lines = _lines(found)
    width = max((len(name) for _, name, _ in lines), default=0)
    for sign, name, told_ in lines:
        sys.stdout.write(f"  {mark(sign, sys.stdout)} {name.ljust(width)}  {told_}\n")
    counts = [f"{found.count(decision)} {decision}" for decision in Decision if found.count(decision)]
    sys.stdout.write(f"{', '.join(counts) or 'nothing to do'}\n")
    return 0


def _lines(found: Plan) -> list[tuple[str, str, str]]:
    """Return mark, name and text of each line; a step with many elements has one line."""
    sizes = Counter(step.family for step in found.steps if step.family)
    lines = []
    for family, group in groupby(found.steps, key=lambda step: step.family):
        steps = list(group)
        if sizes[family] > ELEMENTS_SHOWN:
            lines.append(_folded(family, steps))
        else:
            lines += [(MARKS[step.decision], step.name, _told(step)) for step in steps]
    return lines


def _folded(family: str, steps: Sequence[PlannedStep]) -> tuple[str, str, str]:
    counts = Counter(step.decision for step in steps)
    most = next((d for d in (Decision.RUN, Decision.MAY_RUN, Decision.HOLD) if counts[d]), Decision.REUSE)
    first = next((step for step in steps if step.decision is most), steps[0])
    told_ = ", ".join(f"{counts[decision]:,} {decision}" for decision in Decision if counts[decision])
    why_ = f"; {summed(first.causes, first.name)}" if most is Decision.RUN else ""
    return MARKS[most], family, f"{len(steps):,} elements: {told_}{why_}"


def _told(step: PlannedStep) -> str:
    if step.fans_out_over and step.decision is Decision.MAY_RUN:
        return f"{step.decision:<8} fans out over {', '.join(step.fans_out_over)}, known once it has run"
    last = (
        f"  (took {show_seconds(step.last_s)} last time)"
        if step.last_s and step.decision is not Decision.REUSE
        else ""
    )
    if step.decision is Decision.REUSE:
        return f"reuse    from run {step.made_by}"
    return f"{step.decision:<8} {summed(step.causes, step.name)}{last}"


@click.command()
@click.argument("step", shell_complete=steps)
@click.option("--all", "everything", is_flag=True, help="Every function and value that the step reaches.")
@value_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def why(step: str, *, everything: bool, as_json: bool, **words: object) -> int:
    """Say why STEP would run, or why its result serves, and what its key is made of."""
    options = options_of(words | {"targets": (step,)})
    found = actions.why(options, one_target(options, step))
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
