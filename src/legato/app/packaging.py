"""Packages a trained model inside a worker: the model as it came, and the rows that prove it.

Rule: what is packaged is the artifact's own bytes, never a model saved once more.
"""

from pathlib import Path

from legato.app.work import Work
from legato.formats import Saved


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
    tables = {other.parameter: work.value(other) for other in work.order.inputs if other is not given}
    package(work.shelf.load(path, artifact, allow_unsafe=True), tables, folder, native=saved)
