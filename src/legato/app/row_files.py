"""Reads files of rows (CSV, Parquet, JSON, JSON lines) as batches of columns, without holding more than it must.

Rule: what cannot be read is an error that names the file, the place and what was expected; values stay as the
file has them, and who asks says what they stand for.
"""

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from legato.domain.errors import ConfigurationError, MissingError

EXAMPLE: Final = '[{"column": 1.5, "other": "text"}, …]'


class Batch(NamedTuple):
    """Some rows of a file, column by column.

    Attributes:
        columns: By name, each with one value a row; None where a row has none.
        rows: How many.
        text: Every value is a text that may stand for a number, as in a CSV file.
    """

    columns: Mapping[str, Sequence[Any]]
    rows: int
    text: bool = False


def read_batches(source: Path, size: int, example: str = EXAMPLE) -> Iterator[Batch]:
    """Yield the rows of a file in batches of at most `size`.

    Args:
        source: Its suffix says how it is read.
        size: At least 1.
        example: JSON that would be right, for the hint of an error.

    Raises:
        MissingError: There is no such file, or no package that reads it.
        ConfigurationError: Its name or content is none that is read.
    """
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        raise ConfigurationError(
            f"{source} is of no kind that is read", hint=f"give one of: {', '.join(_READERS)}"
        )
    try:
        yield from reader(source, size, example)
    except FileNotFoundError:
        raise MissingError(f"there is no file {source}", hint="give the path of a file with rows") from None
    except IsADirectoryError:
        raise ConfigurationError(f"{source} is a folder", hint="give the path of a file with rows") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{source} cannot be read: {error}", hint="write it as UTF-8 text"
        ) from error
    except csv.Error as error:
        raise ConfigurationError(
            f"{source} cannot be read: {error}", hint="quote cells that hold commas, quotes or line ends"
        ) from error


def _csv_batches(source: Path, size: int, example: str) -> Iterator[Batch]:  # noqa: ARG001 - one signature for all
    with source.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.reader(handle, strict=True)
        names = next(reader, [])
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigurationError(
                f"the header of {source} holds {twice!r} twice", hint="give each column a name of its own"
            )
        while lines := list(itertools.islice(reader, size)):
            if any(len(line) != len(names) for line in lines):
                lines = _whole(lines, len(names), reader.line_num, source)
            if lines:
                yield Batch(dict(zip(names, zip(*lines, strict=True), strict=True)), len(lines), text=True)


def _whole(lines: list[list[str]], width: int, last: int, source: Path) -> list[list[str]]:
    """Return the lines without empty ones; raises ConfigurationError for one of another width."""
    for place, line in enumerate(lines):
        if line and len(line) != width:
            number = last - sum(1 + "".join(later).count("\n") for later in lines[place + 1 :])
            raise ConfigurationError(
                f"line {number} of {source} has {len(line)} cells, its header {width}",
                hint="quote cells that hold a comma",
            )
    return [line for line in lines if line]


def _json_batches(source: Path, size: int, example: str) -> Iterator[Batch]:
    found = _decoded(source.read_bytes(), str(source), f"write a list of rows: {example}")
    if isinstance(found, dict) and found and all(isinstance(column, list) for column in found.values()):
        yield from _column_batches(found, source, size)
        return
    rows = found if isinstance(found, list) else [found]
    for start in range(0, len(rows), size):
        yield _of_objects(rows[start : start + size], source, start, example)


def _column_batches(columns: Mapping[str, list[Any]], source: Path, size: int) -> Iterator[Batch]:
    lengths = {name: len(column) for name, column in columns.items()}
    rows = max(lengths.values())
    short = next((name for name, length in lengths.items() if length != rows), None)
    if short is not None:
        raise ConfigurationError(
            f"{source} holds columns of unequal length: {short!r} has {lengths[short]} values, others {rows}",
            hint="give every column one value a row",
        )
    for start in range(0, rows, size):
        part = {name: column[start : start + size] for name, column in columns.items()}
        yield Batch(part, min(size, rows - start))


def _line_batches(source: Path, size: int, example: str) -> Iterator[Batch]:
    with source.open("rb") as handle:
        lines = (line for line in enumerate(handle, 1) if line[1].strip())
        first = 0
        while part := list(itertools.islice(lines, size)):
            rows = _decoded_lines(part, source, example)
            yield _of_objects(rows, source, first, example)
            first += len(part)


def _decoded_lines(part: list[tuple[int, bytes]], source: Path, example: str) -> list[Any]:
    try:
        return msgspec.json.decode(b"[" + b",".join(line for _, line in part) + b"]", type=list[Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        hint = f"write one row a line: {example.removeprefix('[').partition('}')[0]}}}"
        return [_decoded(line, f"line {number} of {source}", hint) for number, line in part]


def _decoded(data: bytes, what: str, hint: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what JSON holds; NaN and Infinity, which only Python writes, are read too."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        said = "it is empty" if not data.strip() else str(error)
        raise ConfigurationError(f"{what} is not JSON: {said}", hint=hint) from None
    except RecursionError:
        raise ConfigurationError(f"{what} is nested too deeply", hint=hint) from None


def _of_objects(rows: list[Any], source: Path, first: int, example: str) -> Batch:
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ConfigurationError(
                f"row {first + number} of {source} is {_kind(row)}, not an object",
                hint=f"write a list of rows: {example}",
            )
    names = dict.fromkeys(name for row in rows for name in row)
    return Batch({name: [row.get(name) for row in rows] for name in names}, len(rows))


def _kind(value: object) -> str:
    named = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}
    return named.get(type(value), "null")


def _parquet_batches(source: Path, size: int, example: str) -> Iterator[Batch]:  # noqa: ARG001 - as above
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # only for files that need it
        from pyarrow import parquet
    except ImportError:
        raise MissingError(
            f"{source} needs pyarrow to be read", hint="pip install 'legato[tables]', or give a CSV file"
        ) from None
    with source.open("rb") as handle:
        try:
            for batch in parquet.ParquetFile(handle).iter_batches(size):
                columns = zip(batch.schema.names, batch.columns, strict=True)
                yield Batch({name: _arrow_values(pa, column) for name, column in columns}, batch.num_rows)
        except pa.ArrowException as error:
            raise ConfigurationError(
                f"{source} cannot be read: {error}", hint="write it as Parquet"
            ) from error


def _arrow_values(pa: Any, column: Any) -> Sequence[Any]:  # noqa: ANN401 - pyarrow has no types
    plain = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    if plain and not column.null_count:
        found: Sequence[Any] = column.to_numpy().tolist()  # several times as fast
        return found
    values: Sequence[Any] = column.to_pylist()
    return values


Reader = Callable[[Path, int, str], Iterator[Batch]]
_READERS: Final[Mapping[str, Reader]] = {
    ".csv": _csv_batches,
    ".json": _json_batches,
    ".jsonl": _line_batches,
    ".ndjson": _line_batches,
    ".parquet": _parquet_batches,
    ".pq": _parquet_batches,
}
