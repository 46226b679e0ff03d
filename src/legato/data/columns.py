"""What two tables have in common and how their columns differ: types, nulls, ranges, categories, shapes.

Rule: tables are read lazily and in a stream, one pass for each kind of figure; nothing is held but figures.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.domain.graph import Struct

BINS: Final = 12
CATEGORIES: Final = 60
"""A column with at most this many values is one of categories."""
SHOWN: Final = 12
_KINDS: Final = {
    ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".ipc": "arrow",
    ".feather": "arrow", ".jsonl": "lines", ".ndjson": "lines",
}  # fmt: skip
_PACKED: Final = frozenset({".gz", ".zst"})


class Figures(Struct, frozen=True, kw_only=True):
    """One column of one table.

    Attributes:
        nulls: Share of rows without a value, in [0, 1].
        low: Smallest value; `high`: largest. Numbers as numbers, dates as text; None where there is no order.
        values: How many different ones, about.
        categories: Share of rows by value, the most frequent first.
        shape: Share of rows in each of `BINS` equal parts of the range of both tables together.
    """

    type: str
    nulls: float = 0.0
    low: Any = None
    high: Any = None
    mean: float | None = None
    values: int | None = None
    categories: Mapping[str, float] = {}
    shape: tuple[float, ...] = ()


class ColumnChange(Struct, frozen=True, kw_only=True):
    """One column in both tables; None on the side that does not have it.

    Attributes:
        differs: Anything here is different.
        new: Categories that only the second table has; `gone`: only the first.
        rows: How many rows with the same key have another value, where that was counted.
    """

    name: str
    before: Figures | None
    after: Figures | None
    differs: bool
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    rows: int | None = None


class Table(NamedTuple):
    """Files that are one table: what kind they are, and where they lie."""

    kind: str
    files: Sequence[Path]


def kind_of(name: str) -> str:
    """Return which kind of table a file's name promises; empty for none.

    >>> kind_of("rows.csv.gz"), kind_of("cat.jpg")
    ('csv', '')
    """
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        kind = _KINDS.get(suffixes[-2], "") if len(suffixes) > 1 else ""
        return kind if kind in {"csv", "tsv", "lines"} else ""
    return _KINDS.get(suffixes[-1], "") if suffixes else ""


def scan(table: Table) -> Any:  # noqa: ANN401 - polars is loaded late
    """Return a table as a lazy frame.

    Raises:
        MissingError: polars is not installed.
    """
    try:
        import polars as pl
    except ModuleNotFoundError:
        raise MissingError(
            "comparing tables needs polars, which is not installed", hint='pip install "legato[tables]"'
        ) from None
    files = list(table.files)
    match table.kind:
        case "parquet":
            return pl.scan_parquet(files, glob=False)
        case "arrow":
            return pl.scan_ipc(files, glob=False)
        case "lines":
            return pl.scan_ndjson(files, infer_schema_length=10_000)
        case kind:
            return pl.scan_csv(
                files,
                glob=False,
                separator="\t" if kind == "tsv" else ",",
                try_parse_dates=True,
                infer_schema_length=10_000,
            )


def collected(frame: Any, what: str) -> Any:  # noqa: ANN401 - as above
    """Return what a lazy frame computes, in a stream.

    Raises:
        OutsideError: The file is not the table that its name promises.
    """
    import polars as pl

    try:
        return frame.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise OutsideError(
            f"{what} cannot be read as a table: {' '.join(str(error).split())[:200]}",
            hint="look at its first rows; --bytes compares without reading it",
        ) from None


def schema_of(frame: Any, what: str) -> Mapping[str, Any]:  # noqa: ANN401 - as above
    """Return names and types of the columns; raises as `collected`."""
    import polars as pl

    try:
        return dict(frame.collect_schema())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise OutsideError(
            f"{what} cannot be read as a table: {' '.join(str(error).split())[:200]}",
            hint="look at its first rows; --bytes compares without reading it",
        ) from None


class Profile(NamedTuple):
    """One table's rows and figures, before shapes and categories are known."""

    rows: int
    figures: dict[str, Figures]


def profile(frame: Any, schema: Mapping[str, Any], what: str) -> Profile:  # noqa: ANN401 - as above
    """Return a table's rows and its columns' plain figures, in one pass."""
    import polars as pl

    asked = [pl.len().alias("rows")]
    for number, (name, dtype) in enumerate(schema.items()):
        column = pl.col(name)
        asked.append(column.null_count().alias(f"{number}.nulls"))
        if dtype.is_numeric():
            asked.append(column.cast(pl.Float64, strict=False).mean().alias(f"{number}.mean"))
        if _is_ordered(dtype):
            asked += [column.min().alias(f"{number}.low"), column.max().alias(f"{number}.high")]
        if _is_category(dtype) or dtype.is_integer():
            asked.append(column.approx_n_unique().alias(f"{number}.values"))
    found = collected(frame.select(asked), what).row(0, named=True)
    rows = int(found["rows"])
    figures = {
        name: Figures(
            type=str(dtype),
            nulls=found[f"{number}.nulls"] / rows if rows else 0.0,
            low=_plain(found.get(f"{number}.low")),
            high=_plain(found.get(f"{number}.high")),
            mean=_number(found.get(f"{number}.mean")),
            values=found.get(f"{number}.values"),
        )
        for number, (name, dtype) in enumerate(schema.items())
    }
    return Profile(rows, figures)


def _is_ordered(dtype: Any) -> bool:  # noqa: ANN401 - a polars type
    return bool(dtype.is_numeric() or dtype.is_temporal())


def _is_category(dtype: Any) -> bool:  # noqa: ANN401 - as above
    import polars as pl

    return isinstance(dtype, pl.String | pl.Boolean | pl.Categorical | pl.Enum)


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a column holds
    if value is None or isinstance(value, int | str):
        return value
    found = _number(value)
    return str(value) if found is None and not isinstance(value, float) else found


def _number(value: Any) -> float | None:  # noqa: ANN401 - as above
    import math
    from decimal import Decimal

    if not isinstance(value, int | float | Decimal):
        return None
    return float(value) if math.isfinite(value) else None


def categories(frame: Any, names: Sequence[str], rows: int, what: str) -> dict[str, dict[str, float]]:  # noqa: ANN401 - as above
    """Return the share of rows by value of each column, the most frequent first."""
    import polars as pl

    found = {}
    for name in names:
        counts = collected(
            frame.select(pl.col(name).cast(pl.String).alias("value")).group_by("value").len(), what
        ).sort(["len", "value"], descending=[True, False])
        found[name] = {value: count / rows for value, count in counts.iter_rows() if value is not None}
    return found


def shapes(
    frame: Any,  # noqa: ANN401 - as above
    ranges: Mapping[str, tuple[float, float]],
    rows: int,
    what: str,
) -> dict[str, tuple[float, ...]]:
    """Return the share of rows in each part of a range, for each column, in one pass."""
    import polars as pl

    if not ranges or not rows:
        return {}
    asked = []
    for number, (name, (low, high)) in enumerate(ranges.items()):
        width = (high - low) / BINS or 1.0
        part = ((pl.col(name).cast(pl.Float64) - low) / width).floor().clip(0, BINS - 1)
        asked += [(part == at).sum().alias(f"{number}.{at}") for at in range(BINS)]
    found = collected(frame.select(asked), what).row(0, named=True)
    return {
        name: tuple((found[f"{number}.{at}"] or 0) / rows for at in range(BINS))
        for number, name in enumerate(ranges)
    }


def is_one_of_few(figures: Figures | None) -> bool:
    """Say whether a column has few enough values to be shown by value."""
    if figures is None or figures.values is None:
        return False
    return figures.values <= CATEGORIES and not figures.type.startswith(("Int", "UInt"))


def need_key(keys: Sequence[str], *schemas: Mapping[str, Any]) -> None:
    """Refuse a key that a table does not have."""
    for schema in schemas:
        for key in keys:
            if key not in schema:
                raise ConfigurationError(
                    f"there is no column {key!r} to tell rows apart by", hint=f"columns: {', '.join(schema)}"
                )
