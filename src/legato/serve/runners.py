"""Runs a model on the columns of one request: through ONNX Runtime, or the model itself.

Rule: takes plain lists in the order of the signature, returns one array an output; knows nothing of HTTP.
"""

import contextlib
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from legato.domain.errors import ConfigurationError
from legato.serve.signature import Answer, Signature
from legato.serve.tables import build

Array = np.ndarray[Any, Any]
_FEEDS: Final[Mapping[str, Any]] = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
_PACKED: Final = 256
_ANSWERS: Final[Mapping[str, Any]] = {
    "BOOL": np.bool_, "INT64": np.int64, "FP32": np.float32, "FP64": np.float64, "BYTES": np.object_,
}  # fmt: skip


class RowsRefusedError(Exception):
    """The model would not answer rows that fit its signature (an unknown category, a date that is none)."""


class Runner(Protocol):
    """Answers rows. May be called from several threads at once when `parallel` is true."""

    parallel: bool

    def __call__(self, values: Sequence[Sequence[Any]], rows: int) -> list[Array]:
        """Return one array for each output of the signature.

        Args:
            values: For each input of the signature its values, flat, row by row; None where missing.
            rows: How many rows.

        Raises:
            RowsRefusedError: The model does not take these rows.
        """


class OnnxRunner:
    """A model through ONNX Runtime, on the calling thread."""

    parallel = True

    def __init__(self, model: Path | bytes, signature: Signature, missing_text: str = "") -> None:
        """Load an ONNX model in which `missing_text` stands for a missing text; raises ConfigurationError."""
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = model if isinstance(model, bytes) else str(model)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's errors share no root
            raise ConfigurationError(
                f"ONNX Runtime cannot load the model: {first_line(error)}", hint="package the model again"
            ) from error
        self._run = self._session.run
        self._missing_text = missing_text
        given = self._session.get_inputs()
        self._stacked = len(given) == 1 and len(signature.inputs) > 1
        types = {tensor.name: _FEEDS[tensor.type] for tensor in given}
        self._matrix = given[0].name
        self._matrix_type = _FEEDS[given[0].type]
        self._feeds = [(c.name, types[c.name], c.row) for c in signature.inputs if c.name in types]
        if not self._stacked and len(self._feeds) != len(signature.inputs):
            names = sorted({c.name for c in signature.inputs} - set(types))
            raise ConfigurationError(f"the ONNX model lacks inputs {names}", hint="package the model again")
        self._outputs = signature.outputs
        self._names = [tensor.name for tensor in self._session.get_outputs()][: len(signature.outputs)]

    def __call__(self, values: Sequence[Sequence[Any]], rows: int) -> list[Array]:
        """Return one array for each output; see `Runner`."""
        if self._stacked:
            matrix = np.empty((rows, len(values)), dtype=self._matrix_type)
            for position, column in enumerate(values):
                matrix[:, position] = column
            feed = {self._matrix: matrix}
        else:
            feed = {
                name: self._feed(column, kind).reshape(rows, *row)
                for (name, kind, row), column in zip(self._feeds, values, strict=True)
            }
        try:
            found = self._run(self._names, feed)
        except Exception as error:  # rows were checked, so what is left is the data itself
            raise RowsRefusedError(first_line(error)) from error
        return [_shaped(array, answer, rows) for array, answer in zip(found, self._outputs, strict=True)]

    def _feed(self, values: Sequence[Any], kind: Any) -> Array:  # noqa: ANN401 - a numpy type
        if kind is np.object_ and None in values:
            values = [self._missing_text if value is None else value for value in values]
        if kind is np.float64 and len(values) > _PACKED:
            with contextlib.suppress(struct.error):  # three times as fast; a missing value goes the long way
                return np.frombuffer(struct.pack(f"{len(values)}d", *values))
        return np.array(values, dtype=kind)


class NativeRunner:
    """The model itself, on rows of the library it was trained with."""

    parallel = False

    def __init__(self, model: Any, library: str, signature: Signature) -> None:  # noqa: ANN401 - any class with predict
        """Serve `model.predict` (and `predict_proba`) on rows of `library`."""
        self._model = model
        self._library = library
        self._signature = signature

    def __call__(self, values: Sequence[Sequence[Any]], rows: int) -> list[Array]:
        """Return one array for each output; see `Runner`."""
        signature = self._signature
        try:
            if signature.named:
                columns = {column.name: given for column, given in zip(signature.inputs, values, strict=True)}
                table = build(self._library, signature.inputs, columns)
            else:
                matrix = signature.inputs[0]
                table = np.array(values[0], dtype=_ANSWERS[matrix.datatype]).reshape(rows, *matrix.row)
            return self.answer(table)
        except (
            ValueError,
            TypeError,
            KeyError,
            LookupError,
        ) as error:  # what a model says to rows it does not like
            raise RowsRefusedError(first_line(error)) from error

    def answer(self, table: object) -> list[Array]:
        """Return the model's answers to a table that is already in its own library."""
        rows = len(table)  # type: ignore[arg-type]  # every table has a length
        found = [self._model.predict(table)]
        if len(self._signature.outputs) > 1:
            found.append(self._model.predict_proba(table))
        return [
            _shaped(np.asarray(a), answer, rows)
            for a, answer in zip(found, self._signature.outputs, strict=True)
        ]


def _shaped(array: Any, answer: Answer, rows: int) -> Array:  # noqa: ANN401 - an array, or a list of ONNX sequences
    shaped: Array = array if isinstance(array, np.ndarray) else np.asarray(array)
    wanted = (rows, answer.width) if answer.width else (rows,)
    if shaped.shape != wanted:
        shaped = shaped.reshape(wanted)
    kind = _ANSWERS[answer.datatype]
    return shaped if shaped.dtype == kind else shaped.astype(kind)


def first_line(error: BaseException) -> str:
    """Return what an error says on its first line, else its type; at most 300 characters."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
