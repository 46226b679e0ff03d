"""`legato plan` and `legato why`: what would run, and what a key is made of.

Rule: both only look; neither runs a step nor writes a fact.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import click

from legato.app import actions, explaining
from legato.cli.causes import origin_line, summed, told, tree
from legato.cli.colours import mark
from legato.cli.completing import steps
from legato.cli.errors import clean
from legato.cli.progress import ELEMENTS_SHOWN
from legato.cli.running import one_target, options_of, run_options, value_options
from legato.domain.keys import Ingredient
from legato.domain.plan import Decision, Outlook, Plan, PlannedStep
from legato.domain.units import show_seconds

MARKS = {
    Decision.REUSE: "=",
    Decision.RUN: "▶",
    Decision.MAY_RUN: "?",
    Decision.HOLD: "!",
    Decision.NOT_WANTED: "·",
}
ORDER = ("parameter", "input", "class", "code", "value", "uses", "read", "env", "package", "platform", "kind")


PATH_SHOWN = 8
"""So many steps of a chain are named."""
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
    for note in found.notes:
        sys.stderr.write(f"{clean(note)}\n")
    lines = _lines(found)
    width = max((len(name) for _, name, _ in lines), default=0)
    for sign, name, told_ in lines:
        sys.stdout.write(f"  {mark(sign, sys.stdout)} {name.ljust(width)}  {told_}\n")
    counts = [f"{found.count(decision)} {decision}" for decision in Decision if found.count(decision)]
    sys.stdout.write(f"{', '.join(counts) or 'nothing to do'}\n")
    for line in outlook_lines(found.outlook) if found.outlook is not None else ():
        sys.stdout.write(line + "\n")
    return 0


def outlook_lines(outlook: Outlook) -> Iterator[str]:
    """Yield what a run would take, what it would cost, what is not known of it, and what leaves the machine."""
    if outlook.at_most_s:
        certain, most = show_seconds(outlook.wall_s), show_seconds(outlook.at_most_s)
        more = f", {most} if all that may run does" if outlook.at_most_s > outlook.wall_s else ""
        yield f"takes about {certain}{more}{_cost(outlook)}"
        if len(outlook.path) > 1:
            shown = (*outlook.path[:PATH_SHOWN], *(("…",) if len(outlook.path) > PATH_SHOWN else ()))
            yield clean(f"longest chain: {' -> '.join(shown)}")
    if outlook.unknown:
        more = f" and {len(outlook.unknown) - PATH_SHOWN} more" if len(outlook.unknown) > PATH_SHOWN else ""
        yield clean(f"time not known, not run here before: {', '.join(outlook.unknown[:PATH_SHOWN])}{more}")
    if outlook.leaves:
        yield clean(f"leaves this machine: {', '.join(outlook.leaves)}")


def _cost(outlook: Outlook) -> str:
    if outlook.cost is None or outlook.at_most_cost is None:
        return ""
    first, most = f"{outlook.cost:.2f}", f"{outlook.at_most_cost:.2f}"
    return f"; costs about {first if first == most else f'{first} to {most}'} {outlook.currency}".rstrip()


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
    known = [step.expected_s for step in steps if step.expected_s]
    each = f"  (about {show_seconds(sum(known) / len(known))} each)" if known else ""
    return MARKS[most], family, f"{len(steps):,} elements: {told_}{why_}{each}"


def _told(step: PlannedStep) -> str:
    if step.fans_out_over and step.decision is Decision.MAY_RUN:
        return f"{step.decision:<8} fans out over {', '.join(step.fans_out_over)}, known once it has run"
    last = f"  (about {show_seconds(step.expected_s)})" if step.expected_s else ""
    last += (
        "  leaves this machine" if step.leaves and step.decision in {Decision.RUN, Decision.MAY_RUN} else ""
    )
    if step.decision is Decision.REUSE:
        return f"reuse    from run {step.made_by}"
    return f"{step.decision:<8} {summed(step.causes, step.name)}{last}"


@click.command()
@click.argument("step", shell_complete=steps)
@click.option("--all", "everything", is_flag=True, help="Every function and value that the step reaches.")
@click.option("--run", "then", metavar="RUN", help="Why it ran in a past run (17, latest).")
@value_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def why(step: str, *, everything: bool, then: str | None, as_json: bool, **words: object) -> int:
    """Say why STEP would run, or why its result serves, and what its key is made of.

    An input that changed is followed to the step that made it, up to what changed first.
    """
    if then is not None:
        found = explaining.why_then(Path.cwd(), then, step)
    else:
        options = options_of(words | {"targets": (step,)})
        found = actions.why(options, one_target(options, step))
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(found) + b"\n")
        return 0
    for line in _explained(found, then=then is not None):
        sys.stdout.write(line + "\n")
    _recipe(found.recipe, everything=everything)
    return 0


def _explained(found: PlannedStep, *, then: bool) -> Iterator[str]:
    if found.decision is Decision.REUSE:
        if then:
            yield f"{clean(found.name)} was reused"
        else:
            yield f"{clean(found.name)} would be reused: nothing it depends on changed since run {found.made_by}"
        if found.origin is not None:
            yield f"  {origin_line(found.origin)}"
        return
    verb = {Decision.MAY_RUN: "may run", Decision.HOLD: "is held"}.get(found.decision, "would run")
    yield f"{clean(found.name)} {'ran' if then else verb}:"
    if found.reasons:
        yield from tree(found.reasons, found.name)
    else:
        yield from (f"  - {told(cause, found.name)}" for cause in found.causes)


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
