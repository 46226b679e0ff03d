"""Makes a draft of each thing: what it is, which artifacts it makes, which words it carries.

Rule: nothing is wired yet; each thing is read alone.
"""

from __future__ import annotations

import posixpath
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING

from legato.domain.errors import ConfigurationError
from legato.formats import asks_for_pickle
from legato.pipeline.addresses import detail_of
from legato.pipeline.annotations import MISSING, Named, bare, is_any, show
from legato.pipeline.drafts import Draft, Sheet
from legato.pipeline.fan_words import FanOut
from legato.pipeline.fitting import is_record
from legato.pipeline.handles import FORMATS, Command, Dataset, Derived, Registered, StepHandle, handle_of
from legato.pipeline.including import Included, of_module
from legato.pipeline.programs import Line, followed
from legato.pipeline.signatures import Reading, read
from legato.pipeline.words import read_packages, read_uses, read_words

if TYPE_CHECKING:
    from collections.abc import Mapping


def declare(sheet: Sheet) -> None:
    """Put a draft of every step, check, dataset and command on the sheet; say who makes which artifact."""
    for name, thing in sheet.names.things.items():
        if not isinstance(thing, StepHandle | Derived | Dataset | Command | Registered):
            continue
        draft = Draft(name, "step", sheet.places.of(thing), thing)
        sheet.drafts[name] = draft
        try:
            _declare_one(sheet, draft, thing)
        except ConfigurationError as error:
            sheet.problems.note(error, f"{thing.word} `{name}`", draft.place)
    for draft in sheet.drafts.values():
        publish(sheet, draft)


def _declare_one(
    sheet: Sheet, draft: Draft, thing: StepHandle | Derived[..., object] | Dataset | Command | Registered
) -> None:
    match thing:
        case StepHandle():
            _call(sheet, draft, thing, sheet.names.values[draft.name])
            _results(sheet, draft, "")
        case Derived():
            draft.changes = thing.changes
            _call(sheet, draft, thing.of, thing.of.function)
            _results(sheet, draft, thing.fields if isinstance(thing, Included) else f"{draft.name}.")
        case Registered():
            draft.kind = "registered"
            draft.detail = {"reference": thing.reference}
            draft.makes(draft.name)
        case Dataset():
            _dataset(sheet, draft, thing)
        case Command():
            _command(sheet, draft, thing)


def publish(sheet: Sheet, draft: Draft) -> None:
    """Make a draft's artifacts known by name; note names that are taken or cannot be parameters."""
    for output in draft.outputs:
        name = output.artifact
        other = sheet.makers.get(name) or sheet.drafts.get(name)
        if other is not None and other is not draft:
            sheet.problems.add(
                f"two things are called `{name}`: {_shown(other)} and {_shown(draft)}",
                draft.place,
                "rename one of them; the same step again is step.using(...)",
            )
            continue
        if iskeyword(name):
            sheet.problems.add(
                f"`{draft.name}` makes an artifact called `{name}`, a keyword, so nothing can take it",
                draft.place,
                f"call it {name}_",
            )
        sheet.makers[name] = draft


def _shown(draft: Draft) -> str:
    return f"the one of {draft.kind} {draft.name} at {draft.place}"


def _call(sheet: Sheet, draft: Draft, handle: StepHandle, function: object) -> None:
    draft.kind = handle.kind
    draft.function = function if callable(function) else handle.function
    reading = draft.reading = read(handle.function)
    if reading.problem:
        sheet.problems.add(
            f"`{draft.name}` cannot be a {draft.kind}: {reading.problem}",
            draft.place,
            "name each input; parameters follow `*`: def train(rows, *, depth=3)",
        )
    draft.forms = {name: sheet.annotation(reading, name) for name in (*reading.inputs, *reading.parameters)}
    if handle.words:
        draft.words = read_words(handle.words)
        draft.uses = read_uses(handle.words)
        draft.fan_out = FanOut(handle.words)
        folder = posixpath.dirname(sheet.places.of(handle).file)
        draft.detail = {**draft.detail, **read_packages(handle.words, folder)}


def _results(sheet: Sheet, draft: Draft, prefix: str) -> None:
    reading = draft.reading
    if reading is None:
        return
    annotation = sheet.annotation(reading, "return")
    if isinstance(annotation, Named):
        annotation = sheet.resolver.imported(annotation)
    if draft.kind == "check":
        _returns_nothing(sheet, draft, annotation)
        return
    fields = _fields(sheet, annotation)
    if fields is None:
        draft.makes(draft.name, annotation)
        return
    draft.result = bare(annotation)  # type: ignore[assignment]
    if not fields:
        sheet.problems.add(
            f"`{draft.name}` returns {show(annotation)}, which has no fields",
            draft.place,
            "give it a field for each artifact",
        )
    for field, kind in fields.items():
        draft.makes(prefix + field, kind, field=field)


def _returns_nothing(sheet: Sheet, draft: Draft, annotation: object) -> None:
    if not is_any(annotation) and annotation is not type(None):
        sheet.problems.add(
            f"the check `{draft.name}` returns {show(annotation)}; a check returns nothing, it raises",
            draft.place,
            f"write `assert …` and `-> None`, or make it a step: @lg.step def {draft.name}(…)",
        )


def _fields(sheet: Sheet, annotation: object) -> dict[str, object] | None:
    """Return the fields of a result that stands for several artifacts, or None when it is one."""
    kind = bare(annotation)
    if not isinstance(kind, type) or not is_record(kind) or any(kind is owned for owned, _ in FORMATS):
        return None
    if asks_for_pickle(annotation):  # as one object, whatever fields it has
        return None
    names = getattr(kind, "_fields", None) or kind.__dict__.get("__dataclass_fields__", ())
    types: dict[str, object] = {}
    for base in reversed(kind.__mro__):
        types |= base.__dict__.get("__annotations__", {})  # noqa: RUF063 - inspect is slow
    return {name: sheet.resolver.resolve(types.get(name, MISSING), _namespace(kind)) for name in names}


def _namespace(kind: type) -> Mapping[str, object]:
    import sys

    module = sys.modules.get(kind.__module__)
    return {} if module is None else vars(module)


def _dataset(sheet: Sheet, draft: Draft, handle: Dataset) -> None:
    draft.kind = "dataset"
    draft.detail = detail_of(handle, sheet.places)
    draft.makes(draft.name)


def _command(sheet: Sheet, draft: Draft, handle: Command) -> None:
    line = Line(handle.line)
    draft.kind = "command"
    draft.words = read_words(handle.words)
    draft.uses = read_uses(handle.words)
    draft.fan_out = FanOut(handle.words)
    names = dict.fromkeys([*(name for name in line.names if name not in handle.params), *handle.inputs])
    draft.reading = Reading(tuple(names), handle.params, {}, {})
    detail: dict[str, object] = {"line": handle.line, "arguments": list(line.arguments)}
    if handle.inputs:
        detail["inputs"] = _fixed_inputs(handle)
    if handle.code is not None:
        detail["code"] = list(handle.code)
    runs = followed(line.arguments)
    if runs is not None:
        detail[runs[0]] = runs[1]
    folder = posixpath.dirname(sheet.places.of(handle).file)
    draft.detail = {**detail, **read_packages(handle.words, folder)}
    _command_outputs(draft, handle, line)
    unused = [name for name in handle.params if name not in line.names]
    if unused:
        raise ConfigurationError(
            f"its parameter `{unused[0]}` is not in the line", hint=f"write {{{unused[0]}}} where it belongs"
        )


def _fixed_inputs(handle: Command) -> dict[str, str]:
    """Return the path at which each input of `inputs=` is read."""
    for name, path in handle.inputs.items():
        if not str(name).isidentifier() or name in handle.params:
            raise ConfigurationError(f"{name!r} is no name for an input", hint='write inputs={"table": …}')
        if not isinstance(path, Path):
            raise ConfigurationError(
                f"its input `{name}` is {path!r}, not a path",
                hint=f'write inputs={{"{name}": Path("data/{name}")}}',
            )
    return {name: _inside(path) for name, path in handle.inputs.items() if isinstance(path, Path)}


def _command_outputs(draft: Draft, handle: Command, line: Line) -> None:
    for name, kind in handle.outputs.items():
        if not str(name).isidentifier():
            raise ConfigurationError(f"{name!r} is no name for an output", hint='write outputs={"model": …}')
        if isinstance(kind, Path):
            draft.makes(name, Path, field=name, path=_inside(kind))
        elif name in line.outputs:
            draft.makes(name, kind, field=name)
        else:
            raise ConfigurationError(
                f"nothing says where its output `{name}` is written",
                hint=f'write {{out.{name}}} into the line, or outputs={{"{name}": Path("models/{name}")}}',
            )
    for name in line.outputs:
        if name not in handle.outputs:
            draft.makes(name, MISSING, field=name)


def _inside(path: Path) -> str:
    text = posixpath.normpath(path.as_posix())
    if path.is_absolute() or text in {".", ".."} or text.startswith("../"):
        raise ConfigurationError(
            f"its output {str(path)!r} lies outside the folder it runs in",
            hint="write a path below it: models/m.pkl",
        )
    return text


def keep_together(sheet: Sheet, namespace: Mapping[str, object]) -> None:
    """Wire what was taken in together among itself, before anything is looked for by its own name."""
    for inclusion in of_module(namespace):
        drafts = [sheet.drafts[name] for name in inclusion.members if name in sheet.drafts]
        made = {output.artifact for draft in drafts for output in draft.outputs}
        for draft in drafts:
            _keep(draft, inclusion.prefix, made)


def _keep(draft: Draft, prefix: str, made: set[str]) -> None:
    if draft.fan_out is not None:
        draft.fan_out.rename(lambda source: _taken_along(source, prefix, made))
    if draft.reading is None or not prefix:
        return
    wired = dict(draft.changes)
    each = draft.fan_out.each if draft.fan_out is not None else {}
    for name in draft.reading.inputs:
        if name in each:
            continue
        source = wired.get(name, name)
        if isinstance(source, str) and prefix + source in made:
            wired[name] = prefix + source
    draft.changes = wired


def _taken_along(source: object, prefix: str, made: set[str]) -> object:
    """Return the name that an artifact of the other module has here, where it was taken in too."""
    thing = None if isinstance(source, str) else handle_of(source)
    name = thing.function.__name__ if isinstance(thing, StepHandle) else source
    return f"{prefix}{name}" if isinstance(name, str) and f"{prefix}{name}" in made else source
