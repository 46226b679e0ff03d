"""`legato watch` runs again on save, and Ctrl-C ends it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

PIPELINE = """


@lg.step
def first() -> int:
    return 1

@lg.step
def second(first: int) -> int:
    return first + 1
"""


class Watch:
    """A `legato watch` on its way, and what it has said."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "legato", "watch"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.said.append(line)
                self._news.notify_all()

    def hears(self, text: str, times: int = 1) -> bool:
        """Wait until a text was said so many times."""
        with self._news:
            return self._news.wait_for(lambda: sum(text in line for line in self.said) >= times, timeout=60)

    def close(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.process.stdout.close()


def test_a_save_runs_what_it_touches_and_names_the_file(project):
    project.pipeline(PIPELINE)
    watch = Watch(project.root)
    try:
        assert watch.hears("2 computed"), watch.said

        project.pipeline(PIPELINE.replace("first + 1", "first + 2"))

        assert watch.hears("saved: pipeline.py"), watch.said
        assert watch.hears("1 computed"), watch.said
    finally:
        watch.close()
    assert project.got("second") == "3"


def test_a_save_in_the_middle_of_a_run_stops_it_and_the_newest_state_counts(project):
    slow = PIPELINE.replace("    return first + 1", "    import time\n    time.sleep(120)\n    return 0")
    project.pipeline(slow)
    watch = Watch(project.root)
    try:
        assert watch.hears("first"), watch.said

        project.pipeline(PIPELINE)

        assert watch.hears("saved: pipeline.py"), watch.said
        assert watch.hears("succeeded"), watch.said
    finally:
        watch.close()
    assert project.got("second") == "2"
