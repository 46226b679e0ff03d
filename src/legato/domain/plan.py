"""A plan: a graph with keys; what a run would do, and why.

Rule: a plan is a forecast from what is known now; it changes nothing.
"""

from enum import StrEnum

from legato.domain.graph import Struct
from legato.domain.keys import Cause, Origin, Reason, Recipe


class Decision(StrEnum):
    """What a run would do with a node."""

    REUSE = "reuse"
    RUN = "run"
    MAY_RUN = "may run"
    HOLD = "hold"
    NOT_WANTED = "not wanted"


class PlannedStep(Struct, frozen=True, kw_only=True):
    """One node of a plan.

    Attributes:
        causes: Why it runs; for `MAY_RUN`, the nodes whose new outputs decide.
        made_by: For `REUSE`: the run that made the result.
        last_s: Wall seconds of the last execution of a step of this name; 0 when unknown.
        leaves: It acts outside this machine.
        family: The fanned-out step that it is an element of; empty for any other.
        fans_out_over: Artifacts whose elements have to be known before its own are.
        expected_s: Wall seconds that it will take, the median of its last executions; None where it has had none.
        executions: How many executions `expected_s` rests on.
        reasons: The causes walked to their roots; only `legato why` asks for them.
        origin: For `REUSE`: who made the result; only `legato why` asks for it.
    """

    name: str
    kind: str
    decision: Decision
    causes: tuple[Cause, ...] = ()
    key: str = ""
    made_by: int = 0
    last_s: float = 0.0
    leaves: bool = False
    recipe: Recipe = ()
    family: str = ""
    fans_out_over: tuple[str, ...] = ()
    expected_s: float | None = None
    executions: int = 0
    reasons: tuple[Reason, ...] = ()
    origin: Origin | None = None


class Outlook(Struct, frozen=True, kw_only=True):
    """What a run would take, as far as past runs tell.

    Attributes:
        wall_s: Wall seconds of what certainly runs, on the cores that the run may use.
        at_most_s: The same if all that may run does.
        path: The chain of steps that decides `at_most_s`, first to last.
        unknown: Steps that never ran here, whose time counts as nothing.
        cost: Of `wall_s`; None where no price is configured.
        at_most_cost: Of `at_most_s`.
        currency: Of both.
        leaves: What would leave this machine, in words.
    """

    wall_s: float = 0.0
    at_most_s: float = 0.0
    path: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    cost: float | None = None
    at_most_cost: float | None = None
    currency: str = ""
    leaves: tuple[str, ...] = ()


class Plan(Struct, frozen=True, kw_only=True):
    """All nodes in the order of the graph. `notes`: what a person should know of the pipeline besides."""

    steps: tuple[PlannedStep, ...]
    outlook: Outlook | None = None
    notes: tuple[str, ...] = ()

    def count(self, decision: Decision) -> int:
        """Return how many nodes have this decision."""
        return sum(step.decision == decision for step in self.steps)
