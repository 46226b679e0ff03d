"""Finds the rows a model takes among the tables its evaluation was given, and picks those that prove it.

Rule: a signature is read from rows the model was judged on, never guessed from the model's inside.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from legato.domain.errors import ConfigurationError
from legato.domain.units import with_article
from legato.serve.agreement import disagreement
from legato.serve.bare_models import LightGBMTrees
from legato.serve.signature import Column
from legato.serve.tables import column_names, describe, library_of, row_count, take, values_of

COMPARED_ROWS: Final = 2000
GOLDEN_ROWS: Final = 100
_SEED: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Rows to try a model on.

    Attributes:
        inputs: The tensors that stand for them.
        table: The rows, in the library the model takes, with the model's columns in its order.
        library: `polars`, `pandas`, `pyarrow` or `numpy`.
        named: The rows have named columns; else `table` is a matrix.
        real: They come from the evaluation; else they are drawn at random.
    """

    inputs: tuple[Column, ...]
    table: Any
    library: str
    named: bool
    real: bool = True

    def values(self) -> list[list[Any]]:
        """Return the rows as a request carries them: for each input its values, flat."""
        if self.named:
            return [values_of(self.table, column.name) for column in self.inputs]
        return [[None if value != value else value for value in self.table.ravel().tolist()]]  # noqa: PLR0124 - NaN


def sample_for(model: Any, tables: Mapping[str, object], called: str = "") -> Sample:  # noqa: ANN401 - any class with predict
    """Return rows that `model` takes, from `tables` (the evaluation's other inputs, by parameter).

    Args:
        model: Has `predict`, and where it knows them the names or the number of its columns.
        tables: Tables, matrices and tensors; what is none of these is passed over.
        called: The model's type as its author knows it.

    Raises:
        ConfigurationError: The model has no `predict`, or no table fits it.
    """
    called = called or type(model).__qualname__
    if not callable(getattr(model, "predict", None)):
        raise ConfigurationError(
            f"{with_article(called)} cannot be served: it has no method 'predict'",
            hint="give its class a method predict(self, rows) that returns one answer a row",
        )
    found = {name: table for name, table in map(_as_table, tables.items()) if library_of(table)}
    names = _spelled(model, _feature_names(model), found)
    if names:
        return _named(called, names, found)
    width = getattr(model, "n_features_in_", None)
    if isinstance(width, int) and width > 0:
        return _matrix(width, found)
    if getattr(model, "takes_arrays", False):
        return _array(model, found, called)
    return _probed(model, found, called)


def _as_table(item: tuple[str, Any]) -> tuple[str, Any]:
    """Return a tensor of PyTorch as the matrix it is; anything else as it came."""
    name, table = item
    is_tensor = type(table).__module__ == "torch" and hasattr(table, "detach")
    return name, (table.detach().cpu().numpy() if is_tensor else table)


def _feature_names(model: Any) -> tuple[str, ...]:  # noqa: ANN401 - an estimator
    """Return the columns the model needs, without those that a leading ColumnTransformer drops."""
    names = tuple(str(name) for name in getattr(model, "feature_names_in_", ()))
    if names == tuple(f"Column_{index}" for index in range(len(names))):  # LightGBM's word for no names
        return ()
    first = model.steps[0][1] if hasattr(model, "steps") else model
    parts = getattr(first, "transformers_", None)
    if type(first).__name__ != "ColumnTransformer" or parts is None:
        return names
    used = {
        _name(column, names)
        for _, step, columns in parts
        if not _dropped(step)
        for column in _listed(columns)
    }
    return tuple(name for name in names if name in used)


def _spelled(model: object, names: tuple[str, ...], tables: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names as a table spells them: LightGBM writes an underline where a name has a space."""
    if not isinstance(model, LightGBMTrees) and not type(model).__module__.startswith("lightgbm"):
        return names
    for table in tables.values():
        spelled = {name.replace(" ", "_"): name for name in column_names(table)}
        if spelled.keys() >= set(names):
            return tuple(spelled[name] for name in names)
    return names


def _dropped(step: object) -> bool:
    return isinstance(step, str) and step == "drop"


def _listed(columns: Any) -> Sequence[Any]:  # noqa: ANN401 - as scikit-learn lets one write them
    return [columns] if isinstance(columns, (str, int)) else list(columns)


def _name(column: Any, names: Sequence[str]) -> str:  # noqa: ANN401 - a name or a position
    return column if isinstance(column, str) else names[int(column)]


def _named(called: str, names: Sequence[str], tables: Mapping[str, object]) -> Sample:
    fitting = [table for table in tables.values() if set(names) <= set(column_names(table))]
    if not fitting:
        raise ConfigurationError(_no_fit(called, names, tables), hint=_NO_FIT_HINT)
    return _from_table(fitting[0], names)


_NO_FIT_HINT: Final = (
    "let the evaluation take the table that the model is asked with; features made inside the evaluation "
    "belong into a step of their own, or into the model's Pipeline"
)


def _no_fit(called: str, names: Sequence[str], tables: Mapping[str, object]) -> str:
    who = f"no input of the evaluation holds the columns that {called} was trained on"
    best = max(tables, key=lambda name: len(set(names) & set(column_names(tables[name]))), default="")
    if not best:
        return f"{who}: {', '.join(names)}"
    missing = [name for name in names if name not in column_names(tables[best])]
    near = difflib.get_close_matches(missing[0], column_names(tables[best]), n=1)
    return f"{who}: {best!r} lacks {', '.join(missing)}" + (f" (it has {near[0]!r})" if near else "")


def _from_table(table: Any, names: Sequence[str]) -> Sample:  # noqa: ANN401 - a table of any library
    inputs = tuple(_described(table, name) for name in names)
    empty = [values_of(table, column.name).index(None) for column in inputs if column.nullable]
    rows = _spread(row_count(table), COMPARED_ROWS, empty)
    return Sample(inputs=inputs, table=take(table, rows, names), library=library_of(table), named=True)


def _described(table: Any, name: str) -> Column:  # noqa: ANN401 - a table of any library
    try:
        return describe(table, name)
    except TypeError as error:
        raise ConfigurationError(
            f"column {name!r} is of type {error}, which a request cannot carry",
            hint="turn it into numbers, texts, booleans, categories or dates before the model sees it",
        ) from None


def _spread(total: int, wanted: int, first: Sequence[int] = ()) -> list[int]:
    """Return up to `wanted` row numbers, evenly spread, `first` among them, in order."""
    if total <= wanted:
        return list(range(total))
    even = [index * total // wanted for index in range(max(0, wanted - len(first)))]
    return sorted({*first, *even})


def golden_rows(sample: Sample) -> list[int]:
    """Return the numbers of the rows to keep: for each column with holes one that has it, the rest evenly."""
    holes = [values.index(None) for values in sample.values() if None in values] if sample.named else []
    return _spread(row_count(sample.table), GOLDEN_ROWS, holes)


def _matrix(width: int, tables: Mapping[str, object]) -> Sample:
    """Return rows for a model without names: a matrix or numeric table of that width, else random numbers."""
    for table in tables.values():
        if library_of(table) == "numpy":
            fits = len(table.shape) == 2 and table.shape[1] == width and table.dtype.kind in "iufb"  # type: ignore[attr-defined]  # noqa: PLR2004 - rows and columns
        else:
            fits = len(column_names(table)) == width
        matrix = _numbers(table) if fits else None
        if matrix is not None:
            return _from_matrix(matrix, real=True)
    return _from_matrix(np.random.default_rng(_SEED).standard_normal((GOLDEN_ROWS, width)), real=False)


def _numbers(table: Any) -> Any:  # noqa: ANN401 - a matrix, or None
    if library_of(table) == "numpy":
        return table
    try:
        columns = [np.asarray(values_of(table, name), dtype=np.float64) for name in column_names(table)]
    except (TypeError, ValueError):
        return None
    return np.stack(columns, axis=1)


def _array(model: Any, tables: Mapping[str, Any], called: str) -> Sample:  # noqa: ANN401 - any class with predict
    """Return rows for a model that takes arrays of it does not say which shape: the first that it answers."""
    said = "none of them is an array"
    for name, table in tables.items():
        if library_of(table) != "numpy" or table.ndim < 2 or table.dtype.kind not in "iufb":  # noqa: PLR2004 - rows
            continue
        try:
            model.predict(table[:GOLDEN_ROWS])
        except ValueError as error:
            said = f"it says of {name!r}: {error}"
            continue
        return _from_matrix(table.astype(np.float32), real=True)
    raise ConfigurationError(
        f"no input of the evaluation fits {called}: {said}",
        hint="let the evaluation take the array that the model is asked with, or name its columns in feature_names_in_",
    )


def _from_matrix(matrix: Any, *, real: bool) -> Sample:  # noqa: ANN401 - a numeric matrix
    datatype = "FP32" if matrix.dtype == np.float32 else "FP64"
    numbers = matrix.astype(np.float32 if datatype == "FP32" else np.float64)
    row = tuple(int(size) for size in matrix.shape[1:])
    holes = np.flatnonzero(np.isnan(numbers).any(axis=tuple(range(1, numbers.ndim))))
    column = Column(
        name="rows",
        datatype=datatype,
        width=math.prod(row),
        nullable=bool(holes.size),
        dims=row if len(row) > 1 else (),
    )
    rows = _spread(len(numbers), COMPARED_ROWS, [int(index) for index in holes[:1]])
    return Sample(inputs=(column,), table=numbers[rows], library="numpy", named=False, real=real)


def _probed(model: Any, tables: Mapping[str, object], called: str) -> Sample:  # noqa: ANN401 - any class with predict
    """Return rows for a class of the user's own: the first table it answers, with the columns that matter."""
    said = "no input of the evaluation is a table"
    for name, table in tables.items():
        names = column_names(table)
        if not names:
            continue
        part = take(table, _spread(row_count(table), GOLDEN_ROWS))
        try:
            wanted = np.asarray(model.predict(part))
        except Exception as error:  # noqa: BLE001 - user code; the next table may fit
            said = f"predict raised {type(error).__name__} on {name!r}: {error}"
            continue
        return _from_table(table, [column for column in names if _matters(model, part, column, wanted)])
    raise ConfigurationError(
        f"no input of the evaluation fits {called}.predict: {said}",
        hint="give the class an attribute feature_names_in_ with the names of the columns that it takes",
    )


def _matters(model: Any, part: Any, column: str, wanted: Any) -> bool:  # noqa: ANN401 - user code and its answers
    """Say whether the model raises or answers otherwise without this column."""
    rest = [name for name in column_names(part) if name != column]
    try:
        given = np.asarray(model.predict(take(part, range(row_count(part)), rest)))
    except Exception:  # noqa: BLE001 - user code: it missed the column
        return True
    return bool(disagreement([wanted], [given])[1])
