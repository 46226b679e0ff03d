"""The jobs of one run: started on the platform, heard, and ended.

Rule: a job's folder is made before it and removed after it; what it holds of the machine is given back when it has
ended.
"""

import os
from collections.abc import Iterator
from typing import Final

from legato.domain.progress import Waited
from legato.engine.hearing import Hearing
from legato.engine.kinds import Call
from legato.engine.orders import job_of
from legato.engine.record import Record
from legato.engine.schedule import Schedule
from legato.engine.settings import Settings, Tools
from legato.engine.steps import Step
from legato.platforms import Ended, Printed, Said

CANCEL_PATIENCE_S: Final = 10.0


class Jobs:
    """The jobs that are under way; see the module."""

    def __init__(self, settings: Settings, tools: Tools, record: Record, schedule: Schedule) -> None:
        self._settings = settings
        self._tools = tools
        self._record = record
        self._schedule = schedule
        self._hearing = Hearing(tools, record)
        self._under_way: dict[str, Step] = {}
        self._over: list[str] = []
        self._started = 0

    def __len__(self) -> int:
        """Return how many are under way."""
        return len(self._under_way)

    def start(self, step: Step, call: Call) -> None:
        """Start one attempt at a step.

        Raises:
            LegatoError: A secret or variable that it needs is not there.
        """
        node = step.node
        environment = self._tools.environment(node)
        if node.words.secrets:
            step.hide(self._tools.secrets(node))
        self._started += 1
        step.job, step.claim = f"{self._record.open()}-{self._started}", None
        self._tools.report(step.begun(self._tools.monotonic()))
        os.mkdir(f"{self._settings.work}/{step.job}")  # noqa: PTH102 - once a step, so speed
        self._under_way[step.job] = step
        gpus = self._schedule.occupy(node)
        if gpus:
            environment = {**environment, "CUDA_VISIBLE_DEVICES": ",".join(gpus)}
        job = job_of(step, call, self._settings, run=self._record.number, environment=environment)
        self._tools.platform.start(job)

    def poll(self, timeout_s: float) -> Iterator[tuple[Step, Ended]]:
        """Take in what jobs print and say, and yield each that has ended; waits so long for a first report."""
        self.tidy()
        events = self._tools.platform.poll(timeout_s)
        if not events:
            self._tools.report(Waited(step=""))
        for event in events:
            step = self._under_way.get(event.job)
            if step is None:
                continue
            match event:
                case Printed():
                    self._hearing.printed(step, event)
                case Said(line=line):
                    self._hearing.said(step, line)
                case Ended():
                    del self._under_way[event.job]
                    self._schedule.vacate(step.node.name)
                    self._over.append(step.job)
                    self._hearing.rest(step)
                    yield step, event

    def tidy(self) -> None:
        """Remove the folders of jobs that are over; done while others are at work, so that none waits for it."""
        over, self._over = self._over, []
        for job in over:
            _remove(f"{self._settings.work}/{job}")

    def cancel(self) -> Iterator[tuple[Step, Ended]]:
        """Stop every job, and yield each as its end is heard."""
        for job in list(self._under_way):
            self._tools.platform.cancel(job)
        deadline = self._tools.monotonic() + CANCEL_PATIENCE_S
        while self._under_way and self._tools.monotonic() < deadline:
            yield from self.poll(deadline - self._tools.monotonic())


def _remove(folder: str) -> None:
    try:
        os.rmdir(folder)  # noqa: PTH106 - most are empty, and shutil is dear to import
    except OSError:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
