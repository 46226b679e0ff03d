"""Turns a search into a node: what each trial runs anew, what it starts from, and where the found values go.

Rule: what an evaluation of a gate judges is never tuned on; that and every name in a space is looked at before
anything runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from legato.domain.errors import ConfigurationError
from legato.pipeline.annotations import bare, is_any, show
from legato.pipeline.declaring import publish
from legato.pipeline.drafts import Draft, Sheet
from legato.pipeline.handles import Derived, Handle, Parameter, StepHandle
from legato.pipeline.matching import fits
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.searches import Range, Tune
from legato.pipeline.signatures import Reading
from legato.pipeline.values import fitted, wire_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from legato.domain.graph import Setting
    from legato.domain.messages import Override

PARAMS = "params"
TUNED = "tuned"
_RUN_BY_TRIALS = frozenset({"step", "check", "command", "elements"})


def searches(sheet: Sheet) -> Iterator[tuple[str, Tune]]:
    """Yield the searches of a pipeline by name."""
    for name, thing in sheet.names.things.items():
        if isinstance(thing, Tune):
            yield name, thing


def declare_searches(sheet: Sheet, overrides: Sequence[Override]) -> None:
    """Put a draft of every search on the sheet, and let found values flow into what takes them."""
    for name, thing in searches(sheet):
        draft = sheet.drafts[name] = Draft(name, "tune", sheet.places.of(thing), thing)
        draft.reading = Reading((), {"trials": thing.trials, "seed": thing.seed}, {}, {})
        draft.forms = {"trials": int, "seed": int}
        draft.makes(name, dict)
        for key in thing.space:
            draft.makes(f"{name}.{key}", field=key)
        publish(sheet, draft)
    for draft in list(sheet.drafts.values()):
        if PARAMS in draft.changes:
            _take_found(sheet, draft, overrides)


def tunes(sheet: Sheet, step: str, name: str) -> bool:
    """Say whether a search gives a parameter its values."""
    return any(f"{step}.{name}" in thing.space for _, thing in searches(sheet))


def _take_found(sheet: Sheet, draft: Draft, overrides: Sequence[Override]) -> None:
    """Make inputs of the parameters that a search finds values of."""
    given = draft.changes[PARAMS]
    thing = sheet.names.things.get(given) if isinstance(given, str) else given
    reading = draft.reading
    if not isinstance(thing, Tune) or reading is None:
        return
    search = sheet.names.of(thing)
    rest = {name: value for name, value in draft.changes.items() if name != PARAMS}
    if search is None:
        sheet.problems.add(
            f"`{draft.name}` takes a search that has no name", draft.place, "write search = lg.tune(…)"
        )
        return
    if PARAMS in (*reading.inputs, *reading.parameters):
        draft.changes = {**rest, PARAMS: search}
        return
    found = {name: key for key in thing.space if (name := _found_for(sheet, draft, key))}
    if not found:
        sheet.problems.add(
            f"`{draft.name}` takes what `{search}` finds, but that tunes no parameter of it",
            draft.place,
            f"it tunes {', '.join(thing.space)}",
        )
    typed = {override.name for override in overrides if override.step == draft.name}
    tuned = {name: f"{search}.{key}" for name, key in found.items() if name not in typed and name not in rest}
    draft.reading = Reading(
        (*reading.inputs, *tuned),
        {name: value for name, value in reading.parameters.items() if name not in tuned},
        reading.annotations,
        reading.namespace,
    )
    draft.changes = {**rest, **tuned}
    draft.detail = {**draft.detail, TUNED: sorted(tuned)}


def _found_for(sheet: Sheet, draft: Draft, key: str) -> str:
    """Return the parameter of a draft that an entry of a space is about; empty for none."""
    assert draft.reading is not None  # noqa: S101 - asked for by the only caller
    step, dot, name = key.rpartition(".")
    if name not in draft.reading.parameters:
        return ""
    if not dot:
        return name if isinstance(sheet.names.things.get(name), Parameter) else ""
    ours, theirs = _function(draft.handle), _function(sheet.names.things.get(step))
    return name if ours is not None and ours is theirs else ""


def _function(thing: Handle | None) -> object:
    if isinstance(thing, Derived):
        return thing.of.function
    return thing.function if isinstance(thing, StepHandle) else None


def settle_searches(sheet: Sheet) -> None:
    """Say of every search what its trials run and start from; note what cannot be searched."""
    for name, thing in searches(sheet):
        draft = sheet.drafts[name]
        try:
            _Reader(sheet, draft, thing).settle()
        except ConfigurationError as error:
            where = draft.place if not error.where else None
            sheet.problems.add(f"the search `{name}`: {error.message}", where or draft.place, error.hint)


class _Reader:
    """One search being read; raises ConfigurationError for what cannot be followed."""

    def __init__(self, sheet: Sheet, draft: Draft, thing: Tune) -> None:
        self._sheet = sheet
        self._draft = draft
        self._thing = thing

    def settle(self) -> None:
        """Give the draft its inputs and its detail."""
        draft, thing = self._draft, self._thing
        self._refuse_few()
        artifact = self._sheet.artifact(thing.objective, f"the search `{draft.name}`", draft.place)
        if artifact is None:
            return
        judge = self._sheet.makers[artifact]
        targets = {key: self._targets(key) for key in thing.space}
        space = [self._dimension(key, targets[key]) for key in thing.space]
        tuned = {step.name for found in targets.values() for step, _ in found}
        part = self._part(judge, tuned)
        self._refuse_gated(artifact, judge, part)
        draft.inputs = {name: name for name in self._given(part)}
        metric, evaluates = self._goal(judge, artifact)
        draft.detail = {
            "objective": artifact,
            "step": judge.name,
            "metric": metric,
            "direction": thing.direction,
            "evaluates": evaluates,
            "space": space,
            "part": [name for name in self._sheet.drafts if name in part],
            "sampler": thing.sampler,
            "pruner": thing.pruner,
        }

    def _refuse_few(self) -> None:
        for setting in self._draft.settings:
            if setting.name == "trials" and setting.wire and int(setting.wire) < 1:
                raise ConfigurationError(f"trials={setting.wire} is below 1", hint="try at least one")

    def _goal(self, judge: Draft, artifact: str) -> tuple[str, bool]:
        from legato.domain.evaluation import Evaluation

        metric, annotation = self._thing.metric, judge.annotation_of(artifact)
        kind = bare(annotation)
        if is_any(kind):
            return metric, bool(metric)
        if fits(kind, Evaluation) and kind is not dict:
            if not metric:
                raise ConfigurationError(
                    f"`{artifact}` is an Evaluation", hint=f'say which metric: {self._thing.direction}="f1"'
                )
            return metric, True
        if kind in (int, float):
            return "", False
        name = getattr(kind, "__name__", "")
        if (fits(kind, dict) or name in {"dict", "Path", "Mapping"}) and metric:
            return metric, False
        raise ConfigurationError(
            f"`{artifact}` is a {show(annotation)}, in which there is no {metric or 'number'}",
            hint="return an lg.Evaluation, a float, or a dict of floats from it",
        )

    # -- what is tried ---------------------------------------------------------------------------------------

    def _targets(self, key: str) -> list[tuple[Draft, Setting]]:
        step, dot, name = key.rpartition(".")
        if not dot:
            return self._sharing(key)
        draft = self._sheet.drafts.get(step)
        if draft is None or draft.reading is None or draft.kind not in _RUN_BY_TRIALS:
            tunable = [d.name for d in self._sheet.drafts.values() if d.settings and d.kind in _RUN_BY_TRIALS]
            raise ConfigurationError(
                f"its space names {key!r}, but there is no step `{step}`",
                hint=did_you_mean(step, tunable, "steps with parameters"),
            )
        for setting in draft.settings:
            if setting.name == name:
                if draft.fan_out is not None and name in draft.fan_out.matrix and name not in draft.changes:
                    raise ConfigurationError(
                        f"`{key}` runs over a matrix, so it has no single value to search",
                        hint="take it out of matrix= or out of the space",
                    )
                return [(draft, setting)]
        raise ConfigurationError(
            f"its space names {key!r}, but `{step}` has no parameter `{name}`",
            hint=did_you_mean(name, [setting.name for setting in draft.settings], "parameters"),
        )

    def _sharing(self, key: str) -> list[tuple[Draft, Setting]]:
        found = [
            (draft, setting)
            for draft in self._sheet.drafts.values()
            for setting in draft.settings
            if setting.shared == key and draft.kind in _RUN_BY_TRIALS
        ]
        if found:
            return found
        known = [
            f"{draft.name}.{setting.name}"
            for draft in self._sheet.drafts.values()
            for setting in draft.settings
            if draft.kind in _RUN_BY_TRIALS
        ]
        near = [name for name in known if name.endswith(f".{key}")]
        raise ConfigurationError(
            f"its space names {key!r}, which is no parameter that steps share",
            hint=f'write "{near[0]}"' if near else did_you_mean(key, known, "parameters"),
        )

    def _dimension(self, key: str, targets: Sequence[tuple[Draft, Setting]]) -> dict[str, Any]:
        found = self._thing.space[key]
        draft, setting = targets[0]
        try:
            values = self._values(found, draft.forms.get(setting.name), key)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"the space of `{key}` does not fit: {error.message}", hint=error.hint
            ) from None
        return {
            "name": key,
            "kind": found.kind,
            "targets": [{"step": one.name, "name": other.name} for one, other in targets],
            "low": float(found.low),
            "high": float(found.high),
            "log": found.log,
            "step": float(found.step),
            "wires": values,
            "default": setting.wire,
        }

    @staticmethod
    def _values(found: Range, annotation: object, key: str) -> list[str]:
        if found.kind == "choice":
            return [wire_of(fitted(annotation, value)) for value in found.values]
        wanted = int if found.kind == "ints" else float
        for value in (found.low, found.high):
            if type(fitted(annotation, value)) is not wanted:
                other = "lg.floats(…, step=1)" if found.kind == "ints" else "lg.ints(…)"
                raise ConfigurationError(
                    f"`{key}` is a {show(annotation)}, lg.{found.kind} tries {wanted.__name__}s",
                    hint=f"write {other}",
                )
        return []

    # -- what trials run -------------------------------------------------------------------------------------

    def _needs(self, draft: Draft) -> list[Draft]:
        names = [*draft.inputs.values(), *((draft.when,) if draft.when else ())]
        return [self._sheet.makers[name] for name in names]

    def _part(self, judge: Draft, tuned: Iterable[str]) -> set[str]:
        above = self._closure(judge)
        for step in tuned:
            if step not in above:
                raise ConfigurationError(
                    f"`{judge.name}` does not depend on `{step}`, whose parameters are searched",
                    hint=f"tune an evaluation of what {step} makes",
                )
        part = set(tuned)
        for name in above:  # each follows what it needs
            if any(need.name in part for need in self._needs(self._sheet.drafts[name])):
                part.add(name)
        part |= self._fanned_sources(part)
        part |= {
            draft.name
            for draft in self._sheet.drafts.values()
            if draft.kind == "check"
            and any(need.name in part for need in self._needs(draft))
            and all(need.name in above for need in self._needs(draft))
        }
        for name in part:
            self._refuse_in_trial(self._sheet.drafts[name])
        return part

    def _closure(self, judge: Draft) -> dict[str, None]:
        """Return a draft and all that it needs, each behind what it needs."""
        found: dict[str, None] = {}
        path: set[str] = set()

        def visit(draft: Draft) -> None:
            if draft.name in found or draft.name in path:
                return
            path.add(draft.name)
            for need in self._needs(draft):
                visit(need)
            found[draft.name] = None

        visit(judge)
        return found

    def _fanned_sources(self, part: set[str]) -> set[str]:
        """Return the fanned-out steps that the part takes from: their elements cannot be handed over as one."""
        added: set[str] = set()
        left = [self._sheet.drafts[name] for name in part]
        while left:
            for need in self._needs(left.pop()):
                if need.name not in part | added and self._is_fanned(need):
                    added.add(need.name)
                    left.append(need)
        return added

    def _is_fanned(self, draft: Draft) -> bool:
        own = draft.fan_out is not None and (draft.fan_out.matrix or draft.fan_out.each)
        plain = (name for name, _ in draft.inputs.items() if not draft.parts.get(name))
        return bool(own) or any(self._is_fanned(self._sheet.makers[draft.inputs[name]]) for name in plain)

    def _refuse_in_trial(self, draft: Draft) -> None:
        if draft.words.effect:
            raise ConfigurationError(
                f"each trial would run `{draft.name}`, which acts outside this machine",
                hint="tune an evaluation that does not need it",
            )
        if draft.kind not in _RUN_BY_TRIALS:
            raise ConfigurationError(
                f"each trial would run the {draft.kind} `{draft.name}`",
                hint="search one after the other: let the second take what the first has found",
            )

    def _given(self, part: set[str]) -> list[str]:
        """Return the artifacts that trials start from."""
        found: dict[str, None] = {}
        for name in part:
            draft = self._sheet.drafts[name]
            for artifact in (*draft.inputs.values(), *((draft.when,) if draft.when else ())):
                if self._sheet.makers[artifact].name not in part:
                    found[artifact] = None
        return sorted(found)

    # -- what must not be searched ---------------------------------------------------------------------------

    def _refuse_gated(self, artifact: str, judge: Draft, part: set[str]) -> None:
        for gates in self._sheet.drafts.values():
            if gates.kind != "gates" or not gates.detail.get("gates"):
                continue
            judged = gates.inputs.get("evaluation", "")
            other = self._sheet.makers.get(judged)
            model = f"model {gates.detail['model']!r} at {gates.place}"
            if judged == artifact:
                raise ConfigurationError(
                    f"it tunes `{artifact}`, which the gates of {model} read: "
                    "they would judge what they were tuned on",
                    hint="tune an evaluation of rows set aside for it: a validation split",
                )
            rows = self._rows(judge, part)
            if other is not None and _function(other.handle) is not None:
                same = _function(other.handle) is _function(judge.handle)
                shared = rows & self._rows(other, part) if same else set()
                if shared:
                    raise ConfigurationError(
                        f"`{artifact}` judges the same {', '.join(f'`{name}`' for name in sorted(shared))} as "
                        f"`{judged}`, which the gates of {model} read",
                        hint="give it other rows: a validation split",
                    )

    def _rows(self, judge: Draft, part: set[str]) -> set[str]:
        """Return what an evaluation is made of besides what is tuned, and the values that were found."""
        trained = {_function(self._sheet.drafts[name].handle) for name in part} - {None}
        return {
            name
            for name in judge.inputs.values()
            if self._sheet.makers[name].name not in part
            and _function(self._sheet.makers[name].handle) not in trained
        }
