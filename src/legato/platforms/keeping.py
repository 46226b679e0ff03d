"""How the limits of steps are kept on this machine, in words: for `legato doctor` and the docs.

Rule: it looks, and changes nothing.
"""

import sys
from pathlib import Path
from typing import Final

_AUTOGROUP: Final = Path("/proc/sys/kernel/sched_autogroup_enabled")


def how_limits_are_kept() -> tuple[tuple[str, str], ...]:
    """Return what each word on a step rests on here: pairs of the word and a sentence without its full stop."""
    if sys.platform != "linux":
        return (
            ("memory", "is only planned with, not enforced: this system does not tell what a process holds"),
            ("cpus", "limits the threads of numerical libraries"),
            ("timeout", "ends the step's process group"),
        )
    return (
        (
            "memory",
            "is watched: all processes of a step are measured together every 5 to 100 ms, and a step above it is ended",
        ),
        ("cpus", f"limits the threads of numerical libraries; {_cores()}"),
        ("timeout", "ends the step with every process it has started"),
    )


def _cores() -> str:
    try:
        shared = _AUTOGROUP.read_text().strip() == "1"
    except OSError:
        shared = False
    if shared:
        return (
            "each step is a session of its own, and the kernel gives busy sessions equal shares of the cores"
        )
    return "the kernel shares the cores by thread, so a step with more threads gets more"
