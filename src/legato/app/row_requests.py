"""Turns rows of a file into inference requests, as a model's metadata says they must look.

Rule: a cell that does not fit its column is an error with its row, column and value; nothing is guessed.
"""

import difflib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from legato.app.row_files import Batch
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Struct

_NULLS: Final = frozenset({"", "NA", "NaN", "nan", "null", "None"})
"""What stands for a missing value in a CSV file."""
_TRUTH: Final = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}
_EXAMPLE_COLUMNS: Final = 6
_MATRIX: Final = 2
"""Dimensions of a matrix."""


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


def example_of(metadata: Metadata) -> str:
    """Return a file of one row as JSON that a model would take.

    >>> tensors = (Tensor(name="x", datatype="FP64", shape=(-1, 1)),)
    >>> example_of(Metadata(name="m", inputs=tensors, outputs=()))
    '[{"x": 1.5}, …]'
    """
    values = {"BOOL": True, "INT64": 1, "FP32": 1.5, "FP64": 1.5, "BYTES": "text"}
    matrix = _matrix(metadata)
    if matrix is None:
        row = {tensor.name: values.get(tensor.datatype, 1.5) for tensor in metadata.inputs[:_EXAMPLE_COLUMNS]}
        more = len(metadata.inputs) > _EXAMPLE_COLUMNS
    else:
        row = {f"x{place}": 1.5 for place in range(min(matrix.shape[1], _EXAMPLE_COLUMNS))}
        more = matrix.shape[1] > _EXAMPLE_COLUMNS
    shown = json.dumps(row, ensure_ascii=False)
    return f"[{shown[:-1]}{', …' if more else ''}}}, …]"


def check_columns(metadata: Metadata, batch: Batch, source: Path, notice: Callable[[str], None]) -> None:
    """Say what of a file is not sent; raises MissingError for a column that the model takes and the file lacks."""
    wanted, held = _columns(metadata, batch), batch.columns
    missing = [name for name in wanted if name not in held]
    if missing:
        near = {name: difflib.get_close_matches(name, held, n=1) for name in missing}
        told = ", ".join(
            f"{name!r}" + (f" (it has {near[name][0]!r})" if near[name] else "") for name in missing
        )
        raise MissingError(f"{source} lacks {told}", hint=f"the model takes: {', '.join(wanted)}")
    extra = [name for name in held if name not in wanted]
    if extra:
        notice(f"not sent, since the model does not take them: {', '.join(extra)}")


def _columns(metadata: Metadata, batch: Batch) -> list[str]:
    """Return the columns to send: by name, or for a matrix all of the file, in order."""
    matrix = _matrix(metadata)
    if matrix is None:
        return [tensor.name for tensor in metadata.inputs]
    if len(matrix.shape) > _MATRIX:
        raise ConfigurationError(
            f"the model takes arrays of shape {list(matrix.shape)}, which no file of rows holds",
            hint="ask its endpoint over HTTP; docs/serving.md shows a request",
        )
    if len(batch.columns) != matrix.shape[1]:
        raise ConfigurationError(
            f"the model takes rows of {matrix.shape[1]} unnamed numbers, the file has {len(batch.columns)} columns",
            hint="give a file with exactly the model's columns, in its order",
        )
    return list(batch.columns)


def _matrix(metadata: Metadata) -> Tensor | None:
    only = metadata.inputs[0]
    return only if len(metadata.inputs) == 1 and only.name == "rows" else None


def request_of(metadata: Metadata, batch: Batch, first: int, source: Path) -> bytes:
    """Return the inference request for some rows.

    Args:
        metadata: Of the model.
        batch: At least one row.
        first: The number of the first of them in `source`, for errors.
        source: Where they come from, for errors.

    Raises:
        ConfigurationError: A cell does not fit its column.
    """
    names = _columns(metadata, batch)
    matrix = _matrix(metadata)
    facts = {tensor.name: tensor for tensor in metadata.inputs}
    nothing = [None] * batch.rows
    columns = [
        _Column(matrix or facts[name], name, source).cast(
            batch.columns.get(name, nothing), first, text=batch.text
        )
        for name in names
    ]
    if matrix is not None:
        data = [value for row in zip(*columns, strict=True) for value in row]
        shape = [batch.rows, len(names)]
        inputs = [{"name": matrix.name, "datatype": matrix.datatype, "shape": shape, "data": data}]
    else:
        inputs = [
            {"name": name, "datatype": facts[name].datatype, "shape": [batch.rows, 1], "data": values}
            for name, values in zip(names, columns, strict=True)
        ]
    return msgspec.json.encode({"inputs": inputs})


class _Column(NamedTuple):
    """One column of the file on its way into its tensor."""

    tensor: Tensor
    name: str
    source: Path

    def cast(self, values: Sequence[Any], first: int, *, text: bool) -> Sequence[Any]:
        """Return a column as its tensor takes it: at once where every value is plain, else cell by cell."""
        quick = _TEXTS if text else _PLAIN
        try:
            found = quick[self.tensor.datatype](values)
        except (KeyError, TypeError, ValueError, OverflowError):
            found = None
        if found is not None:
            return found
        return [self._cell(value, first + number, text=text) for number, value in enumerate(values)]

    def _cell(self, value: Any, number: int, *, text: bool) -> Any:  # noqa: ANN401 - one cell
        tensor = self.tensor
        missing = value is None or (text and value in _NULLS) or value != value  # noqa: PLR0124 - NaN
        if missing and tensor.parameters.nullable:
            return None
        try:
            return _CASTS[tensor.datatype](None if missing else value, text)
        except (KeyError, TypeError, ValueError, OverflowError):
            shown = "nothing" if missing else repr(value)
            kind = tensor.parameters.kind or _WORDS[tensor.datatype]
            raise ConfigurationError(
                f"row {number} of {self.source}, column {self.name!r}: expected {kind}, got {shown}",
                hint="correct the cell, or leave the row out",
            ) from None


def _finite(values: Sequence[Any]) -> Sequence[Any] | None:
    """Return the values, or None where one of them may be no finite number."""
    return values if math.isfinite(math.fsum(values)) else None


def _all_of(*kinds: type) -> Callable[[Sequence[Any]], Sequence[Any] | None]:
    return lambda values: values if set(map(type, values)) <= {*kinds} else None


_TEXTS: Final[Mapping[str, Callable[[Sequence[Any]], Sequence[Any] | None]]] = {
    "BOOL": lambda values: [_TRUTH[value] for value in values],
    "INT64": lambda values: list(map(int, values)),
    "FP32": lambda values: _finite(list(map(float, values))),
    "FP64": lambda values: _finite(list(map(float, values))),
    "BYTES": lambda values: values if _NULLS.isdisjoint(values) else None,
}
"""Whole columns of texts as their datatype takes them; None or an error where a cell needs a look of its own."""

_PLAIN: Final[Mapping[str, Callable[[Sequence[Any]], Sequence[Any] | None]]] = {
    "BOOL": _all_of(bool),
    "INT64": _all_of(int),
    "FP32": lambda values: _finite(values) if _all_of(float, int)(values) is not None else None,
    "FP64": lambda values: _finite(values) if _all_of(float, int)(values) is not None else None,
    "BYTES": _all_of(str),
}
"""The same for columns whose values have types."""


def _boolean(value: Any, text: bool) -> bool:  # noqa: ANN401, FBT001 - one cell; one signature for all
    if isinstance(value, str) and not text:
        raise TypeError(value)
    return _TRUTH[value] if text else {True: True, False: False}[value]


def _integer(value: Any, text: bool) -> int:  # noqa: ANN401, FBT001 - as above
    if isinstance(value, str) and not text:
        raise TypeError(value)
    number = float(value)
    whole = int(value) if isinstance(value, (str, int)) and "." not in str(value) else int(number)
    if whole != number and abs(number) < 2**53:
        raise ValueError(value)
    return whole


def _number(value: Any, text: bool) -> float:  # noqa: ANN401, FBT001 - as above
    if isinstance(value, str) and not text:
        raise TypeError(value)
    number = float(value)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(value)
    return number


def _text(value: Any, text: bool) -> str:  # noqa: ANN401, ARG001, FBT001 - as above
    if isinstance(value, str):
        return value
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise TypeError(value)


_CASTS: Final[Mapping[str, Callable[[Any, bool], Any]]] = {
    "BOOL": _boolean, "INT64": _integer, "FP32": _number, "FP64": _number, "BYTES": _text,
}  # fmt: skip
_WORDS: Final = {
    "BOOL": "true or false",
    "INT64": "a whole number",
    "FP32": "a number",
    "FP64": "a number",
    "BYTES": "a text",
}
