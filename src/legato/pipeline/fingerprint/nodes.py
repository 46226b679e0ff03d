"""The graph of what a step reaches, and the digest of each of its nodes.

Rule: two nodes have the same digest exactly when they cannot be told apart by following labelled edges from
them: names of modules, addresses, and the order in which things were found play no part.
"""

import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple

CODE: Final = "code"
VALUE: Final = "value"
PACKAGE: Final = "package"
PLACE: Final = "place"


class Edge(NamedTuple):
    """From a node to what it refers to: under which name, and what a person would call the thing there."""

    label: str
    node: "Node"
    name: str = ""


class Node:
    """One function, class, module, value or package that is reached.

    Attributes:
        kind: `code`, `value`, `package`, or `place` for nodes that only hold others together.
        text: What it is, without what it refers to.
        edges: In an order that is part of what it is, unless it is `unordered`.
        name: What a person calls it.
        shown: Its value as a person reads it; empty where there is nothing short to show.
        file: The first-party file that it is written in, relative to the repository.
        warning: Why it could not be fingerprinted for itself.
    """

    __slots__ = ("digest", "edges", "file", "kind", "name", "shown", "text", "unordered", "warning")

    def __init__(self, kind: str, text: bytes = b"", *, name: str = "", shown: str = "") -> None:
        """Make a node that refers to nothing yet."""
        self.kind = kind
        self.text = text
        self.edges: list[Edge] = []
        self.name = name
        self.shown = shown
        self.file = ""
        self.warning = ""
        self.unordered = False
        self.digest = b""

    def add(self, label: str, node: "Node", name: str = "") -> None:
        """Add an edge."""
        self.edges.append(Edge(label, node, name))


def _hash(node: Node, children: list[bytes]) -> bytes:
    state = hashlib.sha256(b"%d:" % len(node.text) + node.text)
    if node.unordered:
        children = sorted(children)
    for edge, child in zip(node.edges, children, strict=True):
        label = b"" if node.unordered else edge.label.encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(label) + label + child)
    return state.digest()


def settle(root: Node) -> bytes:
    """Return the digest of `root`; it and all that it reaches keep theirs."""
    if not root.digest:
        _Components().settle(root)
    return root.digest


class _Components:
    """Settles strongly connected components, children first (Tarjan 1972, without recursion)."""

    def __init__(self) -> None:
        self._order: dict[Node, int] = {}
        self._low: dict[Node, int] = {}
        self._open: dict[Node, None] = {}
        self._path: list[tuple[Node, Iterator[Edge]]] = []

    def settle(self, root: Node) -> None:
        self._enter(root)
        while self._path:
            node, edges = self._path[-1]
            child = next((edge.node for edge in edges if not edge.node.digest), None)
            if child is None:
                self._leave(node)
            elif child not in self._order:
                self._enter(child)
            elif child in self._open:
                self._low[node] = min(self._low[node], self._order[child])

    def _enter(self, node: Node) -> None:
        self._order[node] = self._low[node] = len(self._order)
        self._open[node] = None
        self._path.append((node, iter(node.edges)))

    def _leave(self, node: Node) -> None:
        self._path.pop()
        if self._path:
            above = self._path[-1][0]
            self._low[above] = min(self._low[above], self._low[node])
        if self._low[node] == self._order[node]:
            members: list[Node] = []
            while not members or members[-1] is not node:
                members.append(self._open.popitem()[0])
            _settle_component(members)


def _settle_component(members: list[Node]) -> None:
    """Give the nodes of one strongly connected component their digests, by refinement.

    Round by round each node's colour is the hash of its text and its children's colours of the round before,
    until no more colours appear. Each colour then says its text and its children's colours, so all colours
    together describe the component up to indistinguishable nodes, and a node is its own colour among them.
    """
    inside = set(members)
    if len(members) == 1 and all(edge.node is not members[0] for edge in members[0].edges):
        members[0].digest = _hash(members[0], [edge.node.digest for edge in members[0].edges])
        return
    colours = dict.fromkeys(members, b"")
    different = 0
    while True:
        colours = {
            node: _hash(node, [colours[e.node] if e.node in inside else e.node.digest for e in node.edges])
            for node in members
        }
        now = len(set(colours.values()))
        if now == different:
            break
        different = now
    everyone = hashlib.sha256(b"".join(sorted(set(colours.values())))).digest()
    for node in members:
        node.digest = hashlib.sha256(colours[node] + everyone).digest()


def reached(root: Node) -> Iterator[Node]:
    """Yield `root` and all that it reaches, each once."""
    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        for edge in node.edges:
            if edge.node not in seen:
                seen.add(edge.node)
                stack.append(edge.node)


def walked(root: Node, *, beyond: Node) -> Iterator[tuple[Node, str, bool]]:
    """Yield `root` and all that it reaches, each once, in the order of the edges; nothing past `beyond`.

    With each come what people call it, or the thing that holds it, and whether the name is its own.
    """
    seen = {root}
    stack = [(root, root.name, True)]
    while stack:
        node, name, named = stack.pop()
        yield node, name, named
        if node is not beyond:
            fresh = [edge for edge in node.edges if edge.node not in seen]
            stack += [(edge.node, edge.name or name, bool(edge.name)) for edge in reversed(fresh)]
            seen.update(edge.node for edge in fresh)


def shape(node: Node) -> bytes:
    """Return a digest of a value that code inside it does not change, for saying what changed."""
    state = hashlib.sha256()
    for one in _value_nodes(node):
        state.update(b"%d:" % len(one.text) + one.text)
        for edge in one.edges:
            state.update(edge.label.encode("utf-8", "surrogatepass") + b"\0")
            if edge.node.kind != VALUE:
                state.update(edge.node.name.encode("utf-8", "surrogatepass") + b"\0")
    return state.digest()


def _value_nodes(root: Node) -> Iterator[Node]:
    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        inner = [edge.node for edge in node.edges if edge.node.kind == VALUE and edge.node not in seen]
        if node.unordered:
            inner.sort(key=lambda one: one.digest)
        seen.update(inner)
        stack += reversed(inner)
