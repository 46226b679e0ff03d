"""Asks an endpoint for predictions on the rows of a file, in batches, as a caller elsewhere would.

Rule: the endpoint's own metadata says which columns it takes and of which type; a cell that does not fit is
an error with its row, column and value, before anything is sent for that batch.
"""

import csv
import difflib
import http.client
import itertools
import json
import socket
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.domain.graph import Struct

BATCH_ROWS: Final = 1000
_NULLS: Final = frozenset({"", "NA", "NaN", "nan", "null", "None"})
"""What stands for a missing value in a CSV file."""
_TRUTH: Final = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}

Row = Mapping[str, Any]


class Facts(Struct, frozen=True, kw_only=True):
    """What a tensor's metadata adds; see docs/serving.md."""

    nullable: bool = False
    kind: str = ""
    labels: tuple[Any, ...] = ()


class Tensor(Struct, frozen=True, kw_only=True):
    """One input or output in a model's metadata."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: Facts = Facts()


class Metadata(Struct, frozen=True, kw_only=True):
    """A model's metadata, as the endpoint tells it."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    versions: tuple[str, ...] = ()


class _Output(Struct, frozen=True, kw_only=True):
    name: str
    shape: tuple[int, ...]
    data: list[Any]


class _Answer(Struct, frozen=True, kw_only=True):
    outputs: tuple[_Output, ...]
    model_version: str = ""


def predict(
    address: str,
    model: str,
    source: Path,
    *,
    batch_rows: int = BATCH_ROWS,
    timeout_s: float = 60.0,
    notice: Callable[[str], None] = lambda _: None,
) -> Iterator[dict[str, Any]]:
    """Yield one mapping a row of `source`: the model's answers by output; probabilities by class.

    Args:
        address: Of the endpoint (`http://127.0.0.1:43177`).
        model: Name, or `name:version`.
        source: A CSV, Parquet, JSON (a list of objects) or JSON lines file.
        batch_rows: Rows asked for at once.
        timeout_s: How long one answer may take.
        notice: Told what is worth knowing but no error (columns that are not sent).

    Raises:
        MissingError: The file, the model or a column is not there.
        ConfigurationError: A cell does not fit its column.
        OutsideError: The endpoint does not answer.
    """
    rows = iter(read_rows(source))
    with _Caller(address, model, timeout_s) as caller:
        metadata = caller.metadata()
        first = next(rows, None)
        if first is None:
            return
        _check_columns(metadata, first, source, notice)
        number = 0
        for batch in _batches(itertools.chain((first,), rows), batch_rows):
            yield from caller.ask(metadata, request_of(metadata, batch, number, source), len(batch))
            number += len(batch)


def read_rows(source: Path) -> Iterator[Row]:
    """Yield the rows of a file as mappings of column to value.

    Raises:
        MissingError: There is no such file, or no package that reads it.
        ConfigurationError: Its name or content is none that is read.
    """
    readers = {".csv": _csv_rows, ".json": _json_rows, ".jsonl": _line_rows, ".ndjson": _line_rows}
    readers |= {".parquet": _parquet_rows, ".pq": _parquet_rows}
    reader = readers.get(source.suffix.lower())
    if reader is None:
        raise ConfigurationError(
            f"{source} is of no kind that is read", hint=f"give one of: {', '.join(readers)}"
        )
    try:
        yield from reader(source)
    except FileNotFoundError:
        raise MissingError(f"there is no file {source}", hint="give the path of a file with rows") from None
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"{source} cannot be read: {error}", hint="write it as UTF-8 text"
        ) from error


def _csv_rows(source: Path) -> Iterator[Row]:
    with source.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.reader(handle, strict=True)
        names = next(reader, [])
        for line in reader:
            if len(line) != len(names) and line:
                raise ConfigurationError(
                    f"line {reader.line_num} of {source} has {len(line)} cells, its header {len(names)}",
                    hint="quote cells that hold a comma",
                )
            if line:
                yield {name: _Text(cell) for name, cell in zip(names, line, strict=True)}


class _Text(str):
    """A cell of a CSV file: a text that may stand for a number."""

    __slots__ = ()


def _json_rows(source: Path) -> Iterator[Row]:
    found = json.loads(source.read_text(encoding="utf-8"))
    for number, row in enumerate(found if isinstance(found, list) else [found]):
        yield _object(row, source, number)


def _line_rows(source: Path) -> Iterator[Row]:
    with source.open(encoding="utf-8") as handle:
        for number, line in enumerate(line for line in handle if line.strip()):
            yield _object(json.loads(line), source, number)


def _object(row: object, source: Path, number: int) -> Row:
    if not isinstance(row, dict):
        raise ConfigurationError(
            f"row {number} of {source} is a {type(row).__name__}",
            hint='write each row as an object: {"column": value}',
        )
    return row


def _parquet_rows(source: Path) -> Iterator[Row]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # only for files that need it
        from pyarrow import parquet
    except ImportError:
        raise MissingError(
            f"{source} needs pyarrow to be read", hint="pip install 'legato[tables]', or give a CSV file"
        ) from None
    with source.open("rb") as handle:
        try:
            for batch in parquet.ParquetFile(handle).iter_batches():
                yield from batch.to_pylist()
        except pa.ArrowException as error:
            raise ConfigurationError(
                f"{source} cannot be read: {error}", hint="write it as Parquet"
            ) from error


def _check_columns(metadata: Metadata, row: Row, source: Path, notice: Callable[[str], None]) -> None:
    wanted = _columns(metadata, row)
    missing = [name for name in wanted if name not in row]
    if missing:
        near = {name: difflib.get_close_matches(name, row, n=1) for name in missing}
        told = ", ".join(
            f"{name!r}" + (f" (it has {near[name][0]!r})" if near[name] else "") for name in missing
        )
        raise MissingError(f"{source} lacks {told}", hint=f"the model takes: {', '.join(wanted)}")
    extra = [name for name in row if name not in wanted]
    if extra:
        notice(f"not sent, since the model does not take them: {', '.join(extra)}")


def _columns(metadata: Metadata, row: Row) -> list[str]:
    """Return the columns to send: by name, or for a matrix all of the file, in order."""
    matrix = _matrix(metadata)
    if matrix is None:
        return [tensor.name for tensor in metadata.inputs]
    if len(row) != matrix.shape[1]:
        raise ConfigurationError(
            f"the model takes rows of {matrix.shape[1]} unnamed numbers, the file has {len(row)} columns",
            hint="give a file with exactly the model's columns, in its order",
        )
    return list(row)


def _matrix(metadata: Metadata) -> Tensor | None:
    only = metadata.inputs[0]
    return only if len(metadata.inputs) == 1 and only.name == "rows" else None


def request_of(metadata: Metadata, rows: Sequence[Row], first: int, source: Path) -> bytes:
    """Return the inference request for some rows.

    Args:
        metadata: Of the model.
        rows: At least one.
        first: The number of the first of them in `source`, for errors.
        source: Where they come from, for errors.

    Raises:
        ConfigurationError: A cell does not fit its column.
    """
    names = _columns(metadata, rows[0])
    matrix = _matrix(metadata)
    facts = {tensor.name: tensor for tensor in metadata.inputs}
    columns = []
    for name in names:
        tensor = matrix or facts[name]
        columns.append(
            [_cell(tensor, name, row.get(name), first + number, source) for number, row in enumerate(rows)]
        )
    if matrix is not None:
        data = [list(values) for values in zip(*columns, strict=True)]
        inputs = [
            {"name": matrix.name, "datatype": matrix.datatype, "shape": [len(rows), len(names)], "data": data}
        ]
    else:
        inputs = [
            {"name": name, "datatype": facts[name].datatype, "shape": [len(rows), 1], "data": values}
            for name, values in zip(names, columns, strict=True)
        ]
    return msgspec.json.encode({"inputs": inputs})


def _cell(tensor: Tensor, name: str, value: Any, number: int, source: Path) -> Any:  # noqa: ANN401 - one cell
    """Return a cell as its column takes it."""
    missing = value is None or (isinstance(value, _Text) and value in _NULLS) or value != value  # noqa: PLR0124 - NaN
    if missing and tensor.parameters.nullable:
        return None
    try:
        return _CASTS[tensor.datatype](None if missing else value)
    except (KeyError, TypeError, ValueError):
        shown = "nothing" if missing else repr(value if not isinstance(value, _Text) else str(value))
        kind = tensor.parameters.kind or _WORDS[tensor.datatype]
        raise ConfigurationError(
            f"row {number} of {source}, column {name!r}: expected {kind}, got {shown}",
            hint="correct the cell, or leave the row out",
        ) from None


def _boolean(value: Any) -> bool:  # noqa: ANN401 - one cell
    return _TRUTH[value] if isinstance(value, str) else {True: True, False: False}[value]


def _integer(value: Any) -> int:  # noqa: ANN401 - one cell
    if isinstance(value, str) and not isinstance(value, _Text):
        raise TypeError(value)
    number = float(value)
    whole = int(value) if isinstance(value, (str, int)) and "." not in str(value) else int(number)
    if whole != number and abs(number) < 2**53:
        raise ValueError(value)
    return whole


def _number(value: Any) -> float:  # noqa: ANN401 - one cell
    if isinstance(value, str) and not isinstance(value, _Text):
        raise TypeError(value)
    number = float(value)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(value)
    return number


def _text(value: Any) -> str:  # noqa: ANN401 - one cell
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise TypeError(value)


_CASTS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "BOOL": _boolean, "INT64": _integer, "FP32": _number, "FP64": _number, "BYTES": _text,
}  # fmt: skip
_WORDS: Final = {
    "BOOL": "true or false",
    "INT64": "a whole number",
    "FP32": "a number",
    "FP64": "a number",
    "BYTES": "a text",
}


def _batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


class _Caller:
    """One connection to one model of an endpoint."""

    def __init__(self, address: str, model: str, timeout_s: float) -> None:
        parts = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme != "http" or not parts.hostname:
            raise ConfigurationError(
                f"{address!r} is no address of an endpoint", hint="write http://127.0.0.1:PORT"
            )
        name, _, version = model.partition(":")
        if not name:
            raise ConfigurationError(
                f"{address} was given without a model", hint=f"write {address}/v2/models/NAME"
            )
        self._address = address
        self._model = model
        self._path = f"/v2/models/{urllib.parse.quote(name)}" + (
            f"/versions/{urllib.parse.quote(version)}" if version else ""
        )
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def metadata(self) -> Metadata:
        """Return what the model takes and answers."""
        return msgspec.json.decode(self._answer("GET", self._path), type=Metadata)

    def ask(self, metadata: Metadata, request: bytes, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the answers to one request, row by row."""
        answer = msgspec.json.decode(self._answer("POST", f"{self._path}/infer", request), type=_Answer)
        labels = {tensor.name: tensor.parameters.labels for tensor in metadata.outputs}
        columns = {
            output.name: _rows_of(output, labels.get(output.name, ()), rows) for output in answer.outputs
        }
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))

    def _answer(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            response = self._try(method, path, body, headers)
            data = response.read()
        except (socket.gaierror, OSError, http.client.HTTPException) as error:
            raise OutsideError(
                f"no endpoint answers at {self._address}: {error}",
                hint="start it with 'legato run' or 'legato serve'",
            ) from error
        if response.status == http.client.OK:
            return data
        said = _said(data) or f"status {response.status}"
        if response.status == http.client.NOT_FOUND:
            raise MissingError(f"{self._model}: {said}", hint="legato models list")
        if response.status < http.client.INTERNAL_SERVER_ERROR:
            raise ConfigurationError(said, hint="change the rows so that they fit the model")
        raise OutsideError(f"{self._address} failed: {said}", hint="see the endpoint's server.log")

    def _try(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Send a request; once more when the endpoint closed the idle connection meanwhile."""
        try:
            self._connection.request(method, path, body, dict(headers))
            return self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._connection.close()
            self._connection.request(method, path, body, dict(headers))
            return self._connection.getresponse()


def _rows_of(output: _Output, labels: Sequence[Any], rows: int) -> list[Any]:
    """Return one value a row; a row of several becomes a list, or a mapping where they have labels."""
    width = len(output.data) // rows
    if len(output.shape) == 1:
        return output.data
    lines = [output.data[start : start + width] for start in range(0, rows * width, width)]
    return (
        [dict(zip(map(str, labels), line, strict=True)) for line in lines]
        if len(labels) == width
        else list(lines)
    )


def _said(data: bytes) -> str:
    try:
        return str(msgspec.json.decode(data, type=dict[str, Any]).get("error", ""))
    except msgspec.MsgspecError:
        return ""
