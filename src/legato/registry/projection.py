"""The registry's tables, read from events: candidates, versions, aliases and their moves.

Rule: a table holds nothing that its events do not; what a candidate looks like is read from its event.
"""

from typing import Protocol

from legato.domain.artifacts import Artifact
from legato.domain.digests import Digest, canonical, digest_of
from legato.domain.events import AliasMoved, CandidateRegistered, VersionCreated
from legato.domain.verdicts import Judgement, Verdict
from legato.ledger import Execute, Stored

_CANDIDATE = """INSERT INTO model_candidates (seq, model, number, environment, outcome, evidence, artifact,
 run, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_VERSION = """INSERT INTO model_versions (seq, model, number, candidate, actor, despite, why, at)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_MOVE = """INSERT INTO model_alias_moves (seq, model, alias, environment, before, after, actor, why, at)
 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ALIAS = """INSERT INTO model_aliases (model, alias, environment, version, actor, why, at)
 VALUES (?, ?, ?, ?, ?, ?, ?)
 ON CONFLICT (model, alias, environment) DO UPDATE
 SET version = excluded.version, actor = excluded.actor, why = excluded.why, at = excluded.at"""


def project(execute: Execute, stored: Stored) -> None:
    """Write what one event means into the registry's tables."""
    seq, at, event = stored.seq, stored.at, stored.event
    match event:
        case CandidateRegistered():
            outcome = str(Judgement(verdicts=event.verdicts).outcome)
            found = (event.environment, outcome, evidence_of(event), event.artifact.digest)
            execute(_CANDIDATE, (seq, event.model, event.number, *found, event.lineage.run, at))
        case VersionCreated():
            number = (event.model, event.version, event.candidate)
            despite = canonical(event.despite).decode()
            execute(_VERSION, (seq, *number, event.actor, despite, event.why, at))
        case AliasMoved():
            where = (event.model, event.alias, event.environment)
            told = (event.actor, event.why, at)
            execute(_MOVE, (seq, *where, event.before, event.after, *told))
            execute(_ALIAS, (*where, event.after, *told))
        case _:
            pass


class Judged(Protocol):
    """What was judged where, as its event or the registry's own card says it."""

    @property
    def environment(self) -> str:
        """Where it was registered."""

    @property
    def artifact(self) -> Artifact:
        """The model's bytes."""

    @property
    def servable(self) -> Artifact | None:
        """What `serve` loads."""

    @property
    def evaluation(self) -> Artifact | None:
        """What its gates judged."""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What they found."""


def evidence_of(candidate: Judged) -> Digest:
    """Return what makes registrations the same candidate: equal bytes, judged equally in one environment."""
    return digest_of(
        canonical(
            [
                candidate.environment,
                candidate.artifact.digest,
                candidate.servable.digest if candidate.servable else "",
                candidate.evaluation.digest if candidate.evaluation else "",
                candidate.verdicts,
            ]
        )
    )
