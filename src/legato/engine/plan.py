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
    makers, needed = graph.makers(), needs(graph)
    known: dict[str, Mapping[str, Artifact]] = {}
    steps: dict[str, PlannedStep] = {}
    for node in graph.nodes:
        uncertain = [name for name in sorted(needed[node.name]) if steps[name].decision is not Decision.REUSE]
        if node.words.effect and not may_leave:
            steps[node.name] = _step(
                node, Decision.HOLD, Cause(kind="word", name="effect", change="acts outside")
            )
        elif held := [name for name in uncertain if steps[name].decision is Decision.HOLD]:
            waits = (Cause(kind="step", name=name, change="is held") for name in held)
            steps[node.name] = _step(node, Decision.HOLD, *waits)
        elif any(makers[item.artifact] not in known for item in node.inputs):
            waits = tuple(Cause(kind="input of", name=name, change="may change") for name in uncertain)
            steps[node.name] = _step(node, Decision.MAY_RUN, *waits)
        else:
            inputs = {item.parameter: _artifact(graph, known, item.artifact) for item in node.inputs}
            steps[node.name] = _decide(node, kinds[node.kind], inputs, results, again=again)
            result = (
                results.find(steps[node.name].key) if steps[node.name].decision is Decision.REUSE else None
            )
            if result is not None:
                known[node.name] = result.outputs
    return Plan(steps=tuple(_with_history(step, results) for step in steps.values()))


def _artifact(graph: Graph, known: Mapping[str, Mapping[str, Artifact]], name: str) -> Artifact:
    maker = graph.node(graph.makers()[name])
    field = next(output.field for output in maker.outputs if output.artifact == name)
    return known[maker.name][field]


def _step(node: Node, decision: Decision, *causes: Cause) -> PlannedStep:
    return PlannedStep(
        name=node.name, kind=node.kind, decision=decision, causes=causes, leaves=node.words.effect
    )


def _decide(
    node: Node, kind: Kind, inputs: Mapping[str, Artifact], results: Results, *, again: frozenset[str]
) -> PlannedStep:
    call = kind.call(node, inputs)
    if call.recipe is None:
        return _step(node, Decision.RUN, Cause(kind="step", name=node.name, change="looks each time"))
    base = base_key(call.recipe)
    if node.name in again:
        return _step(node, Decision.RUN, Cause(kind="option", name="--again", change="asked for it"))
    if not node.words.cache:
        return _step(node, Decision.RUN, Cause(kind="word", name="cache=False", change="runs each time"))
    result = results.find(base, max_age_s=node.words.cache_age_s)
    return PlannedStep(
        name=node.name,
        kind=node.kind,
        decision=Decision.RUN if result is None else Decision.REUSE,
        causes=results.why(node.name, call.recipe, base) if result is None else (),
        key=base,
        made_by=result.run if result else 0,
        leaves=node.words.effect,
        recipe=(*call.recipe, *(Ingredient("read", read.path, read.digest) for read in result.reads))
        if result
        else call.recipe,
    )


def _with_history(step: PlannedStep, results: Results) -> PlannedStep:
    last = results.last_of(step.name)
    if last is None:
        return step
    return msgspec.structs.replace(step, last_s=last.usage.wall_s)
