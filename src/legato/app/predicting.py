"""Asks an endpoint for predictions on the rows of a file, in batches, as a caller elsewhere would.

Rule: the endpoint's own metadata says which columns it takes and of which type; a cell that does not fit is
an error with its row, column and value, before anything is sent for that batch.
"""

import contextlib
import http.client
import math
import socket
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import msgspec

from legato.app.row_files import read_batches
from legato.app.row_requests import Metadata, check_columns, example_of, request_of
from legato.domain.errors import ConfigurationError, LegatoError, MissingError, OutsideError
from legato.domain.graph import Struct

BATCH_ROWS: Final = 2000
BATCH_CELLS: Final = 400_000
"""So that a request of wide rows stays well below the largest body an endpoint takes."""


class _Output(Struct, frozen=True, kw_only=True):
    name: str
    shape: tuple[int, ...]
    data: list[Any]


class _Answer(Struct, frozen=True, kw_only=True):
    outputs: tuple[_Output, ...]
    model_version: str = ""


_ANSWER: Final = msgspec.json.Decoder(_Answer)


class Output(NamedTuple):
    """One output of one batch.

    Attributes:
        width: Values in one row; 0 for one scalar a row.
        labels: What each value of a row stands for; empty where the model does not say it.
        data: All values, row by row.
    """

    name: str
    width: int
    labels: Sequence[str]
    data: Sequence[Any]

    def values(self) -> Sequence[Any]:
        """Return one value a row; a row of several becomes a list, or a mapping where they have labels."""
        if not self.width:
            return self.data
        starts = range(0, len(self.data), self.width)
        lines = [self.data[start : start + self.width] for start in starts]
        return [dict(zip(self.labels, line, strict=True)) for line in lines] if self.labels else lines

    def cells(self) -> dict[str, Sequence[Any]]:
        """Return the output as columns of a table: one for each label, else one.

        >>> Output("p", 2, ("no", "yes"), [0.1, 0.9, 0.8, 0.2]).cells()
        {'p.no': [0.1, 0.8], 'p.yes': [0.9, 0.2]}
        """
        if not self.labels:
            return {self.name: self.values()}
        return {
            f"{self.name}.{label}": self.data[place :: self.width] for place, label in enumerate(self.labels)
        }


Answers = tuple[Output, ...]
"""What the model said to one batch."""


def rows_of(answers: Answers) -> Iterator[dict[str, Any]]:
    """Yield one mapping a row: the model's answers by output."""
    names = [output.name for output in answers]
    for values in zip(*(output.values() for output in answers), strict=True):
        yield dict(zip(names, values, strict=True))


def predict(
    address: str,
    model: str,
    source: Path,
    *,
    batch_rows: int = BATCH_ROWS,
    timeout_s: float = 60.0,
    notice: Callable[[str], None] = lambda _: None,
) -> Iterator[Answers]:
    """Yield the model's answers to the rows of `source`, batch by batch; the next is read while one is answered.

    Args:
        address: Of the endpoint (`http://127.0.0.1:43177`).
        model: Name, or `name:version`.
        source: A CSV, Parquet, JSON (a list of objects, or an object of columns) or JSON lines file.
        batch_rows: Rows asked for at once, at most; fewer where they are wide.
        timeout_s: How long one answer may take.
        notice: Told what is worth knowing but no error (columns that are not sent).

    Raises:
        MissingError: The file, the model or a column is not there.
        ConfigurationError: A cell does not fit its column.
        OutsideError: The endpoint does not answer.
    """
    with _Caller(address, model, timeout_s) as caller:
        metadata = caller.metadata()
        requests = _requests(metadata, source, batch_rows, notice)
        problem: LegatoError | None = None
        under_way = False
        while True:
            try:
                request = next(requests, None)
            except LegatoError as error:  # told once what was asked before it is answered
                problem, request = error, None
            if under_way:
                yield caller.answers(metadata)
            if problem is not None:
                raise problem
            if request is None:
                return
            caller.ask(request)
            under_way = True


def _requests(
    metadata: Metadata, source: Path, batch_rows: int, notice: Callable[[str], None]
) -> Iterator[bytes]:
    first, width = 0, sum(math.prod(tensor.shape[1:]) for tensor in metadata.inputs)
    size = min(batch_rows, max(1, BATCH_CELLS // max(1, width)))
    for batch in read_batches(source, size, example_of(metadata)):
        if batch.rows:
            if not first:
                check_columns(metadata, batch, source, notice)
            yield request_of(metadata, batch, first, source)
            first += batch.rows


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
        self._asked = b""
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def metadata(self) -> Metadata:
        """Return what the model takes and answers."""
        with self._reaching():
            self._send("GET", self._path, None)
        return msgspec.json.decode(self._received("GET", self._path, None), type=Metadata)

    def ask(self, request: bytes) -> None:
        """Send one request; `answers` then waits for what comes back."""
        self._asked = request
        with self._reaching():
            self._send("POST", f"{self._path}/infer", request)

    def answers(self, metadata: Metadata) -> Answers:
        """Return the answers to the request that was sent."""
        data = self._received("POST", f"{self._path}/infer", self._asked)
        labels = {tensor.name: tuple(map(str, tensor.parameters.labels)) for tensor in metadata.outputs}
        return tuple(_output(output, labels.get(output.name, ())) for output in _ANSWER.decode(data).outputs)

    def _received(self, method: str, path: str, body: bytes | None) -> bytes:
        """Return the answer to what was sent; once more when the endpoint closed the idle connection meanwhile."""
        with self._reaching():
            try:
                response = self._connection.getresponse()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self._connection.close()
                self._send(method, path, body)
                response = self._connection.getresponse()
            data = response.read()
        if response.status == http.client.OK:
            return data
        said = _said(data) or f"status {response.status}"
        if response.status == http.client.NOT_FOUND:
            raise MissingError(f"{self._model}: {said}", hint="legato models list")
        if response.status < http.client.INTERNAL_SERVER_ERROR:
            raise ConfigurationError(said, hint="change the rows so that they fit the model")
        raise OutsideError(f"{self._address} failed: {said}", hint="see the endpoint's server.log")

    def _send(self, method: str, path: str, body: bytes | None) -> None:
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            self._connection.request(method, path, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            self._connection.close()
            self._connection.request(method, path, body, headers)

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (socket.gaierror, OSError, http.client.HTTPException) as error:
            raise OutsideError(
                f"no endpoint answers at {self._address}: {error}",
                hint="start it with 'legato run' or 'legato serve'",
            ) from error


def _output(sent: _Output, labels: Sequence[str]) -> Output:
    width = sent.shape[1] if len(sent.shape) > 1 else 0
    return Output(sent.name, width, labels if len(labels) == width else (), sent.data)


def _said(data: bytes) -> str:
    try:
        return str(msgspec.json.decode(data, type=dict[str, Any]).get("error", ""))
    except msgspec.MsgspecError:
        return ""
