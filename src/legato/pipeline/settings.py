"""Gives every parameter of a pipeline its value: default, shared value, `using`, or what came from outside.

Rule: a later source wins over an earlier one; where nobody gave a value the setting's wire form is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Setting
from legato.pipeline.annotations import is_any, show
from legato.pipeline.handles import Parameter
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.signatures import REQUIRED
from legato.pipeline.values import comes_back, fitted, from_json, from_text, type_of, typed, wire_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from legato.domain.messages import Override
    from legato.pipeline.drafts import Draft, Sheet


class Given(NamedTuple):
    """A value on its way to a parameter: what it is, where it is from, which shared parameter it follows."""

    value: object
    origin: str = "default"
    shared: str = ""


def settle(sheet: Sheet, overrides: Sequence[Override]) -> tuple[str, ...]:
    """Give every parameter its value; return notes on values of the configuration that fit nothing."""
    for draft in sheet.drafts.values():
        if draft.reading is None:
            continue
        for name, default in draft.reading.parameters.items():
            _settle_one(sheet, draft, name, default, overrides)
    return _unknown(sheet, overrides)


def has_value(sheet: Sheet, draft: Draft, name: str, overrides: Sequence[Override]) -> bool:
    """Say whether anything gives this parameter a value."""
    default = draft.reading.parameters[name] if draft.reading else REQUIRED
    given = _starting_value(sheet, draft, name, default)
    return given.value is not REQUIRED or any(_concerns(o, draft.name, name, given.shared) for o in overrides)


def _settle_one(
    sheet: Sheet, draft: Draft, name: str, default: object, overrides: Sequence[Override]
) -> None:
    given = _starting_value(sheet, draft, name, default)
    annotation = _type(sheet, draft, name, given)
    draft.forms[name] = annotation
    subject = f"{draft.name}.{name}"
    from_outside = None
    for override in overrides:
        if _concerns(override, draft.name, name, given.shared):
            from_outside = override
    try:
        if from_outside is not None:
            value = _read(annotation, from_outside)
            shared = given.shared if not from_outside.step else ""
            given = Given(value, from_outside.origin, shared)
        elif given.value is not REQUIRED:
            given = given._replace(value=fitted(annotation, given.value))
        draft.settings.append(_setting(name, annotation, given))
    except ConfigurationError as error:
        place = draft.place if from_outside is None else None
        sheet.problems.note(error, subject, place)


def _starting_value(sheet: Sheet, draft: Draft, name: str, default: object) -> Given:
    """Return the value before anything from outside: `using`, else the shared value, else the default."""
    source = draft.changes.get(name, default)
    if isinstance(source, Parameter):
        return Given(source.default, "default", sheet.names.of(source) or name)
    if name in draft.changes:
        return Given(source, "using")
    shared = sheet.names.things.get(name)
    if isinstance(shared, Parameter):
        return Given(shared.default, "default", name)
    return Given(default)


def _type(sheet: Sheet, draft: Draft, name: str, given: Given) -> object:
    annotation = draft.forms.get(name)
    if annotation is not None and not is_any(annotation):
        default = draft.reading.parameters.get(name) if draft.reading else REQUIRED
        return annotation if default is not None else _or_none(annotation)
    shared = sheet.names.things.get(given.shared) if given.shared else None
    if isinstance(shared, Parameter):
        return shared.annotation
    defaults = draft.reading.parameters if draft.reading else {}
    known = given.value if defaults.get(name, REQUIRED) is REQUIRED else defaults[name]
    return annotation if known is REQUIRED else type_of(known)


def _or_none(annotation: object) -> object:
    """`depth: int = None` means `int | None`, whatever a type checker says."""
    from typing import Optional

    try:
        return Optional[annotation]  # noqa: UP045 - the annotation is a value here
    except TypeError:
        return annotation


def _concerns(override: Override, node: str, name: str, shared: str) -> bool:
    if override.step:
        return override.step == node and override.name == name
    return override.name in (name, shared)


def _read(annotation: object, override: Override) -> object:
    if override.text is not None:
        return from_text(annotation, override.text)
    return from_json(annotation, override.wire or "")


def _setting(name: str, annotation: object, given: Given) -> Setting:
    if given.value is REQUIRED:
        return Setting(
            name=name, wire="", shown="", type=show(annotation), origin=given.origin, shared=given.shared
        )
    wire = wire_of(given.value)
    if not comes_back(annotation, given.value, wire):
        raise ConfigurationError(
            f"{given.value!r} does not come back from {wire}",
            hint="annotate it with a type whose values are plain",
        )
    return Setting(
        name=name,
        wire=wire,
        shown=typed(given.value),
        type=show(annotation),
        origin=given.origin,
        shared=given.shared,
    )


def _unknown(sheet: Sheet, overrides: Sequence[Override]) -> tuple[str, ...]:
    steps = {draft.name: [setting.name for setting in draft.settings] for draft in sheet.drafts.values()}
    readings = {
        draft.name: list(draft.reading.parameters)
        for draft in sheet.drafts.values()
        if draft.reading is not None
    }
    steps |= readings
    shared = [name for name, thing in sheet.names.things.items() if isinstance(thing, Parameter)]
    anywhere = {*shared, *(name for names in steps.values() for name in names)}
    notes = []
    for override in overrides:
        if override.step and override.step not in steps:
            message = f"there is no step `{override.step}` to give `{override.name}` to"
            hint = did_you_mean(
                override.step, [name for name, names in steps.items() if names], "steps with parameters"
            )
        elif override.step:
            if override.name in steps[override.step]:
                continue
            message = (
                f"the {sheet.drafts[override.step].kind} `{override.step}` has no parameter `{override.name}`"
            )
            hint = did_you_mean(override.name, steps[override.step], "parameters")
        else:
            if override.name in anywhere:
                continue
            message = f"no step has a parameter `{override.name}`"
            hint = did_you_mean(override.name, anywhere, "parameters")
        if override.origin == "config":
            notes.append(f"{message} (from the configuration): {hint}")
        else:
            sheet.problems.add(message, None, hint)
    return tuple(notes)
