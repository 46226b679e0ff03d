"""What people ask of the registry on this machine: lists, cards, promotions.

Rule: reads through `registry.read`, moves through `registry.deeds`; nothing of its own.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from legato.app.books import Books
from legato.app.config import Project, make_state
from legato.app.looking import ledger_of, project_at, reading
from legato.app.origin import origin
from legato.app.processes import actor
from legato.app.wiring import open_ledger, open_store
from legato.domain.artifacts import trusts
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.units import counted
from legato.ledger import Reader
from legato.registry import deeds, read
from legato.registry.moves import CHAMPION, LOCAL, Request
from legato.registry.read import Candidate, Model, Version
from legato.registry.reference import parse


@contextmanager
def registry_of(folder: Path, environment: str) -> Iterator[tuple[Project, Books]]:
    """Open the registry of an environment: this machine's, or the shared one.

    Raises:
        MissingError: Nothing has run here yet.
        ConfigurationError: There is no such environment.
    """
    project = project_at(folder)
    known = [LOCAL, *project.config.get("environments", {})]
    if environment not in known:
        raise ConfigurationError(
            f"environment {environment!r} is not configured",
            hint=f"known: {', '.join(known)}; write [environments.{environment}] into legato.toml",
        )
    if environment == LOCAL or not (project.remote or project.ledger_url):
        with ledger_of(folder) as (_, ledger):
            yield project, Books(ledger, open_store(project.state), None, project, environment)
        return
    from legato.app.sharing import Sharing  # only where something is shared

    maker = origin(os.environ, project.trusted_branches).maker
    make_state(project.state)
    ledger, store = open_ledger(project.state), open_store(project.state)
    sharing = Sharing(project, maker, os.environ, lambda _: None)
    try:
        yield project, Books(ledger, store, sharing, project, environment)
    finally:
        sharing.close()
        ledger.close()


@contextmanager
def _to_read(folder: Path, environment: str) -> Iterator[Reader]:
    """Open the registry of an environment only to read it; this machine's also where nothing may be written."""
    if environment == LOCAL:
        with reading(folder) as (_, reader):
            yield reader
    else:
        with registry_of(folder, environment) as (_, books):
            yield books.reader


def listing(folder: Path, environment: str = LOCAL) -> tuple[Model, ...]:
    """Return the models of an environment's registry; none where nothing has run."""
    if environment == LOCAL and not (project_at(folder).state / "ledger.db").is_file():
        return ()
    with _to_read(folder, environment) as reader:
        return read.models(reader)


def lines(ledger: Reader) -> tuple[str, ...]:
    """Return all models as people read them."""
    return tuple(line(model) for model in read.models(ledger))


def line(model: Model) -> str:
    """Return one model as people read it."""
    aliases = ", ".join(
        f"{alias.alias} is v{alias.version}"
        + (f" in {alias.environment}" if alias.environment != "local" else "")
        for alias in model.aliases
    )
    counts = f"{counted(model.versions, 'version')}, {counted(model.candidates, 'candidate')}"
    return f"{model.name}  {counts}  {aliases or 'no alias'}"


def card(folder: Path, text: str, environment: str = LOCAL) -> Version | Candidate:
    """Return the version or candidate that a reference names; a model without a champion shows its last candidate.

    Raises:
        MissingError: There is none.
    """
    with _to_read(folder, environment) as ledger:
        wanted = parse(text)
        if wanted.candidate:
            return read.candidate(ledger, wanted)
        try:
            return read.version(ledger, wanted, environment)
        except MissingError:
            if wanted.version or wanted.alias:
                raise
            found = read.candidates(ledger, wanted.model)
            if not found:
                raise
            return found[-1]


def facts(found: Version | Candidate) -> Iterator[tuple[str, str]]:
    """Yield what a card says of where a model comes from, by name."""
    yield ("version" if isinstance(found, Version) else "candidate"), found.name
    if isinstance(found, Version):
        if found.aliases:
            yield "aliases", ", ".join(f"{alias.alias} ({alias.environment})" for alias in found.aliases)
        yield "candidate", found.candidate.name
        if found.despite:
            yield "despite", f"{', '.join(found.despite)}: {found.why}"
    yield "made", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.at))
    yield "artifact", f"{found.artifact.digest}  {found.artifact.type}  {found.artifact.format}"
    if found.artifact.unsafe:
        yield "unsafe", "a pickle; `serve` refuses it"
    lineage = found.lineage
    yield "run", str(lineage.run)
    yield (
        "commit",
        (lineage.commit or "none") + (" with changes that were not committed" if lineage.dirty else ""),
    )
    yield from (("data", f"{name}  {digest}") for name, digest in lineage.data.items())
    yield from (("parameter", f"{name} = {value}") for name, value in lineage.parameters.items())
    yield "packages", ", ".join(f"{name} {version}" for name, version in lineage.packages.items()) or "none"
    yield "platform", lineage.platform


def promote(
    folder: Path, reference: str, *, alias: str, environment: str, despite: tuple[str, ...], why: str
) -> tuple[str, tuple[str, ...]]:
    """Move an alias; return what happened, in words, and what a person should know besides."""
    with registry_of(folder, environment) as (project, books):
        _refuse(project, environment)
        request = Request(
            reference=reference,
            alias=alias,
            environment=environment,
            actor=actor(),
            why=why,
            despite=despite,
        )
        found = deeds.promote(books.writer, request)
    if (alias, environment) != (CHAMPION, LOCAL):
        return found.note, ()
    return found.note, tuple(_behind(project, found.model, f"{found.model}:{found.version}"))


def _refuse(project: Project, environment: str) -> None:
    """Refuse a promotion by someone whom the environment does not trust."""
    maker = origin(os.environ, project.trusted_branches).maker
    needed = project.built_by(environment)
    if environment != LOCAL and not trusts(needed, maker):
        raise ConfigurationError(
            f"environment {environment!r} takes only what {needed} decides, and this is {maker}",
            hint=f'let CI promote; or write built_by = "laptop" below [environments.{environment}]',
        )


def _behind(project: Project, model: str, champion: str) -> Iterator[str]:
    """Yield a line for each local endpoint that answers with another version of the model than its champion."""
    from legato.app.answering import living  # only a promotion looks at endpoints

    for endpoint in living(project):
        for served in endpoint.models:
            if served.rpartition(":")[0] == model and served != champion:
                yield f"endpoint {endpoint.name} answers with {served} until `legato run` swaps it"
