"""pandas tables and columns as Parquet: index, dtypes, categories and kinds of missing values come back.

Rule: what Parquet cannot say is written into the file's metadata; what would still come back changed is
refused.
"""

import base64
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pandas.api.types import is_object_dtype  # type: ignore[import-untyped]

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError
from legato.formats import Saved, Trust
from legato.formats.arrow_tables import write_table
from legato.formats.parquet_forms import FORMS, read_as

_KEY: Final = b"legato"
_COLUMN: Final = "value"


def accepts(value: object) -> bool:
    """Take pandas' own classes, not what is derived from them."""
    return type(value) in (pd.DataFrame, pd.Series)


def save(value: object, target: Path, trust: Trust) -> Saved:  # noqa: ARG001 - the port
    """Write one Parquet file."""
    path = target.with_name(target.name + ".parquet")
    if isinstance(value, pd.Series):
        _write(value.to_frame(_COLUMN), path, {"series": _name_of(value)})
        return Saved(path=path, format="pandas-column/1", type="pandas.Series", about={"rows": len(value)})
    _write(value, path, {})
    rows, columns = cast("Any", value).shape
    return Saved(
        path=path, format="pandas/1", type="pandas.DataFrame", about={"rows": rows, "columns": columns}
    )


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read it as it was, or as another library's table or column."""
    if artifact.format == "pandas/1":
        return read_as(form, path) if form in FORMS and form != "pandas.DataFrame" else _read(path)[0]
    frame, notes = _read(path)
    series = frame[_COLUMN].rename(_named(notes["series"]))
    if form == "polars.Series":
        import polars as pl

        return pl.from_pandas(series)
    return series.to_numpy(copy=True) if form == "numpy.ndarray" else series


def _write(frame: Any, path: Path, notes: dict[str, Any]) -> None:  # noqa: ANN401 - pandas has no types
    _refuse_odd_columns(frame)
    objects = {
        str(i): _object_notes(frame.iloc[:, i])
        for i, dtype in enumerate(frame.dtypes)
        if is_object_dtype(dtype)
    }
    categories = {
        str(i): {"values": _pack(dtype.categories), "ordered": bool(dtype.ordered)}
        for i, dtype in enumerate(frame.dtypes)
        if isinstance(dtype, pd.CategoricalDtype)
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # names of mixed types are refused below, by name
            table = pa.Table.from_pandas(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the pandas table cannot be saved: {', '.join(str(part) for part in error.args)}",
            hint="give each column one type: table.astype({...}), or drop the column",
        ) from error
    notes = {**notes, "objects": objects, "categories": categories}
    metadata = {**(table.schema.metadata or {}), _KEY: json.dumps(notes, sort_keys=True).encode()}
    table = table.replace_schema_metadata(metadata)
    write_table(table, path)
    _refuse_changed(frame, _restore(table.slice(0, 0), notes))
    _refuse_changed_objects(frame, table, objects)


def _read(path: Path) -> tuple[Any, dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        table = file.read()
    notes = json.loads((table.schema.metadata or {})[_KEY])
    return _restore(table, notes), notes


def _restore(table: pa.Table, notes: Mapping[str, Any]) -> Any:  # noqa: ANN401 - pandas has no types
    frame = table.to_pandas()
    for position, packed in notes["categories"].items():
        dtype = pd.CategoricalDtype(_unpack(packed["values"]), ordered=packed["ordered"])
        frame.isetitem(int(position), frame.iloc[:, int(position)].astype(dtype))
    for position, note in notes["objects"].items():
        values = pd.array([None] * len(frame), dtype=object)
        values[:] = _python_values(table.column(int(position)), note)
        frame.isetitem(int(position), pd.Series(values, index=frame.index, dtype=object))
    return frame


def _python_values(column: pa.ChunkedArray, note: str) -> list[Any]:
    missing = float("nan") if note == "nan" else None
    return [missing if item is None else item for item in column.to_pylist()]


def _object_notes(column: Any) -> str:  # noqa: ANN401 - pandas has no types
    """Say how missing values look in a column of Python objects: `nan` or `none`."""
    missing = column[column.isna()]
    kinds = {"none" if item is None else "nan" if isinstance(item, float) else "other" for item in missing}
    if len(kinds) > 1 or "other" in kinds:
        raise ConfigurationError(
            f"column {column.name!r} mixes kinds of missing values (None, NaN, NaT, NA)",
            hint=f"make them one: table[{column.name!r}] = table[{column.name!r}].astype('str')",
        )
    return kinds.pop() if kinds else "none"


def _pack(categories: Any) -> str:  # noqa: ANN401 - pandas has no types
    table = pa.Table.from_pandas(pd.DataFrame({_COLUMN: categories.to_series(index=range(len(categories)))}))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return base64.b64encode(sink.getvalue()).decode()


def _unpack(packed: str) -> Any:  # noqa: ANN401 - pandas has no types
    with pa.ipc.open_stream(base64.b64decode(packed)) as reader:
        return pd.Index(reader.read_all().to_pandas()[_COLUMN]).rename(None)


def _refuse_odd_columns(frame: Any) -> None:  # noqa: ANN401 - pandas has no types
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ConfigurationError(f"two columns are called {twice!r}", hint="rename one of them")
    for label in frame.columns:
        if isinstance(label, str) and label.startswith("__index_level_"):
            raise ConfigurationError(
                f"column {label!r} has a name that pandas keeps for itself", hint="rename it"
            )


def _refuse_changed(frame: Any, back: Any) -> None:  # noqa: ANN401 - pandas has no types
    for label, before, after in zip(frame.columns, frame.dtypes, back.dtypes, strict=True):
        if before != after:
            raise ConfigurationError(
                f"column {label!r} of dtype {before} would come back as {after}",
                hint=f"cast it: table[{label!r}].astype({str(after)!r})",
            )
    parts = (("index", frame.index[:0], back.index), ("columns", frame.columns, back.columns))
    for what, before, after in parts:
        same_type = getattr(before, "dtypes", before.dtype)
        if list(before.names) != list(after.names) or not _equal(
            same_type, getattr(after, "dtypes", after.dtype)
        ):
            raise ConfigurationError(
                f"the table's {what} ({type(before).__name__} of {before.dtype}, named {list(before.names)}) "
                f"would come back as {type(after).__name__} of {after.dtype}, named {list(after.names)}",
                hint="use table.reset_index(), and plain texts as column names",
            )
    if not frame.columns.equals(back.columns):
        raise ConfigurationError(
            f"the column names {list(frame.columns)!r} would come back as {list(back.columns)!r}",
            hint="use plain texts as column names",
        )


def _refuse_changed_objects(frame: Any, table: pa.Table, objects: Mapping[str, str]) -> None:  # noqa: ANN401
    for position in objects:
        kind = table.schema.field(int(position)).type
        if not pa.types.is_nested(kind):
            continue
        before = [None if item is None else item for item in frame.iloc[:, int(position)]]
        if table.column(int(position)).to_pylist() != before:
            raise ConfigurationError(
                f"column {frame.columns[int(position)]!r} holds nested objects that would come back changed",
                hint="keep nested values in a table of their own, or as JSON texts",
            )


def _equal(before: Any, after: Any) -> bool:  # noqa: ANN401 - pandas has no types
    return bool(before.equals(after)) if hasattr(before, "equals") else bool(before == after)


def _name_of(series: Any) -> list[Any]:  # noqa: ANN401 - pandas has no types
    if series.name is None:
        return []
    if type(series.name) not in (str, int, bool):
        raise ConfigurationError(
            f"a column named {series.name!r} cannot be saved", hint="series.rename('a text') first"
        )
    return [series.name]


def _named(note: list[Any]) -> Any:  # noqa: ANN401 - a label
    return note[0] if note else None
