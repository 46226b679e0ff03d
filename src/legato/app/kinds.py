"""What each kind of node is to the engine: how it is cached, and how it runs.

Rule: one small class a kind; a kind asks the registry, the store or the loader only through what it was given.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from legato.domain.artifacts import Artifact
from legato.domain.digests import canonical, digest_of
from legato.domain.graph import Node
from legato.domain.keys import Ingredient, Recipe
from legato.domain.messages import Fingerprint
from legato.engine.kinds import Acted, Action, Call, Inputs, Kind
from legato.store import Store

BUILTIN_FORMAT: Final = "1"
"""Raised when what Legato's own steps (gates, packaging) compute changes."""

NOTE: Final = "note/1"
JUDGEMENT: Final = "judgement/1"
SERVABLE: Final = "servable/1"
OWN_FORMATS: Final = frozenset({NOTE, JUDGEMENT, SERVABLE})
"""Formats of artifacts that Legato makes and reads itself."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What recipes are made of besides inputs.

    Attributes:
        fingerprints: By node name, as the loader said.
        classes: Digests of first-party classes by `module:Qual.name`, as the code is now.
        variables: The environment that the run was started in.
    """

    fingerprints: Mapping[str, Fingerprint]
    classes: Callable[[Iterable[str]], Mapping[str, str]]
    variables: Mapping[str, str]

    def recipe(self, node: Node, inputs: Inputs) -> Recipe:
        """Return what a result depends on, without the files that the job will be seen to read."""
        found = self.fingerprints.get(node.template or node.name)
        parts = [Ingredient("kind", "", f"{node.kind}/{BUILTIN_FORMAT}")]
        parts += found.ingredients if found else ()
        parts += (Ingredient("parameter", s.name, s.wire, s.shown) for s in node.settings)
        found_by_search = node.detail.get("tuned", ())
        parts += (_found(name, inputs[name]) for name in found_by_search if name in inputs)
        parts += self.given({name: one for name, one in inputs.items() if name not in found_by_search})
        parts += (_variable(name, self.variables.get(name)) for name in node.words.env)
        return tuple(parts)

    def given(self, inputs: Inputs) -> list[Ingredient]:
        """Return the ingredients of inputs: their digests, and the classes their bytes refer to as they are now."""
        parts = [_input(parameter, artifact) for parameter, artifact in inputs.items()]
        references = sorted({name for artifact in inputs.values() for name in artifact.classes})
        if references:
            digests = self.classes(references)
            parts += (Ingredient("class", name, digests.get(name, "")) for name in references)
        return parts


def _input(parameter: str, artifact: Artifact) -> Ingredient:
    return Ingredient("input", parameter, f"{artifact.digest} {artifact.format}", artifact.digest[7:19])


def _found(parameter: str, artifact: Artifact) -> Ingredient:
    """Return a parameter whose value a search has found, as if it had been set so."""
    told = artifact.about
    if "wire" not in told:
        return _input(parameter, artifact)
    return Ingredient("parameter", parameter, str(told["wire"]), str(told.get("shown", "")))


def _variable(name: str, value: str | None) -> Ingredient:
    return Ingredient("env", name, "" if value is None else digest_of(value.encode()))


@dataclass(frozen=True)
class JobKind:
    """Steps and checks: the user's function on the platform, keyed by its code and all that reaches it."""

    sources: Sources

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the job with its recipe."""
        return Call(recipe=self.sources.recipe(node, inputs), inputs=inputs)


@dataclass(frozen=True)
class BuiltinKind:
    """Gates, packaging and commands: jobs whose behaviour is told by their detail."""

    sources: Sources

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the job; what it is told in `detail` is part of its recipe."""
        told = digest_of(canonical(node.detail))
        recipe = (*self.sources.recipe(node, inputs), Ingredient("kind", "detail", told))
        return Call(recipe=recipe, inputs=inputs)


@dataclass(frozen=True)
class ChampionKind:
    """Scores the champion as the candidate is scored: the same step and rows, the champion's own artifact."""

    sources: Sources
    store: Store
    champion: Callable[[str, Artifact], Artifact | str]

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the evaluation of the champion, or a note: empty where there is none yet, else why none is known."""
        candidate = inputs[str(node.detail["parameter"])]
        found = self.champion(str(node.detail["model"]), candidate)
        if isinstance(found, str):
            (output,) = node.outputs
            return Call(
                recipe=(Ingredient("kind", "", "no champion/1"), Ingredient("kind", "note", found)),
                inputs=inputs,
                act=lambda _action: Acted(outputs={output.field: put_json(self.store, found, NOTE)}),
            )
        exchanged = {**inputs, str(node.detail["parameter"]): found}
        recipe = self.sources.recipe(node, exchanged)
        return Call(recipe=recipe, inputs=exchanged)


@dataclass(frozen=True)
class RegisteredKind:
    """A version of a registered model, as the registry has it when the run starts."""

    find: Callable[[str], tuple[str, Artifact]]

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the version's artifact, keyed by its digest; raises MissingError that names what there is."""
        reference = str(node.detail["reference"])
        version, artifact = self.find(reference)
        recipe = (
            Ingredient("kind", "", f"registered/{BUILTIN_FORMAT}"),
            Ingredient("input", reference, f"{artifact.digest} {artifact.format}", version),
        )
        return Call(recipe=recipe, inputs=inputs, act=lambda _action: Acted(outputs={"": artifact}))


def put_json(store: Store, value: object, format_: str) -> Artifact:
    """Store plain data as an artifact of one of Legato's own formats."""
    import io

    data = canonical(value)
    return Artifact(digest=store.put(io.BytesIO(data)), size_bytes=len(data), format=format_)


@dataclass(frozen=True)
class ActionKind:
    """Registering and deploying: acts in this process on what its inputs say.

    Attributes:
        act: Called with the node, its inputs and the action.
        cached: False: looks at the world each time (an endpoint may have died).
        extra: More for the recipe.
        rests_on: More for the recipe, asked when the inputs are known.
    """

    act: Callable[[Node, Inputs, Action], Acted]
    sources: Sources
    cached: bool = True
    extra: tuple[Ingredient, ...] = ()
    rests_on: Callable[[Node, Inputs], tuple[Ingredient, ...]] = lambda _node, _inputs: ()

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the action."""
        told = Ingredient("kind", "detail", digest_of(canonical(node.detail)))
        act = self.act
        if not self.cached:
            return Call(recipe=None, inputs=inputs, act=lambda action: act(node, inputs, action))
        more = (*self.extra, *self.rests_on(node, inputs))
        recipe = (*self.sources.recipe(node, inputs), told, *more)
        return Call(recipe=recipe, inputs=inputs, act=lambda action: act(node, inputs, action))


@dataclass(frozen=True)
class SearchKind:
    """A search, whose room is entered only where a pipeline has one."""

    kind: Callable[[], Kind]

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the search with its recipe."""
        return self.kind().call(node, inputs)
