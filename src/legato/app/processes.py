"""Which process is which, and who runs it: what names one for ever, and what a serving one says of itself.

Rule: a process is known by its id and when it started, so that a recycled id is never taken for it.
"""

import os
from pathlib import Path
from typing import Final

from legato.domain.graph import Struct

STATE_FORMAT: Final = 1
STATE_FILE: Final = "state.json"


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
    return f"{os.uname().nodename}:{os.getpid()}:{started_at(os.getpid())}"


def alive(owner: str) -> bool:
    """Say whether an owner's process still lives; one on another machine is taken to live until its lease ends."""
    host, _, rest = owner.partition(":")
    pid, _, started = rest.partition(":")
    if host != os.uname().nodename or not pid.isdigit():
        return True
    return started_at(int(pid)) == started != ""


def actor() -> str:
    """Return who is at work here."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return str(os.getuid())
