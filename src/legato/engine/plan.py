"""Makes a plan: which results of a graph still serve, and why the others do not.

Rule: the same questions in the same order as a run asks them, so that the forecast is what the run then does.
"""

from collections.abc import Mapping

import msgspec

from legato.domain.artifacts import Artifact
from legato.domain.graph import Graph, Node
from legato.domain.keys import Cause, Ingredient, base_key
from legato.domain.plan import Decision, Plan, PlannedStep
from legato.engine.kinds import Kind
from legato.engine.results import Results
from legato.engine.schedule import needs


def forecast(
    graph: Graph,
    kinds: Mapping[str, Kind],
    results: Results,
    *,
    again: frozenset[str] = frozenset(),
    may_leave: bool = False,
) -> Plan:
    """Return what a run of `graph` would do.

    Raises:
        LegatoError: An input cannot be used (a dataset that is not there).
    """
    view = _View(graph)
    steps: dict[str, PlannedStep] = {}
    runs: dict[str, str] = {}
    for node in graph.nodes:
        step = _waits(node, view, steps, may_leave=may_leave)
        if step is None:
            step = _decide(node, kinds[node.kind], view.inputs(node), results, again=again)
        first = (
            runs.setdefault(step.key, node.name) if step.decision is Decision.RUN and step.key else node.name
        )
        if first != node.name and _asked(node, again) is None:
            same = Cause(kind="step", name=first, change="makes the same")
            step = msgspec.structs.replace(step, decision=Decision.MAY_RUN, causes=(same,))
        result = results.find(step.key) if step.decision is Decision.REUSE else None
        if result is not None:
            view.outputs[node.name] = result.outputs
        steps[node.name] = step
    return Plan(steps=tuple(_with_history(step, results) for step in steps.values()))


class _View:
    """What is known of a graph so far: the outputs of those nodes that will be reused."""

    def __init__(self, graph: Graph) -> None:
        self.needs = needs(graph)
        self.outputs: dict[str, Mapping[str, Artifact]] = {}
        self._makers = {o.artifact: (node.name, o.field) for node in graph.nodes for o in node.outputs}

    def complete(self, node: Node) -> bool:
        """Say whether all inputs of a node are known."""
        return all(self._makers[item.artifact][0] in self.outputs for item in node.inputs)

    def inputs(self, node: Node) -> dict[str, Artifact]:
        """Return the artifacts of a node whose inputs are all known."""
        makers = ((item.parameter, *self._makers[item.artifact]) for item in node.inputs)
        return {parameter: self.outputs[maker][field] for parameter, maker, field in makers}


def _waits(
    node: Node, view: _View, steps: Mapping[str, PlannedStep], *, may_leave: bool
) -> PlannedStep | None:
    """Return the step where it is held, or cannot be decided before others have run."""
    needed = sorted(view.needs[node.name])
    if node.words.effect and not may_leave:
        return _step(node, Decision.HOLD, Cause(kind="word", name="effect", change="acts outside"))
    held = [name for name in needed if steps[name].decision is Decision.HOLD]
    if held:
        return _step(node, Decision.HOLD, *(Cause(kind="step", name=name, change="is held") for name in held))
    if view.complete(node):
        return None
    uncertain = [name for name in needed if steps[name].decision is not Decision.REUSE]
    waits = (Cause(kind="input of", name=name, change="may change") for name in uncertain)
    return _step(node, Decision.MAY_RUN, *waits)


def _step(node: Node, decision: Decision, *causes: Cause) -> PlannedStep:
    return PlannedStep(
        name=node.name, kind=node.kind, decision=decision, causes=causes, leaves=node.words.effect
    )


def _asked(node: Node, again: frozenset[str]) -> Cause | None:
    """Return why a node runs though a result might serve, if it does."""
    if node.name in again:
        return Cause(kind="option", name="--again", change="asked for it")
    return None if node.words.cache else Cause(kind="word", name="cache=False", change="runs each time")


def _decide(
    node: Node, kind: Kind, inputs: Mapping[str, Artifact], results: Results, *, again: frozenset[str]
) -> PlannedStep:
    recipe = kind.call(node, inputs).recipe
    if recipe is None:
        return _step(node, Decision.RUN, Cause(kind="step", name=node.name, change="always runs"))
    base, asked = base_key(recipe), _asked(node, again)
    decided = _step(node, Decision.RUN)
    if asked is not None:
        return msgspec.structs.replace(decided, causes=(asked,), key=base, recipe=recipe)
    result = results.find(base, max_age_s=node.words.cache_age_s)
    if result is None:
        causes = results.why(node.name, recipe, base)
        return msgspec.structs.replace(decided, causes=causes, key=base, recipe=recipe)
    read = (Ingredient("read", read.path, read.digest) for read in result.reads)
    return msgspec.structs.replace(
        decided, decision=Decision.REUSE, key=base, made_by=result.run, recipe=(*recipe, *read)
    )


def _with_history(step: PlannedStep, results: Results) -> PlannedStep:
    last = results.last_of(step.name)
    if last is None:
        return step
    return msgspec.structs.replace(step, last_s=last.usage.wall_s)
