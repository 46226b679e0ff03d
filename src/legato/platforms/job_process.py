"""What a process is from the moment it has been made for a job until it exits.

Rule: it leaves as a Python program would (threads joined, exit handlers run, streams written), but only what
the job itself started or registered; what belongs to the process it was forked from is forgotten.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from legato.domain.errors import BugError
from legato.platforms import Execute, Job

_ATOMIC_BYTES: Final = 4096
_INTERRUPTED: Final = 130


def run(execute: Execute, job: Job, fds: Sequence[int]) -> int:
    """Run a job in this process and return its exit code.

    Args:
        execute: What to run.
        job: What to run it on.
        fds: The job's message pipe, stdout, stderr and, when interactive, stdin.
    """
    _forget_exit_handlers()
    take_streams(fds[1], fds[2], fds[3] if job.interactive else None)
    enter(job.folder, job.environment)
    say = line_writer(fds[0])

    def work() -> None:
        execute(job.payload, say)
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - joins what is no daemon, as at exit

    code = exit_code_of(work)
    with suppress(Exception):
        atexit._run_exitfuncs()  # noqa: SLF001 - multiprocessing's own children end the same way
    flush_streams()
    return code


def exit_code_of(work: Callable[[], None]) -> int:
    """Do the work and return the exit code that Python would end with; a traceback goes to stderr."""
    try:
        work()
    except SystemExit as asked:
        if asked.code is None or isinstance(asked.code, int):
            return (asked.code or 0) & 0xFF
        sys.stderr.write(f"{asked.code}\n")
        return 1
    except BaseException as error:  # noqa: BLE001 - the bottom of this process
        sys.excepthook(type(error), error, error.__traceback__)
        return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def line_writer(fd: int) -> Callable[[bytes], None]:
    """Return a function that writes one line to `fd`; lines of several threads do not mix."""
    lock = threading.Lock()

    def say(line: bytes) -> None:
        check_line(line)
        data = line + b"\n"
        if len(data) <= _ATOMIC_BYTES:  # one write of this size is whole, also between processes
            os.write(fd, data)
            return
        with lock:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]

    return say


def check_line(line: bytes) -> None:
    """Raise BugError when `line` is more than one."""
    if b"\n" in line:
        raise BugError(f"a line was to be said that holds a line end: {line[:80]!r}")


def take_streams(stdout: int, stderr: int, stdin: int | None) -> None:
    """Make the descriptors this process's standard streams; without `stdin`, 0 stays what it is."""
    given = [(fd, place) for fd, place in ((stdin, 0), (stdout, 1), (stderr, 2)) if fd is not None]
    for fd, place in given:
        os.dup2(fd, place)
    for fd, _place in given:
        os.close(fd)


def read_nothing() -> None:
    """Make whoever reads this process's stdin find the end at once."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def renew_streams() -> None:
    """Give Python new stream objects, as the inherited ones may be another's (a capture, a progress bar)."""
    sys.stdin = sys.__stdin__ = _stream(0, "r")  # type: ignore[misc,assignment]
    sys.stdout = sys.__stdout__ = _stream(1, "w")  # type: ignore[misc,assignment]
    sys.stderr = sys.__stderr__ = _stream(2, "w")  # type: ignore[misc,assignment]


def enter(folder: str, environment: Mapping[str, str]) -> None:
    """Make `folder` the working directory (unless empty) and `environment` all there is."""
    if folder:
        os.chdir(folder)
    now = os.environ  # noqa: TID251 - it is set here, not read
    for name in [name for name in now if name not in environment]:
        del now[name]
    for name, value in environment.items():
        if now.get(name) != value:
            now[name] = value


def flush_streams() -> None:
    """Write out what Python has buffered; a stream that is closed or broken has nothing to lose."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _stream(fd: int, mode: str) -> object:
    return open(
        fd,
        mode,
        encoding="utf-8",
        errors="backslashreplace" if mode == "w" else "replace",
        buffering=1,
        closefd=False,
    )


def _forget_exit_handlers() -> None:
    """Drop what was registered before the fork; `multiprocessing` must still end its own children."""
    atexit._clear()  # noqa: SLF001 - as above
    pools = sys.modules.get("multiprocessing.util")
    if pools is not None:
        atexit.register(pools._exit_function)  # noqa: SLF001 - it was dropped one line above
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None:
        processes._children.clear()  # noqa: SLF001 - they are our parent's, and cannot be joined from here
