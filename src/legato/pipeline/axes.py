"""Fans steps out: reads `matrix=`, `each=` and `when=`, and follows the axes from step to step.

Rule: what cannot be fanned out is refused before anything runs, with the line of the step and what to write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import msgspec

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Axis, AxisValue
from legato.pipeline.annotations import MISSING, bare, show
from legato.pipeline.drafts import Draft, Sheet
from legato.pipeline.gathered import inner_of, is_gathered
from legato.pipeline.handles import Handle, Parameter, handle_of
from legato.pipeline.matching import fits
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.values import fitted, from_json, from_text, wire_of

if TYPE_CHECKING:
    from legato.domain.messages import Override
    from legato.pipeline.fan_words import FanOut

FANNED: Final = frozenset({"step", "check", "command"})
_OUTSIDE: Final = frozenset({"config", "file", "option"})


def wire_elements(sheet: Sheet, draft: Draft) -> None:
    """Wire the inputs that `each=` and `lg.Gathered` speak of; called when all inputs are wired by name."""
    for name in draft.inputs:
        if is_gathered(draft.forms.get(name)):
            draft.parts[name] = "gathered"
    fan_out = draft.fan_out
    if fan_out is None or draft.reading is None:
        return
    _refuse_unknown_axes(sheet, draft, fan_out)
    for name, source in fan_out.each.items():
        if name not in draft.reading.inputs or name in draft.changes:
            continue
        artifact = sheet.artifact(source, f"each= of `{draft.name}`", draft.place)
        if artifact is None:
            del draft.inputs[name]
            continue
        if draft.parts.get(name) == "gathered":
            sheet.problems.add(
                f"`{draft.name}` takes `{name}` as one element by each=, but annotates it {show(draft.forms[name])}",
                draft.place,
                "annotate it as one element",
            )
        draft.inputs[name] = _elements(sheet, artifact, draft)
        draft.parts[name] = "element"


def _refuse_unknown_axes(sheet: Sheet, draft: Draft, fan_out: FanOut) -> None:
    assert draft.reading is not None  # noqa: S101 - asked for by the only caller
    parameters, inputs = draft.reading.parameters, draft.reading.inputs
    for name in fan_out.matrix:
        if name in parameters:
            continue
        hint = did_you_mean(name, parameters, "parameters") if parameters else "its parameters follow `*`"
        if name in inputs:
            hint = f'`{name}` is an input: each={{"{name}": "artifact"}}, or make it a parameter: write `*, {name}`'
        sheet.problems.add(
            f"the matrix of `{draft.name}` runs over `{name}`, which is no parameter of it", draft.place, hint
        )
    for name in fan_out.each:
        if name in inputs:
            continue
        hint = did_you_mean(name, inputs, "inputs") if inputs else "an input is a parameter without default"
        if name in parameters:
            hint = f'`{name}` is a parameter: matrix={{"{name}": [1, 2]}}, or make it an input: write it before `*`'
        sheet.problems.add(
            f"each= of `{draft.name}` runs over `{name}`, which is no input of it", draft.place, hint
        )


def _elements(sheet: Sheet, artifact: str, asker: Draft) -> str:
    """Return the artifact that holds the elements of another; its node is made when it is first asked for."""
    name = f"{artifact}.elements"
    if name not in sheet.drafts:
        maker = sheet.makers[artifact]
        draft = sheet.drafts[name] = Draft(name, "elements", asker.place, asker.handle)
        draft.inputs = {"whole": artifact}
        draft.makes(name, _element_type(maker.annotation_of(artifact)))
        sheet.makers[name] = draft
    return name


def _element_type(annotation: object) -> object:
    """Return what each element of a list or mapping is annotated as."""
    annotation = bare(annotation)
    kind, arguments = get_origin(annotation), get_args(annotation)
    if not isinstance(kind, type) or not arguments:
        return MISSING
    if issubclass(kind, Mapping):
        return arguments[-1]
    if issubclass(kind, tuple):
        return arguments[0] if arguments[-1] is ... else MISSING
    return arguments[0] if issubclass(kind, Sequence) else MISSING


def settle_conditions(sheet: Sheet, overrides: Sequence[Override]) -> None:
    """Find what `when=` of each step stands for: an artifact, or a parameter with its value."""
    for draft in sheet.drafts.values():
        condition = draft.fan_out.when if draft.fan_out is not None else None
        if condition is None:
            continue
        thing = sheet.names.things.get(condition) if isinstance(condition, str) else handle_of(condition)
        try:
            if isinstance(thing, Parameter):
                draft.wanted = _value(sheet, thing, overrides)
            elif isinstance(condition, bool):
                draft.wanted = condition
            else:
                _condition(sheet, draft, condition)
        except ConfigurationError as error:
            sheet.problems.note(error, f"when= of `{draft.name}`", draft.place)


def _value(sheet: Sheet, parameter: Parameter, overrides: Sequence[Override]) -> bool:
    name = sheet.names.of(parameter)
    value: object = parameter.default
    for override in overrides:
        if not override.step and override.name == name:
            given = override.text
            value = from_json(bool, override.wire or "") if given is None else from_text(bool, given)
    if not isinstance(value, bool):
        raise ConfigurationError(
            f"`{name}` is {value!r}, neither True nor False",
            hint=f"say which: -p {name}=true; or write lg.parameter(bool, default=True)",
        )
    return value


def _condition(sheet: Sheet, draft: Draft, condition: object) -> None:
    artifact = sheet.artifact(condition, f"when= of `{draft.name}`", draft.place)
    if artifact is None:
        return
    made = sheet.makers[artifact].annotation_of(artifact)
    if not fits(made, bool):
        raise ConfigurationError(
            f"`{artifact}` is a {show(made)}, not a bool", hint=f"let {artifact} return True or False"
        )
    draft.when = artifact


def fan_out(sheet: Sheet, order: Sequence[str]) -> None:
    """Give every draft its axes: its own, and those of what it takes; in `order` each follows what it needs."""
    told: set[int] = set()
    for name in order:
        draft = sheet.drafts[name]
        axes: dict[str, tuple[Axis, str]] = {}
        for artifact in (*_plain(draft), *((draft.when,) if draft.when else ())):
            maker = sheet.makers[artifact]
            for axis in maker.axes:
                _add(sheet, draft, axes, axis, f"`{artifact}`")
        inherited = dict(axes)
        for axis in _own(sheet, draft):
            _add(sheet, draft, axes, axis, "the step itself")
        _refuse_gathered(sheet, draft)
        if inherited and draft.kind not in FANNED:
            if id(draft.handle) not in told:
                told.add(id(draft.handle))
                _refuse_fanned(sheet, draft, inherited)
            continue
        draft.axes = tuple(axis for axis, _ in axes.values())


def _plain(draft: Draft) -> list[str]:
    return [artifact for parameter, artifact in draft.inputs.items() if not draft.parts.get(parameter)]


def _add(sheet: Sheet, draft: Draft, axes: dict[str, tuple[Axis, str]], axis: Axis, source: str) -> None:
    known, first = axes.setdefault(axis.name, (axis, source))
    if known != axis:
        sheet.problems.add(
            f"`{draft.name}` would be fanned out over two different `{axis.name}`: that of {first} "
            f"({_told(known)}) and that of {source} ({_told(axis)})",
            draft.place,
            "give one of the two axes another name, or take one of the inputs as lg.Gathered[…]",
        )


def _told(axis: Axis) -> str:
    if axis.source:
        return f"each of {axis.source.rpartition('.')[0]}"
    return ", ".join(value.shown for value in axis.values)


def _own(sheet: Sheet, draft: Draft) -> list[Axis]:
    """Return the axes that a step brings itself; a variant that fixes one of them goes without it."""
    if draft.fan_out is None:
        return []
    axes = [
        axis
        for name, values in draft.fan_out.matrix.items()
        if name not in draft.changes and (axis := _matrix_axis(sheet, draft, name, values)) is not None
    ]
    axes += [
        Axis(name=name, source=draft.inputs[name])
        for name in draft.fan_out.each
        if draft.parts.get(name) == "element"
    ]
    return axes


def _matrix_axis(sheet: Sheet, draft: Draft, name: str, values: Any) -> Axis | None:  # noqa: ANN401 - as written
    at = next((at for at, setting in enumerate(draft.settings) if setting.name == name), None)
    if at is None:
        return None  # said already: there is no such parameter, or its default is none
    setting = draft.settings[at]
    if setting.origin in _OUTSIDE:
        sheet.problems.add(
            f"`{draft.name}.{name}` runs over a matrix ({', '.join(map(repr, values))}), so it takes no single value",
            draft.place,
            f"run one of its elements: legato run '{draft.name}[{name}={_key(values[0])}]'",
        )
        return None
    try:
        found = tuple(_axis_value(draft.forms.get(name, MISSING), value) for value in values)
        _refuse_doubles(name, found)
    except ConfigurationError as error:
        sheet.problems.note(error, f"the matrix of `{draft.name}`, {name}", draft.place)
        return None
    shown = " | ".join(value.shown for value in found)
    draft.settings[at] = msgspec.structs.replace(setting, wire=found[0].wire, shown=shown, origin="matrix")
    return Axis(name=name, values=found)


def _axis_value(annotation: object, value: object) -> AxisValue:
    converted = fitted(annotation, value)
    return AxisValue(key=_key(converted), wire=wire_of(converted), shown=repr(converted))


def _refuse_doubles(name: str, values: Sequence[AxisValue]) -> None:
    seen: dict[str, AxisValue] = {}
    for value in values:
        other = seen.setdefault(value.key, value)
        if other is not value:
            same = (
                f"{other.shown} and {value.shown} are both called"
                if other.shown != value.shown
                else "twice there is"
            )
            raise ConfigurationError(f"{same} {name}={value.key}", hint="leave one of them out")


def _key(value: object) -> str:
    """Return what one value of a matrix is called.

    >>> _key(0.5), _key(True), _key(None), _key((1, 2))
    ('0.5', 'true', 'none', '1-2')
    """
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return "-".join(_key(item) for item in value)
    return str(value)


def _refuse_gathered(sheet: Sheet, draft: Draft) -> None:
    gathered = [name for name, part in draft.parts.items() if part == "gathered"]
    for name in gathered:
        artifact = draft.inputs[name]
        if not sheet.makers[artifact].axes:
            sheet.problems.add(
                f"`{draft.name}` takes `{name}` as {show(draft.forms[name])}, but `{artifact}` is not fanned out",
                draft.place,
                f"annotate it {show(inner_of(draft.forms[name])) or 'as it is made'}, or fan out the step "
                f"`{sheet.makers[artifact].name}` by matrix= or each=",
            )
    if draft.words.tolerate and not gathered:
        sheet.problems.add(
            f"`{draft.name}` has tolerate={draft.words.tolerate:g}, but gathers nothing",
            draft.place,
            "annotate the input whose elements may be missing: lg.Gathered[…]",
        )


def _refuse_fanned(sheet: Sheet, draft: Draft, axes: Mapping[str, tuple[Axis, str]]) -> None:
    over = ", ".join(axes)
    taken = next(iter(axes.values()))[1]
    if draft.kind == "elements":
        message = f"each= runs over {taken}, which is itself fanned out over {over}"
        hint = "gather it first: in a step that takes lg.Gathered[…] and returns one list or mapping"
    else:
        thing: Handle = draft.handle
        name = sheet.names.of(thing) or draft.name
        message = f"the {thing.word} `{name}` takes {taken}, which is fanned out over {over}"
        hint = "choose or join in a step between: annotate its input with lg.Gathered[…]"
    sheet.problems.add(message, draft.place, hint)
