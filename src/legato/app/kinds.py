"""What each kind of node is to the engine: how it is cached, and how it runs.

Rule: one small class a kind; a kind asks the registry, the store or the loader only through what it was given.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from legato.domain.artifacts import Artifact, Manifest, ManifestEntry
from legato.domain.digests import Digest, canonical, digest_of
from legato.domain.errors import MissingError, OutsideError
from legato.domain.graph import Node
from legato.domain.keys import Ingredient, Recipe
from legato.domain.messages import Fingerprint
from legato.engine.files import Files
from legato.engine.kinds import Acted, Action, Call, Inputs
from legato.formats import FILE, FOLDER
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
        found = self.fingerprints.get(node.name)
        parts = [Ingredient("kind", "", f"{node.kind}/{BUILTIN_FORMAT}")]
        parts += found.ingredients if found else ()
        parts += (Ingredient("parameter", s.name, s.wire, s.shown) for s in node.settings)
        parts += self.given(inputs)
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
    champion: Callable[[str, Artifact], Artifact | None]

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the evaluation of the champion, or a note that there is none."""
        candidate = inputs[str(node.detail["parameter"])]
        artifact = self.champion(str(node.detail["model"]), candidate)
        if artifact is None:
            (output,) = node.outputs
            return Call(
                recipe=(Ingredient("kind", "", "no champion/1"),),
                inputs=inputs,
                act=lambda action: self._none(action, output.field),
            )
        exchanged = {**inputs, str(node.detail["parameter"]): artifact}
        recipe = self.sources.recipe(node, exchanged)
        return Call(recipe=recipe, inputs=exchanged)

    def _none(self, action: Action, field: str) -> Acted:  # noqa: ARG002 - the engine's signature
        return Acted(outputs={field: put_json(self.store, "", NOTE)})


def put_json(store: Store, value: object, format_: str) -> Artifact:
    """Store plain data as an artifact of one of Legato's own formats."""
    import io

    data = canonical(value)
    return Artifact(digest=store.put(io.BytesIO(data)), size_bytes=len(data), format=format_)


@dataclass(frozen=True)
class DatasetKind:
    """A file or folder of the repository, taken as it is now; `seen` gets its digest, for lineage."""

    store: Store
    files: Files
    seen: dict[str, str]

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the snapshot, keyed by the content."""
        path = str(node.detail["path"])
        digest = self.seen[node.name] = self._content(node, Path(self.files.root) / path, path)
        name = Path(path).name
        recipe = (
            Ingredient("kind", "", f"dataset/{BUILTIN_FORMAT}"),
            Ingredient("input", path, digest, digest[7:19]),
            Ingredient("parameter", "name", name, name),
        )
        return Call(recipe=recipe, inputs=inputs, act=lambda action: self._take(action, path, digest))

    def _content(self, node: Node, place: Path, path: str) -> str:
        if place.is_dir():
            return digest_of(canonical(self._manifest(place, path)))
        digest = self.files.digest(path)
        if digest:
            return digest
        if place.exists():
            raise OutsideError(f"{path} cannot be read", hint=f"look at the rights of {place}")
        raise MissingError(
            f"dataset {node.name!r} is not there: {path}", hint=_nearest(place), where=str(node.place)
        )

    def _manifest(self, place: Path, path: str) -> Manifest:
        entries = []
        self.files.digest(f"{path.rstrip('/')}/")
        for file in sorted(place.rglob("*")):
            if file.is_dir():
                self.files.digest(f"{file.relative_to(self.files.root).as_posix()}/")
            elif file.is_file():
                relative = file.relative_to(place).as_posix()
                digest = self.files.digest(f"{path.rstrip('/')}/{relative}")
                status = file.stat()
                executable = bool(status.st_mode & 0o100)
                entries.append(ManifestEntry(relative, Digest(digest), status.st_size, executable))
        return Manifest(files=tuple(sorted(entries)))

    def _take(self, action: Action, path: str, digest: str) -> Acted:  # noqa: ARG002 - one signature for all
        placed = self.store.put_path(Path(self.files.root) / path)
        if not placed.tree and placed.digest != digest:
            raise OutsideError(
                f"{path} changed while it was read", hint="run again when nothing writes to it"
            )
        artifact = Artifact(
            digest=placed.digest,
            size_bytes=placed.size_bytes,
            format=FOLDER if placed.tree else FILE,
            type="pathlib.Path",
            tree=placed.tree,
            about={"name": Path(path).name},
        )
        return Acted(outputs={"": artifact})


def _nearest(place: Path) -> str:
    import difflib

    folder = place.parent
    if place.is_symlink():
        return f"{place} is a link that leads nowhere: {place.readlink()}"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    near = difflib.get_close_matches(place.name, [file.name for file in folder.iterdir()], n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"put the file at {place}, or change lg.dataset(...)"


@dataclass(frozen=True)
class ActionKind:
    """Registering and deploying: acts in this process on what its inputs say.

    Attributes:
        act: Called with the node, its inputs and the action.
        cached: False: looks at the world each time (an endpoint may have died).
        extra: More for the recipe, read when the inputs are known.
    """

    act: Callable[[Node, Inputs, Action], Acted]
    sources: Sources
    cached: bool = True
    extra: tuple[Ingredient, ...] = ()

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the action."""
        told = Ingredient("kind", "detail", digest_of(canonical(node.detail)))
        recipe = (*self.sources.recipe(node, inputs), told, *self.extra) if self.cached else None
        return Call(recipe=recipe, inputs=inputs, act=lambda action: self.act(node, inputs, action))
