"""Says whether a process may be forked after it has imported libraries, and which library forbids it.

Rule: only threads with a name known to be harmless are let pass. A library that has started its threads hangs
in every forked child, which has the locks but not the threads; a mere count of threads says nothing, as
several libraries start harmless ones when imported.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

HARMLESS: Final = frozenset({"jemalloc_bg_thd", "polars-ooc-clea"})
"""Threads, by the 15 bytes that the kernel keeps of a name, that a child can do without."""

_OWNERS: Final[Mapping[str, tuple[str, ...]]] = {
    "polars-": ("polars",),
    "async-executor": ("polars",),
    "tokio-": ("polars", "obstore", "deltalake", "lance"),
    "rayon": ("polars", "tokenizers"),
    "grpc": ("grpc",),
    "cuda": ("torch", "cupy", "tensorflow"),
    "pt_": ("torch",),
}
"""Modules that start threads of a name that begins so."""

_OPENMP: Final = ("sklearn", "xgboost", "lightgbm", "torch", "catboost", "numba", "faiss")
"""Modules whose threads bear the interpreter's own name."""

_PATIENCE_S: Final = 5.0
_SETTLING_NAPS_S: Final = (0.0, 0.005, 0.02)
_NAP_S: Final = 0.0005


def why_unfit() -> str:
    """Return why this process must not be forked for work, or an empty text when it may.

    Forks one child that does nothing first: libraries that mind forking (OpenBLAS) then stop their threads.
    """
    if not _an_empty_child_ends():
        return "a forked child did not end: an imported library hangs in it"
    names: list[str] = []
    for nap_s in _SETTLING_NAPS_S:  # a thread that is just ending is no reason
        time.sleep(nap_s)
        names = forbidding_threads()
        if not names:
            return ""
    return f"threads of {' and '.join(owners_of(names))} are running ({', '.join(sorted(set(names)))})"


def owners_of(names: Sequence[str]) -> list[str]:
    """Return who has probably started these threads; one that is certain for some explains those it may have started.

    >>> owners_of(["no-such-name", "no-such-name"])
    ['an unknown library']
    """
    owners = {owner_of(name) for name in names}
    certain = {owner for owner in owners if " or " not in owner}
    return sorted(
        owner for owner in owners if owner in certain or not certain.intersection(owner.split(" or "))
    )


def forbidding_threads() -> list[str]:
    """Return the kernel's names of this process's threads, save the main one and harmless ones."""
    names = []
    for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - names only
        try:
            with open(f"/proc/self/task/{task}/comm") as file:  # noqa: PTH123 - pathlib costs more than the read
                name = file.read().rstrip("\n")
        except OSError:
            continue  # it has just ended
        if int(task) != os.getpid() and name not in HARMLESS:
            names.append(name)
    return names


def owner_of(name: str) -> str:
    """Return who has probably started threads of this name, for people.

    >>> owner_of("no-such-name")
    'an unknown library'
    """
    for beginning, modules in _OWNERS.items():
        if name.startswith(beginning):
            return _loaded_of(modules)
    python = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    return f"Python ({', '.join(python)})" if python else _loaded_of(_OPENMP)


def _loaded_of(modules: Sequence[str]) -> str:
    return " or ".join(module for module in modules if module in sys.modules) or "an unknown library"


def _an_empty_child_ends() -> bool:
    pid = os.fork()
    if not pid:
        os._exit(0)
    for _ in range(round(_PATIENCE_S / _NAP_S)):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(_NAP_S)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False
