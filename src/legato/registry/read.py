"""What people see of models: the registry's tables as values.

Rule: reads only; nothing here writes or decides.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from legato.domain.artifacts import Artifact
from legato.domain.errors import MissingError
from legato.domain.events import CandidateRegistered, Lineage, decode
from legato.domain.graph import Struct
from legato.domain.verdicts import Judgement, Outcome, Verdict
from legato.ledger import Query, Reader, Row
from legato.registry.reference import Reference, parse

_DESPITE = msgspec.json.Decoder(tuple[str, ...])


class Alias(Struct, frozen=True, kw_only=True):
    """Where an alias points in one environment, and who moved it there; `at` in seconds since 1970."""

    model: str
    alias: str
    environment: str
    version: int
    actor: str = ""
    why: str = ""
    at: float = 0.0


class Move(Struct, frozen=True, kw_only=True):
    """One move of an alias; `before` is 0 where it was not set."""

    seq: int
    model: str
    alias: str
    environment: str
    before: int
    after: int
    actor: str = ""
    why: str = ""
    at: float = 0.0


class Candidate(Struct, frozen=True, kw_only=True):
    """A trained model that was judged.

    Attributes:
        number: `c1`, `c2`, … of its model.
        at: When it was registered, seconds since 1970.
        version: The version that was made of it, or 0.
        lineage: Run, commit, data, parameters, packages.
        metrics: Its metrics by name, as evidence.
    """

    model: str
    number: int
    at: float
    environment: str
    outcome: Outcome
    artifact: Artifact
    lineage: Lineage
    verdicts: tuple[Verdict, ...] = ()
    metrics: Mapping[str, float | None] = {}
    servable: Artifact | None = None
    evaluation: Artifact | None = None
    version: int = 0

    @property
    def name(self) -> str:
        """The candidate as people type it (`wine:c4`)."""
        return f"{self.model}:c{self.number}"


class Version(Struct, frozen=True, kw_only=True):
    """An immutable version of a model: its candidate, and who let it through despite what.

    Attributes:
        number: `v1`, `v2`, … of its model.
        at: When it was made, seconds since 1970.
        despite: Gates that it did not pass.
        aliases: What points at it now.
    """

    model: str
    number: int
    at: float
    candidate: Candidate
    actor: str = ""
    despite: tuple[str, ...] = ()
    why: str = ""
    aliases: tuple[Alias, ...] = ()

    @property
    def name(self) -> str:
        """The version as people type it (`wine:3`)."""
        return f"{self.model}:{self.number}"

    @property
    def artifact(self) -> Artifact:
        """The model's bytes."""
        return self.candidate.artifact

    @property
    def servable(self) -> Artifact | None:
        """What `serve` loads, where it was packaged."""
        return self.candidate.servable

    @property
    def lineage(self) -> Lineage:
        """Where it comes from."""
        return self.candidate.lineage

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What its gates found."""
        return self.candidate.verdicts

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """Its metrics by name."""
        return self.candidate.metrics


class Model(Struct, frozen=True, kw_only=True):
    """A model as a list shows it: how many candidates and versions, and what its aliases point at."""

    name: str
    candidates: int
    versions: int
    at: float
    aliases: tuple[Alias, ...] = ()


def models(ledger: Reader) -> tuple[Model, ...]:
    """Return all models by name."""
    aliases = tuple(Alias(**row) for row in ledger.query("registry_aliases", model=None))
    return tuple(
        Model(
            name=row["model"],
            candidates=row["candidates"],
            versions=row["versions"],
            at=row["at"],
            aliases=tuple(alias for alias in aliases if alias.model == row["model"]),
        )
        for row in ledger.query("registry_models")
    )


def model(ledger: Reader, name: str) -> Model:
    """Return one model; raises MissingError with the nearest name."""
    known = {found.name: found for found in models(ledger)}
    if name not in known:
        raise missing_model(name, known)
    return known[name]


def versions(ledger: Reader, name: str) -> tuple[Version, ...]:
    """Return a model's versions, oldest first; raises MissingError where there is no such model."""
    aliases = model(ledger, name).aliases
    return tuple(_version(name, row, aliases) for row in ledger.query("registry_versions", model=name))


def version(ledger: Reader, reference: Reference | str, environment: str = "local") -> Version:
    """Return the version that a reference names; a bare model is its champion in `environment`.

    Raises:
        ConfigurationError: The reference cannot be read.
        MissingError: There is no such model, alias or version, or the candidate is no version yet.
    """
    wanted = parse(reference) if isinstance(reference, str) else reference
    found = version_of(ledger.query, wanted, environment)
    aliases = model(ledger, wanted.model).aliases
    return msgspec.structs.replace(
        found, aliases=tuple(alias for alias in aliases if alias.version == found.number)
    )


def candidates(ledger: Reader, name: str) -> tuple[Candidate, ...]:
    """Return a model's candidates, oldest first; raises MissingError where there is no such model."""
    model(ledger, name)
    return tuple(_candidate(row) for row in ledger.query("registry_candidates", model=name))


def candidate(ledger: Reader, reference: Reference | str) -> Candidate:
    """Return the candidate that `MODEL:c4` names, or that a version was made of.

    Raises:
        ConfigurationError: The reference cannot be read.
        MissingError: There is none.
    """
    wanted = parse(reference) if isinstance(reference, str) else reference
    if not wanted.candidate:
        return version(ledger, wanted).candidate
    return candidate_of(ledger.query, wanted.model, wanted.candidate)


def history(ledger: Reader, name: str, alias: str = "", environment: str = "") -> tuple[Move, ...]:
    """Return how a model's aliases moved, oldest first; of one alias or environment where that is given."""
    model(ledger, name)
    moves = (Move(**row) for row in ledger.query("registry_moves", model=name))
    return tuple(
        move for move in moves if alias in ("", move.alias) and environment in ("", move.environment)
    )


def candidate_of(query: Query, name: str, number: int) -> Candidate:
    """Return one candidate; raises MissingError with the numbers that there are."""
    rows = query("registry_candidate", model=name, number=number)
    if not rows:
        raise _missing_number(query, name, f"candidate c{number}")
    return _candidate(rows[0])


def version_of(query: Query, wanted: Reference, environment: str) -> Version:
    """Return the version that a reference names, without its aliases.

    Raises:
        MissingError: There is no such model, alias or version, or the candidate is no version yet.
    """
    number = wanted.version
    if wanted.candidate:
        number = candidate_of(query, wanted.model, wanted.candidate).version
    elif not number:
        number = _points_at(query, wanted, environment)
    rows = query("registry_version", model=wanted.model, number=number) if number else []
    if rows:
        return _version(wanted.model, rows[0], ())
    if wanted.candidate:
        raise MissingError(
            f"{wanted} is no version yet", hint=f"`legato models promote {wanted}` makes it one"
        )
    raise _missing_number(query, wanted.model, f"version {number}")


def _points_at(query: Query, wanted: Reference, environment: str) -> int:
    alias = wanted.alias or "champion"
    rows = query("registry_alias", model=wanted.model, alias=alias, environment=environment)
    if rows:
        return int(rows[0]["version"])
    names = [row["model"] for row in query("registry_models")]
    if wanted.model not in names:
        raise missing_model(wanted.model, names)
    others = [
        f"{row['alias']} in {row['environment']}" for row in query("registry_aliases", model=wanted.model)
    ]
    raise MissingError(
        f"{wanted.model!r} has no {alias!r} in {environment!r}",
        hint=f"it has {', '.join(others)}"
        if others
        else f"`legato models promote {wanted.model}:c1` sets one",
    )


def missing_model(name: str, known: Iterable[str]) -> MissingError:
    """Return the error that no model is called `name`."""
    names = sorted(known)
    hint = _did_you_mean(name, names) or "a run of a pipeline with lg.model registers the first"
    return MissingError(f"no model is called {name!r}", hint=hint)


def _missing_number(query: Query, name: str, what: str) -> MissingError:
    known = {row["model"]: row for row in query("registry_models")}
    if name not in known:
        return missing_model(name, known)
    row = known[name]
    return MissingError(
        f"{name!r} has no {what}; it has {row['candidates']} candidates and {row['versions']} versions",
        hint="`legato models list` names them",
    )


def _candidate(row: Row) -> Candidate:
    event = decode(_bytes(row["payload"]))
    assert isinstance(event, CandidateRegistered)  # noqa: S101 - the row was made from such an event
    return Candidate(
        model=event.model,
        number=row["number"],
        at=row["at"],
        environment=event.environment,
        outcome=Judgement(verdicts=event.verdicts).outcome,
        artifact=event.artifact,
        lineage=event.lineage,
        verdicts=event.verdicts,
        metrics=event.metrics,
        servable=event.servable,
        evaluation=event.evaluation,
        version=row["version"],
    )


def _version(name: str, row: Row, aliases: Iterable[Alias]) -> Version:
    return Version(
        model=name,
        number=row["version"],
        at=row["created"],
        candidate=_candidate(row),
        actor=row["actor"],
        despite=_DESPITE.decode(row["despite"]),
        why=row["why"],
        aliases=tuple(alias for alias in aliases if alias.version == row["version"]),
    )


def _bytes(payload: Any) -> bytes:  # noqa: ANN401 - text or bytes, as the back end keeps it
    return payload.encode() if isinstance(payload, str) else bytes(payload)


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are {', '.join(names)}" if names else ""
