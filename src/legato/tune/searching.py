"""Drives one search: keeps so many trials under way as there is room for, and notes how each ends.

Rule: what a trial is and where it runs is the business of whoever hands in `Runs`; two trials with the same values
are never under way at once, and a value that is known is not computed again.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from legato.domain.errors import RunFailedError
from legato.domain.graph import Struct
from legato.tune.space import Search
from legato.tune.study import Study
from legato.tune.trials import Outcome, Trial, best_of

HOPELESS: Final = 3
"""So many failures without a trial that is complete end a search."""

Samples = Callable[[int, int, float], bool]
"""Told the trial, the step and the value that it logged; says whether to give the trial up."""


Told = Callable[[Trial, Trial | None, int], None]
"""Told a trial that is over, the best so far, and how many there are by now."""


class Ended(Struct, frozen=True, kw_only=True):
    """How the run of a trial ended; `value` is None where it has none."""

    number: int
    outcome: Outcome
    value: float | None = None
    message: str = ""
    run: int = 0


class Runs(Protocol):
    """Runs trials; one thread calls it."""

    @property
    def room(self) -> int:
        """How many may be under way at once, at least 1."""

    def start(self, number: int, values: Mapping[str, str], samples: Samples) -> None:
        """Begin a trial with these values by dimension, as canonical JSON."""

    def wait(self) -> list[Ended]:
        """Return those that have ended, at least one while any is under way."""

    def stop(self) -> None:
        """End all that are under way, and return when they have."""


class Memory(Protocol):
    """Where trials that are over are kept."""

    def load(self, number: int) -> Trial | None:
        """Return a trial that is known."""

    def save(self, trial: Trial) -> None:
        """Keep one that is over."""


class Driver:
    """One search on its way to `trials` trials; use once."""

    def __init__(self, search: Search, runs: Runs, memory: Memory, told: Told) -> None:
        self._search = search
        self._runs = runs
        self._memory = memory
        self._told = told
        self._under_way: dict[int, Mapping[str, str]] = {}
        self._held: list[tuple[int, Mapping[str, str]]] = []
        self._samples: dict[int, dict[int, float]] = {}
        self.done: dict[int, Trial] = {}

    def execute(self, trials: int, seed: int) -> Study:
        """Run until there are so many trials, and return the study.

        Raises:
            RunFailedError: None of the trials is complete.
        """
        for number in range(trials):
            known = self._memory.load(number)
            if known is not None:
                self.done[number] = known
        self.resumed = len(self.done)
        self._study = Study(self._search, seed, self.done.values())
        left = [number for number in range(trials) if number not in self.done]
        try:
            while left or self._under_way or self._held:
                self._fill(left)
                for ended in self._runs.wait() if self._under_way else ():
                    self._end(ended)
                self._release()
                self._refuse_hopeless()
        except BaseException:
            self._runs.stop()
            raise
        if best_of(self._search, self.done.values()) is None:
            raise self._nothing()
        return self._study

    def _fill(self, left: list[int]) -> None:
        while left and len(self._under_way) + len(self._held) < self._runs.room:
            number = left.pop(0)
            values = self._study.ask(number)
            twin = self._twin(values)
            if twin is not None:
                self._settle(number, values, twin)
            elif values in self._under_way.values():
                self._held.append((number, values))
            else:
                self._start(number, values)

    def _start(self, number: int, values: Mapping[str, str]) -> None:
        self._under_way[number] = values
        self._samples[number] = {}
        self._runs.start(number, values, self._sampled)

    def _twin(self, values: Mapping[str, str]) -> Trial | None:
        """Return a complete trial with the same values."""
        for trial in self.done.values():
            if trial.outcome is Outcome.COMPLETE and trial.values == values:
                return trial
        return None

    def _release(self) -> None:
        """Go on with what waited for a trial with the same values."""
        held, self._held = self._held, []
        for number, values in held:
            if values in self._under_way.values():
                self._held.append((number, values))
            elif (twin := self._twin(values)) is not None:
                self._settle(number, values, twin)
            else:
                self._start(number, values)

    def _settle(self, number: int, values: Mapping[str, str], twin: Trial) -> None:
        self._note(Trial(number=number, outcome=twin.outcome, values=values, value=twin.value, run=twin.run))

    def _sampled(self, number: int, step: int, value: float) -> bool:
        self._samples[number][step] = value
        return self._study.gives_up(number, step, value)

    def _end(self, ended: Ended) -> None:
        samples = self._samples.pop(ended.number)
        value = ended.value
        if ended.outcome is Outcome.PRUNED and samples:
            value = samples[max(samples)]
        trial = Trial(
            number=ended.number,
            outcome=ended.outcome,
            values=self._under_way.pop(ended.number),
            value=value,
            samples=samples,
            message=ended.message,
            run=ended.run,
        )
        self._note(trial)

    def _note(self, trial: Trial) -> None:
        self._memory.save(trial)
        self._study.tell(trial)
        self.done[trial.number] = trial
        self._told(trial, best_of(self._search, self.done.values()), len(self.done))

    def _refuse_hopeless(self) -> None:
        failed = sum(trial.outcome is Outcome.FAILED for trial in self.done.values())
        complete = sum(trial.outcome is Outcome.COMPLETE for trial in self.done.values())
        if failed >= HOPELESS and not complete:
            raise self._nothing()

    def _nothing(self) -> RunFailedError:
        failed = [trial for trial in self.done.values() if trial.outcome is Outcome.FAILED]
        why = f": trial {failed[0].number}: {failed[0].message}" if failed else ""
        return RunFailedError(
            f"no trial of {len(self.done)} gave a number for {self._search.goal}{why}",
            hint="`legato runs` lists the runs of the trials; `legato show RUN` tells more of one",
        )
