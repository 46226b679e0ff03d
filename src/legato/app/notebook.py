"""`lg.load` and `lg.runs` for notebooks: what runs made, as objects.

Rule: a notebook is the user's own process, so their classes may be imported here.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from legato.app.comparing import Comparison, compare
from legato.app.config import Project
from legato.app.fetching import ensure_here
from legato.app.looking import find_artifact, lost, project_at, reading, run_number
from legato.app.looking import runs as runs_of
from legato.app.wiring import open_shelf, open_store
from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.units import with_article
from legato.engine.read import RunRow
from legato.formats import type_name
from legato.pipeline.fingerprint import Sources


def load(name: str, *, run: int | str = "latest", form: object = None, allow_unsafe: bool = False) -> object:
    """Return an artifact as an object.

    Args:
        name: The artifact's name (`STEP.FIELD` where steps share the name of a field), or its digest.
        run: A run's number, `run:17`, or `latest` (the newest run that has it).
        form: The type to load it as (`pl.LazyFrame`, `Path`), where its own is not wanted.
        allow_unsafe: Read it even if it is a pickle, which may run any code.

    Raises:
        MissingError: No run has it, or its bytes are gone.
        ConfigurationError: `run` names no run, or the artifact cannot be given in this form.
    """
    folder = Path.cwd()
    with reading(folder) as (_, ledger):
        number = None if run == "latest" else run_number(ledger, str(run))
        if number is None and run != "latest":
            raise ConfigurationError(
                f"run={run!r} names no run", hint='write run=17, run="run:17" or run="latest"'
            )
        shown = find_artifact(ledger, name, number=number)
    project = project_at(folder)
    beside = (project.root / project.pipeline).parent
    for place in dict.fromkeys((str(project.root), str(project.root / "src"), str(beside))):
        if place not in sys.path:
            sys.path.append(place)
    try:
        path = _place(project, shown.artifact)
    except MissingError as error:
        raise lost(shown) from error
    shelf = open_shelf(_first_party(project.root))
    found = shelf.load(path, shown.artifact, form=form, allow_unsafe=allow_unsafe)
    if type(form) is type and not isinstance(found, form):
        made, asked = with_article(type_name(type(found))), with_article(type_name(form))
        raise ConfigurationError(
            f"{name!r} is {made}, and cannot be given as {asked}",
            hint="leave form= out to get it as it was made, or write form=Path for its bytes",
        )
    return found


def _place(project: Project, artifact: Artifact) -> Path:
    """Return where the bytes lie; a folder is placed once, for all who load it."""
    store = open_store(project.state)
    ensure_here(project, store, [artifact.digest])
    path = store.path(artifact.digest)
    if not artifact.tree:
        return path
    path = project.state / "loaded" / artifact.digest[7:]
    if not path.exists():
        store.place(artifact.digest, True, path)  # noqa: FBT003 - the port reads as Artifact.tree does
    return path


def _first_party(root: Path) -> Callable[[str], bool]:
    """Return what says whether a module is the user's own, also before it is imported here."""
    sources = Sources(root, None)

    def first_party(module: str) -> bool:
        if module in sys.modules:
            return sources.first_party(module)
        file = sources.locate(module)
        return bool(file) and sources.is_first_party_file(file)

    return first_party


def runs(limit: int = 50) -> tuple[RunRow, ...]:
    """Return the newest runs of this project, newest first."""
    return runs_of(Path.cwd(), limit)


def diff(before: str, after: str) -> Comparison:
    """Return what differs between two runs of this project, each a number (`17`, `run:17`), `latest`, or a branch.

    Raises:
        MissingError: There is no such run.
    """
    return compare(Path.cwd(), before, after)
