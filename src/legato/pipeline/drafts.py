"""The nodes of a graph while they are being made, and what all who make them share.

Rule: a draft becomes a node once; until then every part adds what it knows, and notes problems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from legato.domain.graph import Axis, Input, Node, Output, Place, Setting, Words
from legato.pipeline.annotations import MISSING, Resolver, show
from legato.pipeline.handles import Command, Derived, Handle, OneOutput, StepHandle, handle_of
from legato.pipeline.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from legato.pipeline.fan_words import FanOut
    from legato.pipeline.names import Names
    from legato.pipeline.places import Places
    from legato.pipeline.problems import Problems
    from legato.pipeline.signatures import Reading


class Draft:
    """One node being made.

    Attributes:
        function: What runs, for steps and checks.
        forms: The resolved annotation of each parameter.
        hints: The resolved annotation of each output field.
        result: The NamedTuple or dataclass that holds several outputs.
        changes: What `.using(...)` gave.
        fan_out: What `matrix=`, `each=` and `when=` say.
        parts: By input: `element` or `gathered`, where it does not take the artifact as it is.
    """

    def __init__(self, name: str, kind: str, place: Place, handle: Handle) -> None:
        self.name = name
        self.kind = kind
        self.place = place
        self.handle = handle
        self.function: Callable[..., object] | None = None
        self.reading: Reading | None = None
        self.changes: Mapping[str, object] = {}
        self.inputs: dict[str, str] = {}
        self.outputs: list[Output] = []
        self.settings: list[Setting] = []
        self.words = Words()
        self.uses: tuple[object, ...] = ()
        self.after: list[str] = []
        self.detail: Mapping[str, object] = {}
        self.forms: dict[str, object] = {}
        self.hints: dict[str, object] = {}
        self.result: type | None = None
        self.fan_out: FanOut | None = None
        self.parts: dict[str, str] = {}
        self.axes: tuple[Axis, ...] = ()
        self.when = ""
        self.wanted = True

    def makes(self, artifact: str, annotation: object = MISSING, *, field: str = "", path: str = "") -> None:
        """Add an output."""
        self.outputs.append(Output(artifact=artifact, field=field, type=show(annotation), path=path))
        self.hints[field] = annotation

    def output(self, field: str) -> Output | None:
        """Return the output of a field, or None when there is none."""
        return next((output for output in self.outputs if output.field == field), None)

    def annotation_of(self, artifact: str) -> object:
        """Return the annotation of an artifact that it makes."""
        return next(self.hints[output.field] for output in self.outputs if output.artifact == artifact)

    def node(self) -> Node:
        """Return the finished node."""
        inputs = tuple(
            Input(
                parameter=parameter,
                artifact=artifact,
                type=show(self.forms.get(parameter, MISSING)),
                part=self.parts.get(parameter, ""),
            )
            for parameter, artifact in self.inputs.items()
        )
        return Node(
            name=self.name,
            kind=self.kind,
            inputs=inputs,
            outputs=tuple(self.outputs),
            settings=tuple(self.settings),
            words=self.words,
            after=tuple(self.after),
            place=self.place,
            detail=self.detail,
            axes=self.axes,
            when=self.when,
            wanted=self.wanted,
        )


class Sheet:
    """A pipeline being collected.

    Attributes:
        drafts: By node, in the author's order.
        makers: The draft that makes each artifact.
        short: Short names of artifacts that are named by their path, where only one can be meant.
        templates: Steps that only serve others by `.using(...)`, since they lack an input: name -> why.
    """

    def __init__(self, names: Names, places: Places, resolver: Resolver, problems: Problems) -> None:
        self.names = names
        self.places = places
        self.resolver = resolver
        self.problems = problems
        self.drafts: dict[str, Draft] = {}
        self.makers: dict[str, Draft] = {}
        self.short: dict[str, str] = {}
        self.templates: dict[str, str] = {}

    def annotation(self, reading: Reading, name: str) -> object:
        """Return a resolved annotation of a function; `return` names its result."""
        return self.resolver.resolve(reading.annotations.get(name, MISSING), reading.namespace)

    def artifact(self, source: object, asker: str, at: Place) -> str | None:
        """Return the name of the artifact that a handle or text stands for; else note why and return None."""
        if isinstance(source, str):
            return self._by_name(source, asker, at)
        thing = handle_of(source)
        if isinstance(thing, OneOutput):
            return self._one_output(thing, asker, at)
        if thing is None:
            self.problems.add(
                f"{asker} takes {str(source)[:80]!r}, which is no artifact",
                at,
                'pass a step, a dataset, step.output("field"), or the name of an artifact',
            )
            return None
        draft = self.draft_of(thing, asker, at)
        return None if draft is None else self._single(draft, asker, at)

    def draft_of(self, thing: Handle, asker: str, at: Place) -> Draft | None:
        """Return the draft of a thing; note a problem when the module has no name for it."""
        name = self.names.of(thing)
        if name is None:
            what = thing.of.function.__name__ if isinstance(thing, Derived) else getattr(thing, "path", "")
            what = thing.function.__name__ if isinstance(thing, StepHandle) else what
            self.problems.add(
                f"{asker} takes the {thing.word} {what} of {self.places.of(thing)}, which has no name here",
                at,
                _how_to_name(thing),
            )
            return None
        draft = self.drafts.get(name)
        if draft is None:
            why = self.templates.get(name) or f"`{name}` is a {thing.word}"
            self.problems.add(
                f"{asker} takes `{name}`, which makes no artifact: {why}", at, "pass a step or dataset"
            )
        return draft

    def _one_output(self, thing: OneOutput, asker: str, at: Place) -> str | None:
        draft = self.draft_of(thing.of, asker, at)
        if draft is None:
            return None
        output = draft.output(thing.field)
        if output is None:
            fields = [output.field for output in draft.outputs if output.field]
            self.problems.add(
                f"`{draft.name}` has no output {thing.field!r}",
                self.places.of(thing),
                did_you_mean(thing.field, fields, "outputs")
                if fields
                else f"it has one result: pass {draft.name} itself",
            )
            return None
        return output.artifact

    def _single(self, draft: Draft, asker: str, at: Place) -> str | None:
        if len(draft.outputs) == 1:
            return draft.outputs[0].artifact
        self.problems.add(
            f"{asker} takes `{draft.name}`, {self._why_not_one(draft)[0]}", at, self._why_not_one(draft)[1]
        )
        return None

    def _why_not_one(self, draft: Draft) -> tuple[str, str]:
        if not draft.outputs:
            return f"which is a {draft.kind} and makes no artifact", "take an artifact that a step makes"
        fields = [output.field for output in draft.outputs]
        return (
            f"which makes several artifacts: {', '.join(fields)}",
            f'take one of them: {draft.name}.output("{fields[0]}")',
        )

    def _by_name(self, name: str, asker: str, at: Place) -> str | None:
        if name in self.makers or name in self.short:
            return self.short.get(name, name)
        alias = self.names.aliases.get(name)
        if alias is not None:
            return self._one_output(alias, asker, at)
        message, hint = self._why_unknown(name)
        self.problems.add(f"{asker} takes `{name}`, {message}", at, hint)
        return None

    def _why_unknown(self, name: str) -> tuple[str, str]:
        if name in self.drafts:
            return self._why_not_one(self.drafts[name])
        if name in self.templates:
            return f"which makes no artifact: {self.templates[name]}", "give the step what it needs"
        thing = self.names.things.get(name)
        if thing is not None and thing.word == "parameter":
            return "which is a parameter and no artifact", f"make it keyword-only: write `*, {name}`"
        if thing is not None:
            return f"which is a {thing.word} and makes no artifact", "take an artifact that a step makes"
        hint = did_you_mean(name, {**self.makers, **self.short, **self.names.aliases}, "artifacts")
        waiting = [why for why in self.templates.values() if f"`{name}`" in why]
        return "which nothing makes", hint if not waiting else f"{hint}; {waiting[0]}"


def _how_to_name(thing: Handle) -> str:
    if isinstance(thing, StepHandle):
        return f"import it by name: from {thing.function.__module__} import {thing.function.__name__}"
    if isinstance(thing, Command):
        return f'take it by its name: "{thing.name}"'
    return f"give it a name first: my_{thing.word} = …"
