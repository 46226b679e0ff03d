"""What this machine gives a run, unless `legato.toml` says less.

Rule: a container's limits count, not the machine's under it.
"""

import os
from pathlib import Path
from typing import Any, Final

from legato.app.config import Project
from legato.domain.errors import ConfigurationError
from legato.domain.units import size_bytes
from legato.engine.schedule import Budget

_CGROUP_LIMITS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def budget(project: Project) -> Budget:
    """Return the cores and memory of a run."""
    told: dict[str, Any] = project.config.get("run", {})
    cpus = told.get("cpus", _cpus())
    if isinstance(cpus, bool) or not isinstance(cpus, int | float) or not cpus > 0:
        raise ConfigurationError(
            f"run.cpus is {cpus!r}, not a number of cores", hint="write for example cpus = 4"
        )
    memory = _told_memory(told["memory"]) if "memory" in told else _memory_bytes()
    return Budget(cpus=float(cpus), memory_bytes=memory, gpus=_gpus(), pools=project.pools)


def _told_memory(value: object) -> int:
    hint = 'write for example memory = "8GiB"'
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ConfigurationError(f"run.memory is {value!r}, not a size", hint=hint)
    try:
        found = size_bytes(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"run.memory: {error.message}", hint=error.hint) from None
    if found <= 0:
        raise ConfigurationError(f"run.memory is {value!r}, which is not above zero", hint=hint)
    return found


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may see, by the names that `CUDA_VISIBLE_DEVICES` has for them."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return tuple(name for part in told.split(",") if (name := part.strip()) and name != "-1")
    found = Path("/proc/driver/nvidia/gpus")
    return tuple(str(number) for number in range(len(list(found.iterdir())))) if found.is_dir() else ()


def _memory_bytes() -> int:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [machine]
    for path in _CGROUP_LIMITS:
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            limits.append(int(text))
    return min(limits)
