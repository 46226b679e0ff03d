"""What a run would take: how long, at what cost, and what would leave this machine.

Rule: only past runs are asked; a step that never ran has no time, and is named.
"""

import heapq
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

import msgspec

from legato.app.budgeting import budget
from legato.app.config import Project
from legato.domain.elements import split_target
from legato.domain.errors import ConfigurationError
from legato.domain.graph import Graph, Node, Struct
from legato.domain.keys import Cause
from legato.domain.plan import Decision, Outlook, Plan, PlannedStep
from legato.domain.units import counted
from legato.engine import read
from legato.engine.schedule import needs
from legato.ledger import Reader

LATELY: Final = 20
"""So many executions of a step are asked how long it takes."""
_ACTS: Final = frozenset({"deploy", "register"})
_MAKES: Final = frozenset({Decision.RUN, Decision.MAY_RUN})


class Price(Struct, frozen=True, kw_only=True):
    """What an hour of this machine costs."""

    per_hour: float
    currency: str = ""

    def of(self, wall_s: float) -> float:
        """Return what so many seconds cost."""
        return self.per_hour * wall_s / 3600


def price_of(project: Project) -> Price | None:
    """Return what `[run] price_per_hour` and `currency` say; None where no price is configured.

    Raises:
        ConfigurationError: The currency is not a word.
    """
    told = project.config.get("run", {})
    currency = told.get("currency", "")
    if not isinstance(currency, str):
        raise ConfigurationError(f"run.currency is {currency!r}, not a word", hint='write currency = "EUR"')
    if "price_per_hour" not in told:
        return None
    return Price(per_hour=float(told["price_per_hour"]), currency=currency)


class Task(Struct, frozen=True, kw_only=True):
    """One step as a timetable sees it."""

    name: str
    wall_s: float = 0.0
    cpus: float = 1.0
    needs: tuple[str, ...] = ()


class Timetable(Struct, frozen=True, kw_only=True):
    """When the last task ends, and the chain of tasks that decided it, first to last."""

    wall_s: float = 0.0
    path: tuple[str, ...] = ()


def timetable(tasks: Sequence[Task], cpus: float) -> Timetable:
    """Return how long tasks take on so many cores; each starts, in order, when what it needs is done and it fits.

    >>> one = [Task(name="a", wall_s=2), Task(name="b", wall_s=4), Task(name="c", wall_s=1, needs=("a",))]
    >>> timetable(one, 2), timetable(one, 1).wall_s
    (Timetable(wall_s=4.0, path=('b',)), 7.0)
    """
    by_name = {task.name: task for task in tasks}
    waits = {task.name: sum(need in by_name for need in task.needs) for task in tasks}
    dependants: dict[str, list[str]] = {}
    for task in tasks:
        for need in task.needs:
            dependants.setdefault(need, []).append(task.name)
    ready = [task.name for task in tasks if not waits[task.name]]
    running: list[tuple[float, int, str]] = []
    decided_by: dict[str, str] = {}
    now, free, last, begun = 0.0, cpus, "", 0
    while ready or running:
        held = []
        for name in ready:
            wanted = min(by_name[name].cpus, cpus)
            if by_name[name].wall_s and wanted > free:
                held.append(name)
                continue
            free -= wanted if by_name[name].wall_s else 0.0
            decided_by[name] = last
            begun += 1
            heapq.heappush(running, (now + by_name[name].wall_s, begun, name))
        ready = held
        now, _, last = heapq.heappop(running)
        free += min(by_name[last].cpus, cpus) if by_name[last].wall_s else 0.0
        for name in dependants.get(last, ()):
            waits[name] -= 1
            if not waits[name]:
                ready.append(name)
    return Timetable(wall_s=now, path=_path(decided_by, by_name, last))


def _path(decided_by: Mapping[str, str], tasks: Mapping[str, Task], last: str) -> tuple[str, ...]:
    found = []
    while last:
        if tasks[last].wall_s:
            found.append(last)
        last = decided_by[last]
    return tuple(reversed(found))


def with_outlook(
    project: Project, ledger: Reader, graph: Graph, plan: Plan, *, environment: str, sent_to: str
) -> Plan:
    """Return a plan with how long each step and the whole would take, at what cost, and what leaves the machine.

    Args:
        project: Says the price of an hour, and the cores.
        ledger: Knows past runs.
        graph: Knows what each step needs.
        plan: What would run.
        environment: Where the run may have effects.
        sent_to: The remote that results go to; empty where they stay.
    """
    steps = tuple(_marked(step, environment) for step in _timed(ledger, plan.steps))
    cpus, price = budget(project).cpus, price_of(project)
    sure = timetable(_tasks(graph, steps, frozenset({Decision.RUN})), cpus)
    most = timetable(_tasks(graph, steps, _MAKES), cpus)
    outlook = Outlook(
        wall_s=sure.wall_s,
        at_most_s=most.wall_s,
        path=most.path,
        unknown=tuple(
            s.name for s in steps if s.decision in _MAKES and s.expected_s is None and not _twin(s)
        ),
        cost=price.of(sure.wall_s) if price else None,
        at_most_cost=price.of(most.wall_s) if price else None,
        currency=price.currency if price else "",
        leaves=_leaves(steps, sent_to),
    )
    return msgspec.structs.replace(plan, steps=steps, outlook=outlook)


def _timed(ledger: Reader, steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    wanted = [step for step in steps if step.decision in _MAKES]
    times = read.times(ledger, [step.name for step in wanted], LATELY)
    families: dict[str, tuple[float, ...]] = {}
    found = []
    for step in steps:
        known = times.get(step.name, ())
        family = step.family or (step.name if step.fans_out_over else "")
        if step.decision in _MAKES and not known and family:
            if family not in families:
                families[family] = read.times_of_family(ledger, family, LATELY)
            known = families[family]
        if step.decision not in _MAKES or not known:
            found.append(step)
            continue
        found.append(msgspec.structs.replace(step, expected_s=median(known), executions=len(known)))
    return found


def _marked(step: PlannedStep, environment: str) -> PlannedStep:
    """Return a step marked where what it does is seen beyond this machine."""
    leaves = step.leaves or (environment != "local" and step.kind in _ACTS)
    return msgspec.structs.replace(step, leaves=leaves)


def _twin(step: PlannedStep) -> bool:
    """Say whether another step of the plan makes the same, so that this one takes its result."""
    return any(cause == Cause(kind="step", name=cause.name, change="makes the same") for cause in step.causes)


def _tasks(graph: Graph, steps: Sequence[PlannedStep], counted_in: frozenset[Decision]) -> list[Task]:
    nodes: dict[str, Node] = {node.name: node for node in graph.nodes}
    members: dict[str, list[str]] = {}
    for step in steps:
        members.setdefault(step.family or step.name, []).append(step.name)
    needed = {
        name: tuple(one for need in sorted(found) for one in members.get(need, ()))
        for name, found in needs(graph).items()
    }
    tasks = []
    for step in steps:
        base = step.family or step.name
        counts = step.decision in counted_in and not _twin(step)
        tasks.append(
            Task(
                name=step.name,
                wall_s=(step.expected_s or 0.0) if counts else 0.0,
                cpus=nodes[base].words.cpus if base in nodes else 1.0,
                needs=_at_same_place(step.name, needed.get(base, ())),
            )
        )
    return tasks


def _at_same_place(name: str, needed: tuple[str, ...]) -> tuple[str, ...]:
    """Return what an element needs: of a step that is fanned out alike, only the element at its own place."""
    at = split_target(name)[1]
    if not at:
        return needed
    return tuple(
        one for one in needed if all(at.get(axis, key) == key for axis, key in split_target(one)[1].items())
    )


def _leaves(steps: Sequence[PlannedStep], sent_to: str) -> tuple[str, ...]:
    found = [step.name for step in steps if step.leaves and step.decision in _MAKES]
    makes = sum(step.decision in _MAKES for step in steps)
    return (*found, *((f"up to {counted(makes, 'result')} to {sent_to}",) if sent_to and makes else ()))
