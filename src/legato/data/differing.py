"""How two versions of a dataset differ: files of a folder, rows and columns of a table, bytes of anything else.

Rule: equal digests are never read; what cannot be read as a table is compared as bytes, and says so.
"""

import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from legato.data.columns import (
    SHOWN,
    ColumnChange,
    Figures,
    Profile,
    Table,
    categories,
    is_one_of_few,
    kind_of,
    need_key,
    profile,
    scan,
    schema_of,
    shapes,
)
from legato.data.rows import RowChange, compare, key_of
from legato.domain.artifacts import ManifestEntry
from legato.domain.errors import MissingError
from legato.domain.graph import Struct

NAMED: Final = 50
_NEAR: Final = 1e-9


class Side(Struct, frozen=True, kw_only=True):
    """One version.

    Attributes:
        label: As people name it: `lock`, `work tree`, `run 17`, `3f2a9c1`.
        digest: Of its bytes; empty where it is not there.
        file: The name that the bytes came with: says what they are.
        files: Path, digest and size of each file; a lone file has the empty path.
        places: Where the bytes of each file lie, by path.
    """

    label: str
    digest: str
    size_bytes: int
    tree: bool
    file: str
    files: tuple[ManifestEntry, ...]
    places: Mapping[str, Path]


class FileChange(Struct, frozen=True, kw_only=True):
    """Which files of a folder differ, the first `NAMED` of each, and how many there are."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    moved: tuple[tuple[str, str], ...]
    counts: tuple[int, int, int, int]
    added_bytes: int
    removed_bytes: int


class Difference(Struct, frozen=True, kw_only=True):
    """How two versions of a dataset differ.

    Attributes:
        kind: `same`, `table`, `folder`, `bytes`.
        rows: Of both tables.
        note: Why a table was not compared as one.
    """

    name: str
    before: str
    after: str
    kind: str
    digests: tuple[str, str]
    sizes: tuple[int, int]
    files: FileChange | None = None
    rows: tuple[int, int] | None = None
    row_change: RowChange | None = None
    columns: tuple[ColumnChange, ...] = ()
    note: str = ""


def difference(
    name: str, before: Side, after: Side, *, keys: Sequence[str] = (), as_bytes: bool = False
) -> Difference:
    """Return how two versions differ.

    Args:
        name: The dataset.
        before: The first version.
        after: The second.
        keys: Columns that tell rows apart; without them one is looked for.
        as_bytes: Do not read tables.

    Raises:
        ConfigurationError: A key column is not there, or does not tell rows apart.
        OutsideError: A file is not the table that its name promises.
        MissingError: polars is not installed.
    """
    found = Difference(
        name=name,
        before=before.label,
        after=after.label,
        kind="same" if before.digest == after.digest and before.tree == after.tree else "bytes",
        digests=(before.digest, after.digest),
        sizes=(before.size_bytes, after.size_bytes),
    )
    if found.kind == "same":
        return found
    if before.tree or after.tree:
        found = replace(found, kind="folder", files=_files(before, after))
    tables = (_table(before), _table(after))
    if as_bytes or tables[0] is None or tables[1] is None:
        return found
    return _compare(found, (tables[0], tables[1]), keys)


def _files(before: Side, after: Side) -> FileChange:
    old = {file.path: file for file in before.files}
    new = {file.path: file for file in after.files}
    added, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    by_digest: dict[str, list[str]] = {}
    for path in removed:
        by_digest.setdefault(old[path].digest, []).append(path)
    moved = []
    for path in added:
        sources = by_digest.get(new[path].digest)
        if sources:
            moved.append((sources.pop(0), path))
    gone, come = {pair[0] for pair in moved}, {pair[1] for pair in moved}
    added = [path for path in added if path not in come]
    removed = [path for path in removed if path not in gone]
    changed = sorted(path for path in new.keys() & old.keys() if new[path] != old[path])
    return FileChange(
        added=tuple(islice(added, NAMED)),
        removed=tuple(islice(removed, NAMED)),
        changed=tuple(islice(changed, NAMED)),
        moved=tuple(islice(moved, NAMED)),
        counts=(len(added), len(removed), len(changed), len(moved)),
        added_bytes=sum(new[path].size_bytes for path in (*added, *changed)),
        removed_bytes=sum(old[path].size_bytes for path in (*removed, *changed)),
    )


def _table(side: Side) -> Table | None:
    """Return a version as one table, where its files' names promise one."""
    names = [file.path if side.tree else side.file for file in side.files]
    shown = [name for name in names if not os.path.basename(name).startswith((".", "_"))]  # noqa: PTH119 - of many
    kinds = {kind_of(name) for name in shown}
    if len(kinds) != 1 or not (kind := kinds.pop()):
        return None
    kept = [file.path for file, name in zip(side.files, names, strict=True) if name in set(shown)]
    return Table(kind, [side.places[path] for path in sorted(kept)])


def _compare(found: Difference, tables: tuple[Table, Table], keys: Sequence[str]) -> Difference:
    labels = (found.before, found.after)
    frames = tuple(map(scan, tables))
    schemas = tuple(
        schema_of(frame, f"{found.name} ({label})") for frame, label in zip(frames, labels, strict=True)
    )
    need_key(keys, *schemas)
    profiles = tuple(
        profile(frame, schema, f"{found.name} ({label})")
        for frame, schema, label in zip(frames, schemas, labels, strict=True)
    )
    rows = (profiles[0].rows, profiles[1].rows)
    shared = [name for name, dtype in schemas[0].items() if schemas[1].get(name) == dtype]
    key = tuple(keys) or key_of(frames[0], frames[1], shared, rows)
    row_change = compare(frames[0], frames[1], shared, key, rows)
    columns = _columns(found.name, frames, profiles, row_change)
    kind = "folder" if found.kind == "folder" else "table"
    return replace(found, kind=kind, rows=rows, row_change=row_change, columns=columns)


def _columns(
    name: str, frames: tuple[Any, ...], profiles: tuple[Profile, ...], rows: RowChange
) -> tuple[ColumnChange, ...]:
    figures = [dict(one.figures) for one in profiles]
    for side, (frame, one) in enumerate(zip(frames, profiles, strict=True)):
        few = [
            column
            for column in one.figures
            if all(is_one_of_few(each.get(column)) or column not in each for each in figures)
        ]
        for column, shares in categories(frame, few, one.rows or 1, name).items():
            figures[side][column] = replace(figures[side][column], categories=shares)
        ranges = {column: span for column in one.figures if (span := _span(column, profiles)) is not None}
        for column, shape in shapes(frame, ranges, one.rows, name).items():
            figures[side][column] = replace(figures[side][column], shape=shape)
    names = dict.fromkeys([*figures[0], *figures[1]])
    return tuple(_change(column, figures[0].get(column), figures[1].get(column), rows) for column in names)


def _span(column: str, profiles: tuple[Profile, ...]) -> tuple[float, float] | None:
    """Return the range of a column of numbers in both tables together."""
    sides = [one.figures[column] for one in profiles if column in one.figures]
    ends = [end for side in sides for end in (side.low, side.high) if end is not None]
    if not ends or not all(isinstance(end, int | float) for end in ends):
        return None
    return float(min(ends)), float(max(ends))


def _change(name: str, before: Figures | None, after: Figures | None, rows: RowChange) -> ColumnChange:
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    if before is not None and after is not None and before.categories and after.categories:
        new = tuple(value for value in after.categories if value not in before.categories)
        gone = tuple(value for value in before.categories if value not in after.categories)
    return ColumnChange(
        name=name,
        before=_short(before),
        after=_short(after),
        differs=before is None or after is None or not _alike(before, after),
        new=new[:NAMED],
        gone=gone[:NAMED],
        rows=rows.columns.get(name) if rows.key else None,
    )


def _alike(before: Figures, after: Figures) -> bool:
    plain = ("type", "low", "high", "values")
    if any(getattr(before, name) != getattr(after, name) for name in plain):
        return False
    if before.categories != after.categories or before.shape != after.shape:
        return False
    means = (before.mean or 0.0, after.mean or 0.0)
    return before.nulls == after.nulls and abs(means[0] - means[1]) <= _NEAR * max(map(abs, means))


def _short(figures: Figures | None) -> Figures | None:
    if figures is None or len(figures.categories) <= SHOWN:
        return figures
    return replace(figures, categories=dict(islice(figures.categories.items(), SHOWN)))


def nothing(name: str, label: str) -> MissingError:
    """Return the error for a version that is not there."""
    return MissingError(
        f"{name!r} is not there as {label}",
        hint="legato data log NAME lists its versions; legato data pull fetches them",
    )
