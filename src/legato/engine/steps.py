"""What a run knows of one node while it is on its way.

Rule: a step is changed by the run that owns it, and by nobody else.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from legato.domain.artifacts import Artifact, Usage
from legato.domain.graph import Node
from legato.domain.keys import Cause, Recipe, base_key
from legato.domain.progress import Began, Ended, State, StepSummary
from legato.engine.endings import Ending
from legato.engine.kinds import Call
from legato.engine.masking import Mask
from legato.ledger import Lease

if TYPE_CHECKING:
    from legato.domain.messages import Failed, Finished
    from legato.engine.settings import Coming


class Step:
    """The changing state of one node; the run that owns it is the only one to change it.

    Attributes:
        call: What to run; known when its inputs are.
        causes: Why it runs.
        coming: Its inputs on their way to this machine; None until they were asked for.
        claim: What its worker said last; believed only when the job ends well.
        lease: The right to compute its key, while it is held.
        masks: Keep its secrets out of what it prints, by stream.
        summary: How it ended.
    """

    __slots__ = (
        "attempt", "base", "began", "call", "causes", "claim", "coming", "job", "lease", "masks", "node", "outputs",
        "summary",
    )  # fmt: skip

    def __init__(self, node: Node) -> None:
        self.node = node
        self.attempt = 1
        self.began = 0.0
        self.call: Call | None = None
        self.base = ""
        self.causes: tuple[Cause, ...] = ()
        self.claim: Finished | Failed | None = None
        self.coming: Coming | None = None
        self.job = ""
        self.lease: Lease | None = None
        self.masks: dict[str, Mask] = {}
        self.outputs: Mapping[str, Artifact] = {}
        self.summary: StepSummary | None = None

    def decided(self, call: Call) -> None:
        """Take note of what to run, and of its key before reads are known."""
        self.call = call
        self.base = base_key(call.recipe or ())

    @property
    def recipe(self) -> Recipe:
        """The recipe of its call; empty when it has none."""
        return (self.call.recipe or ()) if self.call else ()

    def take_lease(self) -> tuple[Lease, ...]:
        """Return the lease it holds, if any; it is the caller's to give back."""
        held, self.lease = self.lease, None
        return (held,) if held else ()

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on."""
        values = list(secrets)
        self.masks = {stream: Mask(values) for stream in ("stdout", "stderr", "claims")}

    def masked(self, text: str) -> str:
        """Return text without the step's secrets."""
        mask = self.masks.get("claims")
        return (mask.feed(text.encode()) + mask.rest()).decode(errors="replace") if mask else text

    def begun(self, now: float) -> Began:
        """Take note that an attempt begins, and return it for those who watch."""
        self.began = now
        return Began(step=self.node.name, kind=self.node.kind, causes=self.causes, attempt=self.attempt)

    def ended(
        self,
        state: State,
        *,
        usage: Usage = Usage(),  # noqa: B008 - frozen
        ending: Ending | None = None,
        log: str = "",
        notes: tuple[str, ...] = (),
    ) -> Ended:
        """Return how it ended, for those who watch."""
        told = ending or _SILENT
        return Ended(
            step=self.node.name,
            kind=self.node.kind,
            state=state,
            usage=usage,
            message=told.message,
            details=told.details,
            hint=told.hint,
            log=log,
            notes=notes,
            family=self.node.template,
        )

    def summed(self, ended: Ended, key: str) -> StepSummary:
        """Return how it ended, for the end of the run."""
        return StepSummary(
            name=ended.step,
            kind=ended.kind,
            state=ended.state,
            key=key,
            causes=self.causes,
            usage=ended.usage,
            outputs=self.named_outputs(),
            message=ended.message,
            hint=ended.hint,
            details=ended.details,
            log=ended.log,
            notes=ended.notes,
            family=ended.family,
        )

    def named_outputs(self) -> dict[str, Artifact]:
        """Return its artifacts by their names in the graph."""
        return {o.artifact: self.outputs[o.field] for o in self.node.outputs if o.field in self.outputs}


_SILENT = Ending(reason="", message="")
