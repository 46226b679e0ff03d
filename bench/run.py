"""Starts one command of one tool, and says how long it took, how much memory, and which steps ran.

Rule: every figure is of a whole process from outside, so that no tool is measured by its own clock.
"""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peers import Tool, Work

ROOT: Final = Path(__file__).resolve().parent.parent
LIMIT_S: Final = 180.0
"""No single command gets longer."""


class FailedError(Exception):
    """A command did not do what it should; the text says which, and what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What one command took: wall and CPU seconds, bytes of its largest process."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tool with a pipeline written for it, and a home of its own."""

    tool: Tool
    work: Work
    home: Path

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command in the pipeline's folder; what it says goes to a file beside it."""
        environment = self.tool.variables(ROOT, self.home)
        program = self.tool.bin(ROOT) / command[0]
        with (self.home / "said").open("wb") as said:
            return subprocess.Popen(
                [str(program), *command[1:]],
                cwd=self.work.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def take(self, command: Sequence[str]) -> Took:
        """Run a command to its end.

        Raises:
            FailedError: Its exit code is not 0, or it took longer than `LIMIT_S`.
        """
        started = time.perf_counter()
        process = self.start(command)
        timer = threading.Timer(LIMIT_S, _end_session, [process.pid])
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - started
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if wall_s > LIMIT_S:
            raise FailedError(f"{' '.join(command)} was stopped after {LIMIT_S:.0f} s")
        if process.returncode:
            said = (self.home / "said").read_text("utf-8", "replace").strip()
            raise FailedError(f"{' '.join(command)} ended with {process.returncode}: {said[-600:]}")
        return Took(wall_s=wall_s, cpu_s=usage.ru_utime + usage.ru_stime, peak_bytes=usage.ru_maxrss * 1024)

    def run(self) -> Took:
        """Run the pipeline."""
        return self.take(self.tool.run(self.work))

    def ran(self) -> list[str]:
        """Return the steps that ran since the last call, in order, and forget them."""
        found = self.work.log.read_text("utf-8").split() if self.work.log.exists() else []
        self.work.log.unlink(missing_ok=True)
        return found

    def kill_half_way(self) -> None:
        """Run the pipeline, and kill its main process with SIGKILL once half of its steps are done."""
        process = self.start(self.tool.run(self.work))
        until = time.perf_counter() + LIMIT_S
        while _lines(self.work.log) < self.work.count // 2:
            if process.poll() is not None or time.perf_counter() > until:
                process.kill()
                raise FailedError(f"{self.tool.name} ended before half of its steps were done")
            time.sleep(0.001)
        process.kill()
        process.wait()
        _wait_for_session(process.pid)


@contextmanager
def place(tool: Tool, count: int, *, chain: bool = True, nap_s: float = 0.0) -> Iterator[Place]:
    """Write a pipeline for a tool into a new folder; all of it is gone afterwards."""
    above = ROOT / ".bench" / "work"
    above.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=above, prefix=f"{tool.name}-", ignore_cleanup_errors=True) as name:
        folder, home = Path(name) / "pipeline", Path(name) / "home"
        folder.mkdir()
        home.mkdir()
        work = Work(folder=folder, log=Path(name) / "ran.log", count=count, chain=chain, nap_s=nap_s)
        work.write_modules()
        tool.write(work)
        made = Place(tool=tool, work=work, home=home)
        for command in tool.prepare:
            made.take(command)
        yield made


def install(tool: Tool) -> str:
    """Make a peer's own environment unless it is there; return why it cannot be had, or an empty text."""
    folder = tool.bin(ROOT).parent
    stamp = folder / ".made"
    if not tool.requirement or stamp.exists():
        return ""
    commands = (
        ["python3.11", "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", tool.requirement],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip().splitlines()[-1][:300]
    stamp.touch()
    return ""


def _end_session(session: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def _wait_for_session(session: int) -> None:
    """Wait until nothing of a killed run is left, or end it: some tools leave their workers behind."""
    until = time.perf_counter() + 5
    while time.perf_counter() < until:
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    _end_session(session)
