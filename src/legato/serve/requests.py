"""Reads an inference request of the Open Inference Protocol v2 into plain columns.

Rule: what does not fit the signature is refused by name, with what was expected and what came; nothing is
coerced from text to number or back, and nothing is guessed.
"""

import difflib
import re
from collections.abc import Sequence
from datetime import datetime
from types import GenericAlias
from typing import Any, Final, NamedTuple

import msgspec

from legato.serve.refusals import RefusedError
from legato.serve.signature import ACCEPTED, Column, Signature

_BAD_REQUEST: Final = 400
_INT64: Final = (-(2**63), 2**63 - 1)
_SINGLE_MAX: Final = 3.4028234663852886e38


class Tensor(msgspec.Struct):
    """One input tensor as sent. `data` stays unread until its column is known."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = msgspec.Raw(b"")


class Wanted(msgspec.Struct):
    """One output the caller asks for."""

    name: str


class InferenceRequest(msgspec.Struct):
    """The body of `POST …/infer`. Unknown fields and parameters are ignored, as the protocol has it."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[Wanted] | None = None


class Question(NamedTuple):
    """A request that fits: values by input in the signature's order, flat; None where missing."""

    values: list[Sequence[Any]]
    rows: int
    id: str | None
    outputs: list[str] | None


_DECODER: Final = msgspec.json.Decoder(InferenceRequest)


def _list_of(kind: Any) -> Any:  # noqa: ANN401 - types as values
    return GenericAlias(list, (kind,))


def _quick_decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - a type
    """Return a decoder that reads a request whose inputs all hold flat lists of one kind, in one pass."""
    tensor: Any = msgspec.defstruct(
        "Tensor", [("name", str), ("shape", list[int]), ("datatype", str), ("data", _list_of(kind))]
    )
    fields: list[Any] = [
        ("inputs", _list_of(tensor)),
        ("id", str | None, None),
        ("outputs", list[Wanted] | None, None),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("InferenceRequest", fields))


class RequestReader:
    """Reads requests for one signature. Made once a model, used for every request."""

    def __init__(self, signature: Signature) -> None:
        """Prepare one reader a column."""
        self._readers = {column.name: _ColumnReader(column) for column in signature.inputs}
        self._order = [column.name for column in signature.inputs]
        self._outputs = frozenset(answer.name for answer in signature.outputs)
        kinds = {_kind(column) for column in signature.inputs}
        self._quick = _quick_decoder(kinds.pop()) if len(kinds) == 1 else None

    def __call__(self, body: bytes) -> Question:
        """Return what the request asks.

        Raises:
            RefusedError: 400, with what was expected and what came.
        """
        request = self._decoded(body)
        found: dict[str, Sequence[Any]] = {}
        rows = -1
        for tensor in request.inputs:
            reader = self._readers.get(tensor.name)
            if reader is None or tensor.name in found:
                raise self._misnamed(tensor.name)
            found[tensor.name] = reader.read(tensor)
            if rows not in {-1, tensor.shape[0]}:
                raise RefusedError(
                    _BAD_REQUEST,
                    f"input {tensor.name!r} has {tensor.shape[0]} rows, others have {rows}",
                )
            rows = tensor.shape[0]
        if len(found) != len(self._order):
            raise self._lacking(found)
        wanted = None if request.outputs is None else self._wanted(request.outputs)
        return Question([found[name] for name in self._order], rows, request.id, wanted)

    def _decoded(self, body: bytes) -> InferenceRequest:
        if self._quick is not None:
            try:
                return self._quick.decode(body)  # type: ignore[no-any-return]  # the same fields, its data read
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass  # nested data, or an error to be named: the long way knows which
        return _decoded(body)

    def _misnamed(self, name: str) -> RefusedError:
        if name in self._readers:
            return RefusedError(_BAD_REQUEST, f"input {name!r} came twice; send each input once")
        near = difflib.get_close_matches(name, self._order, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the model takes {_listed(self._order)}"
        return RefusedError(_BAD_REQUEST, f"there is no input {name!r}; {hint}")

    def _lacking(self, found: dict[str, Sequence[Any]]) -> RefusedError:
        missing = [name for name in self._order if name not in found]
        return RefusedError(
            _BAD_REQUEST,
            f"missing {_listed(missing)}; the model takes {len(self._order)} inputs, {len(found)} came",
        )

    def _wanted(self, outputs: list[Wanted]) -> list[str]:
        for output in outputs:
            if output.name not in self._outputs:
                known = _listed(sorted(self._outputs))
                raise RefusedError(
                    _BAD_REQUEST, f"there is no output {output.name!r}; the model answers {known}"
                )
        return [output.name for output in outputs]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown  # noqa: PLR2004 - enough to read


def _decoded(body: bytes) -> InferenceRequest:
    if not body:
        raise RefusedError(_BAD_REQUEST, "the body is empty; send a JSON object with 'inputs'")
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise RefusedError(
            _BAD_REQUEST, f"the request does not follow the Open Inference Protocol: {error}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(_BAD_REQUEST, f"the body is not JSON: {_wordless(body, error) or error}") from None
    except RecursionError:
        raise RefusedError(_BAD_REQUEST, "the body is nested too deeply") from None


def _wordless(body: bytes, error: Exception) -> str:
    """Return what stands where reading ended if it is a number that JSON has no word for, and what to send."""
    place = _PLACE.search(str(error))
    found = _NO_NUMBER.search(body, max(0, int(place[1]) - 2)) if place is not None else None
    if place is None or found is None or found.start() > int(place[1]):
        return ""
    word = found[0].decode()
    return f"it has no word {word} (byte {found.start()}); send null where a value is missing"


_PLACE: Final = re.compile(r"\(byte (\d+)\)")
_NO_NUMBER: Final = re.compile(rb"-?(?:NaN|nan|Infinity|inf)\b")
_TYPES: Final[dict[str, Any]] = {"BOOL": bool, "INT64": int, "FP32": float, "FP64": float, "BYTES": str}


def _kind(column: Column) -> Any:  # noqa: ANN401 - a type
    kind: Any = _TYPES[column.datatype]
    return kind | None if column.nullable else kind


class _ColumnReader:
    """Reads the tensor of one column."""

    def __init__(self, column: Column) -> None:
        value = _kind(column)
        self._column = column
        self._accepted = ACCEPTED[column.datatype]
        self._flat: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(_list_of(value))
        nested = value
        for _ in range(len(column.row) + 1):
            nested = _list_of(nested)
        self._nested: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(nested)
        self._check = _CHECKS.get(column.kind or column.datatype)

    def read(self, tensor: Tensor) -> Sequence[Any]:
        """Return the tensor's values, flat; raises RefusedError."""
        column = self._column
        if tensor.datatype not in self._accepted:
            raise RefusedError(
                _BAD_REQUEST,
                f"input {column.name!r} takes datatype {column.datatype}, got {tensor.datatype!r}",
            )
        shape = tensor.shape
        fits = tuple(shape[1:]) == column.row or (len(shape) == 1 and column.width == 1)
        if not fits or not shape or shape[0] < 1:
            wanted = f"[n, {', '.join(map(str, column.row))}]" + (" or [n]" if column.width == 1 else "")
            raise RefusedError(
                _BAD_REQUEST, f"input {column.name!r} takes shape {wanted} with n of at least 1, got {shape}"
            )
        values = self._values(tensor)
        if len(values) != shape[0] * column.width:
            raise RefusedError(
                _BAD_REQUEST,
                f"input {column.name!r} has shape {shape}, which is {shape[0] * column.width} values; "
                f"its data holds {len(values)}",
            )
        if self._check is not None:
            self._check(column, values)
        return values

    def _values(self, tensor: Tensor) -> list[Any]:
        read: Any = tensor.data
        if isinstance(read, list):  # in the quick way
            return read
        data = tensor.data
        if not memoryview(data):
            raise RefusedError(
                _BAD_REQUEST,
                f"input {tensor.name!r} has no 'data'; send its values as JSON, binary tensors are not read",
            )
        try:
            return self._flat.decode(data)
        except msgspec.ValidationError as error:
            if _is_nested(data):
                return self._flattened(data)
            raise self._misfit(error) from None
        except RecursionError:
            raise RefusedError(
                _BAD_REQUEST, f"the data of input {tensor.name!r} is nested too deeply"
            ) from None

    def _flattened(self, data: msgspec.Raw) -> list[Any]:
        try:
            nested = self._nested.decode(data)
        except msgspec.ValidationError as error:
            raise self._misfit(error) from None
        for size in self._column.row:
            for number, part in enumerate(nested):
                if len(part) != size:
                    raise RefusedError(
                        _BAD_REQUEST,
                        f"row {number} of input {self._column.name!r} has {len(part)} values, expected {size}"
                        if len(self._column.row) == 1
                        else f"the data of input {self._column.name!r} is not nested as its shape says",
                    )
            nested = [value for part in nested for value in part]
        return nested

    def _misfit(self, error: msgspec.ValidationError) -> RefusedError:
        words = str(error).replace("$", "data").replace("`", "")
        column = self._column
        if words.startswith("Expected") and "got null" in words:
            words += "; no missing value was seen in training, so none is taken"
        return RefusedError(_BAD_REQUEST, f"input {column.name!r} takes {column.datatype} values: {words}")


def _is_nested(data: msgspec.Raw) -> bool:
    head = bytes(memoryview(data)[:64]).lstrip()
    return head.startswith(b"[") and head[1:].lstrip().startswith(b"[")


def _check_integers(column: Column, values: Sequence[Any]) -> None:
    for value in values:
        if value is not None and not _INT64[0] <= value <= _INT64[1]:
            raise RefusedError(
                _BAD_REQUEST, f"input {column.name!r} takes INT64 values, got {value}, which has no room"
            )


def _check_singles(column: Column, values: Sequence[Any]) -> None:
    for value in values:
        if value is not None and not -_SINGLE_MAX <= value <= _SINGLE_MAX:
            raise RefusedError(
                _BAD_REQUEST, f"input {column.name!r} takes FP32 values, got {value}, which has no room"
            )


def _check_categories(column: Column, values: Sequence[Any]) -> None:
    known = column.categories or ()
    for value in values:
        if value is not None and value not in known:
            near = difflib.get_close_matches(value, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {_listed(known)}"
            raise RefusedError(_BAD_REQUEST, f"input {column.name!r} has no category {value!r}; {hint}")


def _check_moments(column: Column, values: Sequence[Any]) -> None:
    for value in values:
        try:
            if value is not None:
                datetime.fromisoformat(value)
        except ValueError:
            raise RefusedError(
                _BAD_REQUEST, f"input {column.name!r} takes a {column.kind} as ISO 8601 text, got {value!r}"
            ) from None


_CHECKS: Final[dict[str, Any]] = {
    "INT64": _check_integers,
    "FP32": _check_singles,
    "category": _check_categories,
    "date": _check_moments,
    "datetime": _check_moments,
}
