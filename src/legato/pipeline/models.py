"""Turns a model and an endpoint into nodes: package, champion's evaluation, gates, register, deploy.

Rule: what a model makes is named after its variable; nothing here decides whether it is good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from legato.pipeline.annotations import bare, is_any, show
from legato.pipeline.declaring import publish
from legato.pipeline.drafts import Draft, Sheet
from legato.pipeline.handles import Endpoint, Model
from legato.pipeline.matching import fits

if TYPE_CHECKING:
    from legato.domain.graph import Place


def expand(sheet: Sheet) -> None:
    """Put the nodes of every model and endpoint on the sheet."""
    owners: dict[tuple[str, str], str] = {}
    for name, thing in sheet.names.things.items():
        if not isinstance(thing, Model | Endpoint):
            continue
        place = sheet.places.of(thing)
        first = owners.setdefault((thing.word, thing.name), name)
        if first != name:
            sheet.problems.add(
                f"two {thing.word}s are called {thing.name!r}: `{first}` at "
                f"{sheet.places.of(sheet.names.things[first])} and `{name}` at {place}",
                place,
                "rename one of them",
            )
        if isinstance(thing, Model):
            _model(sheet, name, thing, place)
    for name, thing in sheet.names.things.items():
        if isinstance(thing, Endpoint):
            _endpoint(sheet, name, thing, sheet.places.of(thing))


def _model(sheet: Sheet, name: str, model: Model, place: Place) -> None:
    asker = f"model `{name}`"
    artifact = sheet.artifact(model.artifact, asker, place)
    judged_by = sheet.artifact(model.evaluation, asker, place)
    if artifact is None or judged_by is None:
        return
    judge = sheet.makers[judged_by]
    if not _is_evaluation(sheet, judge, judged_by, asker, place):
        return
    package = _add(sheet, f"{name}.package", "package", place, model)
    package.inputs = {"model": artifact, **_other_inputs(judge, artifact)}
    package.detail = {"model": model.name}
    package.makes(f"{name}.servable")
    gates = _add(sheet, f"{name}.gates", "gates", place, model)
    gates.inputs = {"evaluation": judged_by}
    detail: dict[str, object] = {
        "model": model.name,
        "gates": [msgspec.to_builtins(gate) for gate in model.gates],
    }
    if any(gate.kind == "no_worse_than_champion" for gate in model.gates):
        why = _champion(sheet, name, model, judge, artifact, judged_by)
        if why:
            detail["champion_note"] = why
        else:
            gates.inputs["champion"] = f"{name}.champion_evaluation"
    gates.detail = detail
    gates.makes(f"{name}.judgement")
    register = _add(sheet, name, "register", place, model)
    register.inputs = {
        "model": artifact,
        "servable": f"{name}.servable",
        "judgement": f"{name}.judgement",
        "evaluation": judged_by,
    }
    register.detail = {"model": model.name}
    for draft in (package, gates, register):
        publish(sheet, draft)


def _add(sheet: Sheet, name: str, kind: str, place: Place, thing: Model | Endpoint) -> Draft:
    draft = sheet.drafts[name] = Draft(name, kind, place, thing)
    return draft


def _is_evaluation(sheet: Sheet, judge: Draft, artifact: str, asker: str, place: Place) -> bool:
    from legato.domain.evaluation import Evaluation

    annotation = judge.annotation_of(artifact)
    kind = bare(annotation)
    if is_any(kind) or fits(kind, Evaluation):
        return True
    sheet.problems.add(
        f"{asker} is judged by `{judge.name}`, which returns {show(annotation)}, not an Evaluation",
        judge.place if judge.place.line else place,
        "return lg.Evaluation(ids=…, labels=…, predictions=…) from it, and annotate it so",
    )
    return False


def _other_inputs(judge: Draft, artifact: str) -> dict[str, str]:
    """Return the judge's inputs besides the model; one that is called `model` itself gets a `_`."""
    others = {parameter: taken for parameter, taken in judge.inputs.items() if taken != artifact}
    return {
        f"{parameter}_" if parameter == "model" else parameter: taken for parameter, taken in others.items()
    }


def _champion(sheet: Sheet, name: str, model: Model, judge: Draft, artifact: str, judged_by: str) -> str:
    """Add the node that scores the champion; return why there can be none, or an empty text."""
    parameter = next((parameter for parameter, taken in judge.inputs.items() if taken == artifact), None)
    if judge.kind != "step":
        return f"`{judge.name}` is a {judge.kind}, which cannot be handed the champion"
    if parameter is None:
        return (
            f"`{judge.name}` does not take `{artifact}` itself, so it cannot be handed the champion instead"
        )
    draft = _add(sheet, f"{name}.champion_evaluation", "champion", judge.place, model)
    draft.inputs = dict(judge.inputs)
    draft.settings = list(judge.settings)
    draft.words, draft.uses, draft.function = judge.words, judge.uses, judge.function
    draft.forms, draft.result = judge.forms, judge.result
    own = {key: told for key, told in judge.detail.items() if key == "packages"}
    draft.detail = {"model": model.name, "parameter": parameter, "step": judge.name, **own}
    field = next(output.field for output in judge.outputs if output.artifact == judged_by)
    draft.makes(f"{name}.champion_evaluation", judge.hints[field], field=field)
    publish(sheet, draft)
    return ""


def _endpoint(sheet: Sheet, name: str, endpoint: Endpoint, place: Place) -> None:
    owner = sheet.names.of(endpoint.model)
    if owner is None:
        sheet.problems.add(
            f"endpoint `{name}` serves the model {endpoint.model.name!r}, which has no name in this module",
            place,
            f"give it one: {name}_model = lg.model(...)",
        )
        return
    if owner not in sheet.drafts:
        return
    draft = _add(sheet, name, "deploy", place, endpoint)
    draft.inputs = {"servable": f"{owner}.servable"}
    draft.after = [owner]
    draft.detail = {
        "endpoint": endpoint.name,
        "model": endpoint.model.name,
        "environments": list(endpoint.environments),
    }
