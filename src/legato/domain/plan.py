"""A plan: a graph with keys; what a run would do, and why.

Rule: a plan is a forecast from what is known now; it changes nothing.
"""

from enum import StrEnum

from legato.domain.graph import Struct
from legato.domain.keys import Cause, Recipe


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


class Plan(Struct, frozen=True, kw_only=True):
    """All nodes in the order of the graph."""

    steps: tuple[PlannedStep, ...]

    def count(self, decision: Decision) -> int:
        """Return how many nodes have this decision."""
        return sum(step.decision == decision for step in self.steps)
