"""`legato serve` and `legato predict`: what a person asks of models on this machine.

Rule: the control plane starts the serving process and talks HTTP to it; it never loads a model.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from legato.app import endpoints
from legato.app.config import Project
from legato.app.deploying import folder_of, generation_of, place_servable
from legato.app.looking import project_at, reading
from legato.app.predicting import Answers
from legato.app.predicting import predict as predict_rows
from legato.app.processes import started_at
from legato.app.wiring import open_store
from legato.domain.errors import MissingError
from legato.registry import read
from legato.registry.read import Version
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
    with reading(folder) as (project, ledger):
        version = read.version(ledger, reference, environment="local")
        store = open_store(project.state)
        place_servable(project, store, version.servable, version.model)
        generation = generation_of(project, version, endpoint=version.model)
    home = _home(project, str(os.getpid()))
    home.mkdir()
    write_atomically(home / endpoints.GENERATION_FILE, generation)
    sys.stderr.write(f"{version.model} version {version.number}; Ctrl-C stops it\n")
    command = [sys.executable, "-P", "-m", "legato.app.serving"]
    command += ["--generation", str(home / endpoints.GENERATION_FILE), "--port", str(port)]
    if replace is not None:
        return replace(command)
    sys.stderr.flush()
    return os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, an argument list


def _home(project: Project, name: str) -> Path:
    """Return the folder of a process that serves for a while, free; what dead ones left is cleared away."""
    parent = project.state / "serving"
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.iterdir():
        number = left.name.rpartition("-")[2]
        if left.name == name or (number.isdecimal() and not started_at(int(number))):
            shutil.rmtree(left, ignore_errors=True)
    return parent / name


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


def predict(folder: Path, name: str, source: Path, notice: Callable[[str], None]) -> Iterator[Answers]:
    """Yield the answers for the rows of a file, batch by batch.

    Args:
        folder: Where it was typed.
        name: A model or endpoint of this machine that answers, `MODEL:VERSION`, `MODEL@ALIAS`, or an address
            (`http://…`). A version at which no endpoint answers is served for as long as this takes.
        source: CSV, Parquet, JSON or JSON lines; absolute, or relative to `folder`.
        notice: Gets what a person should know.

    Raises:
        MissingError: Nothing answers under this name, or there is no such version.
    """
    with _reached(folder, name) as (address, model):
        yield from predict_rows(address, model, folder / source, notice=notice)


@contextlib.contextmanager
def _reached(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield the address and model to ask for `name`."""
    if name.startswith(("http://", "https://")):
        address, _, model = name.partition("/v2/models/")
        yield address.rstrip("/"), model.strip("/").removesuffix("/infer").replace("/versions/", ":")
        return
    project = project_at(folder)
    endpoints_here = tuple(living(project))
    for endpoint in endpoints_here:
        served = [model.rpartition(":")[0] for model in endpoint.models]
        if name == endpoint.name or name in served:
            yield endpoint.address, name if name in served else served[0]
            return
    if ":" not in name and "@" not in name:
        raise _unanswered(name, endpoints_here)
    with reading(folder) as (_, ledger):
        version = read.version(ledger, name, environment="local")
    for endpoint in endpoints_here:
        if version.name in endpoint.models:
            yield endpoint.address, version.name
            return
    with _served_meanwhile(project, version) as address:
        yield address, version.name


@contextlib.contextmanager
def _served_meanwhile(project: Project, version: Version) -> Iterator[str]:
    """Yield the address of a process that serves one version and ends with the context."""
    place_servable(project, open_store(project.state), version.servable, version.model)
    home = _home(project, f"predict-{os.getpid()}")
    try:
        generation = generation_of(project, version, endpoint=version.model)
        yield endpoints.ensure(home, version.model, generation).address
    finally:
        endpoints.stop(home)
        shutil.rmtree(home, ignore_errors=True)


def _unanswered(name: str, endpoints_here: tuple[endpoints.Endpoint, ...]) -> MissingError:
    known = [
        name
        for endpoint in endpoints_here
        for name in (endpoint.name, *(model.rpartition(":")[0] for model in endpoint.models))
    ]
    return MissingError(
        f"nothing answers as {name!r} here",
        hint=f"answering: {', '.join(dict.fromkeys(known))}"
        if known
        else f"`legato run` starts an endpoint of the pipeline; `legato predict {name}@champion` needs none",
    )
