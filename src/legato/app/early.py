"""Forks the process that a pipeline is loaded from before the command line is imported, so that both go on at once.

Rule: nothing is imported before the fork; a process that nobody asks for ends by itself when this one does.
"""

import atexit
import gc
import os
import sys

LOADER = "legato.app.loader"
COMMANDS = frozenset({"run", "plan", "why", "debug"})
"""The commands that load a pipeline."""

RARELY = (50_000, 20, 100)
"""How rarely garbage is looked for where much is imported and next to nothing thrown away."""

_begun: list[tuple[int, int]] = []


def begin(command: str = "") -> None:
    """Fork the stem where a command will load a pipeline and this process has no other thread."""
    atexit.register(gc.freeze)  # Python, as it ends, would look for garbage in all that was imported
    if sys.platform != "linux" or command not in COMMANDS or len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - pathlib costs more than the fork
        return
    import _socket

    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    pid = os.fork()
    usual = gc.get_threshold()
    gc.set_threshold(*RARELY)
    if pid:
        os.close(theirs.detach())
        _begun.append((pid, ours.detach()))
        return
    os.close(ours.detach())
    from legato.platforms.linux import live_as_stem
    from legato.platforms.orders import BE_STEM, Stem, encode

    gc.set_threshold(*usual)
    live_as_stem(
        BE_STEM, encode(Stem(host="linux", clock="time:monotonic", imports=(LOADER,))), theirs.detach()
    )


def take() -> tuple[int, int] | None:
    """Return the stem's process number and the descriptor to it, once; None where there is none."""
    return _begun.pop() if _begun else None
