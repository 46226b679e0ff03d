"""`legato status`: where a project stands, in one look.

Rule: looks only; a project in which nothing has run yet gets an answer too.
"""

from pathlib import Path

from legato.app.answering import lines as endpoint_lines
from legato.app.looking import as_far, project_at, reading
from legato.app.models import lines as model_lines
from legato.domain.graph import Struct
from legato.engine import read
from legato.engine.read import RunRow


class Status(Struct, frozen=True, kw_only=True):
    """Where a project stands; models and endpoints as lines for people."""

    root: str
    pipeline: str
    store: str
    objects: int
    size_bytes: int
    last: RunRow | None = None
    models: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()


def status(folder: Path) -> Status:
    """Return where the project stands."""
    project = project_at(folder)
    objects = [
        path.stat().st_size for path in (project.state / "store" / "objects").rglob("*") if path.is_file()
    ]
    last: RunRow | None = None
    models: tuple[str, ...] = ()
    if (project.state / "ledger.db").is_file():
        with reading(folder) as (_, ledger):
            found = read.runs(ledger, 1)
            last = as_far(ledger, found[0]) if found else None
            models = model_lines(ledger)
    return Status(
        root=str(project.root),
        pipeline=project.pipeline,
        store=str(project.state / "store"),
        objects=len(objects),
        size_bytes=sum(objects),
        last=last,
        models=models,
        endpoints=endpoint_lines(project),
    )
