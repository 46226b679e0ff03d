"""`legato serve` and `legato predict`: what a person asks of models on this machine.

Rule: the control plane starts the serving process and talks HTTP to it; it never loads a model.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from legato.app import endpoints
from legato.app.config import Project
from legato.app.deploying import folder_of, generation_of
from legato.app.looking import ledger_of, project_at
from legato.app.predicting import predict as predict_rows
from legato.app.wiring import open_store
from legato.domain.errors import MissingError
from legato.registry import read
from legato.serve.generation import write_atomically


def serve(
    folder: Path, reference: str, *, port: int, replace: Callable[[list[str]], int] | None = None
) -> int:
    """Become the process that answers for a model version, until it is told to stop.

    Args:
        folder: Where it was typed.
        reference: `MODEL`, `MODEL@ALIAS` or `MODEL:VERSION`.
        port: Where to listen; 0 takes a free one.
        replace: Called with the command line instead of becoming it.

    Raises:
        MissingError: There is no such model version.
    """
    with ledger_of(folder) as (project, ledger):
        version = read.version(ledger, reference, environment="local")
        store = open_store(project.state)
        generation = generation_of(project, store, version, endpoint=version.model)
    home = project.state / "serving" / str(os.getpid())
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / endpoints.GENERATION_FILE, generation)
    sys.stderr.write(f"{version.model} version {version.number}; Ctrl-C stops it\n")
    command = [sys.executable, "-P", "-m", "legato.app.serving"]
    command += ["--generation", str(home / endpoints.GENERATION_FILE), "--port", str(port)]
    if replace is not None:
        return replace(command)
    sys.stderr.flush()
    return os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, an argument list


def stop(folder: Path, name: str) -> bool:
    """Stop a local endpoint; requests under way are answered. Return whether there was one."""
    return endpoints.stop(folder_of(project_at(folder), name))


def living(project: Project) -> Iterator[endpoints.Endpoint]:
    """Yield the endpoints of this project that live."""
    parent = project.state / "endpoints"
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        found = endpoints.status(folder)
        if found is not None:
            yield found


def lines(project: Project) -> tuple[str, ...]:
    """Return the living endpoints as people read them."""
    return tuple(
        f"{endpoint.name}  {endpoint.address}  {', '.join(endpoint.models)}{'' if endpoint.ready else '  (not ready)'}"
        for endpoint in living(project)
    )


def predict(folder: Path, name: str, source: Path, notice: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Yield the answers for the rows of a file.

    Args:
        folder: Where it was typed.
        name: A model or endpoint of this machine that answers, or an address (`http://…`).
        source: CSV, Parquet, JSON or JSON lines; absolute, or relative to `folder`.
        notice: Gets what a person should know.

    Raises:
        MissingError: Nothing answers under this name.
    """
    address, model = _find(folder, name)
    yield from predict_rows(address, model, folder / source, notice=notice)


def _find(folder: Path, name: str) -> tuple[str, str]:
    if name.startswith(("http://", "https://")):
        address, _, model = name.partition("/v2/models/")
        return address.rstrip("/"), model.strip("/")
    known: list[str] = []
    for endpoint in living(project_at(folder)):
        served = [model.rpartition(":")[0] for model in endpoint.models]
        known += [endpoint.name, *served]
        if name == endpoint.name or name in served:
            return endpoint.address, name if name in served else served[0]
    raise MissingError(
        f"nothing answers as {name!r} here",
        hint=f"answering: {', '.join(dict.fromkeys(known))}"
        if known
        else f"`legato run` starts an endpoint of the pipeline; `legato serve {name}` starts one by hand",
    )
