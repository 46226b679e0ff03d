"""Events: the facts of a project, in the order in which they became known.

Rule: an event is written once and never changed; tables are read from them. A field is only ever added,
with a default. Format: docs/formats/ledger.md.
"""

from collections.abc import Mapping

import msgspec

from legato.domain.artifacts import Artifact, Result, Usage
from legato.domain.digests import Digest
from legato.domain.graph import Struct
from legato.domain.messages import Override
from legato.domain.verdicts import Verdict


class Event(Struct, frozen=True, kw_only=True, tag_field="event"):
    """The root of all events."""


class RunStarted(Event, frozen=True, kw_only=True, tag="run.started"):
    """A run began. `number` counts runs of this ledger from 1.

    `origin` is set where the run was made known by another ledger: that one's name, a colon, the run's number there.
    `maker` says how far its results are trusted (`laptop`, `untrusted`, `ci`). `overrides` are its parameters as they
    were given, by which the same run can be asked for again.
    """

    number: int
    targets: tuple[str, ...]
    pipeline: str
    environment: str = "local"
    commit: str = ""
    dirty: bool = False
    branch: str = ""
    actor: str = ""
    owner: str = ""
    parameters: Mapping[str, str] = {}
    steps: tuple[str, ...] = ()
    origin: str = ""
    maker: str = "laptop"
    overrides: tuple[Override, ...] = ()


class StepReused(Event, frozen=True, kw_only=True, tag="step.reused"):
    """A run took the result of a key that was already known."""

    run: int
    step: str
    kind: str
    key: str


class StepFinished(Event, frozen=True, kw_only=True, tag="step.finished"):
    """A step ran and succeeded: its result is known from now on. `notes`: what a person should know of it."""

    kind: str
    result: Result
    attempt: int = 1
    log: str = ""
    notes: tuple[str, ...] = ()


class ResultFetched(Event, frozen=True, kw_only=True, tag="result.fetched"):
    """A result that was made elsewhere serves here too. `source` is the shared ledger that it was found in."""

    kind: str
    result: Result
    source: str


class Published(Event, frozen=True, kw_only=True, tag="published"):
    """All events of the ledger called `source` up to its sequence number `upto` are told in this one."""

    source: str
    upto: int


class StepFailed(Event, frozen=True, kw_only=True, tag="step.failed"):
    """A step ended without a result.

    `reason`: `raised`, `exited`, `killed`, `timeout`, `memory`, `cancelled`, `skipped`,
    `refused`, `held`, `not wanted`.
    """

    run: int
    step: str
    kind: str
    reason: str
    message: str = ""
    details: str = ""
    hint: str = ""
    attempt: int = 1
    wall_s: float = 0.0
    log: str = ""
    will_retry: bool = False
    key: str = ""
    usage: Usage = Usage()


class RunFinished(Event, frozen=True, kw_only=True, tag="run.finished"):
    """A run ended. `state`: `succeeded`, `failed`, `cancelled`, `lost`."""

    number: int
    state: str
    computed: int = 0
    reused: int = 0
    failed: int = 0
    skipped: int = 0
    wall_s: float = 0.0
    left_machine: tuple[str, ...] = ()
    cancelled_by: str = ""


class CancelAsked(Event, frozen=True, kw_only=True, tag="run.cancel.asked"):
    """Someone wants a run to end; the run itself ends it, and says so in `run.finished`."""

    run: int
    actor: str = ""


class Lineage(Struct, frozen=True, kw_only=True):
    """Where a candidate comes from."""

    run: int
    commit: str = ""
    dirty: bool = False
    data: Mapping[str, str] = {}
    parameters: Mapping[str, str] = {}
    packages: Mapping[str, str] = {}
    platform: str = ""
    key: str = ""


class CandidateRegistered(Event, frozen=True, kw_only=True, tag="candidate.registered"):
    """A trained model was judged. Candidates of one model count from 1 (`c1`, `c2`)."""

    model: str
    number: int
    artifact: Artifact
    lineage: Lineage
    verdicts: tuple[Verdict, ...] = ()
    metrics: Mapping[str, float | None] = {}
    servable: Artifact | None = None
    environment: str = "local"
    evaluation: Artifact | None = None


class VersionCreated(Event, frozen=True, kw_only=True, tag="version.created"):
    """A candidate became an immutable version. Versions of one model count from 1."""

    model: str
    version: int
    candidate: int
    actor: str = ""
    despite: tuple[str, ...] = ()
    why: str = ""


class AliasMoved(Event, frozen=True, kw_only=True, tag="alias.moved"):
    """An alias of a model now points elsewhere. `before` is 0 when it was not set."""

    model: str
    alias: str
    environment: str
    before: int
    after: int
    actor: str = ""
    why: str = ""


class EndpointChanged(Event, frozen=True, kw_only=True, tag="endpoint.changed"):
    """An endpoint of an environment serves another version, or stopped (`version` 0)."""

    endpoint: str
    environment: str
    model: str
    version: int
    address: str = ""


class DataPushed(Event, frozen=True, kw_only=True, tag="data.pushed"):
    """Someone sent datasets to the remote, digests by name: they stay there whatever becomes of branches."""

    datasets: Mapping[str, Digest]
    actor: str = ""
    commit: str = ""


class PayloadRedacted(Event, frozen=True, kw_only=True, tag="payload.redacted"):
    """The payload of an earlier event was blanked: its kind, time and digest stay, what it said is gone."""

    seq: int
    actor: str = ""
    why: str = ""


class Redacted(Event, frozen=True, kw_only=True, tag="redacted"):
    """What a reader gets in place of an event whose payload was blanked. Never written.

    `kind` is what it was; `by` the sequence number of the `payload.redacted` event.
    """

    kind: str
    by: int


AnyEvent = (
    RunStarted
    | StepReused
    | StepFinished
    | ResultFetched
    | Published
    | StepFailed
    | RunFinished
    | CancelAsked
    | CandidateRegistered
    | VersionCreated
    | AliasMoved
    | EndpointChanged
    | DataPushed
    | PayloadRedacted
)

_DECODER = msgspec.json.Decoder(AnyEvent)
_ENCODER = msgspec.json.Encoder()


def encode(event: Event) -> bytes:
    """Return the event as JSON, its kind first."""
    return _ENCODER.encode(event)


def decode(data: bytes) -> AnyEvent:
    """Return the event that `encode` wrote; raises `msgspec.ValidationError`."""
    event: AnyEvent = _DECODER.decode(data)
    return event


def kind_of(event: Event) -> str:
    """Return the event's kind, as in the ledger's `kind` column."""
    return str(event.__struct_config__.tag)


def kinds(*events: type[Event]) -> tuple[str, ...]:
    """Return the kinds of events as the ledger names them.

    >>> kinds(RunStarted, RunFinished)
    ('run.started', 'run.finished')
    """
    return tuple(str(event.__struct_config__.tag) for event in events)
