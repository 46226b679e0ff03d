"""Which node may start next: order, dependants and resources. Pure.

Rule: a node is ready when every node it needs is done; a failed one takes down only what depends on it.
"""

from collections.abc import Iterable, Mapping

from legato.domain.graph import Graph, Node, Struct


class Budget(Struct, frozen=True, kw_only=True):
    """What this machine gives a run: cores, and memory in bytes (0: not counted)."""

    cpus: float
    memory_bytes: int = 0


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
        node.name: frozenset([*(makers[i.artifact] for i in node.inputs), *node.after]) - {node.name}
        for node in graph.nodes
    }


class Schedule:
    """The changing part of a run: what waits for what, and what is free.

    Nodes come out of `ready` in the graph's order. Not safe from many threads.
    """

    def __init__(self, graph: Graph, budget: Budget) -> None:
        self._budget = budget
        self._waits = {name: set(found) for name, found in needs(graph).items()}
        self._dependants: dict[str, list[str]] = {name: [] for name in self._waits}
        for name, found in self._waits.items():
            for needed in found:
                self._dependants[needed].append(name)
        self._ready = [node.name for node in graph.nodes if not self._waits[node.name]]
        self._used: dict[str, Node] = {}
        self.unfinished = set(self._waits)

    def take_ready(self) -> list[str]:
        """Return and forget the nodes that have become ready."""
        ready, self._ready = self._ready, []
        return ready

    def done(self, name: str) -> None:
        """Mark a node as done; what waited only for it becomes ready."""
        self.unfinished.discard(name)
        for dependant in self._dependants[name]:
            waits = self._waits[dependant]
            waits.discard(name)
            if not waits and dependant in self.unfinished:
                self._ready.append(dependant)

    def failed(self, name: str) -> list[str]:
        """Mark a node as failed and return all that now cannot run, nearest first."""
        self.unfinished.discard(name)
        lost: list[str] = []
        queue = [name]
        for current in queue:
            for dependant in self._dependants[current]:
                if dependant in self.unfinished:
                    self.unfinished.discard(dependant)
                    lost.append(dependant)
                    queue.append(dependant)
        return lost

    def fits(self, node: Node) -> bool:
        """Say whether the node's stated needs fit beside what runs; alone, everything fits."""
        if not self._used:
            return True
        cpus = sum(min(other.words.cpus, self._budget.cpus) for other in self._used.values())
        if cpus + min(node.words.cpus, self._budget.cpus) > self._budget.cpus:
            return False
        memory = sum(other.words.memory_bytes for other in self._used.values())
        return not self._budget.memory_bytes or memory + node.words.memory_bytes <= self._budget.memory_bytes

    def occupy(self, node: Node) -> None:
        """Take the node's share of the budget."""
        self._used[node.name] = node

    def vacate(self, name: str) -> None:
        """Give a node's share back."""
        self._used.pop(name, None)

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
