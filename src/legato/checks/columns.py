"""An evaluation as arrays that metrics can trust.

Rule (law 3): what cannot be read as a figure is refused by name, never skipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from legato.domain.verdicts import Outcome

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

MOST_CLASSES: Final = 1000
"""Labels with more distinct values are measurements, not classes."""

PAIR: Final = 2
"""Two classes: the larger one is the positive one."""
MATRIX: Final = 2
"""Dimensions of scores that have a column a class."""

_PLAIN: Final = "biuf"
"""Kinds of numpy dtype that are numbers."""


class UnjudgeableError(Exception):
    """A gate cannot be judged on these rows; the message says why, for people.

    Args:
        note: What is wrong, and with which column.
        outcome: `FAIL` where something is missing or broken, `INCONCLUSIVE` where only rows are missing.
    """

    def __init__(self, note: str, outcome: Outcome = Outcome.FAIL) -> None:
        super().__init__(note)
        self.note = note
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of one model's evaluation, by row. Shapes as in `legato.domain.evaluation.Evaluation`.

    Attributes:
        size: How many rows.
        classes: All classes of the whole evaluation, sorted; kept when rows are taken, so that a slice of
            one class still knows the other. None where labels are no classes.
        why: Why labels are no classes, or cannot be compared with predictions; else empty.
    """

    size: int
    ids: Array | None
    labels: Array | None
    predictions: Array | None
    scores: Array | None
    rows: Mapping[str, Array]
    slices: Mapping[str, Array]
    metrics: Mapping[str, Any]
    classes: Array | None = None
    why: str = ""

    def take(self, where: Array) -> "Columns":
        """Return the rows at `where` (a mask or positions)."""
        size = int(np.count_nonzero(where)) if where.dtype == np.bool_ else len(where)
        return replace(
            self,
            size=size,
            ids=_at(self.ids, where),
            labels=_at(self.labels, where),
            predictions=_at(self.predictions, where),
            scores=_at(self.scores, where),
            rows={name: column[where] for name, column in self.rows.items()},
            slices={name: column[where] for name, column in self.slices.items()},
        )

    def numbers(self, name: str) -> Floats:
        """Return the column `labels`, `predictions` or one of `rows` as finite float64.

        Raises:
            UnjudgeableError: It is missing, empty, no numbers, NaN or infinite.
        """
        column = self.rows[name] if name in self.rows else self._named(name)
        if column.dtype.kind not in _PLAIN:
            raise UnjudgeableError(f"{name} are {_kind(column)}, not numbers")
        values = column.astype(np.float64)
        _refuse_not_finite(name, values)
        return values

    def coded(self) -> tuple[Codes, Codes]:
        """Return labels and predictions as positions in `classes`, each of shape (n,).

        Raises:
            UnjudgeableError: One is missing, holds nothing or NaN, or the two are of different kinds.
        """
        labels, predictions = self._named("labels"), self._named("predictions")
        if self.why:
            raise UnjudgeableError(self.why)
        classes = self._classes()
        return np.searchsorted(classes, labels), np.searchsorted(classes, predictions)

    def scored(self) -> tuple[Codes, Floats]:
        """Return label positions, shape (n,), and scores: (n,) of the larger class, or (n, k) of k > 2.

        Raises:
            UnjudgeableError: One is missing or not finite, or the score columns do not match the classes.
        """
        labels, scores = self._named("labels"), self._named("scores")
        if scores.dtype.kind not in _PLAIN:
            raise UnjudgeableError(f"scores are {_kind(scores)}, not numbers")
        values = scores.astype(np.float64)
        _refuse_not_finite("scores", values)
        classes = self._classes()
        if values.ndim == MATRIX and values.shape[1] > PAIR:
            return self._many(labels, values, classes)
        if len(classes) < PAIR:
            raise UnjudgeableError("all labels are of one class", Outcome.INCONCLUSIVE)
        if len(classes) > PAIR:
            raise UnjudgeableError(f"scores have one column for {len(classes)} classes: pass one a class")
        return np.searchsorted(classes, labels), values[:, -1] if values.ndim == MATRIX else values

    def _many(self, labels: Array, values: Floats, classes: Array) -> tuple[Codes, Floats]:
        columns = values.shape[1]
        if len(classes) == columns:
            return np.searchsorted(classes, labels), values
        if classes.dtype.kind in "iu" and classes[0] >= 0 and classes[-1] < columns:
            return labels.astype(np.intp), values
        raise UnjudgeableError(
            f"scores have {columns} columns, but labels and predictions hold {len(classes)} classes"
        )

    def _classes(self) -> Array:
        if self.classes is None:
            raise UnjudgeableError(self.why or "labels are no classes")
        return self.classes

    def _named(self, name: str) -> Array:
        column: Array | None = getattr(self, name, None)
        if column is None:
            raise UnjudgeableError(f"the evaluation has no {name}")
        if not self.size:
            raise UnjudgeableError("the evaluation has no rows")
        return column


def columns_of(evaluation: Any) -> Columns:  # noqa: ANN401 - an Evaluation, or what looks like one
    """Return the columns of an evaluation as the store loads it."""
    ids, labels = _array(evaluation.ids), _array(evaluation.labels)
    predictions, scores = _array(evaluation.predictions), _array(evaluation.scores)
    rows = {name: np.asarray(column) for name, column in (evaluation.rows or {}).items()}
    slices = {name: np.asarray(column).astype(str) for name, column in (evaluation.slices or {}).items()}
    given = [column for column in (labels, predictions, scores, ids) if column is not None]
    given += rows.values()
    return Columns(
        size=len(given[0]) if given else 0,
        ids=ids,
        labels=labels,
        predictions=predictions,
        scores=scores,
        rows=rows,
        slices=slices,
        metrics=dict(evaluation.metrics or {}),
    )


def with_classes(*models: Columns) -> tuple[Columns, ...]:
    """Return the models' columns, each with the classes of all their labels and predictions."""
    labels = [columns.labels for columns in models if columns.labels is not None]
    predictions = [columns.predictions for columns in models if columns.predictions is not None]
    try:
        classes = _classes_in("labels", labels)
    except UnjudgeableError as error:
        return tuple(replace(columns, why=error.note) for columns in models)
    why = ""
    try:
        predicted = _classes_in("predictions", predictions)
        _refuse_other_kinds(classes, predicted)
        classes = np.union1d(classes, predicted) if predicted.size else classes
    except UnjudgeableError as error:
        why = error.note
    return tuple(replace(columns, classes=_both_of_a_pair(classes), why=why) for columns in models)


def _classes_in(name: str, columns: Sequence[Array]) -> Array:
    for column in columns:
        _refuse_missing(name, column)
    if not columns:
        return np.array([])
    if len({_family(column) for column in columns}) > 1:
        raise UnjudgeableError(f"{name} are {' for one model and '.join(map(_kind, columns))} for the other")
    found = np.unique(np.concatenate([np.unique(column) for column in columns]))
    if len(found) > MOST_CLASSES:
        raise UnjudgeableError(f"{name} have {len(found)} distinct values, which are no classes")
    return found


def _refuse_other_kinds(labels: Array, predictions: Array) -> None:
    if not labels.size or not predictions.size:
        return
    if _family(labels) != _family(predictions):
        raise UnjudgeableError(f"labels are {_kind(labels)}, predictions are {_kind(predictions)}")
    if labels.dtype.kind in _PLAIN and _whole(labels) and not _whole(predictions):
        raise UnjudgeableError(
            "predictions hold fractions and labels do not: pass classes there, probabilities as scores"
        )


def _family(column: Array) -> str:
    return "numbers" if column.dtype.kind in _PLAIN else column.dtype.kind


def _both_of_a_pair(classes: Array) -> Array:
    """Return 0 and 1 where only one of them was seen, so that 1 stays the positive class."""
    if len(classes) == 1 and classes.dtype.kind in _PLAIN and classes[0] in {0, 1}:
        return np.array([0, 1], dtype=classes.dtype)
    return classes


def _whole(values: Array) -> bool:
    return bool(np.all(np.mod(values.astype(np.float64), 1) == 0))


def _refuse_missing(name: str, column: Array) -> None:
    if column.dtype.kind == "f":
        _refuse_not_finite(name, column)
    elif column.dtype.kind == "O":
        kinds = sorted({type(value).__name__ for value in column.tolist()})
        raise UnjudgeableError(f"{name} hold {', '.join(kinds)}")
    elif column.dtype.kind not in "biuUS":
        raise UnjudgeableError(f"{name} are {_kind(column)}, which are no classes")


def _refuse_not_finite(name: str, values: Array) -> None:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        what = "value that is" if bad == 1 else "values that are"
        raise UnjudgeableError(f"{name} hold {bad} {what} NaN or infinite")
    if not values.size:
        raise UnjudgeableError("the evaluation has no rows")


def _array(column: object) -> Array | None:
    if column is None:
        return None
    array = np.asarray(column)
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.flat):
        return array.astype(str)
    return array


def _at(column: Array | None, where: Array) -> Array | None:
    return None if column is None else column[where]


def _kind(column: Array) -> str:
    return {"U": "texts", "S": "bytes", "O": "objects", "b": "booleans", "M": "dates"}.get(
        column.dtype.kind, str(column.dtype)
    )
