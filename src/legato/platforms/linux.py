"""The host on Linux: children are forked, die with their parent, leave no orphans, are watched by descriptor.

Rule: nothing else in this room calls the kernel past the standard library.
"""

import faulthandler
import functools
import gc
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

from legato.platforms import Rehearse, job_process, process_tree
from legato.platforms.channel import Channel, pair
from legato.platforms.host import Begins, Family, Follow, Leave
from legato.platforms.names import resolve

if TYPE_CHECKING:
    import ctypes

_SET_DEATH_SIGNAL: Final = 1
_SET_CHILD_SUBREAPER: Final = 36
_KCMP: Final = {"x86_64": 312, "aarch64": 272}
_KCMP_VM: Final = 1
_SPARE_ORDER_BYTES: Final = 2**16
_FAILED: Final = 70
_BADNESS: Final = b"500"


def begins(_name: str, follow: Follow, _wrap: Callable[[bytes], bytes], ahead: Rehearse | None) -> Begins:
    """Return what begins children by forking; the other arguments are for hosts that cannot."""
    return Forks(follow, ahead)


def family(*, of_supervisors: bool) -> Family:  # noqa: ARG001 - here whole trees are found, whatever they are
    """Return what watches and ends the children of this process."""
    return LinuxFamily()


def fork_stem(name: str, order: bytes, fd: int) -> int:
    """Fork this process, which must have no threads that matter, and return the child's process number.

    The child follows `order` with `fd` as the function does that `name` (`module:attribute`) names. All else
    of its parent it forgets; it is not killed with it, but should end when `fd` does.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()  # else the child might print it too
    pid = os.fork()
    if not pid:
        live_as_stem(name, order, fd)
    return pid


def live_as_stem(name: str, order: bytes, fd: int) -> NoReturn:
    """Be the child that `fork_stem` has forked, or one that was forked without it."""

    def life() -> int:
        os.setsid()
        return _become_stem(name, order, fd)

    _live(life)


def _become_stem(name: str, order: bytes, fd: int) -> int:
    forget_the_parent(fd)
    job_process.read_nothing()
    os.dup2(2, 1)  # whoever reads our parent's output must not have to wait for us
    be_stem: Follow = resolve(name)
    return be_stem(order, [fd])


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent, number `parent`, ends."""
    _libc().prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(_FAILED)


def adopt_orphans() -> None:
    """Become the parent of every orphan below this process."""
    _libc().prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def offer_to_the_killer() -> None:
    """Ask that, when memory runs out, this process is killed before those that watch over it."""
    fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(fd, _BADNESS)
    os.close(fd)


class Forks:
    """Begins children by forking this process.

    Args:
        follow: What a child does.
        ahead: Given where children are jobs: what one does while it waits for its order. One is always kept
            forked and waiting, so that the next start costs no fork, and the system kills jobs first when memory
            runs out.
    """

    def __init__(self, follow: Follow, ahead: Rehearse | None) -> None:
        self._follow = follow
        self._ahead = ahead
        self._spare: tuple[int, Channel] | None = None
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        gc.freeze()  # a child that collects garbage must not touch, and so copy, every page
        _flush_c_streams()  # else every child would print what is buffered now

    def begin(self, order: bytes, fds: Sequence[int], leave: Leave) -> int:
        """Fork, or give the order to the child that waits; see `Begins`."""
        spare, self._spare = self._spare, None
        if spare is None or len(order) > _SPARE_ORDER_BYTES:
            self._spare = spare
            return self._fork(leave, lambda: self._follow(order, fds))
        pid, channel = spare
        channel.send(order, [os.dup(fd) for fd in fds])
        channel.close()
        return pid

    @property
    def lacks(self) -> bool:
        """Whether the child that waits is yet to be forked."""
        return self._ahead is not None and self._spare is None

    def get_ready(self, leave: Leave, *, rehearsed: bool) -> None:
        """Fork the child that waits; it rehearses only where that takes no core from a job."""
        ours, theirs = pair()
        ahead = self._ahead if rehearsed else None
        pid = self._fork(leave, lambda: self._wait_for_order(ours, Channel(theirs), ahead))
        theirs.close()
        self._spare = (pid, Channel(ours))

    @property
    def waiting(self) -> Sequence[int]:
        """The child that waits."""
        return [self._spare[0]] if self._spare else []

    def _fork(self, leave: Leave, live: Callable[[], int]) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        return _live(lambda: self._be_child(parent, leave, live))

    def _be_child(self, parent: int, leave: Leave, live: Callable[[], int]) -> int:
        die_with_parent(parent)
        os.setsid()
        adopt_orphans()
        leave()
        if self._spare is not None:
            self._spare[1].close()
        if self._ahead is not None:
            offer_to_the_killer()
        return live()

    def _wait_for_order(self, ours: socket.socket, channel: Channel, ahead: Rehearse | None) -> int:
        ours.close()
        if ahead is not None and not channel.wait(0):
            with suppress(Exception):  # the job itself will meet whatever is wrong, and tell
                ahead()
        while channel.wait(None):
            for order, fds in channel.receive():
                channel.close()
                return self._follow(order, fds)
            if channel.ended:
                break
        return 0


def _live(life: Callable[[], int]) -> NoReturn:
    """Be a child that never returns into its parent's code."""
    code = _FAILED
    try:
        code = life()
    except BaseException:  # noqa: BLE001 - the bottom of this process
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        _flush_c_streams()  # `os._exit` would lose what C libraries have printed
        os._exit(code)


def same_memory(one: int, other: int) -> bool:
    """Say whether two processes share their whole memory; False where this system does not tell."""
    number = _KCMP.get(os.uname().machine)
    return number is not None and _libc().syscall(number, one, other, _KCMP_VM, 0, 0) == 0


class LinuxFamily:
    """Watches by pidfd, finds descendants in /proc; see `Family`."""

    def __init__(self) -> None:
        self._oom_kills = _oom_kills()
        self._older: list[int] = []

    def adopt(self) -> None:
        """See `Family`. Children from before, which imported code has begun, stay until the end."""
        adopt_orphans()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # imported code may have asked not to be told of ends
        self._older = process_tree.own_children()

    def watch(self, pid: int) -> int:
        """See `Family`."""
        try:
            return os.pidfd_open(pid)
        except OSError:  # no descriptor is left: it is looked after now and then instead
            return -1

    def end(self, pid: int) -> None:
        """See `Family`."""
        process_tree.stop_all(pid)

    def end_strays(self, known: Collection[int], above: int) -> float:
        """See `Family`."""
        return process_tree.end_strays([*known, *self._older], above)

    def end_all(self, pids: Collection[int]) -> None:
        """See `Family`. What the children have begun dies with them, or is left to this process."""
        process_tree.end_all(pids)

    def resident_bytes(self, pid: int, limit: int) -> int:
        """See `Family`."""
        return process_tree.resident_bytes(pid, limit, same_memory)

    def killed_for_memory(self) -> bool:
        """See `Family`."""
        before, self._oom_kills = self._oom_kills, _oom_kills()
        return self._oom_kills > before


def _oom_kills() -> int:
    with open("/proc/vmstat", "rb") as file:  # noqa: PTH123 - pathlib costs more than the read
        counts = [line.split()[1] for line in file if line.startswith(b"oom_kill ")]
    return int(counts[0]) if counts else 0


@functools.cache
def _libc() -> "ctypes.CDLL":
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _flush_c_streams() -> None:
    _libc().fflush(None)


def forget_the_parent(keep: int) -> None:
    """Let go of what is inherited and must not be touched: descriptors save `keep`, handlers, garbage."""
    gc.freeze()  # nothing inherited is ever collected, so no dead object closes a number that is ours by then
    faulthandler.enable(file=2)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
