"""Reads the list `triggers` of a pipeline module, and checks it against the graph.

Rule: what a trigger names is there, and every value fits, before anything runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from legato.domain.digests import canonical
from legato.domain.elements import split_target
from legato.domain.errors import ConfigurationError
from legato.domain.graph import Trigger
from legato.domain.triggers import check_at_most, check_pattern, parse_cron
from legato.pipeline.handles import MADE, Endpoint, Handle, OneOutput, Parameter, handle_of
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.trigger_words import Scheduled, TriggerHandle
from legato.pipeline.values import from_json, from_text, untagged, wire_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from legato.domain.graph import Place
    from legato.pipeline.drafts import Sheet

_LIST: Final = "triggers"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_ENVIRONMENT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_ANY_DATE: Final = "2026-01-31"


def read_triggers(sheet: Sheet, namespace: Mapping[str, object]) -> tuple[Trigger, ...]:
    """Return the triggers of a module, each with a name of its own; problems are noted."""
    listed = list(_listed(sheet, namespace))
    for made in MADE:
        if isinstance(made, TriggerHandle) and made.spot.home is namespace and made not in listed:
            sheet.problems.add(
                f"the trigger lg.on_{made.kind} starts nothing: it is not in the list `{_LIST}`",
                sheet.places.of(made),
                f"write {_LIST} = [lg.on_{made.kind}(…), …]",
            )
    taken: set[str] = set()
    found = []
    for handle in listed:
        try:
            found.append(_Reading(sheet, handle, taken).trigger())
        except ConfigurationError as error:
            sheet.problems.note(error, f"the trigger lg.on_{handle.kind}", sheet.places.of(handle))
    return tuple(found)


def _listed(sheet: Sheet, namespace: Mapping[str, object]) -> Iterator[TriggerHandle]:
    value = namespace.get(_LIST, ())
    if handle_of(value) is not None and not isinstance(value, TriggerHandle):
        return  # a step of that name
    members: tuple[object, ...] = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not any(isinstance(member, TriggerHandle) for member in members):
        return  # a name of the author's own
    for member in members:
        if isinstance(member, TriggerHandle):
            yield member
        else:
            sheet.problems.add(
                f"`{_LIST}` holds {str(member)[:80]!r}, which is no trigger",
                None,
                f'write {_LIST} = [lg.on_push("main", run=…), …]',
            )


class _Reading:
    """One trigger while it is read."""

    def __init__(self, sheet: Sheet, handle: TriggerHandle, taken: set[str]) -> None:
        self._sheet = sheet
        self._handle = handle
        self._taken = taken
        self._place: Place = sheet.places.of(handle)
        self._asker = f"the trigger lg.on_{handle.kind}"

    def trigger(self) -> Trigger:
        """Return it as data; raises ConfigurationError."""
        words = self._handle.words
        kind = self._handle.kind
        params, scheduled = self._params(words.get("params") or {})
        return Trigger(
            name=self._name(),
            kind=kind,
            targets=self._targets(words["run"]),
            patterns=self._patterns(),
            cron=self._cron() if kind == "schedule" else "",
            tz=_zone(words.get("tz", "UTC")),
            of=self._watched(),
            at_most=check_at_most(words.get("at_most", "")),
            params=params,
            scheduled=scheduled,
            environment=_environment(words.get("environment", "local")),
            refresh=self._refresh(words.get("refresh", ())),
            place=self._place,
        )

    def _name(self) -> str:
        given = self._handle.words.get("name")
        name = kind = self._handle.kind.replace("_", "-")
        if given is not None:
            name = given
            if not isinstance(given, str) or _NAME.fullmatch(given) is None:
                raise ConfigurationError(
                    f"name={given!r} is no name for a trigger",
                    hint="use up to 40 small letters, digits, `-` and `_`",
                )
            if given in self._taken:
                raise ConfigurationError(f"another one is called {given!r}", hint="give it another name=")
        number = 2
        while name in self._taken:
            name = f"{kind}-{number}"
            number += 1
        self._taken.add(name)
        return name

    def _targets(self, run: object) -> tuple[str, ...]:
        members = run if isinstance(run, list | tuple) else (run,)
        return tuple(dict.fromkeys(self._target(member) for member in members))

    def _target(self, member: object) -> str:
        sheet = self._sheet
        if isinstance(member, str):
            base = split_target(member)[0]
            if base not in sheet.drafts and base not in sheet.makers:
                raise ConfigurationError(
                    f"run={member!r} names no step or artifact",
                    hint=did_you_mean(base, {**sheet.drafts, **sheet.makers}, "steps and artifacts"),
                )
            return member
        thing = handle_of(member)
        if isinstance(thing, OneOutput):
            return sheet.artifact(thing, self._asker, self._place) or ""
        if thing is None or isinstance(thing, Parameter | TriggerHandle):
            raise ConfigurationError(
                f"run={str(member)[:80]!r} is nothing that can be run",
                hint="pass a step, a model, an endpoint, or the name of one",
            )
        return self._node(thing, "run")

    def _node(self, thing: Handle, word: str) -> str:
        name = self._sheet.names.of(thing)
        if name is None or name not in self._sheet.drafts:
            told = f": {self._sheet.templates[name]}" if name in self._sheet.templates else ""
            raise ConfigurationError(
                f"{word}= names the {thing.word} of {self._sheet.places.of(thing)}, which this pipeline "
                f"does not run{told}",
                hint="give it a name in this module, and all that it needs",
            )
        return name

    def _patterns(self) -> tuple[str, ...]:
        kind = self._handle.kind
        if kind not in {"push", "tag"}:
            return ()
        return tuple(check_pattern(one, "branch" if kind == "push" else "tag") for one in self._handle.about)

    def _cron(self) -> str:
        (text,) = self._handle.about
        if not isinstance(text, str):
            raise ConfigurationError(f"{text!r} is no schedule", hint='write "0 3 * * MON"')
        parse_cron(text)
        return " ".join(text.split())

    def _watched(self) -> tuple[str, ...]:
        kind = self._handle.kind
        if kind == "drift":
            (thing,) = self._handle.about
            if not isinstance(thing, Endpoint):
                raise ConfigurationError(f"{thing!r} is no endpoint", hint="pass what lg.endpoint() returned")
            return (self._node(thing, "lg.on_drift(…)"),)
        if kind == "new_data":
            if not self._handle.about:
                raise ConfigurationError("it watches no dataset", hint="write lg.on_new_data(wine, run=…)")
            return tuple(self._dataset(one) for one in self._handle.about)
        return ()

    def _dataset(self, member: object) -> str:
        drafts = self._sheet.drafts
        thing = None if isinstance(member, str) else handle_of(member)
        name = self._node(thing, "refresh") if thing is not None else str(member)
        if name not in drafts or drafts[name].kind != "dataset":
            datasets = [draft.name for draft in drafts.values() if draft.kind == "dataset"]
            raise ConfigurationError(f"{name!r} is no dataset", hint=did_you_mean(name, datasets, "datasets"))
        return name

    def _refresh(self, given: object) -> tuple[str, ...]:
        if isinstance(given, bool):
            return ("*",) if given else ()
        members = given if isinstance(given, list | tuple) else (given,)
        return tuple(self._dataset(one) for one in members)

    def _params(self, given: object) -> tuple[dict[str, str], tuple[str, ...]]:
        if not isinstance(given, dict):
            raise ConfigurationError(
                f"params={given!r} is not names with values", hint='write params={"classifier.trees": 300}'
            )
        values: dict[str, str] = {}
        scheduled = []
        for name, value in given.items():
            annotations = self._annotations(str(name))
            if isinstance(value, Scheduled):
                scheduled.append(str(name))
                _fit(str(name), lambda one: from_text(one, _ANY_DATE), annotations)
                continue
            wire = canonical(_plain(value)).decode()
            values[str(name)] = wire
            _fit(str(name), lambda one, wire=wire: from_json(one, wire), annotations)
        return values, tuple(scheduled)

    def _annotations(self, name: str) -> list[Any]:
        """Return the annotation of each parameter that a name means."""
        step, _, parameter = name.rpartition(".")
        drafts = self._sheet.drafts
        if step and step not in drafts:
            raise ConfigurationError(
                f"params= names {name!r}, and there is no step {step!r}", hint=did_you_mean(step, drafts)
            )
        found = {
            (draft.name, setting.name): draft.forms.get(setting.name)
            for draft in drafts.values()
            for setting in draft.settings
            if (draft.name == step or not step)
            and parameter in {setting.name, "" if step else setting.shared}
        }
        if not found:
            known = {
                setting.name
                for draft in drafts.values()
                for setting in draft.settings
                if not step or draft.name == step
            }
            raise ConfigurationError(
                f"params= names {name!r}, which is no parameter",
                hint=did_you_mean(parameter, known, "parameters"),
            )
        return list(found.values())


def _fit(name: str, read: Any, annotations: list[Any]) -> None:  # noqa: ANN401 - reads a value as an annotation
    for annotation in annotations:
        try:
            read(annotation)
        except ConfigurationError as error:
            raise ConfigurationError(f"params= {name!r}: {error.message}", hint=error.hint) from None


def _plain(value: object) -> object:
    """Return a value as the plain JSON that `--params` would hold."""
    import json

    return untagged(json.loads(wire_of(value)))


def _zone(name: object) -> str:
    if name == "UTC":
        return "UTC"
    import zoneinfo  # only where a schedule names a zone

    try:
        zoneinfo.ZoneInfo(str(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"tz={name!r} is no time zone that this machine knows",
            hint=did_you_mean(str(name), zoneinfo.available_timezones(), "time zones"),
        ) from None
    return str(name)


def _environment(name: object) -> str:
    if not isinstance(name, str) or _ENVIRONMENT.fullmatch(name) is None:
        raise ConfigurationError(
            f"environment={name!r} is no name of an environment", hint='write environment="staging"'
        )
    return name
