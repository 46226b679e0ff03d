"""How differences between versions of data are shown: a line a column, with a picture of what moved.

Rule: what is alike is counted, not shown, unless it is asked for; every figure is said, not only drawn.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from legato.cli.errors import clean
from legato.data.columns import ColumnChange, Figures
from legato.data.differing import Difference, FileChange
from legato.domain.units import counted, show_bytes

_BLOCKS = " ▁▂▃▄▅▆▇█"
_BAR = 16


def lines_of(found: Difference, *, everything: bool = False) -> Iterator[str]:
    """Yield the lines of a difference; columns that are alike only with `everything`."""
    yield f"{found.name}  {found.before} → {found.after}"
    if found.kind == "same":
        yield f"  the same bytes, {show_bytes(found.sizes[0])}"
        return
    yield f"  size      {show_bytes(found.sizes[0])} → {show_bytes(found.sizes[1])}"
    if found.files is not None:
        yield from _files(found.files)
    if found.rows is not None:
        yield f"  rows      {_rows(found)}"
    shown = [column for column in found.columns if everything or column.differs or column.rows]
    if found.columns:
        yield from _columns(shown)
        alike = len(found.columns) - len(shown)
        if alike:
            yield f"  {counted(alike, 'column')} alike"
    elif found.kind == "bytes":
        yield f"  other bytes: {found.digests[0][7:19] or 'nothing'} → {found.digests[1][7:19] or 'nothing'}"


def _rows(found: Difference) -> str:
    assert found.rows is not None  # noqa: S101 - asked by the caller
    before, after = found.rows
    said = f"{before:,} → {after:,}"
    change = found.row_change
    if change is None:
        return said
    parts = [f"+{change.added:,}", f"-{change.removed:,}"]
    parts += [f"~{change.changed:,} changed"] if change.changed is not None else []
    by = f"by {', '.join(change.key)}" if change.key else "rows compared whole; --key COLUMN tells them apart"
    return f"{said}   {'  '.join(parts)}   ({by})"


def _files(files: FileChange) -> Iterator[str]:
    names = ("added", "removed", "changed", "moved")
    said = ", ".join(f"{count:,} {name}" for name, count in zip(names, files.counts, strict=True) if count)
    yield f"  files     {said or 'alike'}   (+{show_bytes(files.added_bytes)}, -{show_bytes(files.removed_bytes)})"
    moved = tuple(f"{old} → {new}" for old, new in files.moved)
    for sign, paths, count in zip(
        "+-~>", (files.added, files.removed, files.changed, moved), files.counts, strict=True
    ):
        yield from (f"    {sign} {path}" for path in paths[:10])
        if count > len(paths[:10]):
            yield f"    {sign} and {count - len(paths[:10]):,} more"


def _columns(columns: list[ColumnChange]) -> Iterator[str]:
    width = max((len(column.name) for column in columns), default=0)
    for column in columns:
        yield from _column(column, min(width, 32))


def _column(column: ColumnChange, width: int) -> Iterator[str]:
    before, after = column.before, column.after
    name = column.name.ljust(width)
    if before is None or after is None:
        side = before or after
        assert side is not None  # noqa: S101 - a column is on one side at least
        yield f"  {'+' if before is None else '-'} {name}  {side.type}{_said(side)}"
        return
    kind = before.type if before.type == after.type else f"{before.type} → {after.type}"
    rows = f"  {column.rows:,} rows" if column.rows else ""
    yield f"  ~ {name}  {kind}{rows}{_moved(before, after)}"
    if before.shape and after.shape and before.shape != after.shape:
        yield f"    {''.ljust(width)}  {spark(before.shape, after.shape)} → {spark(after.shape, before.shape)}"
    if before.categories and after.categories and before.categories != after.categories:
        yield from (f"    {''.ljust(width)}  {line}" for line in _bars(column, before, after))


def _said(side: Figures) -> str:
    parts = [f"nulls {side.nulls:.1%}"]
    if side.low is not None:
        parts.append(f"{_value(side.low)} … {_value(side.high)}")
    return "  " + "  ".join(parts)


def _moved(before: Figures, after: Figures) -> str:
    parts = []
    if before.nulls != after.nulls:
        parts.append(f"nulls {before.nulls:.1%} → {after.nulls:.1%}")
    if (before.low, before.high) != (after.low, after.high):
        parts.append(
            f"range {_value(before.low)} … {_value(before.high)} → {_value(after.low)} … {_value(after.high)}"
        )
    if before.mean is not None and after.mean is not None and _value(before.mean) != _value(after.mean):
        parts.append(f"mean {_value(before.mean)} → {_value(after.mean)}")
    if before.values != after.values and before.values is not None and after.values is not None:
        parts.append(f"about {before.values:,} → {after.values:,} values")
    return "".join(f"  {part}" for part in parts)


def _value(value: Any) -> str:  # noqa: ANN401 - what a column holds
    return f"{value:.4g}" if isinstance(value, float) else "nothing" if value is None else str(value)


def _bars(column: ColumnChange, before: Figures, after: Figures) -> Iterator[str]:
    values = sorted(
        {*before.categories, *after.categories},
        key=lambda value: -abs(_share(after.categories, value) - _share(before.categories, value)),
    )
    width = min(max(map(len, values)), 24)
    for value in values[:6]:
        old, new = _share(before.categories, value), _share(after.categories, value)
        mark = "  new" if value in column.new else "  gone" if value in column.gone else ""
        yield f"{_cut(value, width).ljust(width)}  {_bar(old)} {old:6.1%} → {_bar(new)} {new:6.1%}{mark}"
    if len(values) > 6:  # noqa: PLR2004 - as shown
        yield f"and {len(values) - 6} more values"


def _share(shares: Mapping[str, float], value: str) -> float:
    return shares.get(value, 0.0)


def _cut(text: str, width: int) -> str:
    text = clean(text).replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= width else text[: width - 1] + "…"


def _bar(share: float) -> str:
    return ("█" * round(share * _BAR)).ljust(_BAR, "·")


def spark(shape: tuple[float, ...], other: tuple[float, ...]) -> str:
    """Return a shape as blocks, on one scale with another.

    >>> spark((0.0, 0.5, 1.0), (0.0, 0.0, 0.0))
    ' ▄█'
    """
    top = max(*shape, *other) or 1.0
    return "".join(
        _BLOCKS[round(share / top * 8) if share <= 0 else max(1, round(share / top * 8))] for share in shape
    )
