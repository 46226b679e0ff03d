"""Reads columns out of any table (polars, pandas, pyarrow) and builds one again from a request's columns.

Rule: no table library is imported unless its own objects, or a model trained on them, are already in play.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from legato.serve.signature import Column


def library_of(table: object) -> str:
    """Return `polars`, `pandas`, `pyarrow` or `numpy` for a table or matrix, else the empty string."""
    root = type(table).__module__.partition(".")[0]
    looks = {"polars": "columns", "pandas": "columns", "pyarrow": "column_names", "numpy": "shape"}.get(root)
    return root if looks is not None and hasattr(table, looks) and hasattr(table, "shape") else ""


def column_names(table: Any) -> tuple[str, ...]:  # noqa: ANN401 - a table of any library
    """Return the names of the table's columns; a matrix has none."""
    match library_of(table):
        case "polars" | "pandas":
            return tuple(str(name) for name in table.columns)
        case "pyarrow":
            return tuple(table.column_names)
        case _:
            return ()


def take(table: Any, rows: Sequence[int], names: Sequence[str] | None = None) -> Any:  # noqa: ANN401
    """Return the given rows (and columns, in this order) as a table of the same library."""
    match library_of(table):
        case "pandas":
            return (table if names is None else table[list(names)]).iloc[list(rows)]
        case "pyarrow":
            return (table if names is None else table.select(list(names))).take(list(rows))
        case "polars":
            return (table if names is None else table.select(list(names)))[list(rows)]
        case _:
            return table[list(rows)]


def row_count(table: Any) -> int:  # noqa: ANN401 - a table of any library
    """Return how many rows the table or matrix has."""
    return int(table.shape[0])


def values_of(table: Any, name: str) -> list[Any]:  # noqa: ANN401 - a table of any library
    """Return one column as plain Python values; null and NaN are None, dates ISO 8601 texts."""
    match library_of(table):
        case "pandas":
            values = table[name].astype(object).tolist()
        case "pyarrow":
            values = table.column(name).to_pylist()
        case _:
            values = table[name].to_list()
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:  # noqa: ANN401 - one cell
    if value is None or value != value or type(value).__name__ in {"NAType", "NaTType"}:  # noqa: PLR0124 - NaN
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def describe(table: Any, name: str) -> Column:  # noqa: ANN401 - a table of any library
    """Return the input tensor that stands for one column of the table."""
    match library_of(table):
        case "pandas":
            series, nulls = table[name], int(table[name].isna().sum())
            datatype, kind = _of_name(_pandas_name(series))
            categories = [str(value) for value in series.cat.categories] if kind == "category" else None
        case "pyarrow":
            column = table.column(name)
            nulls = column.null_count + sum(_plain(value) is None for value in column.to_pylist())
            datatype, kind = _of_name(str(column.type))
            categories = (
                sorted({str(v) for v in column.to_pylist() if v is not None}) if kind == "category" else None
            )
        case _:
            series = table[name]
            datatype, kind = _of_name(str(series.dtype))
            nulls = series.null_count() + (int(series.is_nan().sum()) if series.dtype.is_float() else 0)
            listed = (
                getattr(series.dtype, "categories", None)
                if datatype == "BYTES" and "Enum" in str(series.dtype)
                else None
            )
            seen = listed if listed is not None else series.cast(str).drop_nulls().unique().sort()
            categories = [str(value) for value in seen] if kind == "category" else None
    return Column(
        name=name,
        datatype=datatype,
        kind=kind,
        nullable=nulls > 0,
        categories=tuple(categories) if categories is not None else None,
    )


def _pandas_name(series: Any) -> str:  # noqa: ANN401 - a pandas series
    """Return the name of its type; a column of plain objects is named by what is in it."""
    name = str(series.dtype)
    if name != "object":
        return name
    seen = {type(value) for value in series if _plain(value) is not None}
    if seen <= {str}:
        return "str"
    return "bool" if seen == {bool} else f"object holding {', '.join(sorted(kind.__name__ for kind in seen))}"


_TYPES: Final[tuple[tuple[tuple[str, ...], str, str], ...]] = (
    (("bool",), "BOOL", ""),
    (("categor", "enum", "dictionary"), "BYTES", "category"),
    (("int", "uint"), "INT64", ""),
    (("float32", "float16", "halffloat", "float["), "FP32", ""),
    (("float", "double"), "FP64", ""),
    (("str", "utf8", "large_string", "string"), "BYTES", ""),
    (("datetime", "timestamp"), "BYTES", "datetime"),
    (("date",), "BYTES", "date"),
)
"""How a type's name begins, in any library, in lower case; the first row that fits counts."""


def _of_name(type_name: str) -> tuple[str, str]:
    name = type_name.lower()
    if name == "float":  # pyarrow's name for 32 bits
        return "FP32", ""
    for starts, datatype, kind in _TYPES:
        if name.startswith(starts):
            return datatype, kind
    raise TypeError(type_name)


def build(library: str, columns: Sequence[Column], values: Mapping[str, Sequence[Any]]) -> Any:  # noqa: ANN401
    """Return a table of `library` with the request's values, typed as the model has seen them.

    Args:
        library: `polars`, `pandas` or `pyarrow`.
        columns: The signature's inputs, in its order.
        values: By column name: one value a row, None where it is missing.
    """
    module = importlib.import_module(library)
    one: Callable[[Any, Column, Sequence[Any]], Any] = _BUILDERS[library]
    data = {column.name: one(module, column, values[column.name]) for column in columns}
    return module.table(data) if library == "pyarrow" else module.DataFrame(data)


def _pandas_series(pandas: Any, column: Column, values: Sequence[Any]) -> Any:  # noqa: ANN401
    if column.kind == "category":
        return pandas.Categorical(values, categories=list(column.categories or ()))
    if column.kind:
        return pandas.to_datetime(pandas.Series(values, dtype="str"), format="ISO8601")
    holes = column.nullable and any(value is None for value in values)
    plain = {"BOOL": "bool", "INT64": "int64", "FP32": "float32", "FP64": "float64", "BYTES": "str"}
    holed = plain | {"BOOL": "boolean", "INT64": "Int64"}
    return pandas.Series(values, dtype=(holed if holes else plain)[column.datatype])


def _polars_series(polars: Any, column: Column, values: Sequence[Any]) -> Any:  # noqa: ANN401
    if column.kind == "category":
        return polars.Series(column.name, values, dtype=polars.Enum(list(column.categories or ())))
    types = {
        "BOOL": polars.Boolean, "INT64": polars.Int64, "FP32": polars.Float32, "FP64": polars.Float64,
        "BYTES": polars.String,
    }  # fmt: skip
    series = polars.Series(column.name, values, dtype=types[column.datatype])
    match column.kind:
        case "date":
            return series.str.to_date()
        case "datetime":
            return series.str.to_datetime()
        case _:
            return series


def _arrow_array(pyarrow: Any, column: Column, values: Sequence[Any]) -> Any:  # noqa: ANN401
    if column.kind == "category":
        return pyarrow.array(values, type=pyarrow.string()).dictionary_encode()
    types = {
        "BOOL": pyarrow.bool_(), "INT64": pyarrow.int64(), "FP32": pyarrow.float32(),
        "FP64": pyarrow.float64(), "BYTES": pyarrow.string(),
    }  # fmt: skip
    array = pyarrow.array(values, type=types[column.datatype])
    moments = {"date": pyarrow.date32(), "datetime": pyarrow.timestamp("us")}
    return array.cast(moments[column.kind]) if column.kind else array


_BUILDERS: Final[Mapping[str, Callable[[Any, Column, Sequence[Any]], Any]]] = {
    "pandas": _pandas_series,
    "polars": _polars_series,
    "pyarrow": _arrow_array,
}
