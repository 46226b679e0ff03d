"""Makes a plan: which results of a graph still serve, and why the others do not.

Rule: the same questions in the same order as a run asks them, so that the forecast is what the run then does.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from legato.domain.artifacts import Artifact
from legato.domain.digests import digest_of
from legato.domain.elements import split_target
from legato.domain.errors import MissingError
from legato.domain.graph import Graph, Node
from legato.domain.keys import Cause, Ingredient, base_key
from legato.domain.plan import Decision, Plan, PlannedStep
from legato.engine.kinds import Kind
from legato.engine.results import Results
from legato.engine.schedule import needs
from legato.engine.wiring import Wiring


def forecast(
    graph: Graph,
    kinds: Mapping[str, Kind],
    results: Results,
    *,
    again: frozenset[str] = frozenset(),
    may_leave: bool = False,
) -> Plan:
    """Return what a run of `graph` would do; a step is fanned out where its elements are known.

    Raises:
        LegatoError: An input cannot be used (a dataset that is not there).
    """
    found = Forecast(graph, kinds, results, again=again, may_leave=may_leave)
    return Plan(steps=tuple(_with_history(step, results) for step in found.steps))


def one_of(plan: Plan, name: str) -> PlannedStep:
    """Return a step of a plan by name; of a fanned-out one that stands for its elements, all of them as one.

    Raises:
        MissingError: There is none of that name.
    """
    base = split_target(name)[0]
    found = [step for step in plan.steps if step.name == name or (name == base and step.family == name)]
    if found:
        return found[0] if found[0].name == name else _as_one(name, found)
    waiting = [step for step in plan.steps if step.name == base]
    if waiting:  # its elements are not known yet
        return waiting[0]
    members = [step.name for step in plan.steps if step.family == base]
    raise MissingError(f"there is no {name}", hint=f"there are: {', '.join(members[:20]) or 'none'}")


def _as_one(name: str, elements: Sequence[PlannedStep]) -> PlannedStep:
    """Return the first element that would run, under the family's name: what is true of it is true of most."""
    decision = _of_all({step.decision for step in elements})
    telling = next((step for step in elements if step.decision is Decision.RUN), elements[0])
    if telling.decision is Decision.RUN:
        decision = Decision.RUN
    return msgspec.structs.replace(telling, name=name, decision=decision)


def prepared(
    graph: Graph, kinds: Mapping[str, Kind], results: Results, name: str
) -> tuple[Node, dict[str, Artifact]]:
    """Return a node of a graph, or an element of one, with the artifacts that a run would give it now.

    Raises:
        MissingError: There is none of that name, or what it needs has not been made.
    """
    found = Forecast(graph, kinds, results, keep=results.keep)
    base = split_target(name)[0]
    node = found.nodes.get(name)
    if node is None or node.axes:
        members = [step.name for step in found.steps if step.family == base]
        known = (
            f"there are: {', '.join(members[:20])}" if members else f"make what it needs: legato run {base}"
        )
        raise MissingError(f"{name} is no element that is known now", hint=known)
    inputs = found.inputs(node)
    if inputs is None:
        raise MissingError(f"what {name} needs is not all stored", hint=f"make it: legato run '{name}'")
    return node, inputs


class Forecast:
    """What a run of a graph would do, and with which artifacts, as far as these are known.

    Raises:
        LegatoError: An input cannot be used (a dataset that is not there).

    Attributes:
        steps: The nodes in the order of the graph; in the place of one that fans out, its elements.
        nodes: Every node by name, elements too.
    """

    def __init__(
        self,
        graph: Graph,
        kinds: Mapping[str, Kind],
        results: Results,
        *,
        again: frozenset[str] = frozenset(),
        may_leave: bool = False,
        keep: Callable[[bytes, str], Artifact] | None = None,
    ) -> None:
        self._kinds = kinds
        self._results = results
        self._again = again
        self._may_leave = may_leave
        self._wiring = Wiring(graph, results.family, keep or _named)
        self._decisions: dict[str, Decision] = {}
        self._first: dict[str, str] = {}
        self.steps: list[PlannedStep] = []
        self.nodes: dict[str, Node] = {}
        needed = needs(graph)
        for node in graph.nodes:
            self.nodes[node.name] = node
            if node.axes:
                self._family(node, sorted(needed[node.name]))
            else:
                self._note(self._one(node, sorted(needed[node.name])))

    def inputs(self, node: Node) -> dict[str, Artifact] | None:
        """Return the artifacts of a node by parameter, where all are known."""
        return self._wiring.inputs(node) if self._wiring.complete(node) else None

    def _note(self, step: PlannedStep) -> None:
        self.steps.append(step)
        self._decisions[step.name] = step.decision
        if step.decision is Decision.NOT_WANTED:
            self._wiring.unwanted.add(step.name)
        result = self._results.find(step.key) if step.decision is Decision.REUSE else None
        if result is not None:
            node = self.nodes[step.name]
            self._wiring.made(node, result.outputs)
            source = self._wiring.source(node)
            if source is not None and self._results.is_here(source):
                self._wiring.learn(node)

    def _family(self, node: Node, needed: Sequence[str]) -> None:
        unknown = self._wiring.families.unknown(node)
        if unknown or not node.wanted:
            waits = self._stopped(node, needed)
            sources = tuple(source.rpartition(".")[0] for source in unknown)
            cause = Cause(kind="fan-out", name=", ".join(sources), change="is known once it has run")
            step = waits or _step(node, Decision.MAY_RUN, cause)
            self._note(msgspec.structs.replace(step, fans_out_over=sources))
            return
        decisions = set()
        for element in self._wiring.families.expand(node):
            one = element.node
            self.nodes[one.name] = one
            step = msgspec.structs.replace(self._one(one, element.needs), family=node.name)
            self._note(step)
            decisions.add(step.decision)
        self._decisions[node.name] = _of_all(decisions)

    def _one(self, node: Node, needed: Sequence[str]) -> PlannedStep:
        step = self._stopped(node, needed) or self._waits(node, needed)
        if step is None:
            step = _decide(
                node, self._kinds[node.kind], self._wiring.inputs(node), self._results, again=self._again
            )
        if step.decision is Decision.RUN and step.key:
            first = self._first.setdefault(step.key, node.name)
            if first != node.name and _asked(node, self._again) is None:
                same = Cause(kind="step", name=first, change="makes the same")
                step = msgspec.structs.replace(step, decision=Decision.MAY_RUN, causes=(same,))
        return step

    def _stopped(self, node: Node, needed: Sequence[str]) -> PlannedStep | None:
        """Return the step where it is held or not wanted, or where something that it needs is."""
        unwanted = [name for name in needed if self._decisions[name] is Decision.NOT_WANTED]
        if not node.wanted or self._condition(node) is False:
            why = Cause(kind="word", name="when", change=f"says so: {node.when or 'a parameter'} is False")
            return _step(node, Decision.NOT_WANTED, why)
        if unwanted:
            cause = (Cause(kind="step", name=name, change="is not wanted") for name in unwanted)
            return _step(node, Decision.NOT_WANTED, *cause)
        if node.words.effect and not self._may_leave:
            return _step(node, Decision.HOLD, Cause(kind="word", name="effect", change="acts outside"))
        held = [name for name in needed if self._decisions[name] is Decision.HOLD]
        cause = (Cause(kind="step", name=name, change="is held") for name in held)
        return _step(node, Decision.HOLD, *cause) if held else None

    def _condition(self, node: Node) -> bool | None:
        """Return what `when=` says, where that is known."""
        artifact = self._wiring.artifact(node.when) if node.when else None
        if artifact is None or not self._results.is_here(artifact):
            return None
        return self._results.truth(artifact, node.when)

    def _waits(self, node: Node, needed: Sequence[str]) -> PlannedStep | None:
        """Return the step where it cannot be decided before others have run."""
        if self._wiring.complete(node) and (not node.when or self._condition(node) is not None):
            return None
        uncertain = [name for name in needed if self._decisions[name] is not Decision.REUSE]
        return _step(node, Decision.MAY_RUN, *(self._wait(name) for name in uncertain))

    def _wait(self, name: str) -> Cause:
        if self.nodes[name].kind == "check":
            return Cause(kind="check", name=name, change="has to pass first")
        return Cause(kind="input of", name=name, change="may change")


def _of_all(decisions: AbstractSet[Decision]) -> Decision:
    """Return the decision that stands for a family."""
    if Decision.HOLD in decisions:
        return Decision.HOLD
    return Decision.REUSE if decisions <= {Decision.REUSE, Decision.NOT_WANTED} else Decision.MAY_RUN


def _named(data: bytes, format_: str) -> Artifact:
    """Return what bytes would be called once they are stored."""
    return Artifact(digest=digest_of(data), size_bytes=len(data), format=format_)


def _step(node: Node, decision: Decision, *causes: Cause) -> PlannedStep:
    return PlannedStep(
        name=node.name, kind=node.kind, decision=decision, causes=causes, leaves=node.words.effect
    )


def _asked(node: Node, again: frozenset[str]) -> Cause | None:
    """Return why a node runs though a result might serve, if it does."""
    if node.name in again or node.template in again:
        return Cause(kind="option", name="--again", change="asked for it")
    return None if node.words.cache else Cause(kind="word", name="cache=False", change="runs each time")


def _decide(
    node: Node, kind: Kind, inputs: Mapping[str, Artifact], results: Results, *, again: frozenset[str]
) -> PlannedStep:
    recipe = kind.call(node, inputs).recipe
    if recipe is None:
        return _step(node, Decision.RUN, Cause(kind="step", name=node.name, change="looks each time"))
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
