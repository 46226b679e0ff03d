"""The host on any POSIX system: children are new interpreters, looked after by their process group.

Rule: only what POSIX and Python's standard library promise; slower than Linux's, and a process that leaves
its group is not found.
"""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from legato.platforms import Rehearse, job_process
from legato.platforms.host import Begins, Family, Follow, Leave
from legato.platforms.names import resolve

_FIRST_FD: Final = 3
_OUT_OF_THE_WAY: Final = 32
_PATIENCE_S: Final = 2.0
_NAP_S: Final = 0.01
_START: Final = (
    "import sys; sys.path[:] = {path!r}; from legato.platforms.posix import main; main({name!r}, {count})"
)


def begins(name: str, _follow: Follow, wrap: Callable[[bytes], bytes], _ahead: Rehearse | None) -> Begins:
    """Return what begins children that find by `name` what to follow; `wrap` completes an order."""
    return Spawns(name, wrap)


def family(*, of_supervisors: bool) -> Family:
    """Return what looks after the children of this process."""
    return GroupFamily(_PATIENCE_S if of_supervisors else 0.0)


def spawn(name: str, order: bytes, fds: Sequence[int], environment: Mapping[str, str]) -> int:
    """Begin a new interpreter that follows `order` with copies of `fds`; return its process number.

    Args:
        name: `module:attribute` of what follows the order.
        order: For it to read.
        fds: For it to have; they remain the caller's.
        environment: Its variables.
    """
    reading, writing = os.pipe()
    given = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY) for fd in (reading, *fds)]
    os.close(reading)
    actions = [(os.POSIX_SPAWN_DUP2, fd, _FIRST_FD + i) for i, fd in enumerate(given)]
    start = _START.format(path=sys.path, name=name, count=len(fds))
    line = [sys.executable, "-P", "-c", start]
    try:
        pid = os.posix_spawn(sys.executable, line, environment, file_actions=actions)
    finally:
        for fd in given:
            os.close(fd)
    with suppress(BrokenPipeError), open(writing, "wb") as pipe:  # noqa: PTH123 - a descriptor
        pipe.write(order)  # where it ends before it reads, whoever watches it finds out
    return pid


def main(name: str, count: int) -> None:
    """Be a spawned process: follow what `name` names with the descriptors that were given."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(_FIRST_FD, "rb") as pipe:  # noqa: PTH123 - a descriptor
        order = pipe.read()
    fds = range(_FIRST_FD + 1, _FIRST_FD + 1 + count)
    for fd in fds:
        os.set_inheritable(fd, False)  # noqa: FBT003 - its only form
    job_process.read_nothing()
    job_process.renew_streams()
    sys.exit(resolve(name)(order, fds))


class Spawns:
    """Begins children as new interpreters."""

    def __init__(self, name: str, wrap: Callable[[bytes], bytes]) -> None:
        self._name = name
        self._wrap = wrap

    def begin(self, order: bytes, fds: Sequence[int], _leave: Leave) -> int:
        """Spawn; see `Begins`."""
        environment = os.environ  # noqa: TID251 - what this process was given is handed on
        return spawn(self._name, self._wrap(order), fds, environment)

    @property
    def lacks(self) -> bool:
        """Nothing is made ahead."""
        return False

    def get_ready(self, _leave: Leave, *, rehearsed: bool) -> None:
        """Nothing is made ahead."""

    @property
    def waiting(self) -> Sequence[int]:
        """Nothing is made ahead."""
        return ()


class GroupFamily:
    """Ends children by their process group; see `Family`."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s

    def adopt(self) -> None:
        """There is no such thing in POSIX."""

    def watch(self, _pid: int) -> int:
        """There is no such thing in POSIX."""
        return -1

    def end(self, pid: int) -> None:
        """Kill the child's group."""
        _kill_group(pid)

    def end_strays(self, _known: Collection[int], above: int) -> float:
        """Kill what is left of the group of the child that ended last."""
        _kill_group(above)
        return 0.0

    def end_all(self, pids: Collection[int]) -> None:
        """See `Family`. Supervisors may first end their own: their channels have ended too."""
        left = set(pids)
        for _ in range(round(self._patience_s / _NAP_S)):
            left = {pid for pid in left if not os.waitpid(pid, os.WNOHANG)[0]}
            if not left:
                return
            time.sleep(_NAP_S)
        for pid in left:
            _kill_group(pid)
            os.waitpid(pid, 0)

    def resident_bytes(self, _pid: int, _limit: int) -> int:
        """Not known."""
        return 0

    def killed_for_memory(self) -> bool:
        """Not known."""
        return False


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # ended meanwhile; macOS says the latter of zombies
        with suppress(ProcessLookupError):  # it may not have made its group yet
            os.kill(pid, signal.SIGKILL)
