"""A servable on disk: one folder that holds a model ready to answer, with the rows that prove it.

Rule: reading a servable needs msgspec alone; a newer format is refused, never misread.
Format: docs/formats/servable.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from legato.domain.digests import canonical
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Struct
from legato.serve.signature import Signature

T = TypeVar("T")

SERVABLE_FORMAT: Final = 1
DESCRIPTION: Final = "servable.json"
ONNX_FILE: Final = "model.onnx"
GOLDEN_FILE: Final = "golden.json"
NATIVE_FOLDER: Final = "native"


class Native(Struct, frozen=True, kw_only=True):
    """The model's own saved bytes inside the servable.

    Attributes:
        path: Relative to the servable's folder.
        format: Name and number of the format that wrote it (`sklearn/1`).
        type: The Python type as people write it.
        tree: It is a folder.
        classes: First-party classes that the bytes refer to, as `module:Qual.name`.
        unsafe: Reading it may run code (a pickle).
        library: What its rows are made of when it predicts: `polars`, `pandas`, `pyarrow` or `numpy`.
    """

    path: str
    format: str
    type: str = ""
    tree: bool = False
    classes: tuple[str, ...] = ()
    unsafe: bool = False
    library: str = "numpy"


class Comparison(Struct, frozen=True, kw_only=True):
    """How the ONNX model was compared with the model itself.

    Attributes:
        rows: How many rows both answered.
        real: The rows are the user's; false: drawn at random because no input of the evaluation fits.
        largest_difference: Of any number, two digits; None when nothing was compared.
        note: Why the model serves natively, where it does.
    """

    rows: int = 0
    real: bool = True
    largest_difference: float | None = None
    note: str = ""


class Servable(Struct, frozen=True, kw_only=True):
    """The content of `servable.json`.

    Attributes:
        flavor: `onnx` or `native`.
        missing_text: What stands for a missing text in the ONNX model.
        versions: Of the libraries that made it.
    """

    flavor: str
    signature: Signature
    native: Native
    comparison: Comparison = Comparison()
    missing_text: str = ""
    versions: Mapping[str, str] = {}
    format: int = SERVABLE_FORMAT


class Golden(Struct, frozen=True, kw_only=True):
    """Rows with the answers of the model itself, column by column; a missing value is null.

    `inputs` holds for each input its values by row (lists for a matrix), `outputs` for each output.
    """

    inputs: Mapping[str, list[Any]]
    outputs: Mapping[str, list[Any]]


def write_servable(folder: Path, servable: Servable, golden: Golden) -> None:
    """Write both descriptions into `folder`; equal values give equal bytes."""
    (folder / DESCRIPTION).write_bytes(canonical(servable) + b"\n")
    (folder / GOLDEN_FILE).write_bytes(canonical(golden) + b"\n")


def read_servable(folder: Path) -> Servable:
    """Return the description of the servable in `folder`.

    Raises:
        MissingError: The folder holds no servable.
        ConfigurationError: It was written by a newer Legato, or is damaged.
    """
    return _read(folder / DESCRIPTION, Servable)


def read_golden(folder: Path) -> Golden:
    """Return the golden rows of the servable in `folder`; raises as `read_servable`."""
    return _read(folder / GOLDEN_FILE, Golden)


class _Numbered(Struct, frozen=True, kw_only=True):
    format: int = SERVABLE_FORMAT


def _read(path: Path, kind: type[T]) -> T:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"{path.parent} holds no {path.name}", hint="package the model again") from None
    try:
        number = msgspec.json.decode(data, type=_Numbered).format
        if number > SERVABLE_FORMAT:
            raise ConfigurationError(
                f"{path} has format {number}; this Legato reads up to {SERVABLE_FORMAT}",
                hint="upgrade Legato where the model is served",
            )
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path} is damaged: {error}", hint="package the model again") from error
