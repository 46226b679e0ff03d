"""Packages a trained model inside a worker: the model as it came, and the rows that prove it.

Rule: what is packaged is the artifact's own bytes, never a model saved once more.
"""

import sys
from pathlib import Path
from typing import Any, Final

from legato.app.work import Work
from legato.domain.errors import ConfigurationError
from legato.domain.messages import Given
from legato.formats import FILE, FOLDER, Saved, form_of

_FOREIGN: Final = (FILE, FOLDER)
_LAZY: Final = {"polars.LazyFrame": "polars.DataFrame", "pyarrow.dataset.Dataset": "pyarrow.Table"}
_TABLES: Final = ("pandas.DataFrame", "polars.DataFrame", "pyarrow.Table")


def package_model(work: Work, folder: Path) -> None:
    """Write the servable of an order's model into `folder`; the other inputs show what requests look like."""
    from legato.serve.package import package

    given = work.given("model")
    path = work.place(given)
    artifact = given.artifact
    saved = Saved(
        path=path,
        format=artifact.format,
        type=artifact.type,
        tree=artifact.tree,
        classes=artifact.classes,
        unsafe=artifact.unsafe,
        about=artifact.about,
    )
    judge = _judge(work)
    tables = {
        other.parameter: _shown(work, other, judge) for other in work.order.inputs if other is not given
    }
    package(work.shelf.load(path, artifact, allow_unsafe=True), tables, folder, native=saved)


def _judge(work: Work) -> str:
    """Return the node that makes the evaluation of the order's model: its annotations say how rows are read."""
    nodes = work.bench.collected.graph.nodes
    model = work.order.detail["model"]
    judged_by = next(
        (
            wired.artifact
            for node in nodes
            if node.kind == "register" and node.detail["model"] == model
            for wired in node.inputs
            if wired.parameter == "evaluation"
        ),
        "",
    )
    return next((node.name for node in nodes if any(o.artifact == judged_by for o in node.outputs)), "")


def _shown(work: Work, given: Given, judge: str) -> Any:  # noqa: ANN401 - any object of the author's
    """Return an input of the evaluation; a file of a dataset is read as the table that the evaluation reads."""
    if given.artifact.format not in _FOREIGN:
        return work.value(given)
    parameter = given.parameter.removesuffix("_") if given.parameter == "model_" else given.parameter
    asked = form_of(work.bench.collected.annotation(judge, parameter)) if judge else ""
    asked = _LAZY.get(asked, asked)
    loaded = [form for form in _TABLES if form.partition(".")[0] in sys.modules]
    for form in (asked,) if asked in _TABLES else loaded:
        try:
            return work.value(given, form)
        except ConfigurationError:  # no table, such as a folder of images
            continue
    return work.value(given)
