"""Which process is which, and who runs it: what names one for ever, and what a serving one says of itself.

Rule: a process is known by its id and when it started, so that a recycled id is never taken for it.
"""

import functools
import hashlib
import os
from pathlib import Path
from typing import Final

from legato.domain.graph import Struct

STATE_FORMAT: Final = 1
STATE_FILE: Final = "state.json"
_FIRST_IDS: Final = str(0xEFFFFFFC)
"""The inode of the process ids that the system itself began with: not of a container (linux/proc_ns.h)."""


class ServingState(Struct, frozen=True, kw_only=True):
    """What a serving process says of itself, beside its generation file.

    Attributes:
        started: When the process started, in the system's ticks: with `pid` it names one process for ever.
        python: The interpreter that it runs on.
    """

    host: str
    port: int
    pid: int
    started: str
    workers: int = 1
    python: str = ""
    legato: str = ""
    format: int = STATE_FORMAT

    @property
    def address(self) -> str:
        """Where it answers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def started_at(pid: int) -> str:
    """Return when a process started, as the system counts; empty when it does not live."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "" if Path("/proc/self").exists() else _started_elsewhere(pid)
    return "" if fields[0] in {b"Z", b"X"} else fields[19].decode()


def _started_elsewhere(pid: int) -> str:
    import subprocess  # only where the system has no /proc

    done = subprocess.run(
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def owner_name() -> str:
    """Return who this process is, so that others can tell whether it still lives."""
    here = place()
    told = f"~{here}" if here else ""
    return f"{os.uname().nodename}{told}:{os.getpid()}:{started_at(os.getpid())}"


@functools.cache
def place() -> str:
    """Return what a process id here counts in: installation, boot and namespace; empty where that cannot be told.

    Two containers may have one host name, and the same ids for other processes.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").replace("-", "")
        ids = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    try:
        machine = Path("/etc/machine-id").read_bytes().strip()
    except OSError:
        machine = b""
    installed = hashlib.sha256(b"legato" + machine).hexdigest()[:12] if machine else ""
    return f"{installed}.{boot[:12]}.{ids}"


def was_before(there: str) -> bool:
    """Say whether a place that is not this one is an earlier boot of this very machine."""
    mine, theirs = place().split("."), there.split(".")
    if len(mine) != len(theirs) or not mine[0]:
        return False
    return theirs[0] == mine[0] and theirs[1] != mine[1] and theirs[2] == mine[2] == _FIRST_IDS


def alive(owner: str) -> bool:
    """Say whether an owner's process still lives; one on another machine is taken to live until its lease ends."""
    pid = local_id(owner)
    if pid is not None:
        return started_at(pid) == owner.partition(":")[2].partition(":")[2] != ""
    host, _, there = owner.partition(":")[0].partition("~")
    return not (host == os.uname().nodename and there and was_before(there))


def local_id(owner: str) -> int | None:
    """Return an owner's process id where that is of this machine and container, else None."""
    where, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    host, _, there = where.partition("~")
    if host != os.uname().nodename or there not in {"", place()} or not pid.isdigit():
        return None
    return int(pid)


def actor() -> str:
    """Return who is at work here."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return str(os.getuid())
