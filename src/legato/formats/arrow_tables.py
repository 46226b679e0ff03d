"""pyarrow tables as Parquet, and the one writer of Arrow data that the pandas format shares.

Rule: rows go out in groups of a fixed size, each put together anew, so the chunks of a table leave no trace.
"""

from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError
from legato.domain.rows import COMPRESSION, COMPRESSION_LEVEL, PARQUET_VERSION, ROWS_IN_GROUP
from legato.formats import Saved, Trust
from legato.formats.parquet_forms import FORMS, read_as


def accepts(value: object) -> bool:
    """Take `pyarrow.Table`; arrays and readers say too little about what they hold."""
    return type(value) is pa.Table


def save(value: object, target: Path, trust: Trust) -> Saved:  # noqa: ARG001 - the port
    """Write one Parquet file, the schema's own metadata in it."""
    assert isinstance(value, pa.Table)  # noqa: S101 - `accepts` said so
    path = target.with_name(target.name + ".parquet")
    write_table(value, path)
    written = pq.read_schema(path)
    for field in value.schema:
        if written.field(field.name) != field:
            raise ConfigurationError(
                f"column {field.name!r} of type {field.type} would come back as "
                f"{written.field(field.name).type}",
                hint="cast it to a type that Parquet holds",
            )
    return Saved(
        path=path,
        format="arrow/1",
        type="pyarrow.Table",
        about={"rows": value.num_rows, "columns": value.num_columns},
    )


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read it as any form of table."""
    return read_as(form if form in FORMS else "pyarrow.Table", path)


def write_table(table: pa.Table, path: Path) -> None:
    """Write `table` at `path`; memory beyond the table's own is one row group."""
    names = table.column_names
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigurationError(f"two columns are called {twice!r}", hint="rename one of them")
    if not names and table.num_rows:
        raise ConfigurationError(
            f"a table of {table.num_rows} rows without columns cannot be saved",
            hint="return its length as an int",
        )
    table = table.unify_dictionaries()
    with pq.ParquetWriter(
        path,
        table.schema,
        version=PARQUET_VERSION,
        compression=COMPRESSION,
        compression_level=COMPRESSION_LEVEL,
        store_schema=True,
    ) as writer:
        for start in range(0, max(table.num_rows, 1), ROWS_IN_GROUP):
            group = table.slice(start, ROWS_IN_GROUP).combine_chunks()
            writer.write_table(group, row_group_size=ROWS_IN_GROUP)
