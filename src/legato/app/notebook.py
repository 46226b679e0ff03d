"""`lg.load` and `lg.runs` for notebooks: what runs made, as objects.

Rule: a notebook is the user's own process, so their classes may be imported here.
"""

import sys
from pathlib import Path

from legato.app.looking import find_artifact, ledger_of, project_at, run_number
from legato.app.looking import runs as runs_of
from legato.app.wiring import open_shelf, open_store
from legato.domain.errors import ConfigurationError
from legato.engine.read import RunRow


def load(name: str, *, run: int | str = "latest", form: object = None, allow_unsafe: bool = False) -> object:
    """Return an artifact as an object.

    Args:
        name: The artifact's name, or its digest.
        run: A run's number, `run:17`, or `latest` (the newest run that has it).
        form: The type to load it as (`pl.LazyFrame`, `Path`), where its own is not wanted.
        allow_unsafe: Read it even if it is a pickle, which may run any code.

    Raises:
        MissingError: No run has it.
        ConfigurationError: `run` names no run.
    """
    folder = Path.cwd()
    with ledger_of(folder) as (_, ledger):
        number = None if run == "latest" else run_number(ledger, str(run))
        if number is None and run != "latest":
            raise ConfigurationError(
                f"run={run!r} names no run", hint='write run=17, run="run:17" or run="latest"'
            )
        found = find_artifact(ledger, name, number=number).artifact
    project = project_at(folder)
    for place in (str(project.root), str(project.root / "src")):
        if place not in sys.path:
            sys.path.append(place)
    store = open_store(project.state)
    path = store.path(found.digest)
    if found.tree:
        path = project.state / "loaded" / found.digest[7:]
        if not path.exists():
            store.place(found.digest, True, path)  # noqa: FBT003 - the port reads as Artifact.tree does
    return open_shelf(_first_party).load(path, found, form=form, allow_unsafe=allow_unsafe)


def _first_party(module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and not {"site-packages", "dist-packages"} & set(Path(file).parts)


def runs(limit: int = 50) -> tuple[RunRow, ...]:
    """Return the newest runs of this project, newest first."""
    return runs_of(Path.cwd(), limit)
