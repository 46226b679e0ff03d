"""The fanned-out steps of one run: when they are expanded, and what becomes of those that gather them.

Rule: an element that failed takes down only what depends on it; who gathers says how many may be missing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from legato.domain.elements import Family
from legato.domain.graph import Node, Struct
from legato.domain.progress import Gathered, State
from legato.domain.units import counted
from legato.engine.families import GATHERED
from legato.engine.schedule import Schedule
from legato.engine.steps import Step
from legato.engine.wiring import Wiring

BAD = frozenset({State.FAILED, State.SKIPPED, State.CANCELLED})
_NAMED = 5


class Refusal(Struct, frozen=True, kw_only=True):
    """Why a step that waited for whole families cannot run."""

    state: State
    message: str


class FanOut:
    """What a run knows of its families.

    Args:
        steps: All steps of the run by name; elements are added to it.
    """

    def __init__(self, steps: Mapping[str, Step], wiring: Wiring) -> None:
        self._steps = steps
        self._wiring = wiring
        self._excused: set[str] = set()

    def over(self, name: str) -> Gathered:
        """Return how the elements of a node ended."""
        counts = Counter(self._states(name).values())
        return Gathered(step=name, counts={str(state): counts[state] for state in State if counts[state]})

    def _states(self, name: str) -> dict[str, State]:
        members = self._wiring.families.members(name)
        return {
            member: summary.state
            for member in members
            if (summary := self._steps[member].summary) is not None
        }

    def refusal(self, node: Node) -> Refusal | None:
        """Return why a node cannot go on with what is left of the families it needs, or None.

        An element that a check of its own found bad counts like one that failed.
        """
        families = self._wiring.families
        needed = families.gathered_by(node)
        gathered = {families.family_of(item.artifact) for item in node.inputs if item.part == GATHERED}
        spoken_for: set[str] = set()
        for name in (one for one in needed if one in gathered):
            checks = [one for one in needed if one not in gathered and families.alike(one, name)]
            spoken_for.update(checks)
            refusal = self._refusal(name, checks, node.words.tolerate)
            if refusal is not None:
                return refusal
        for name in needed:
            if name not in gathered | spoken_for:
                refusal = self._refusal(name, [], 0.0)
                if refusal is not None:
                    return refusal
        return None

    def _refusal(self, name: str, checks: list[str], tolerated: float) -> Refusal | None:
        states = self._states(name)
        held = [member for member, state in states.items() if state is State.HELD]
        if held:
            return Refusal(state=State.HELD, message=f"not run: {held[0]} is held")
        found_bad = self._found_bad(checks)
        distrusted = {member for member in states if _place(self._steps[member].node) in found_bad}
        failed = [member for member, state in states.items() if state in BAD or member in distrusted]
        wanted = len(states) - sum(state is State.NOT_WANTED for state in states.values())
        if len(failed) > tolerated * wanted:
            shown = [found_bad.get(_place(self._steps[member].node), member) for member in failed]
            return Refusal(state=State.SKIPPED, message=_too_many(name, shown, wanted, tolerated))
        self._excused.update(failed, found_bad.values())
        self._wiring.distrusted |= distrusted
        return None

    def _found_bad(self, checks: list[str]) -> dict[frozenset[tuple[str, str]], str]:
        """Return the failed elements of checks by where they stand."""
        return {
            _place(self._steps[member].node): member
            for check in checks
            for member, state in self._states(check).items()
            if state is State.FAILED
        }

    def notes(self, node: Node) -> tuple[str, ...]:
        """Return what a person should know of what a node gathers: which elements it goes on without."""
        found = []
        for item in node.inputs:
            if item.part == GATHERED:
                family = self._wiring.gathered(item.artifact)[1]
                if family.missing:
                    found.append(_without(item.artifact, family))
        return tuple(found)

    def unexcused(self, schedule: Schedule) -> bool:
        """Say whether a step is bad that no gathering step went on without."""
        bad = {
            name
            for name, step in self._steps.items()
            if step.summary is not None and step.summary.state in BAD
        }
        return not bad <= self._excuse(bad, schedule)

    def _excuse(self, bad: set[str], schedule: Schedule) -> set[str]:
        """Return the bad steps whose loss was tolerated: they, and those whose every victim is one of them."""
        excused = set(self._excused)
        doubtful = bad - excused if excused else set()
        changed = bool(doubtful)
        while changed:
            found = {name for name in doubtful if _all_in(schedule.dependants(name), excused)}
            excused |= found
            doubtful -= found
            changed = bool(found)
        return excused


def _place(node: Node) -> frozenset[tuple[str, str]]:
    return frozenset((one.axis, one.key) for one in node.at)


def _all_in(names: Iterable[str], known: set[str]) -> bool:
    found = list(names)
    return bool(found) and known.issuperset(found)


def _too_many(name: str, failed: list[str], wanted: int, tolerated: float) -> str:
    shown = ", ".join(failed[:_NAMED]) + (", …" if len(failed) > _NAMED else "")
    limit = f"; tolerate={tolerated:g}" if tolerated else ""
    return f"not run: {len(failed)} of {counted(wanted, 'element')} of {name} failed ({shown}){limit}"


def _without(artifact: str, family: Family) -> str:
    missing = family.missing
    shown = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
    return f"went on without {len(missing)} of {len(missing) + len(family.items)} of {artifact}: {shown}"
