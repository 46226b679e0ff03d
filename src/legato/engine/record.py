"""What a run writes into the ledger.

Rule: a run opens when it first has something to say, so an idle one leaves no trace; what only explains (reuse,
skips) is written together with the next fact that matters.
"""

from collections.abc import Callable, Sequence

import msgspec

from legato.domain.events import (
    Event,
    ResultFetched,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepReused,
)
from legato.domain.progress import State, Summary
from legato.ledger import Lease, Ledger, Query


class Record:
    """The facts of one run.

    Args:
        ledger: Where they go.
        started: Returns the event that opens the run; asked once, when it opens.
    """

    def __init__(self, ledger: Ledger, started: Callable[[], RunStarted]) -> None:
        self._ledger = ledger
        self._started = started
        self._waiting: list[StepReused | StepFailed | ResultFetched] = []
        self._learned = False
        self._actor = ""
        self.number = 0

    def open(self) -> int:
        """Return the run's number, which opens it in the ledger."""
        if not self.number:
            started = self._started()
            self._actor = started.actor

            def decide(query: Query) -> list[Event]:
                return [msgspec.structs.replace(started, number=query("next_run")[0]["number"])]

            (stored,) = self._ledger.transact(decide)
            assert isinstance(stored.event, RunStarted)  # noqa: S101 - what we just appended
            self.number = stored.event.number
        return self.number

    def settled(self) -> int:
        """Return the run's number at its end; 0 where there was nothing to say."""
        if self.number or self._learned or self._differs():
            return self.open()
        return 0

    def _differs(self) -> bool:
        """Say whether a step of this idle run took another result than the last run that is known."""
        taken = {event.step: event.key for event in self._waiting if isinstance(event, StepReused)}
        if not taken:
            return False
        rows = self._ledger.query("last_keys", steps=list(taken))
        return {row["step"]: row["key"] for row in rows} != taken

    def later(self, event: StepReused | StepFailed) -> None:
        """Write an event with the next one that cannot wait."""
        self._waiting.append(event)

    def learned(self, event: ResultFetched) -> None:
        """Write, at the latest when the run ends, that a result from elsewhere serves here too."""
        self._waiting.append(event)
        self._learned = True

    def write(self, event: StepFinished | StepFailed | RunFinished, release: Sequence[Lease] = ()) -> None:
        """Write an event and all that waited, and give leases back, in one transaction."""
        number = self.open()
        before = [
            event if isinstance(event, ResultFetched) else msgspec.structs.replace(event, run=number)
            for event in self._waiting
        ]
        self._waiting = []
        self._ledger.append([*before, event], release=release)

    def cancel_is_asked(self) -> bool:
        """Say whether someone wants this run to end."""
        return bool(self.number and self._ledger.query("cancel_asked", run=self.number))

    def cancelled_by(self) -> str:
        """Return who ended this run: who asked for it, else who started it."""
        asked = self._ledger.query("cancel_asked", run=self.number) if self.number else []
        return str(asked[0]["actor"]) if asked else self._actor

    def finish(self, summary: Summary) -> None:
        """Close the run, where it was opened or learned something."""
        if self.settled():
            self.write(
                RunFinished(
                    number=self.number,
                    state=summary.state,
                    computed=summary.count(State.COMPUTED),
                    reused=summary.count(State.REUSED),
                    failed=summary.count(State.FAILED),
                    skipped=summary.count(State.SKIPPED),
                    wall_s=summary.wall_s,
                    left_machine=summary.left_machine,
                    cancelled_by=summary.cancelled_by,
                )
            )
