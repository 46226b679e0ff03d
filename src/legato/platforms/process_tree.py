"""Who descends from whom, and what they hold in memory, read from Linux's /proc.

Rule: reading never fails for a process that ends meanwhile; it is then simply not there.
"""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_DEAD: Final = frozenset(b"ZX")
_PATIENCE_S: Final = 2.0
_NAP_S: Final = 0.001
_FEW: Final = 32
_MOMENT: Final = 5


SameMemory = Callable[[int, int], bool]


class Member(NamedTuple):
    """A process as /proc shows it: `state` is the letter that `ps` prints, as a byte."""

    pid: int
    parent: int
    state: int


def children_by_parent(above: int = 0) -> Mapping[int, list[Member]]:
    """Return the living and dead (not yet reaped) processes by their parent.

    Args:
        above: Leave out what was begun before this process was, where the order of numbers tells.
    """
    found: defaultdict[int, list[Member]] = defaultdict(list)
    for pid in _pids(above):
        member = _member(pid)
        if member is not None:
            found[member.parent].append(member)
    return found


def descendants(pid: int) -> list[int]:
    """Return all processes below `pid` that live."""
    return [member.pid for member in _below(pid)]


def _below(pid: int) -> list[Member]:
    by_parent = children_by_parent(pid)
    found: list[Member] = []
    left = [pid]
    while left:
        for child in by_parent.get(left.pop(), ()):
            left.append(child.pid)
            if child.state not in _DEAD:
                found.append(child)
    return found


def stop_all(pid: int) -> None:
    """Kill `pid` and everything below it: first all are stopped, so that none begins another meanwhile.

    Only a parent may call it, before it reaps `pid`: until then the number cannot be another process's.
    """
    _signal([pid], signal.SIGSTOP)
    seen: set[int] = set()
    while new := [one for one in descendants(pid) if one not in seen]:
        seen.update(new)
        _signal(new, signal.SIGSTOP)
    _signal([*seen, pid], signal.SIGKILL)


def end_strays(known: Iterable[int], above: int) -> float:
    """Kill and reap children of this process that it does not know: orphans that were left to it.

    Returns the CPU seconds that they used, with those of their own children that they have waited for.

    Args:
        known: Children that stay.
        above: The oldest child that may have left orphans.
    """
    stays = frozenset(known)
    newest = youngest()
    if above <= newest <= above + _FEW and stays.issuperset(range(above + 1, newest + 1)):
        return 0.0  # nobody on this machine has begun anything since
    me, used_s = os.getpid(), 0.0
    for _ in range(round(_PATIENCE_S / _NAP_S)):
        strays = [one.pid for one in children_by_parent(above).get(me, ()) if one.pid not in stays]
        if not strays:
            break
        for pid in strays:
            stop_all(pid)
        for pid in strays:
            used = os.wait4(pid, os.WNOHANG)[2]
            used_s += used.ru_utime + used.ru_stime
        time.sleep(_NAP_S)  # the kernel needs a moment; what waits for a disk may outlast our patience
    return used_s


def end_all(pids: Iterable[int]) -> None:
    """Kill `pids`, which are children of this process, and whatever else is below it; reap all of it.

    Most of it dies with its own parent; only what has not after a moment is looked for.
    """
    _signal(pids, signal.SIGKILL)
    for attempt in range(round(_PATIENCE_S / _NAP_S)):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        if attempt >= _MOMENT:
            for pid in own_children():
                stop_all(pid)
        time.sleep(_NAP_S)


def own_children() -> list[int]:
    """Return the children of this process, dead ones too."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # the usual answer, and a hundred times quicker than to look at every process
        return []
    return [one.pid for one in children_by_parent().get(os.getpid(), ())]


def youngest() -> int:
    """Return the number of the process or thread that was begun last on this machine."""
    fd = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)  # asked once a job: a file object costs thrice
    try:
        return int(os.read(fd, 100).rsplit(None, 1)[1])
    finally:
        os.close(fd)


def resident_bytes(pid: int, limit: int, same_memory: SameMemory | None = None) -> int:
    """Return what `pid` and its descendants hold together.

    The sum of resident pages counts pages that are shared by a fork once for each; only where it is above
    `limit` (0: there is none) is the costly, fair share of each asked for, with what of it was swapped out.

    Args:
        pid: The root of the family.
        limit: In bytes.
        same_memory: Says whether two processes are at work in the very same memory, as a program that is being
            started is with its parent (`vfork`) for a moment; it is then counted once.
    """
    below = _below(pid)
    held = sum(_resident(member) for member in (pid, *(one.pid for one in below)))
    if held <= limit or not (limit or below):
        return held
    same = same_memory or _different
    return _fair_share(pid) + sum(_fair_share(one.pid) for one in below if not same(one.pid, one.parent))


def _different(_one: int, _other: int) -> bool:
    return False


def _pids(above: int) -> Iterable[int]:
    newest = youngest()
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names only
    return [pid for pid in pids if pid >= above] if above <= newest else pids  # else the numbers have wrapped


def _member(pid: int) -> Member | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - as above
            rest = file.read().rpartition(b")")[2].split(None, 2)
    except OSError:
        return None
    return Member(pid, int(rest[1]), rest[0][0])


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123 - as above
            return int(file.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def _fair_share(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123 - as above
            lines = file.read().splitlines()
    except OSError:
        return _resident(pid)
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith((b"Pss:", b"SwapPss:")))


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):  # ended meanwhile, or became another user's by setuid
            continue
