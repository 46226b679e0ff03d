"""Collects a pipeline: from the things that a module holds to its graph, before anything runs.

Rule: importing the module was the last that ran; collecting calls none of the author's functions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from legato.domain.errors import UserCodeError
from legato.domain.graph import Graph, Node, Place, Setting
from legato.domain.units import with_article
from legato.pipeline.annotations import Named, Resolver, Unresolved, show
from legato.pipeline.axes import fan_out, settle_conditions, wire_elements
from legato.pipeline.declaring import declare, keep_together
from legato.pipeline.drafts import Draft, Sheet
from legato.pipeline.gathered import inner_of
from legato.pipeline.handles import FORMATS, Derived, Handle, Parameter, handle_of
from legato.pipeline.matching import fits
from legato.pipeline.models import expand
from legato.pipeline.names import find_names
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.order import CycleError, guard, in_order
from legato.pipeline.others.describing import describe
from legato.pipeline.places import Places
from legato.pipeline.problems import Problems
from legato.pipeline.settings import has_value, settle
from legato.pipeline.triggers import read_triggers
from legato.pipeline.tuning import declare_searches, settle_searches, tunes
from legato.pipeline.values import from_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import ModuleType

    from legato.domain.messages import Override
    from legato.pipeline.others.stages import Described


class Collected:
    """A pipeline as a graph, and what only this process can hold of it.

    Attributes:
        graph: Plain data; crosses processes.
        functions: What runs, by node: steps, checks, and the evaluation that scores a champion.
        uses: What `uses=` named, by node.
        results: The NamedTuple or dataclass that holds several outputs, by node.
        formats: The author's own types with the classes that save and load them.
        described: What other tools' pipeline files brought.
        notes: What a person should know though it stops nothing.
    """

    def __init__(
        self, graph: Graph, drafts: Mapping[str, Draft], notes: tuple[str, ...], described: Described
    ) -> None:
        self.graph = graph
        self.described = described
        self.functions = {
            name: draft.function for name, draft in drafts.items() if draft.function is not None
        }
        self.uses = {name: draft.uses for name, draft in drafts.items() if draft.uses}
        self.results = {name: draft.result for name, draft in drafts.items() if draft.result is not None}
        self.formats = tuple(FORMATS)
        self.notes = notes
        self._forms = {name: draft.forms for name, draft in drafts.items()}
        self._hints = {name: draft.hints for name, draft in drafts.items()}

    def annotation(self, node: str, parameter: str) -> object:
        """Return the annotation of an input: an object, a text for a type known by name only, or None."""
        return for_formats(self._forms[node].get(parameter))

    def result_annotation(self, node: str, field: str = "") -> object:
        """Return the annotation of an output, like `annotation`."""
        return for_formats(self._hints[node].get(field))

    def settings(self, node: str, settings: Iterable[Setting]) -> dict[str, object]:
        """Return the parameters' values, as the function is to be called with them."""
        forms = self._forms[node]
        return {setting.name: from_wire(forms.get(setting.name), setting.wire) for setting in settings}

    def fields(self, node: str, result: object) -> dict[str, object]:
        """Return what a step returned by output field; a single result has the empty field.

        Raises:
            UserCodeError: The step returned something else than the type it is annotated with.
        """
        kind = self.results.get(node)
        if kind is None:
            return {"": result}
        if not isinstance(result, kind):
            raise UserCodeError(
                f"{node} returned {with_article(type(result).__name__)}, not the {show(kind)} it is annotated with",
                hint=f"return {kind.__name__}(...) with a value for each artifact",
            )
        return {output.field: getattr(result, output.field) for output in self.graph.node(node).outputs}


def for_formats(annotation: object) -> object:
    """Return an annotation as formats read it: an object, a text for a type known by name only, or None."""
    if annotation is None or isinstance(annotation, Unresolved):
        return None
    return annotation.text if isinstance(annotation, Named) else annotation


def collect(
    module: ModuleType,
    *,
    root: Path | str = "",
    overrides: Sequence[Override] = (),
    source: Callable[[str], str | bytes | None] | None = None,
) -> Collected:
    """Collect the pipeline that `module` holds.

    Args:
        module: The imported `pipeline.py`.
        root: The repository's root, absolute; places and datasets are relative to it. Without it, the folder
            of the module.
        overrides: Parameter values from outside; a later one wins.
        source: Returns the text of a source file as it was compiled; without it files are read.

    Raises:
        ConfigurationError: The pipeline cannot run as it is; the first problem, with the others in the hint.
    """
    problems = Problems()
    read = source or _read_file
    file = getattr(module, "__file__", None) or ""
    folder = str(root) or str(Path(file).parent)
    places = Places(folder)
    text = read(file) if file else None
    names = find_names(vars(module), text, places, problems)
    sheet = Sheet(names, places, Resolver(read, folder), problems)
    declare(sheet)
    keep_together(sheet, vars(module))
    described = describe(sheet, folder, overrides)
    overrides = [one for position, one in enumerate(overrides) if position not in described.taken]
    declare_searches(sheet, overrides)
    _set_templates_aside(sheet, overrides)
    for draft in sheet.drafts.values():
        _wire(sheet, draft)
    _refuse_unknown_outputs(sheet)
    for draft in list(sheet.drafts.values()):
        wire_elements(sheet, draft)
    notes = settle(sheet, overrides)
    settle_conditions(sheet, overrides)
    expand(sheet)
    settle_searches(sheet)
    problems.raise_first()
    graph = _graph(sheet)
    _refuse_mismatches(sheet)
    graph = msgspec.structs.replace(graph, triggers=read_triggers(sheet, vars(module)))
    problems.raise_first()
    return Collected(graph, sheet.drafts, (*_own_templates(sheet, vars(module)), *notes), described)


def _read_file(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _set_templates_aside(sheet: Sheet, overrides: Sequence[Override]) -> None:
    """Drop steps that only others use by `.using(...)` and that could not run themselves."""
    used = {id(thing.of) for thing in sheet.names.things.values() if isinstance(thing, Derived)}
    candidates = [draft for draft in sheet.drafts.values() if id(draft.handle) in used]
    dropped = True
    while dropped:
        dropped = False
        for draft in list(candidates):
            why = _cannot_run(sheet, draft, overrides)
            if not why:
                continue
            candidates.remove(draft)
            del sheet.drafts[draft.name]
            outputs = ", ".join(f"`{output.artifact}`" for output in draft.outputs)
            for output in draft.outputs:
                if sheet.makers.get(output.artifact) is draft:
                    del sheet.makers[output.artifact]
            sheet.templates[draft.name] = f"`{draft.name}`, which would make {outputs}, {why}"
            dropped = True


def _own_templates(sheet: Sheet, namespace: Mapping[str, object]) -> tuple[str, ...]:
    """Return notes on templates of the pipeline's own: leaving out an imported one surprises nobody."""
    return tuple(
        f"left out: {why}"
        for name, why in sheet.templates.items()
        if sheet.names.things[name].spot.home is namespace
    )


def _cannot_run(sheet: Sheet, draft: Draft, overrides: Sequence[Override]) -> str:
    if draft.reading is None:
        return ""
    for name in draft.reading.inputs:
        if draft.fan_out is not None and name in draft.fan_out.each:
            continue
        if name not in sheet.makers and name not in sheet.names.aliases and name not in sheet.short:
            return f"has no input `{name}`"
    for name in draft.reading.parameters:
        if not has_value(sheet, draft, name, overrides) and not tunes(sheet, draft.name, name):
            return f"has no value for `{name}`"
    return ""


def _wire(sheet: Sheet, draft: Draft) -> None:
    """Find the artifact of each input, by name or by what `using` says."""
    reading = draft.reading
    if reading is None:
        return
    asker = f"`{draft.name}`"
    each = draft.fan_out.each if draft.fan_out is not None else {}
    for name in reading.inputs:
        if name in each and name not in draft.changes:
            draft.inputs[name] = ""  # in its place among the inputs; wired when all artifacts are known
            continue
        artifact = sheet.artifact(draft.changes.get(name, name), asker, draft.place)
        if artifact is not None:
            draft.inputs[name] = artifact
    for name, value in draft.changes.items():
        if name in reading.parameters:
            _refuse_artifact_as_value(sheet, draft, name, value)
        elif name not in reading.inputs:
            sheet.problems.add(
                f"{asker} is {draft.function.__name__ if draft.function else 'a step'}.using({name}=…), "
                "but it has no such input or parameter",
                draft.place,
                did_you_mean(name, [*reading.inputs, *reading.parameters], "inputs and parameters"),
            )


def _refuse_unknown_outputs(sheet: Sheet) -> None:
    """Look at every handle on one output, also at those that nothing takes."""
    for name, handle in sheet.names.aliases.items():
        if sheet.names.of(handle.of) not in sheet.templates:
            sheet.artifact(handle, f"`{name}`", sheet.places.of(handle))


def _refuse_artifact_as_value(sheet: Sheet, draft: Draft, name: str, value: object) -> None:
    thing: Handle | None = handle_of(value)
    if thing is not None and not isinstance(thing, Parameter):
        sheet.problems.add(
            f"`{draft.name}` is given a {thing.word} for `{name}`, which is a parameter and takes a value",
            draft.place,
            f"pass a plain value, or make `{name}` an input: a parameter without default, before `*`",
        )
        draft.changes = {key: kept for key, kept in draft.changes.items() if key != name}


def _refuse_mismatches(sheet: Sheet) -> None:
    for draft in sheet.drafts.values():
        if draft.kind in {"step", "check"}:
            for parameter, artifact in draft.inputs.items():
                _refuse_mismatch(sheet, draft, parameter, artifact)


def _refuse_mismatch(sheet: Sheet, draft: Draft, parameter: str, artifact: str) -> None:
    maker = sheet.makers[artifact]
    made, taken = maker.annotation_of(artifact), draft.forms[parameter]
    if not fits(made, inner_of(taken) if draft.parts.get(parameter) == "gathered" else taken):
        sheet.problems.add(
            f"`{draft.name}` takes `{parameter}` as {show(taken)}, but `{maker.name}` at {maker.place} "
            f"makes `{artifact}` as {show(made)}",
            draft.place,
            f"take all elements of `{artifact}`: annotate it lg.Gathered[{show(made)}]"
            if maker.axes and draft.parts.get(parameter) != "gathered"
            else f"change one of the two annotations, or the wiring: {draft.name}.using({parameter}=…)",
        )


def _graph(sheet: Sheet) -> Graph:
    drafts = sheet.drafts
    needs = {
        name: list(dict.fromkeys([*(sheet.makers[a].name for a in draft.inputs.values()), *draft.after]))
        for name, draft in drafts.items()
    }
    for name, draft in drafts.items():
        if draft.when:
            needs[name].append(sheet.makers[draft.when].name)
    try:
        fan_out(sheet, in_order(needs))
    except CycleError as cycle:
        _note_cycle(sheet, cycle.path)
        return Graph(nodes=())
    takers: dict[str, list[str]] = {}
    for name, draft in drafts.items():
        for artifact in draft.inputs.values():
            takers.setdefault(artifact, []).append(name)
    judged = {
        name: [taker for artifact in draft.inputs.values() for taker in takers[artifact]]
        for name, draft in drafts.items()
        if draft.kind == "check"
    }
    for name, checks in guard(needs, judged).items():
        drafts[name].after += checks
        needs[name] += checks
    nodes: dict[str, Node] = {name: draft.node() for name, draft in drafts.items()}
    return Graph(nodes=tuple(nodes[name] for name in in_order(needs)))


def _note_cycle(sheet: Sheet, path: Sequence[str]) -> None:
    shown = " -> ".join(f"{name} ({sheet.drafts[name].place})" for name in reversed(path))
    place: Place = sheet.drafts[path[0]].place
    sheet.problems.add(
        f"the steps need each other: {shown}",
        place,
        "break the circle: one of them has to do without the other's result",
    )
