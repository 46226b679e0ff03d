"""Evaluations as one archive of numpy columns; the author's own metrics are asked on saving.

Rule: what comes back is numpy (`rows` float64, `slices` texts) and `Estimate`s; nothing in the file is code.
"""

import json
import traceback
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final

import numpy as np

from legato.domain.artifacts import Artifact
from legato.domain.errors import LegatoError, UserCodeError
from legato.domain.evaluation import CONFIDENCE, REPLICATES, SEED, Estimate, Evaluation
from legato.formats import Saved, Trust
from legato.formats.archives import Bytes, Member, write_archive
from legato.formats.arrays import Array, write_array
from legato.formats.evaluation_columns import Columns, normalised

_INDEX: Final = "evaluation.json"


def accepts(value: object) -> bool:
    """Take evaluations."""
    return type(value) is Evaluation


def save(value: object, target: Path, trust: Trust) -> Saved:  # noqa: ARG001 - the port
    """Write one `.zip` file."""
    assert isinstance(value, Evaluation)  # noqa: S101 - `accepts` said so
    columns = normalised(value)
    metrics = {name: estimate(name, value.metrics[name], columns) for name in sorted(value.metrics)}
    path = target.with_name(target.name + ".zip")
    members: list[tuple[str, Member]] = []
    noted = {key: _note(column, members) for key, column in columns.flat()}
    index = {
        "columns": noted,
        "metrics": {name: [repr(m.estimate), repr(m.low), repr(m.high)] for name, m in metrics.items()},
    }
    text = json.dumps(index, separators=(",", ":"), ensure_ascii=True)
    write_archive(path, [(_INDEX, Bytes(text.encode())), *members])
    about = {"rows": len(value), "columns": [key for key, _ in columns.flat()], "metrics": sorted(metrics)}
    return Saved(path=path, format="evaluation/1", type="legato.Evaluation", about=about)


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read it back, as numpy."""
    with zipfile.ZipFile(path) as archive:
        index = json.loads(archive.read(_INDEX))
        read = {key: _read(archive, note) for key, note in index["columns"].items()}
    metrics = {
        name: Estimate(estimate=float(e), low=float(low), high=float(high))
        for name, (e, low, high) in index["metrics"].items()
    }
    return Columns.from_flat(read).evaluation(metrics)


class _Column:
    """One array as a member of the archive."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def write_to(self, target: BinaryIO) -> None:
        write_array(self._array, target)


def _note(column: Array, members: list[tuple[str, Member]]) -> dict[str, Any]:
    """Add a column to the members; texts become codes and the list of texts they stand for."""
    name = f"{len(members)}.npy"
    if column.dtype.kind != "U":
        members.append((name, _Column(column)))
        return {"file": name}
    levels, codes = np.unique(column, return_inverse=True)
    members.append((name, _Column(codes.astype(np.min_scalar_type(max(len(levels) - 1, 0))))))
    return {"file": name, "levels": levels.tolist()}


def _read(archive: zipfile.ZipFile, note: Mapping[str, Any]) -> Array:
    with archive.open(note["file"]) as stream:
        column: Array = np.lib.format.read_array(stream, allow_pickle=False)
    return np.array(note["levels"], dtype=np.str_)[column] if "levels" in note else column


def estimate(name: str, metric: Callable[[Evaluation], float] | Estimate, columns: Columns) -> Estimate:
    """Return a metric with its percentile bootstrap interval over rows.

    Raises:
        UserCodeError: The author's function raised, or returned no number.
    """
    if isinstance(metric, Estimate):
        return metric
    rows = columns.length
    whole = _asked(name, metric, columns)
    if not rows or not np.isfinite(whole):
        return Estimate(estimate=whole, low=float("nan"), high=float("nan"))
    generator = np.random.Generator(np.random.PCG64(SEED))
    draws = [_asked(name, metric, columns.take(generator.integers(0, rows, rows))) for _ in range(REPLICATES)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Estimate(estimate=whole, low=float(low), high=float(high))


def _theirs(error: BaseException) -> TracebackType | None:
    """Return the traceback without our own frame, which called theirs."""
    return error.__traceback__ and (error.__traceback__.tb_next or error.__traceback__)


def _asked(name: str, metric: Callable[[Evaluation], float], columns: Columns) -> float:
    try:
        return float(metric(columns.evaluation({})))
    except LegatoError:
        raise
    except Exception as error:
        raise UserCodeError(
            f"the metric {name!r} of the Evaluation raised {type(error).__name__}: {error}",
            details="".join(traceback.format_exception(error.with_traceback(_theirs(error)))),
            hint="it is called with an Evaluation of numpy columns, also on rows drawn with replacement, and "
            "returns a number",
        ) from error
