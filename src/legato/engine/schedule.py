"""Which node may start next: order, dependants and resources. Pure.

Rule: a node is ready when every node it needs is done; a failed one takes down only what depends on it. A fanned-out
node is ready when all its elements are over, however they ended.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Graph, Node, Struct
from legato.domain.units import show_bytes
from legato.engine.families import Element


class Budget(Struct, frozen=True, kw_only=True):
    """What this machine gives a run.

    Attributes:
        cpus: Cores.
        memory_bytes: 0: not counted.
        gpus: Names of the GPUs, as `CUDA_VISIBLE_DEVICES` has them.
        pools: Places by the name of the pool.
    """

    cpus: float
    memory_bytes: int = 0
    gpus: tuple[str, ...] = ()
    pools: Mapping[str, float] = {}


def refuse_unmet(graph: Graph, budget: Budget) -> None:
    """Raise ConfigurationError for the first node that asks for a pool or GPUs that there are not."""
    for node in graph.nodes:
        pool, gpus = node.words.pool, node.words.gpus
        if pool and pool not in budget.pools:
            import difflib

            near = difflib.get_close_matches(pool, budget.pools, n=1)
            known = f"known: {', '.join(budget.pools)}" if budget.pools else "none is configured"
            raise ConfigurationError(
                f"{node.name} takes a place of the pool {pool!r}, which is not configured",
                hint=f"{f'did you mean {near[0]!r}? ' if near else ''}{known}; legato.toml: [pools] {pool} = 1",
                where=str(node.place),
            )
        if pool and budget.pools[pool] < 1:
            raise ConfigurationError(
                f"{node.name} takes a place of the pool {pool!r}, which has {budget.pools[pool]:g}",
                hint=f"legato.toml: [pools] {pool} = 1",
                where=str(node.place),
            )
        if gpus > len(budget.gpus):
            raise ConfigurationError(
                f"{node.name} needs gpus={gpus}; here there are {len(budget.gpus)}",
                hint="lower gpus= on the step, or run where there are more",
                where=str(node.place),
            )


def beyond(graph: Graph, budget: Budget) -> Iterator[tuple[str, str]]:
    """Yield each node that asks for more cores or memory than the run has, and that in words."""
    for node in graph.nodes:
        words = node.words
        if words.cpus > budget.cpus:
            yield node.name, f"asks for cpus={words.cpus:g}; this run has {budget.cpus:g}, so it runs alone"
        if 0 < budget.memory_bytes < words.memory_bytes:
            asked, held = show_bytes(words.memory_bytes), show_bytes(budget.memory_bytes)
            yield node.name, f"asks for memory={asked}; this run has {held}, so it runs alone and may not fit"


def needs(graph: Graph) -> dict[str, frozenset[str]]:
    """Return, for each node, the nodes that must be done before it.

    >>> from legato.domain.graph import Input, Output
    >>> a = Node(name="a", kind="step", outputs=(Output(artifact="a"),))
    >>> b = Node(name="b", kind="step", inputs=(Input(parameter="x", artifact="a"),))
    >>> needs(Graph(nodes=(a, b)))["b"]
    frozenset({'a'})
    """
    makers = graph.makers()
    return {
        node.name: frozenset(
            [
                *(makers[item.artifact] for item in node.inputs),
                *(makers[axis.source] for axis in node.axes if axis.source),
                *((makers[node.when],) if node.when else ()),
                *node.after,
            ]
        )
        - {node.name}
        for node in graph.nodes
    }


class Schedule:
    """The changing part of a run: what waits for what, and what is free.

    Nodes come out of `take_ready` in the graph's order. Not safe from many threads.
    """

    def __init__(self, graph: Graph, budget: Budget) -> None:
        self._budget = budget
        found = needs(graph)
        self._waits = {node.name: len(found[node.name]) + bool(node.axes) for node in graph.nodes}
        self._dependants: dict[str, list[str]] = {name: [] for name in self._waits}
        for name, needed in found.items():
            for other in needed:
                self._dependants[other].append(name)
        self._ready = [node.name for node in graph.nodes if not self._waits[node.name]]
        self._families: dict[str, str] = {}
        self._used: dict[str, Node] = {}
        self._gpus: dict[str, tuple[str, ...]] = {}
        self.unfinished = set(self._waits)
        self._done: set[str] = set()

    def expand(self, name: str, elements: Sequence[Element]) -> list[tuple[str, str]]:
        """Add the elements of a fanned-out node, which then waits for them alone.

        Returns:
            Elements that cannot run any more, each with the node that it waited for in vain.
        """
        self._waits[name] += len(elements) - 1
        lost = []
        for element in elements:
            new = element.node.name
            waits = [needed for needed in element.needs if needed not in self._done]
            self._families[new], self._waits[new], self._dependants[new] = name, len(waits), []
            self.unfinished.add(new)
            vain = next((needed for needed in waits if needed not in self.unfinished), "")
            if vain:
                lost.append((new, vain))
                continue
            for needed in waits:
                self._dependants[needed].append(new)
            if not waits:
                self._ready.append(new)
        self._look_at(name)
        return lost

    def _look_at(self, name: str) -> None:
        if not self._waits[name] and name in self.unfinished:
            self._ready.append(name)

    def take_ready(self) -> list[str]:
        """Return and forget the nodes that have become ready."""
        ready, self._ready = self._ready, []
        return [name for name in ready if name in self.unfinished]

    def done(self, name: str) -> None:
        """Mark a node as done; what waited only for it becomes ready."""
        self._done.add(name)
        self._over(name)
        for dependant in self._dependants[name]:
            self._waits[dependant] -= 1
            self._look_at(dependant)

    def failed(self, name: str) -> list[str]:
        """Mark a node as failed and return all that now cannot run, nearest first."""
        self._over(name)
        lost: list[str] = []
        queue = [name]
        for current in queue:
            for dependant in self._dependants[current]:
                if dependant in self.unfinished:
                    self._over(dependant)
                    lost.append(dependant)
                    queue.append(dependant)
        return lost

    def _over(self, name: str) -> None:
        """Take a node off the list, and off what its family waits for."""
        if name not in self.unfinished:
            return
        self.unfinished.discard(name)
        family = self._families.get(name)
        if family is not None:
            self._waits[family] -= 1
            self._look_at(family)

    def dependants(self, name: str) -> Sequence[str]:
        """Return the nodes that directly need a node; not the family that it is an element of."""
        return self._dependants[name]

    def fits(self, node: Node) -> bool:
        """Say whether the node's stated needs fit beside what runs; of cores and memory, alone everything fits."""
        words, budget = node.words, self._budget
        if words.gpus > len(self._free_gpus()):
            return False
        if words.pool:
            taken = sum(other.words.pool == words.pool for other in self._used.values())
            if taken + 1 > budget.pools.get(words.pool, 0):
                return False
        if not self._used:
            return True
        cpus = sum(min(other.words.cpus, budget.cpus) for other in self._used.values())
        if cpus + min(words.cpus, budget.cpus) > budget.cpus:
            return False
        memory = sum(other.words.memory_bytes for other in self._used.values())
        return not budget.memory_bytes or memory + words.memory_bytes <= budget.memory_bytes

    def _free_gpus(self) -> list[str]:
        taken = {name for names in self._gpus.values() for name in names}
        return [name for name in self._budget.gpus if name not in taken]

    def occupy(self, node: Node) -> tuple[str, ...]:
        """Take the node's share of the budget and return its GPUs."""
        self._used[node.name] = node
        if not node.words.gpus:
            return ()
        gpus = self._gpus[node.name] = tuple(self._free_gpus()[: node.words.gpus])
        return gpus

    def vacate(self, name: str) -> None:
        """Give a node's share back."""
        self._used.pop(name, None)
        self._gpus.pop(name, None)

    @property
    def running(self) -> Mapping[str, Node]:
        """The nodes that hold a share now."""
        return self._used


def ancestors(graph: Graph, names: Iterable[str]) -> frozenset[str]:
    """Return the nodes in `names` and all they need."""
    needed = needs(graph)
    found: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue.extend(needed[name])
    return frozenset(found)


def descendants(graph: Graph, names: Iterable[str]) -> frozenset[str]:
    """Return the nodes in `names` and all that need them."""
    needed = needs(graph)
    found = set(names)
    for node in graph.nodes:  # in order, so one pass is enough
        if needed[node.name] & found:
            found.add(node.name)
    return frozenset(found)
