"""What a run tells whoever watches it, as it happens.

Rule: progress is for eyes; nothing is decided from it, and the ledger does not hold it.
"""

from collections.abc import Mapping
from enum import StrEnum

from legato.domain.artifacts import Artifact, Usage
from legato.domain.graph import Struct
from legato.domain.keys import Cause


class State(StrEnum):
    """How one step of a run ended."""

    COMPUTED = "computed"
    REUSED = "reused"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    HELD = "held"
    NOT_WANTED = "not wanted"


class Progress(Struct, frozen=True, kw_only=True, tag_field="progress"):
    """The root of all progress; `step` is the node's name."""

    step: str


class Planned(Progress, frozen=True, kw_only=True, tag="planned"):
    """The run knows what it has to look at; `step` is empty."""

    steps: tuple[str, ...]


class Expanded(Progress, frozen=True, kw_only=True, tag="expanded"):
    """The elements of a fanned-out step are known; `step` is the fanned-out step, `elements` their names."""

    elements: tuple[str, ...]


class Gathered(Progress, frozen=True, kw_only=True, tag="gathered"):
    """All elements of a fanned-out step are over; `counts` says how many by state."""

    counts: Mapping[str, int]


class Began(Progress, frozen=True, kw_only=True, tag="began"):
    """A step starts; `causes` say why its result could not be reused."""

    kind: str
    causes: tuple[Cause, ...] = ()
    attempt: int = 1


class Printed(Progress, frozen=True, kw_only=True, tag="printed"):
    """A step wrote to `stdout` or `stderr`."""

    stream: str
    data: bytes


class Sampled(Progress, frozen=True, kw_only=True, tag="sampled"):
    """A step logged metrics."""

    values: Mapping[str, float]
    at: int | None = None


class Retrying(Progress, frozen=True, kw_only=True, tag="retrying"):
    """An attempt failed and another follows after `wait_s`."""

    attempt: int
    reason: str
    message: str
    wait_s: float


class Waited(Progress, frozen=True, kw_only=True, tag="waited"):
    """Nothing happened for a moment; `step` is empty. For clocks on a screen."""


class Noted(Progress, frozen=True, kw_only=True, tag="noted"):
    """Something that a person should know; `step` may be empty."""

    text: str


class Moving(Progress, frozen=True, kw_only=True, tag="moving"):
    """Bytes travel between this machine and another; `step` is empty, `what` says which way."""

    what: str
    done_bytes: int
    total_bytes: int


class Ended(Progress, frozen=True, kw_only=True, tag="ended"):
    """A step is over.

    Attributes:
        message: Why it failed, was skipped or held; one line.
        details: The user's own traceback, where there is one.
        notes: What the step did outside the store (a version created, an endpoint swapped).
        family: The fanned-out step that it is an element of; empty for any other.
    """

    kind: str
    state: State
    usage: Usage = Usage()
    message: str = ""
    details: str = ""
    hint: str = ""
    log: str = ""
    notes: tuple[str, ...] = ()
    family: str = ""


AnyProgress = (
    Planned | Expanded | Gathered | Began | Printed | Sampled | Retrying | Waited | Noted | Moving | Ended
)


class StepSummary(Struct, frozen=True, kw_only=True):
    """One step at the end of a run."""

    name: str
    kind: str
    state: State
    key: str = ""
    causes: tuple[Cause, ...] = ()
    usage: Usage = Usage()
    outputs: Mapping[str, Artifact] = {}
    message: str = ""
    hint: str = ""
    details: str = ""
    log: str = ""
    notes: tuple[str, ...] = ()
    family: str = ""


class Summary(Struct, frozen=True, kw_only=True):
    """A whole run at its end; `number` is 0 when nothing had to be recorded.

    Attributes:
        saved_s: Wall seconds that the reused results took when they were made.
        cancelled_by: Who asked for its end; empty where nobody did.
    """

    number: int
    state: str
    steps: tuple[StepSummary, ...]
    wall_s: float
    left_machine: tuple[str, ...] = ()
    saved_s: float = 0.0
    cancelled_by: str = ""

    def count(self, state: State) -> int:
        """Return how many steps ended in `state`."""
        return sum(step.state == state for step in self.steps)
