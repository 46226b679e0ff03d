"""Says whether two sets of answers to the same rows are the same: labels exactly, numbers within a tolerance.

Rule: what cannot be compared does not agree.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

ABSOLUTE: Final = 1e-4
RELATIVE: Final = 1e-5


def disagreement(expected: Sequence[Any], given: Sequence[Any]) -> tuple[float, str]:
    """Compare answers output by output.

    Args:
        expected: One array (or nested list) for each output, from the model itself.
        given: The same from another flavor of it.

    Returns:
        The largest difference between two numbers, and in words where they disagree; empty when they agree.
    """
    largest = 0.0
    for want, have in zip(expected, given, strict=True):
        difference, words = _compare(np.asarray(want), np.asarray(have))
        if words:
            return difference, words
        largest = max(largest, difference)
    return largest, ""


def _compare(want: np.ndarray[Any, Any], have: np.ndarray[Any, Any]) -> tuple[float, str]:
    if want.shape != have.shape:
        return float("inf"), f"answers of shape {list(have.shape)} where {list(want.shape)} was expected"
    if want.dtype.kind != "f":
        wrong = int(np.count_nonzero(want.astype(object) != have.astype(object)))
        return (0.0, "") if not wrong else (float("inf"), f"{wrong} of {want.size} labels differ")
    try:
        numbers = have.astype(np.float64)
    except (TypeError, ValueError):
        return float("inf"), f"answers of type {have.dtype} where numbers were expected"
    if not np.array_equal(np.isnan(want), np.isnan(numbers)):
        return float("inf"), "a number on one side is missing on the other"
    gap = np.nan_to_num(np.abs(want - numbers))
    far = gap > ABSOLUTE + RELATIVE * np.nan_to_num(np.abs(want))
    largest = float(gap.max(initial=0.0))
    return (
        largest,
        f"{int(far.sum())} of {want.size} numbers differ, by up to {largest:.1e}" if far.any() else "",
    )
