"""polars tables and columns as Parquet.

Rule: the file's schema, read back, equals the table's; else the table is refused by the column's name.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError
from legato.domain.rows import COMPRESSION, COMPRESSION_LEVEL, ROWS_IN_GROUP
from legato.formats import Saved, Trust
from legato.formats.parquet_forms import FORMS, read_as

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLUMN_FORMS: Final = {
    "polars.Series",
    "pandas.Series",
    "numpy.ndarray",
    "pyarrow.Array",
    "pyarrow.ChunkedArray",
}


def accepts(value: object) -> bool:
    """Take polars' own classes, not what is derived from them."""
    return type(value) in (pl.DataFrame, pl.LazyFrame, pl.Series)


def save(value: object, target: Path, trust: Trust) -> Saved:  # noqa: ARG001 - the port
    """Write one Parquet file; a lazy frame is computed on its way to the file, in bounded memory."""
    path = target.with_name(target.name + ".parquet")
    if isinstance(value, pl.Series):
        frame = value.to_frame()
        _write(frame.lazy(), path, frame.collect_schema())
        return Saved(path=path, format="polars-column/1", type="polars.Series", about={"rows": len(value)})
    if isinstance(value, pl.DataFrame):
        _refuse_no_columns(value)
        schema = value.schema
        _write(value.lazy(), path, schema)
    else:
        assert isinstance(value, pl.LazyFrame)  # noqa: S101 - `accepts` said so
        schema = value.collect_schema()
        _write(value, path, schema)
    return Saved(
        path=path,
        format="polars/1",
        type="polars.DataFrame",
        about={"rows": _rows(path), "columns": len(schema)},
    )


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read a table as any form of table, or a column as any form of column."""
    if artifact.format == "polars/1":
        return read_as(form if form in FORMS else "polars.DataFrame", path)
    series = pl.read_parquet(path, glob=False).to_series()
    return _as_column(series, form) if form in _COLUMN_FORMS else series


def _as_column(series: pl.Series, form: str) -> object:
    if form == "numpy.ndarray":
        return series.to_numpy(writable=True)
    if form == "pandas.Series":
        return series.to_pandas()
    return series.to_arrow() if form.startswith("pyarrow") else series


def _write(frame: pl.LazyFrame, path: Path, schema: "Mapping[str, pl.DataType]") -> None:
    for name, dtype in schema.items():
        if dtype == pl.Object:
            raise ConfigurationError(
                f"column {name!r} holds Python objects (polars.Object), which no file can",
                hint="cast it to a polars type, or keep such values in a step of their own",
            )
    frame.sink_parquet(
        path,
        compression=COMPRESSION,
        compression_level=COMPRESSION_LEVEL,
        row_group_size=ROWS_IN_GROUP,
        maintain_order=True,
    )
    written = pl.read_parquet_schema(path)
    for name, dtype in schema.items():
        if written.get(name) != dtype:
            raise ConfigurationError(
                f"column {name!r} of type {dtype} would come back as {written.get(name)}",
                hint="cast it to a type that Parquet holds, such as pl.String or pl.Enum",
            )


def _rows(path: Path) -> int:
    return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())


def _refuse_no_columns(frame: pl.DataFrame) -> None:
    if frame.width == 0 and frame.height:
        raise ConfigurationError(
            f"a table of {frame.height} rows without columns cannot be saved",
            hint="return its height as an int",
        )
