"""Which artifacts of a graph are known by now: by name, as elements of another, gathered from many.

Rule: what a run and a plan know of an artifact is known here, and asked for here alone.
"""

from collections.abc import Callable, Mapping

from legato.domain.artifacts import Artifact
from legato.domain.elements import GATHERED as GATHERED_FORMAT
from legato.domain.elements import Family, pack
from legato.domain.graph import Graph, Input, Node
from legato.engine.families import ELEMENT, GATHERED, Families


class Wiring:
    """The artifacts of a graph, as they become known.

    Args:
        read: Returns the family that an artifact of elements holds.
        keep: Makes an artifact of bytes in a format.

    Attributes:
        unwanted: Elements that `when=` leaves out; a gather does without them.
        distrusted: Elements that a check found bad; to a gather they are missing.
    """

    def __init__(
        self, graph: Graph, read: Callable[[Artifact], Family], keep: Callable[[bytes, str], Artifact]
    ) -> None:
        self.families = Families(graph)
        self.unwanted: set[str] = set()
        self.distrusted: set[str] = set()
        self._read = read
        self._keep = keep
        self._artifacts: dict[str, Artifact] = {}
        self._elements: dict[str, Mapping[str, Artifact]] = {}
        self._gathered: dict[str, tuple[Artifact, Family]] = {}

    def made(self, node: Node, outputs: Mapping[str, Artifact]) -> None:
        """Take note of what a node made, by output field."""
        for output in node.outputs:
            if output.field in outputs:
                self._artifacts[output.artifact] = outputs[output.field]

    def source(self, node: Node) -> Artifact | None:
        """Return the artifact of elements that `node` made and others are fanned out over."""
        for output in node.outputs:
            if output.artifact in self.families.sources:
                return self._artifacts[output.artifact]
        return None

    def learn(self, node: Node) -> None:
        """Read the elements that `node` made.

        Raises:
            LegatoError: They cannot be read.
        """
        for output in node.outputs:
            if output.artifact in self.families.sources:
                items = self._read(self._artifacts[output.artifact]).items
                self._elements[output.artifact] = items
                self.families.learn(output.artifact, items)

    def artifact(self, name: str) -> Artifact | None:
        """Return an artifact by its name, where it is known."""
        return self._artifacts.get(name)

    def complete(self, node: Node) -> bool:
        """Say whether all inputs of a node are known."""
        return all(self._is_known(item) for item in node.inputs)

    def _is_known(self, item: Input) -> bool:
        if item.part == ELEMENT:
            return item.artifact in self._elements
        if item.part != GATHERED:
            return item.artifact in self._artifacts
        if self.families.unexpanded(self.families.family_of(item.artifact)):
            return False
        return all(
            name in self._artifacts or node in self.unwanted
            for _, name, node in self.families.by_key(item.artifact)
        )

    def inputs(self, node: Node) -> dict[str, Artifact]:
        """Return the artifacts of a node by parameter."""
        return {item.parameter: self._input(node, item) for item in node.inputs}

    def _input(self, node: Node, item: Input) -> Artifact:
        if item.part == ELEMENT:
            (key,) = (one.key for one in node.at if one.axis == item.parameter)
            return self._elements[item.artifact][key]
        return self.gathered(item.artifact)[0] if item.part == GATHERED else self._artifacts[item.artifact]

    def gathered(self, artifact: str) -> tuple[Artifact, Family]:
        """Return a fanned-out artifact as one, and what it holds; made when all its elements are over."""
        found = self._gathered.get(artifact)
        if found is None:
            items, missing = {}, []
            for key, name, node in self.families.by_key(artifact):
                if name in self._artifacts and node not in self.distrusted:
                    items[key] = self._artifacts[name]
                elif node not in self.unwanted:
                    missing.append(key)
            family = Family(items=items, missing=tuple(sorted(missing)))
            kept = self._keep(pack(items, missing), GATHERED_FORMAT)
            found = self._gathered[artifact] = (kept, family)
        return found

    def all_inputs(self, node: Node, inputs: Mapping[str, Artifact]) -> tuple[Artifact, ...]:
        """Return the artifacts of `inputs` and, of gathered ones, all that they hold."""
        held = (
            artifact
            for item in node.inputs
            if item.part == GATHERED
            for artifact in self.gathered(item.artifact)[1].items.values()
        )
        return (*inputs.values(), *held)
