"""Which rows two tables do not share: by their key where there is one, else as a bag of rows.

Rule: rows are compared by digests of 64 bits, in as many passes as keep memory bounded; a file is never held whole.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from legato.data.columns import collected
from legato.domain.errors import ConfigurationError
from legato.domain.graph import Struct

ROWS_AT_ONCE: Final = 8_000_000
"""Digests held in one pass: about 400 MB for both tables."""
_COUNTED: Final = 2_000_000
"""Up to so many changed rows, the columns that changed are counted."""
_KEY_NAMES: Final = ("id", "key", "uuid", "guid", "index", "row_id")


class RowChange(Struct, frozen=True, kw_only=True):
    """How many rows differ.

    Attributes:
        key: The columns that tell rows apart; empty where rows were compared whole.
        columns: Rows with the same key and another value, by column, where they were counted.
        compared: The columns that were looked at: those that both tables have, of one type.
    """

    added: int
    removed: int
    changed: int | None = None
    key: tuple[str, ...] = ()
    columns: Mapping[str, int] = {}
    compared: tuple[str, ...] = ()


def key_of(before: Any, after: Any, shared: Sequence[str], rows: tuple[int, int]) -> tuple[str, ...]:  # noqa: ANN401 - polars is loaded late
    """Return a column that tells rows apart in both tables, by its name and its values; none where there is none."""
    import polars as pl

    named = [
        name for name in shared if name.lower() in _KEY_NAMES or name.lower().endswith(("_id", "_key", "id"))
    ]
    for name in sorted(named, key=lambda name: (name.lower() not in _KEY_NAMES, shared.index(name)))[:4]:
        counts = [
            collected(frame.select(pl.col(name).n_unique(), nulls=pl.col(name).null_count()), name).row(0)
            for frame in (before, after)
        ]
        if all(count == size and not nulls for (count, nulls), size in zip(counts, rows, strict=True)):
            return (name,)
    return ()


def compare(
    before: Any,  # noqa: ANN401 - as above
    after: Any,  # noqa: ANN401 - as above
    columns: Sequence[str],
    key: Sequence[str],
    rows: tuple[int, int],
) -> RowChange:
    """Return how many rows differ in `columns`.

    Raises:
        ConfigurationError: The key is not unique.
    """
    if not columns:
        return RowChange(added=rows[1], removed=rows[0])
    passes = max(1, -(-max(rows) // ROWS_AT_ONCE))
    if key:
        return _by_key(before, after, columns, key, passes)
    added = removed = 0
    for turn in range(passes):
        found = _bags(before, after, columns, turn, passes)
        added += found[0]
        removed += found[1]
    return RowChange(added=added, removed=removed, compared=tuple(columns))


def _digest(columns: Sequence[str]) -> Any:  # noqa: ANN401 - a polars expression
    import polars as pl

    return pl.struct([pl.col(name) for name in columns]).hash(seed=7)


def _part(frame: Any, turn: int, passes: int) -> Any:  # noqa: ANN401 - as above
    import polars as pl

    return frame if passes == 1 else frame.filter(pl.col("k") % passes == turn)


def _bags(before: Any, after: Any, columns: Sequence[str], turn: int, passes: int) -> tuple[int, int]:  # noqa: ANN401 - as above
    import polars as pl

    counts = [
        collected(_part(frame.select(k=_digest(columns)), turn, passes).group_by("k").len("n"), "the table")
        for frame in (before, after)
    ]
    joined = (
        counts[0]
        .join(counts[1], on="k", how="full", suffix="_after")
        .select(
            difference=pl.col("n_after").fill_null(0).cast(pl.Int64) - pl.col("n").fill_null(0).cast(pl.Int64)
        )
    )
    more = joined.filter(pl.col("difference") > 0)["difference"].sum()
    less = joined.filter(pl.col("difference") < 0)["difference"].sum()
    return int(more), -int(less)


def _by_key(before: Any, after: Any, columns: Sequence[str], key: Sequence[str], passes: int) -> RowChange:  # noqa: ANN401 - as above
    import polars as pl

    values = [name for name in columns if name not in key]
    added = removed = changed = 0
    by_column = dict.fromkeys(values, 0)
    for turn in range(passes):
        sides = [_digests(frame, key, values, turn, passes) for frame in (before, after)]
        for side in sides:
            _refuse_twice(side, key)
        joined = sides[0].join(sides[1], on="k", how="inner", suffix="_after")
        removed += sides[0].height - joined.height
        added += sides[1].height - joined.height
        moved = joined.filter(pl.col("r") != pl.col("r_after")).select("k")
        changed += moved.height
        if changed <= _COUNTED:
            for name, count in _columns(before, after, key, values, moved).items():
                by_column[name] += count
    return RowChange(
        added=added,
        removed=removed,
        changed=changed,
        key=tuple(key),
        columns={name: count for name, count in by_column.items() if count} if changed <= _COUNTED else {},
        compared=tuple(columns),
    )


def _digests(frame: Any, key: Sequence[str], values: Sequence[str], turn: int, passes: int) -> Any:  # noqa: ANN401 - as above
    import polars as pl

    whole = _digest(values) if values else pl.lit(0, dtype=pl.UInt64)
    return collected(_part(frame.select(k=_digest(key), r=whole), turn, passes), "the table")


def _refuse_twice(side: Any, key: Sequence[str]) -> None:  # noqa: ANN401 - as above
    if side["k"].n_unique() != side.height:
        raise ConfigurationError(
            f"rows are not told apart by {', '.join(key)}: values are there twice",
            hint="name other columns: --key COLUMN,COLUMN; without --key rows are compared whole",
        )


def _columns(
    before: Any,  # noqa: ANN401 - as above
    after: Any,  # noqa: ANN401 - as above
    key: Sequence[str],
    values: Sequence[str],
    moved: Any,  # noqa: ANN401 - as above
) -> dict[str, int]:
    """Return how many of the rows that moved have another value, by column."""
    import polars as pl

    if not moved.height or not values:
        return {}
    chosen = moved.lazy()
    sides = [
        frame.select(_digest(key).alias("k"), *values).join(chosen, on="k", how="semi")
        for frame in (before, after)
    ]
    joined = sides[0].join(sides[1], on="k", how="inner", suffix="\0after")
    asked = [pl.col(name).ne_missing(pl.col(f"{name}\0after")).sum().alias(name) for name in values]
    return {
        name: int(count)
        for name, count in collected(joined.select(asked), "the table").row(0, named=True).items()
    }
