"""The variables that tell numerical libraries how many threads to start.

Rule: a value that a person has set is never changed. Libraries read them once, when imported.
"""

import math
import os
from collections.abc import Mapping
from typing import Final

VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def threads_for(cpus: float) -> int:
    """Return how many threads a job of `cpus` cores may have: rounded up, at least one, at most one a core.

    >>> threads_for(0.5), threads_for(1)
    (1, 1)
    """
    return max(1, min(math.ceil(cpus), _cores()))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limited(environment: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return the environment with a limit for every library that has none yet."""
    return {**dict.fromkeys(VARIABLES, str(threads)), **environment}
