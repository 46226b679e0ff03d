"""Runs again whenever a file of the project is saved.

Rule: a run that a newer save outdates is stopped as Ctrl-C stops it, so nothing of it is half done.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from legato.engine.files import IGNORED, Signature, signature

LOOK_S: Final = 0.3
"""How often files are looked at; a look at 10,000 of them takes about a tenth of that."""
SETTLE_S: Final = 0.15
"""How long nothing may change before a save counts as done: editors write in several strokes."""
PATIENCE_S: Final = 15.0

Seen = Mapping[str, Signature]


def look(root: Path) -> Seen:
    """Return the state of every file that git would keep or lists as new; without git, of every file."""
    found = {}
    for path in _files(root):
        state = signature(path)
        if state is not None:
            found[path] = state
    return found


def _files(root: Path) -> list[str]:
    arguments = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        told = subprocess.run(arguments, capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return _walked(root)
    if told.returncode:
        return _walked(root)
    names = (os.fsdecode(name) for name in told.stdout.split(b"\0") if name)
    return [f"{root}/{name}" for name in names if not IGNORED.intersection(name.split("/"))]


def _walked(root: Path) -> list[str]:
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in IGNORED]
        found += [f"{folder}/{name}" for name in files]
    return found


def changed(before: Seen, after: Seen) -> list[str]:
    """Return the files that differ, sorted: changed, new, or gone.

    >>> changed({"a": (1, 1, 1, 1), "b": (1, 1, 1, 1)}, {"a": (2, 1, 1, 1), "c": (1, 1, 1, 1)})
    ['a', 'b', 'c']
    """
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def watch(
    root: Path, arguments: Sequence[str], told: Callable[[list[str]], None], sleep: Callable[[float], None]
) -> int:
    """Run `legato run` with these arguments now and after every save, until Ctrl-C.

    Args:
        root: The repository; what git ignores in it does not count.
        arguments: As typed after `watch`.
        told: Called with the files that were saved, before each run; with none before the first.
        sleep: Waits some seconds.
    """
    seen, names = look(root), list[str]()
    running: subprocess.Popen[bytes] | None = None
    try:
        while True:
            told(names)
            running = subprocess.Popen([sys.executable, "-m", "legato", "run", *arguments])
            names, seen = _next_save(root, seen, sleep)
            _stop(running)
    except KeyboardInterrupt:
        return _stop(running) if running is not None else 0


def _next_save(root: Path, seen: Seen, sleep: Callable[[float], None]) -> tuple[list[str], Seen]:
    """Wait for a save and for the files to come to rest; return what was saved, and how all of them are now."""
    before = seen
    while True:
        sleep(LOOK_S)
        now = look(root)
        if not changed(seen, now):
            continue
        while True:
            sleep(SETTLE_S)
            later = look(root)
            if not changed(now, later):
                return [os.path.relpath(name, root) for name in changed(before, later)], later
            now = later


def _stop(running: "subprocess.Popen[bytes]") -> int:
    """End a run that is no longer wanted, and return its exit code."""
    if running.poll() is None:
        running.send_signal(signal.SIGINT)
    try:
        return running.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        running.kill()
        return running.wait()
