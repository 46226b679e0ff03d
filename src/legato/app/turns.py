"""Several runs side by side on one platform: each in a thread, of which exactly one works at any time.

Rule: a run gives its turn up only where it waits for its jobs, so rooms that one thread may call are never called
by two at once.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from legato.domain.errors import BugError
from legato.platforms import Job, Platform, Report, Traits

STOP_PATIENCE_S: Final = 15.0
_LOOK_S: Final = 0.4


class Shared:
    """The platform of a run that itself starts runs: what is reported of its jobs meanwhile waits for it.

    Everything else is the platform's own.
    """

    def __init__(self, platform: Platform) -> None:
        self.inner = platform
        self._kept: list[Report] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the platform has
        """Hand on what is the platform's own."""
        return getattr(self.inner, name)

    def keep(self, report: Report) -> None:
        """Let a report wait."""
        self._kept.append(report)

    def poll(self, timeout_s: float | None) -> Sequence[Report]:
        """Return what waited, else what the platform reports."""
        if self._kept:
            kept, self._kept = self._kept, []
            return kept
        return self.inner.poll(timeout_s)


class Lane:
    """One run with its thread; a `Platform` to that run."""

    def __init__(self, turns: "Turns", work: Callable[["Lane"], None]) -> None:
        self.go = threading.Semaphore(0)
        self.inbox: list[Report] = []
        self.wake_at = 0.0
        self.over = False
        self.stopped = False
        self.error: BaseException | None = None
        self.jobs = 0
        self._turns = turns
        self._stop_told = False
        self._thread = threading.Thread(target=self._live, args=(work,), daemon=True)
        self._thread.start()

    def _live(self, work: Callable[["Lane"], None]) -> None:
        self.go.acquire()
        try:
            work(self)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for it
            self.error = error
        self.over = True
        self._turns.back.release()

    @property
    def traits(self) -> Traits:
        """What the platform can and cannot do."""
        return self._turns.platform.traits

    def start(self, job: Job) -> None:
        """Hand a job over."""
        self.jobs += 1
        self._turns.owners[job.id] = self
        self._turns.platform.start(job)

    def poll(self, timeout_s: float | None) -> Sequence[Report]:
        """Give the turn up until something is reported, or the time is over."""
        self.wake_at = self._turns.clock() + (_LOOK_S if timeout_s is None else timeout_s)
        self._turns.back.release()
        self.go.acquire()
        if self.stopped and not self._stop_told:
            self._stop_told = True
            raise KeyboardInterrupt
        inbox, self.inbox = self.inbox, []
        return inbox

    def cancel(self, job_id: str) -> None:
        """End a job."""
        self._turns.platform.cancel(job_id)

    def close(self) -> None:
        """Leave the platform open for the others."""


class Turns:
    """The runs of one search, and whose turn it is.

    Args:
        shared: The platform that they share with the run that started them.
        clock: Monotonic seconds.
    """

    def __init__(self, shared: Shared, clock: Callable[[], float]) -> None:
        self.platform = shared.inner
        self.clock = clock
        self.back = threading.Semaphore(0)
        self.owners: dict[str, Lane] = {}
        self.lanes: list[Lane] = []
        self._shared = shared

    def add(self, work: Callable[[Lane], None]) -> Lane:
        """Let `work` have its turns."""
        lane = Lane(self, work)
        self.lanes.append(lane)
        return lane

    def turn(self) -> list[Lane]:
        """Give each that can go on its turn, else wait a moment for reports; return those that are over.

        Raises:
            KeyboardInterrupt: A person wants an end.
        """
        now = self.clock()
        able = [lane for lane in self.lanes if lane.inbox or lane.stopped or lane.wake_at <= now]
        for lane in able:
            self._resume(lane)
        if not able and self.lanes:
            until = min(lane.wake_at for lane in self.lanes)
            self._hear(max(0.0, min(until - now, _LOOK_S)))
        else:
            self._hear(0.0)
        over = [lane for lane in self.lanes if lane.over]
        self.lanes = [lane for lane in self.lanes if not lane.over]
        return over

    def _hear(self, timeout_s: float) -> None:
        for report in self.platform.poll(timeout_s):
            owner = self.owners.get(report.job)
            if owner is None:
                self._shared.keep(report)
            else:
                owner.inbox.append(report)

    def _resume(self, lane: Lane) -> None:
        """Let a lane work until it waits; a wish to end is heard when it does."""
        interrupted = False
        lane.go.release()
        while True:
            try:
                self.back.acquire()
                break
            except KeyboardInterrupt:
                interrupted = True
        if interrupted:
            raise KeyboardInterrupt

    def stop(self) -> None:
        """End every run, and return when each has written down that it was ended."""
        for lane in self.lanes:
            lane.stopped = True
        deadline = self.clock() + STOP_PATIENCE_S
        while self.lanes:
            if self.clock() > deadline:
                raise BugError(f"{len(self.lanes)} runs of a search did not end when they were told to")
            self.turn()
