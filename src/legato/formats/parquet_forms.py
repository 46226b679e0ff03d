"""Reads one Parquet file in the form that a consumer asks for, with the library of that form alone.

Rule: what is handed out never shares memory with the file that anyone could write to.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

INDEX_PREFIX: Final = "__index_level_"
"""How pandas calls the columns of an index without name; other libraries do not want them."""


def read_as(form: str, path: Path) -> object:
    """Return the table at `path` as `form`; KeyError when `form` is no table."""
    return FORMS[form](path)


def _polars(path: Path) -> object:
    return _polars_lazy(path).collect()


def _polars_lazy(path: Path) -> Any:  # noqa: ANN401 - polars is not imported to name its type
    import polars as pl

    frame = pl.scan_parquet(path, glob=False)
    unnamed = [name for name in pl.read_parquet_schema(path) if name.startswith(INDEX_PREFIX)]
    return frame.drop(unnamed) if unnamed else frame


def _arrow(path: Path) -> Any:  # noqa: ANN401 - pyarrow is not imported to name its type
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    with pq.ParquetFile(path) as file:
        table = file.read()
    return table.drop_columns([name for name in table.column_names if name.startswith(INDEX_PREFIX)])


def _dataset(path: Path) -> object:
    import pyarrow.dataset as ds  # type: ignore[import-untyped]

    return ds.dataset(path, format="parquet")


def _pandas(path: Path) -> object:
    return _arrow(path).to_pandas()


FORMS: Final[Mapping[str, Callable[[Path], object]]] = {
    "polars.DataFrame": _polars,
    "polars.LazyFrame": _polars_lazy,
    "pyarrow.Table": _arrow,
    "pyarrow.dataset.Dataset": _dataset,
    "pandas.DataFrame": _pandas,
}
