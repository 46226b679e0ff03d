"""What registering and promoting come to, as events.

Rule: pure decisions on what a query says; they are made inside the ledger's transaction, so nobody else can
outdate them before they are written.
"""

import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from msgspec.structs import replace

from legato.domain.errors import ConfigurationError, ConflictError
from legato.domain.events import AliasMoved, AnyEvent, CandidateRegistered, VersionCreated
from legato.domain.graph import Struct
from legato.domain.verdicts import Judgement, Outcome, Verdict
from legato.ledger import Query
from legato.registry.projection import evidence_of
from legato.registry.read import Candidate, candidate_of, version_of
from legato.registry.reference import Reference, checked, parse

CHAMPION: Final = "champion"
LOCAL: Final = "local"
AGAIN: Final = "the pipeline makes this version again"
"""Why a run moved an alias back to a version that it knew; such a move is no person's."""


class Registration(Struct, frozen=True, kw_only=True):
    """What registering a candidate came to.

    Attributes:
        events: What to append; empty where the candidate is known already.
        candidate: Its number.
        version: Its version's number, or 0 where its gates did not all pass and nobody made one despite that.
        before: The champion's version before, or 0.
        champion: The champion's version now, or 0.
        known: It was registered before.
        note: What people should know, in words.
    """

    events: tuple[AnyEvent, ...]
    model: str
    candidate: int
    outcome: Outcome
    version: int = 0
    before: int = 0
    champion: int = 0
    known: bool = False
    note: str = ""

    @property
    def first(self) -> bool:
        """It became the first champion of its model."""
        return not self.before and self.version > 0 and self.champion == self.version and not self.known


class Promotion(Struct, frozen=True, kw_only=True):
    """What a promotion came to; without events where the alias points there already, as `note` says."""

    events: tuple[AnyEvent, ...]
    model: str
    version: int
    alias: str
    environment: str
    before: int
    note: str = ""


class Request(Struct, frozen=True, kw_only=True):
    """What a person asks to promote.

    Attributes:
        reference: `MODEL:3` or `MODEL:c4`; with an alias or bare, what that points at in `environment`.
        despite: Names of the gates that did not pass, each of them.
        why: In words; needed with `despite`.
        expect: The version that the alias pointed at when the person looked (0: none); None: whatever it is.
    """

    reference: str
    alias: str = CHAMPION
    environment: str = LOCAL
    actor: str = ""
    why: str = ""
    despite: tuple[str, ...] = ()
    expect: int | None = None


class Judged(Struct, frozen=True, kw_only=True):
    """Under which circumstances a candidate is registered.

    Attributes:
        actor: Who ran it.
        against: The champion's version that it was compared with (0: none); where another one is champion by now, it
            becomes a version but not the champion. None: not asked.
        crowned: It becomes champion as soon as its gates pass: in `local`, and where no endpoint has to take it first.
    """

    actor: str = ""
    against: int | None = None
    crowned: bool = True


def register(query: Query, candidate: CandidateRegistered, judged: Judged | None = None) -> Registration:
    """Return what registering `candidate` (its number is given here) comes to.

    All gates passed: it becomes a version, and in `local` the champion. The same bytes judged equally in the
    same environment are the candidate that is known already: it is champion again where a run made the present
    one. Where a person moved the champion, the bytes of a version that is there already do not move it back,
    however they compare with the new champion.

    Args:
        query: Of the ledger, inside a transaction.
        candidate: What was trained and what its gates found.
        judged: By whom, and against what; None: by nobody who is named, against nothing.

    Raises:
        ConfigurationError: The model's or environment's name is refused.
    """
    model, environment = checked("model", candidate.model), checked("environment", candidate.environment)
    judged = judged or Judged(crowned=environment == LOCAL)
    before = _points_at(query, model, CHAMPION, environment)
    found = Registration(
        events=(),
        model=model,
        candidate=0,
        outcome=Judgement(verdicts=candidate.verdicts).outcome,
        before=before,
        champion=before,
    )
    known = _known(query, found, candidate)
    if known is not None:
        return _champion_again(query, known, environment, judged)
    last = query("registry_last", model=model)[0]
    number = int(last["candidate"]) + 1
    found = replace(found, candidate=number, events=(replace(candidate, number=number),))
    if found.outcome is not Outcome.PASS:
        gates = ", ".join(_stopping(candidate.verdicts))
        return replace(found, note=f"{model}:c{number} is no version: {gates}")
    return _versioned(found, int(last["version"]) + 1, environment, judged)


def _known(query: Query, found: Registration, candidate: CandidateRegistered) -> Registration | None:
    """Return what these bytes are already: judged equally before, or a version that a person's promotion holds back."""
    equal = query("registry_known", model=found.model, evidence=evidence_of(candidate))
    version = int(equal[0]["version"]) if equal else 0
    where = {"model": found.model, "environment": candidate.environment}
    if not version and _moved_by_hand(query, **where):
        equal = query("registry_same_bytes", artifact=candidate.artifact.digest, **where) or equal
        version = int(equal[0]["version"]) if equal else 0
    if not equal:
        return None
    number = int(equal[0]["number"])
    note = f"known as {found.model}:c{number}" + _elsewhere(found.model, version, found.before)
    return replace(found, candidate=number, version=version, known=True, note=note)


def _champion_again(query: Query, known: Registration, environment: str, judged: Judged) -> Registration:
    """Return what a known version comes to: champion again, where a run and no person made the present champion."""
    model, version, before = known.model, known.version, known.before
    passed = version and known.outcome is Outcome.PASS and judged.crowned
    if not passed or version == before or _moved_by_hand(query, model=model, environment=environment):
        return known
    if judged.against is not None and judged.against != before:
        return known
    moved = AliasMoved(
        model=model,
        alias=CHAMPION,
        environment=environment,
        before=before,
        after=version,
        actor=judged.actor,
        why=AGAIN,
    )
    note = f"{model}:{version} is champion again, after {_shown(before)}: {AGAIN}"
    return replace(known, champion=version, events=(moved,), note=note)


def _moved_by_hand(query: Query, *, model: str, environment: str) -> bool:
    """Say whether the last move of the champion was a person's."""
    return bool(
        query("registry_moved_by_hand", model=model, alias=CHAMPION, environment=environment, again=AGAIN)
    )


def _versioned(found: Registration, version: int, environment: str, judged: Judged) -> Registration:
    """Return the registration of a candidate that passed: a version, and where it may be, the champion."""
    model, before = found.model, found.before
    made = VersionCreated(model=model, version=version, candidate=found.candidate, actor=judged.actor)
    found = replace(found, version=version, events=(*found.events, made), note=f"{model}:{version}")
    if not judged.crowned:
        return found
    if judged.against is not None and judged.against != before:
        note = f"{model}:{version} was compared with {_shown(judged.against)}"
        return replace(found, note=f"{note}, but {_shown(before)} is champion now: run again")
    moved = AliasMoved(
        model=model, alias=CHAMPION, environment=environment, before=before, after=version, actor=judged.actor
    )
    note = f"{model}:{version} is champion, " + (f"after v{before}" if before else "the first")
    return replace(found, champion=version, events=(*found.events, moved), note=note)


def promote(query: Query, request: Request) -> Promotion:
    """Return what a promotion comes to.

    Raises:
        MissingError: There is no such model, version or candidate.
        ConfigurationError: A gate that did not pass is not named in `despite`, one that passed is, or `why`
            is empty.
        ConflictError: The alias points elsewhere than `request.expect` by now.
    """
    wanted = parse(request.reference)
    alias, environment = checked("alias", request.alias), checked("environment", request.environment)
    candidate = _wanted(query, wanted, environment)
    before = _points_at(query, wanted.model, alias, environment)
    found = Promotion(
        events=(),
        model=wanted.model,
        version=candidate.version,
        alias=alias,
        environment=environment,
        before=before,
    )
    where = f"{alias} of {wanted.model} in {environment}"
    if candidate.version and candidate.version == before:
        return replace(found, note=f"{where} is v{before} already: nothing to do")
    if request.expect is not None and request.expect != before:
        raise ConflictError(
            f"{where} is {_shown(before)} by now, not {_shown(request.expect)}",
            hint=f"`legato models show {wanted.model}@{alias}` says more; promote again if it is still right",
        )
    events: tuple[AnyEvent, ...] = ()
    version = candidate.version
    if not version:
        made = _made(query, candidate, request)
        events, version = (made,), made.version
    moved = AliasMoved(
        model=wanted.model,
        alias=alias,
        environment=environment,
        before=before,
        after=version,
        actor=request.actor,
        why=request.why,
    )
    note = f"{where}: {_shown(before)} -> v{version}"
    return replace(found, version=version, events=(*events, moved), note=note)


def _wanted(query: Query, wanted: Reference, environment: str) -> Candidate:
    if wanted.candidate:
        return candidate_of(query, wanted.model, wanted.candidate)
    found = version_of(query, wanted, environment)
    return replace(found.candidate, version=found.number)


def _made(query: Query, candidate: Candidate, request: Request) -> VersionCreated:
    """Return the version that a person makes of a candidate, with all that has to be said for it."""
    stopping = _stopping(candidate.verdicts)
    for name in request.despite:
        if name not in stopping:
            near = get_close_matches(name, stopping, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"these did not: {', '.join(stopping) or 'none'}"
            raise ConfigurationError(f"{candidate.name} has no gate {name!r} that did not pass", hint=hint)
    missing = [name for name in stopping if name not in request.despite]
    if missing:
        options = " ".join(f"--despite {shlex.quote(name)}" for name in stopping)
        raise ConfigurationError(
            f"{candidate.name} did not pass {', '.join(repr(name) for name in missing)}",
            hint=f'to promote it all the same: legato models promote {candidate.name} {options} --why "…"',
        )
    if stopping and not request.why.strip():
        raise ConfigurationError(
            f"{candidate.name} did not pass {len(stopping)} of its gates, and no reason is given",
            hint='say why it goes on all the same: --why "…"',
        )
    return VersionCreated(
        model=candidate.model,
        version=int(query("registry_last", model=candidate.model)[0]["version"]) + 1,
        candidate=candidate.number,
        actor=request.actor,
        despite=request.despite,
        why=request.why,
    )


def _stopping(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the names of the gates that did not pass, each once."""
    return tuple(dict.fromkeys(verdict.gate for verdict in verdicts if verdict.outcome is not Outcome.PASS))


def _points_at(query: Query, model: str, alias: str, environment: str) -> int:
    rows = query("registry_alias", model=model, alias=alias, environment=environment)
    return int(rows[0]["version"]) if rows else 0


def _elsewhere(model: str, version: int, champion: int) -> str:
    if not version or version == champion:
        return ""
    return (
        f" ({model}:{version}), but {_shown(champion)} is champion: `legato models promote {model}:{version}`"
    )


def _shown(version: int) -> str:
    return f"v{version}" if version else "no version"
