"""Reads what jobs print and say from their pipes, a bounded piece at a time.

Rule: what is not read yet stays in the pipe, so a job that prints faster than it is heard waits.
"""

import os
from typing import Final

from legato.platforms import LONGEST_LINE_BYTES, Printed, Report, Said, Stream

READ_BYTES: Final = 2**16


class Outlet:
    """The reading end of one pipe of one job. `done` once it has ended or is not to be read any more."""

    def __init__(self, job: str, fd: int) -> None:
        os.set_blocking(fd, False)
        self.job = job
        self.fd = fd
        self.done = False
        self.closed = False

    @property
    def babbles(self) -> bool:
        """Whether what comes cannot be what it should."""
        return False

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self.fd

    def read(self) -> tuple[int, list[Report]]:
        """Return how many bytes were there, and what they mean."""
        try:
            data = os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return 0, []
        self.done = not data
        return len(data), self.reports(data)

    def reports(self, data: bytes) -> list[Report]:
        """Return what the bytes mean; empty bytes are the end."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the pipe."""
        self.closed = True
        os.close(self.fd)


class Print(Outlet):
    """A job's stdout or stderr."""

    def __init__(self, job: str, fd: int, stream: Stream) -> None:
        super().__init__(job, fd)
        self._stream: Stream = stream

    def reports(self, data: bytes) -> list[Report]:
        """Return the bytes as they are."""
        return [Printed(job=self.job, stream=self._stream, data=data)] if data else []


class Speech(Outlet):
    """A job's messages. A last line without its end is no line: the job was cut off in it."""

    def __init__(self, job: str, fd: int) -> None:
        super().__init__(job, fd)
        self._begun: list[bytes] = []
        self._begun_bytes = 0

    def reports(self, data: bytes) -> list[Report]:
        """Return the lines that are whole by now."""
        first, *rest = data.split(b"\n")
        self._begun.append(first)
        self._begun_bytes += len(first)
        if not rest:
            return []
        lines = [b"".join(self._begun), *rest[:-1]]
        self._begun, self._begun_bytes = [rest[-1]], len(rest[-1])
        return [Said(job=self.job, line=line) for line in lines]

    @property
    def babbles(self) -> bool:
        """Whether the job has begun a line that is too long to be one."""
        return self._begun_bytes > LONGEST_LINE_BYTES
