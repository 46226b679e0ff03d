"""Steps that wait for something else than their turn: a moment, another run, bytes on their way.

Rule: nothing in here sleeps; it says how long the run may.
"""

from collections.abc import Callable, Iterator
from typing import Final

from legato.engine.settings import Coming
from legato.engine.steps import Step

POLL_S: Final = 0.05
"""How often is looked again for what another run or machine is about to finish."""
TICK_S: Final = 0.5


class Waiting:
    """What a run waits for."""

    def __init__(self) -> None:
        self._retries: list[tuple[float, Step]] = []
        self._claimed: list[Step] = []
        self._coming: list[tuple[Coming, Callable[[], None]]] = []

    def __bool__(self) -> bool:
        """Say whether anything is waited for."""
        return bool(self._retries or self._claimed or self._coming)

    def until(self, at: float, step: Step) -> None:
        """Let a step wait for a moment on the monotonic clock, to be tried again."""
        self._retries.append((at, step))

    def elsewhere(self, step: Step) -> None:
        """Let a step wait for whoever else is at work on its key."""
        self._claimed.append(step)

    def once(self, coming: Coming, then: Callable[[], None]) -> None:
        """Do something as soon as bytes are on this machine; now, where they are."""
        if coming.done():
            then()
        else:
            self._coming.append((coming, then))

    def patience(self, now: float) -> float:
        """Return for how many seconds nothing has to be looked at."""
        if self._claimed or self._coming:
            return POLL_S
        return min([TICK_S, *(max(0.0, at - now) for at, _ in self._retries)])

    def due(self, now: float) -> list[Step]:
        """Return, and forget, the steps whose moment has come."""
        due = [step for at, step in self._retries if at <= now]
        self._retries = [(at, step) for at, step in self._retries if at > now]
        return due

    def claimed(self) -> Iterator[Step]:
        """Yield, and forget, the steps that wait for someone else."""
        claimed, self._claimed = self._claimed, []
        yield from claimed

    def arrive(self) -> None:
        """Do what waited for bytes that have come."""
        coming, self._coming = self._coming, []
        for one, then in coming:
            self.once(one, then)
