"""Writes batches of rows as one Parquet file whose bytes do not depend on how the rows came in.

Rule: equal rows in equal order give equal bytes, also those that the format `arrow/1` gives for such a table; memory
is that of one row group.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from legato.domain.errors import ConfigurationError
from legato.domain.rows import COMPRESSION, COMPRESSION_LEVEL, PARQUET_VERSION, ROWS_IN_GROUP


def write_batches(schema: Any, batches: Iterable[Any], path: Path) -> int:  # noqa: ANN401 - pyarrow is loaded late
    """Write batches of `schema` at `path` and return how many rows they had.

    Raises:
        ConfigurationError: Two columns have one name, or there is no column.
    """
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    names = schema.names
    if not names or len(set(names)) != len(names):
        twice = next((name for name in names if names.count(name) > 1), None)
        raise ConfigurationError(
            f"the query gives two columns called {twice!r}" if twice else "the query gives no columns",
            hint='name them apart: select a.id as "a_id", …',
        )
    plain = schema.remove_metadata()
    rows = 0
    with pq.ParquetWriter(
        path,
        plain,
        version=PARQUET_VERSION,
        compression=COMPRESSION,
        compression_level=COMPRESSION_LEVEL,
        store_schema=True,
    ) as writer:
        for group in _groups(plain, batches):
            writer.write_table(group, row_group_size=ROWS_IN_GROUP)
            rows += group.num_rows
    return rows


def _groups(schema: Any, batches: Iterable[Any]) -> Iterator[Any]:  # noqa: ANN401 - as above
    """Yield tables of `ROWS_IN_GROUP` rows, the last one shorter; one empty table where there are no rows."""
    import pyarrow as pa

    waiting: list[Any] = []
    count, any_rows = 0, False
    for batch in batches:
        waiting.append(batch.replace_schema_metadata(None))
        count += batch.num_rows
        while count >= ROWS_IN_GROUP:
            table = pa.Table.from_batches(waiting, schema)
            yield table.slice(0, ROWS_IN_GROUP).combine_chunks()
            any_rows = True
            rest = table.slice(ROWS_IN_GROUP)
            waiting, count = rest.to_batches(), rest.num_rows
    if count or not any_rows:
        yield pa.Table.from_batches(waiting, schema).combine_chunks()
