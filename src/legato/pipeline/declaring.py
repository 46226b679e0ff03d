"""Makes a draft of each thing: what it is, which artifacts it makes, which words it carries.

Rule: nothing is wired yet; each thing is read alone.
"""

from __future__ import annotations

import posixpath
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING

from legato.domain.errors import ConfigurationError
from legato.pipeline.annotations import MISSING, Named, bare, is_any, show
from legato.pipeline.drafts import Draft, Sheet
from legato.pipeline.fitting import is_record
from legato.pipeline.handles import FORMATS, Command, Dataset, Derived, StepHandle
from legato.pipeline.programs import Line, followed
from legato.pipeline.signatures import Reading, read
from legato.pipeline.words import read_uses, read_words

if TYPE_CHECKING:
    from collections.abc import Mapping


def declare(sheet: Sheet) -> None:
    """Put a draft of every step, check, dataset and command on the sheet; say who makes which artifact."""
    for name, thing in sheet.names.things.items():
        if not isinstance(thing, StepHandle | Derived | Dataset | Command):
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
    sheet: Sheet, draft: Draft, thing: StepHandle | Derived[..., object] | Dataset | Command
) -> None:
    match thing:
        case StepHandle():
            _call(sheet, draft, thing, sheet.names.values[draft.name])
            _results(sheet, draft, "")
        case Derived():
            draft.changes = thing.changes
            _call(sheet, draft, thing.of, thing.of.function)
            _results(sheet, draft, f"{draft.name}.")
        case Dataset():
            _dataset(sheet, draft, thing)
        case Command():
            _command(draft, thing)


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
    folder = posixpath.dirname(handle.spot.file)
    path = posixpath.abspath(posixpath.join(folder, handle.path))
    relative = sheet.places.relative(path)
    if relative == path or path.endswith("/.."):
        raise ConfigurationError(
            f"{handle.path!r} lies outside the repository",
            hint="put it below the repository (a symbolic link serves), or read it in a step without inputs",
        )
    is_folder = handle.path.endswith("/") or Path(path).is_dir()
    draft.kind = "dataset"
    draft.detail = {"path": relative, "kind": "folder" if is_folder else "file"}
    draft.makes(draft.name)


def _command(draft: Draft, handle: Command) -> None:
    line = Line(handle.line)
    draft.kind = "command"
    draft.words = read_words(handle.words)
    draft.uses = read_uses(handle.words)
    draft.reading = Reading(tuple(n for n in line.names if n not in handle.params), handle.params, {}, {})
    detail: dict[str, object] = {"line": handle.line, "arguments": list(line.arguments)}
    if handle.code is not None:
        detail["code"] = list(handle.code)
    runs = followed(line.arguments)
    if runs is not None:
        detail[runs[0]] = runs[1]
    draft.detail = detail
    _command_outputs(draft, handle, line)
    unused = [name for name in handle.params if name not in line.names]
    if unused:
        raise ConfigurationError(
            f"its parameter `{unused[0]}` is not in the line", hint=f"write {{{unused[0]}}} where it belongs"
        )


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
