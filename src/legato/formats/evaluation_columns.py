"""Turns the columns of an evaluation, whatever library made them, into numpy.

Rule: a column that cannot be judged row by row (nested, mixed, null where a value is needed) is refused by
name.
"""

import datetime as dt
import enum
import numbers
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from legato.domain.errors import ConfigurationError
from legato.domain.evaluation import Estimate, Evaluation
from legato.domain.graph import Struct
from legato.formats.arrays import Array

_SINGLE: Final = ("ids", "labels", "predictions", "scores")
_NULL_SLICE: Final = "null"


class Columns(Struct, frozen=True, kw_only=True):
    """The columns of an evaluation as numpy arrays of one length."""

    ids: Array | None = None
    labels: Array | None = None
    predictions: Array | None = None
    scores: Array | None = None
    rows: Mapping[str, Array] = {}
    slices: Mapping[str, Array] = {}

    @classmethod
    def from_flat(cls, columns: Mapping[str, Array]) -> "Columns":
        """Build it from `flat`'s names."""
        named = {
            group: {
                key.partition("/")[2]: column
                for key, column in columns.items()
                if key.startswith(group + "/")
            }
            for group in ("rows", "slices")
        }
        return cls(**{name: columns.get(name) for name in _SINGLE}, **named)  # type: ignore[arg-type]

    def flat(self) -> Iterator[tuple[str, Array]]:
        """Yield each column with its name; `rows/cost`, `slices/color`."""
        for name in _SINGLE:
            column = getattr(self, name)
            if column is not None:
                yield name, column
        for group, columns in (("rows", self.rows), ("slices", self.slices)):
            yield from ((f"{group}/{name}", column) for name, column in columns.items())

    @property
    def length(self) -> int:
        """How many rows."""
        return next(len(column) for _, column in self.flat())

    def take(self, indices: Array) -> "Columns":
        """Return the rows at `indices`, shape (m,)."""
        return Columns.from_flat({name: column[indices] for name, column in self.flat()})

    def evaluation(self, metrics: Mapping[str, Estimate]) -> Evaluation:
        """Return it as authors know it."""
        return Evaluation(
            ids=self.ids,
            labels=self.labels,
            predictions=self.predictions,
            scores=self.scores,
            rows=self.rows,
            slices=self.slices,
            metrics=metrics,
        )


def normalised(evaluation: Evaluation) -> Columns:
    """Return the columns of `evaluation`; raises ConfigurationError that names the column."""
    return Columns(
        ids=None if evaluation.ids is None else _ids(evaluation.ids),
        labels=_values(evaluation.labels, "labels"),
        predictions=_values(evaluation.predictions, "predictions"),
        scores=_scores(evaluation.scores),
        rows={name: _measure(column, f'rows["{name}"]') for name, column in sorted(evaluation.rows.items())},
        slices={
            name: _texts(column, f'slices["{name}"]') for name, column in sorted(evaluation.slices.items())
        },
    )


def _ids(column: Any) -> Array:  # noqa: ANN401 - any column
    found = _flat_array(column, "ids")
    if _has_nulls(found):
        raise ConfigurationError(
            "`ids` of the Evaluation hold a null", hint="give every row an id, or leave ids out"
        )
    ids = _typed(found, "ids")
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) != len(ids):
        twice = unique[counts > 1][0]
        raise ConfigurationError(
            f"`ids` of the Evaluation are not unique: {twice.item()!r} stands on {counts.max()} rows",
            hint="ids pair the rows of two models: use a column that names each row once",
        )
    return ids


def _values(column: Any, what: str) -> Array | None:  # noqa: ANN401 - any column
    if column is None:
        return None
    found = _flat_array(column, what)
    if _has_nulls(found) and found.dtype.kind != "f":
        present = _without_nulls(found)
        if not all(
            isinstance(item, numbers.Real) and not isinstance(item, (bool, np.bool_)) for item in present
        ):
            raise ConfigurationError(
                f"`{what}` of the Evaluation hold a null",
                hint="drop the rows whose truth or prediction is unknown",
            )
        return _as_floats(found, what)
    return _typed(found, what)


def _scores(column: Any) -> Array | None:  # noqa: ANN401 - any column or table
    if column is None:
        return None
    array = _array(column, "scores")
    if (
        array.dtype == object
        and array.ndim == 1
        and len(array)
        and isinstance(array[0], (list, tuple, np.ndarray))
    ):
        array = _stacked(array)
    if array.ndim not in (1, 2):
        raise ConfigurationError(
            f"`scores` of the Evaluation have the shape {array.shape}",
            hint="pass shape (n,) or (n, classes), as predict_proba gives",
        )
    return _as_floats(array, "scores")


def _stacked(array: Array) -> Array:
    try:
        return np.stack([np.asarray(row, dtype=np.float64) for row in array])
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"`scores` of the Evaluation are nested unevenly: {error}",
            hint="give every row one number for each class",
        ) from error


def _measure(column: Any, what: str) -> Array:  # noqa: ANN401 - any column
    return _as_floats(_flat_array(column, what), what)


def _texts(column: Any, what: str) -> Array:  # noqa: ANN401 - any column
    found = _flat_array(column, what)
    if found.dtype.kind in "OMm":
        return np.array([_text(item) for item in found.tolist()], dtype=np.str_)
    texts: Array = found.astype(np.str_)
    texts[_nulls(found)] = _NULL_SLICE
    return texts


def _text(item: object) -> str:
    if item is None or item != item:  # noqa: PLR0124 - NaN
        return _NULL_SLICE
    if isinstance(item, enum.Enum):
        item = item.value
    return item.isoformat() if isinstance(item, (dt.date, dt.time)) else str(item)


def _array(column: Any, what: str) -> Array:  # noqa: ANN401 - any column
    """Return the column as it is in numpy, objects where numpy has no better."""
    if isinstance(column, np.ma.MaskedArray):
        raise ConfigurationError(
            f"`{what}` of the Evaluation are a masked array", hint="fill it, or drop the rows"
        )
    if isinstance(column, np.ndarray):
        return column
    if isinstance(column, (list, tuple)):
        return _objects(column)
    if hasattr(column, "to_numpy"):
        takes_copy = type(column).__module__.startswith("pyarrow") and not hasattr(column, "num_chunks")
        return np.asarray(column.to_numpy(zero_copy_only=False) if takes_copy else column.to_numpy())
    return _objects(list(column))


def _objects(items: Iterable[Any]) -> Array:
    listed = list(items)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def _flat_array(column: Any, what: str) -> Array:  # noqa: ANN401 - any column
    array = _array(column, what)
    if array.ndim == 2 and array.shape[1] == 1:  # noqa: PLR2004 - a column, as some libraries predict
        array = array[:, 0]
    nested = array.dtype == object and any(
        isinstance(item, (list, tuple, dict, set, np.ndarray)) for item in array
    )
    if array.ndim != 1 or nested or array.dtype.names:
        raise ConfigurationError(
            f"`{what}` of the Evaluation are nested: each row holds several values",
            hint="pass one value a row; join the parts of an id into one text",
        )
    return array


def _nulls(array: Array) -> Array:
    if array.dtype == object:
        return np.array([item is None or item != item for item in array.tolist()], dtype=bool)  # noqa: PLR0124 - NaN
    if array.dtype.kind in "fcMm":
        return np.isnan(array) if array.dtype.kind in "fc" else np.isnat(array)
    return np.zeros(len(array), dtype=bool)


def _has_nulls(array: Array) -> bool:
    return bool(_nulls(array).any())


def _without_nulls(array: Array) -> list[Any]:
    return list(array[~_nulls(array)])


def _as_floats(array: Array, what: str) -> Array:
    if array.dtype == object:
        array = np.array(
            [np.nan if null else item for item, null in zip(array, _nulls(array), strict=True)], dtype=object
        )
    try:
        return np.ascontiguousarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"`{what}` of the Evaluation are not numbers: {error}",
            hint="pass numbers; text belongs into `slices`",
        ) from error


def _typed(array: Array, what: str) -> Array:
    """Return an array of objects in the one type that all its items share."""
    if array.dtype != object:
        return np.ascontiguousarray(array)
    items = [item.value if isinstance(item, enum.Enum) else item for item in array.tolist()]
    if not items:
        return np.empty(0, dtype=np.float64)
    for kinds, dtype in _TYPES:
        if all(isinstance(item, kinds) for item in items):
            return np.array(items, dtype=dtype)
    kinds_found = sorted({type(item).__name__ for item in items})
    raise ConfigurationError(
        f"`{what}` of the Evaluation mix types: {', '.join(kinds_found)}", hint="give the column one type"
    )


_TYPES: Final[tuple[tuple[Any, Any], ...]] = (
    (str, np.str_),
    ((bool, np.bool_), np.bool_),
    (numbers.Integral, np.int64),
    (numbers.Real, np.float64),
    (bytes, np.bytes_),
    (dt.datetime, "datetime64[us]"),
    (dt.date, "datetime64[D]"),
)
