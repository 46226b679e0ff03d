"""The signature of a servable: the tensors it takes and answers, in words of the Open Inference Protocol.

Rule: pure data; what a request must look like is read from here and from nowhere else.
Format: docs/formats/servable.md.
"""

from typing import Final

from legato.domain.graph import Struct

ACCEPTED: Final = {
    "BOOL": frozenset({"BOOL"}),
    "INT64": frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}),
    "FP32": frozenset(
        {"FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
    ),
    "FP64": frozenset(
        {"FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
    ),
    "BYTES": frozenset({"BYTES"}),
}
"""For each datatype of a signature, those a request may name for it. Values are checked one by one."""

NUMERIC: Final = frozenset({"BOOL", "INT64", "FP32", "FP64"})


class Column(Struct, frozen=True, kw_only=True):
    """One input tensor: a named column of the model's rows, or the whole matrix of a model without names.

    Attributes:
        name: The column's name; `rows` for a matrix.
        datatype: `BOOL`, `INT64`, `FP32`, `FP64` or `BYTES`.
        width: Values in one row: 1 for a column, the number of features for a matrix.
        dims: Of one row that has more than one dimension (an image); empty for others.
        nullable: A missing value was seen in the rows the signature was read from, so null is accepted.
        kind: `category`, `date`, `datetime`, or empty: what the BYTES stand for.
        categories: For `category`: the values it may take; else None.
    """

    name: str
    datatype: str
    width: int = 1
    nullable: bool = False
    kind: str = ""
    categories: tuple[str, ...] | None = None
    dims: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape in metadata; -1 is the number of rows."""
        return (-1, *self.row)

    @property
    def row(self) -> tuple[int, ...]:
        """The shape of one row of the tensor."""
        return self.dims or (self.width,)


class Answer(Struct, frozen=True, kw_only=True):
    """One output tensor.

    Attributes:
        name: `predictions` or `probabilities`.
        width: Values in one row; 0 for one scalar a row (shape [n]).
        labels: For probabilities: the class that each column stands for.
    """

    name: str
    datatype: str
    width: int = 0
    labels: tuple[str | int | float | bool, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape in metadata; -1 is the number of rows."""
        return (-1, self.width) if self.width else (-1,)


class Signature(Struct, frozen=True, kw_only=True):
    """What a servable takes and answers. `named`: inputs are columns; else there is one matrix."""

    inputs: tuple[Column, ...]
    outputs: tuple[Answer, ...]
    named: bool = True
