"""Turns fanned-out nodes into their elements as soon as these are known. Pure: knows names and keys, no bytes.

Rule: a node is expanded once, when every axis of it is known; an element is wired to those elements that stand
where it stands.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from legato.domain.elements import element_name, gathered_key, shown_key
from legato.domain.errors import MissingError
from legato.domain.graph import Axis, Coordinate, Graph, Input, Node, Output, Setting, Struct

ELEMENT: Final = "element"
GATHERED: Final = "gathered"
_NEAR: Final = 0.5


class Element(Struct, frozen=True, kw_only=True):
    """One element of a fanned-out node: the node that it becomes, and what must be done before it."""

    node: Node
    needs: tuple[str, ...]


class Families:
    """The fanned-out nodes of a graph, and what is known of their axes."""

    def __init__(self, graph: Graph) -> None:
        self._templates = {node.name: node for node in graph.nodes if node.axes}
        self._nodes = {node.name: node for node in graph.nodes}
        self._makers = graph.makers()
        self._axes = {
            output.artifact: node.axes for node in graph.nodes if node.axes for output in node.outputs
        }
        self._known: dict[str, tuple[Coordinate, ...]] = {}
        self._members: dict[str, tuple[str, ...]] = {}
        self.sources = frozenset(axis.source for node in graph.nodes for axis in node.axes if axis.source)

    def learn(self, source: str, keys: Iterable[str]) -> None:
        """Take note of the keys that an artifact of elements holds."""
        self._known[source] = tuple(Coordinate(axis="", key=key, shown=shown_key(key)) for key in keys)

    def expandable(self) -> list[Node]:
        """Return the nodes that are not expanded yet and whose axes are all known, in the graph's order."""
        return [
            node
            for name, node in self._templates.items()
            if name not in self._members and all(not a.source or a.source in self._known for a in node.axes)
        ]

    def unknown(self, node: Node) -> tuple[str, ...]:
        """Return the artifacts whose elements have to be known before those of `node` are."""
        return tuple(a.source for a in node.axes if a.source and a.source not in self._known)

    def expand(self, template: Node) -> list[Element]:
        """Return the elements of a node whose axes are all known.

        Raises:
            MissingError: An element was asked for that there is not.
        """
        columns = [self._coordinates(template, axis) for axis in template.axes]
        pattern = _Pattern(template, self._axes, self._nodes, self._makers)
        found = [pattern.element(at) for at in product(*columns)]
        self._members[template.name] = tuple(element.node.name for element in found)
        return found

    def members(self, name: str) -> tuple[str, ...]:
        """Return the names of a node's elements; none before it is expanded."""
        return self._members.get(name, ())

    def unexpanded(self, name: str) -> bool:
        """Say whether a node is fanned out and its elements are not known yet."""
        return name in self._templates and name not in self._members

    def family_of(self, artifact: str) -> str:
        """Return the fanned-out node that makes an artifact; empty where its maker is not fanned out."""
        return self._makers[artifact] if artifact in self._axes else ""

    def alike(self, one: str, other: str) -> bool:
        """Say whether two fanned-out nodes run over the same axes, so that their elements stand side by side."""
        axes = [{axis.name for axis in self._templates[name].axes} for name in (one, other)]
        return axes[0] == axes[1]

    def gathered_by(self, node: Node) -> tuple[str, ...]:
        """Return the fanned-out nodes all of whose elements `node` waits for."""
        inputs = (self._makers[item.artifact] for item in node.inputs if item.part == GATHERED)
        after = (name for name in node.after if name in self._templates)
        return tuple(dict.fromkeys((*inputs, *after)))

    def by_key(self, artifact: str) -> Iterator[tuple[str, str, str]]:
        """Yield, for each element of a fanned-out artifact: its key, its name, and the node that makes it."""
        template = self._templates[self._makers[artifact]]
        columns = [self._coordinates(template, axis) for axis in template.axes]
        for at, node in zip(product(*columns), self._members[template.name], strict=True):
            yield gathered_key(at), element_name(artifact, at), node

    def _coordinates(self, template: Node, axis: Axis) -> list[Coordinate]:
        if axis.source:
            found = [
                Coordinate(axis=axis.name, key=one.key, shown=one.shown) for one in self._known[axis.source]
            ]
        else:
            found = [Coordinate(axis=axis.name, key=v.key, shown=shown_key(v.key)) for v in axis.values]
        chosen = template.chosen.get(axis.name)
        if chosen is None:
            return found
        for shown in chosen:
            if all(one.shown != shown for one in found):
                raise _no_such(template, axis, shown, [one.shown for one in found])
        return [one for one in found if one.shown in chosen]


def _no_such(template: Node, axis: Axis, shown: str, known: Sequence[str]) -> MissingError:
    import difflib

    near = difflib.get_close_matches(shown, known, n=1, cutoff=_NEAR)
    listed = f"there are: {', '.join(known[:20])}" if known else "it is empty"
    meant = f"did you mean {axis.name}={near[0]}?" if near else listed
    what = source_of(axis) if axis.source else f"the matrix of {template.name}"
    return MissingError(f"{what} has no element {axis.name}={shown}", hint=meant, where=str(template.place))


def source_of(axis: Axis) -> str:
    """Return the artifact that an axis runs over, as the author called it."""
    return axis.source.rpartition(".")[0] or axis.source


class _Pattern:
    """How each element of one node differs from the others; all that does not is shared."""

    def __init__(
        self,
        template: Node,
        axes: Mapping[str, tuple[Axis, ...]],
        nodes: Mapping[str, Node],
        makers: Mapping[str, str],
    ) -> None:
        self._template = template
        self._own = tuple(axis.name for axis in template.axes)
        self._makers = makers
        self._aligned = {
            artifact: tuple(axis.name for axis in found)
            for artifact, found in axes.items()
            if {axis.name for axis in found} <= set(self._own)
        }
        self._after = {
            name: tuple(axis.name for axis in nodes[name].axes)
            for name in template.after
            if nodes[name].axes and {axis.name for axis in nodes[name].axes} <= set(self._own)
        }
        self._settings = {
            (axis.name, value.key): Setting(
                name=axis.name,
                wire=value.wire,
                shown=value.shown,
                type=_type(template, axis),
                origin="matrix",
            )
            for axis in template.axes
            for value in axis.values
        }
        self._fixed = tuple(
            makers[item.artifact]
            for item in template.inputs
            if item.part or item.artifact not in self._aligned
        )

    def element(self, at: tuple[Coordinate, ...]) -> Element:
        """Return the element that stands at `at`."""
        template, places = self._template, {one.axis: one for one in at}
        inputs = tuple(self._input(item, places) for item in template.inputs)
        after = tuple(self._named(name, self._after.get(name, ()), places) for name in template.after)
        when = self._artifact(template.when, places) if template.when else ""
        node = Node(
            name=element_name(template.name, at),
            kind=template.kind,
            inputs=inputs,
            outputs=tuple(_output(output, at) for output in template.outputs),
            settings=tuple(self._setting(setting, places) for setting in template.settings),
            words=template.words,
            after=after,
            place=template.place,
            detail=template.detail,
            template=template.name,
            at=at,
            when=when,
        )
        return Element(node=node, needs=self._needs(places, after))

    def _needs(self, places: Mapping[str, Coordinate], after: tuple[str, ...]) -> tuple[str, ...]:
        aligned = [
            self._named(self._makers[item.artifact], self._aligned[item.artifact], places)
            for item in self._template.inputs
            if not item.part and item.artifact in self._aligned
        ]
        when = self._template.when
        if when:
            aligned.append(self._named(self._makers[when], self._aligned.get(when, ()), places))
        return tuple(dict.fromkeys((*self._fixed, *aligned, *after)))

    def _input(self, item: Input, places: Mapping[str, Coordinate]) -> Input:
        if item.part or item.artifact not in self._aligned:
            return item
        return Input(parameter=item.parameter, artifact=self._artifact(item.artifact, places), type=item.type)

    def _artifact(self, name: str, places: Mapping[str, Coordinate]) -> str:
        return self._named(name, self._aligned.get(name, ()), places)

    @staticmethod
    def _named(name: str, axes: tuple[str, ...], places: Mapping[str, Coordinate]) -> str:
        return element_name(name, tuple(places[axis] for axis in axes))

    def _setting(self, setting: Setting, places: Mapping[str, Coordinate]) -> Setting:
        if setting.origin != "matrix":
            return setting
        return self._settings[setting.name, places[setting.name].key]


def _type(template: Node, axis: Axis) -> str:
    return next((setting.type for setting in template.settings if setting.name == axis.name), "")


def _output(output: Output, at: tuple[Coordinate, ...]) -> Output:
    return Output(
        artifact=element_name(output.artifact, at), field=output.field, type=output.type, path=output.path
    )
