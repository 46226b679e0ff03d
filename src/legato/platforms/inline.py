"""Jobs in this very process, one after the other: for tests, and for looking at a step with a debugger.

Rule: it promises the same reports as every platform, and owns up in its traits to what it cannot do.
"""

import io
import os
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Final

from legato.domain.artifacts import Usage
from legato.domain.errors import BugError
from legato.platforms import Ended, Execute, Job, Printed, Report, Said, Stream, Traits, job_process

_MAXRSS_BYTES: Final = 1 if sys.platform == "darwin" else 1024


class InlinePlatform:
    """Runs a job when it is polled for; see `Platform`.

    Args:
        execute: Runs a payload.
        clock: Monotonic seconds.
    """

    traits = Traits(name="inline", isolates=False, kills=False, limits_memory=False, parallel=False)

    def __init__(self, execute: Execute, clock: Callable[[], float]) -> None:
        self._execute = execute
        self._clock = clock
        self._waiting: deque[Job] = deque()
        self._reports: list[Report] = []
        self._closed = False

    def start(self, job: Job) -> None:
        """See `Platform`."""
        if self._closed or any(job.id == other.id for other in self._waiting) or not job.id:
            state = "the platform is closed" if self._closed else "there is such a job already"
            raise BugError(f"job {job.id!r} cannot be started: {state}")
        self._waiting.append(job)

    def poll(self, timeout_s: float | None) -> Sequence[Report]:
        """See `Platform`."""
        if self._waiting and not self._reports:
            self._run(self._waiting.popleft())
        if timeout_s and not self._reports:
            time.sleep(timeout_s)
        reports, self._reports = self._reports, []
        return reports

    def cancel(self, job_id: str) -> None:
        """See `Platform`; a job that has not begun is not begun any more."""
        for job in [job for job in self._waiting if job.id == job_id]:
            self._waiting.remove(job)
            self._reports.append(Ended(job=job.id, reason="cancelled", code=0))

    def close(self) -> None:
        """See `Platform`."""
        self._closed = True
        self._waiting.clear()
        self._reports.clear()

    def _run(self, job: Job) -> None:
        began_at, cpu_s = self._clock(), _cpu_s()
        with _in_place(job.folder, job), self._printed(job):
            code = job_process.exit_code_of(lambda: self._execute(job.payload, self._say(job.id)))
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES
        usage = Usage(wall_s=self._clock() - began_at, cpu_s=_cpu_s() - cpu_s, peak_bytes=peak_bytes)
        self._reports.append(Ended(job=job.id, reason="exited", code=code, usage=usage))

    def _say(self, job_id: str) -> Callable[[bytes], None]:
        def say(line: bytes) -> None:
            job_process.check_line(line)
            self._reports.append(Said(job=job_id, line=bytes(line)))

        return say

    @contextmanager
    def _printed(self, job: Job) -> Iterator[None]:
        if job.interactive:
            yield
            return
        with redirect_stdout(self._sink(job.id, "stdout")), redirect_stderr(self._sink(job.id, "stderr")):
            yield
            job_process.flush_streams()

    def _sink(self, job_id: str, stream: Stream) -> io.TextIOWrapper:
        sink = _Sink(lambda data: self._reports.append(Printed(job=job_id, stream=stream, data=data)))
        buffered = io.BufferedWriter(sink)
        return io.TextIOWrapper(buffered, "utf-8", errors="backslashreplace", line_buffering=True)


class _Sink(io.RawIOBase):
    """Hands on what is written to it."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        super().__init__()
        self._write = write

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._write(piece)
        return len(piece)


@contextmanager
def _in_place(folder: str, job: Job) -> Iterator[None]:
    """Be in the job's folder with its variables, and back afterwards."""
    here, variables = os.getcwd(), dict(os.environ)  # noqa: PTH109, TID251 - to restore them
    job_process.enter(folder, job.environment)
    try:
        yield
    finally:
        job_process.enter(here, variables)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
