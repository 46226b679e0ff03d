"""numpy arrays and scalars as `.npy`, row by row, without pickles.

Rule: equal arrays give equal bytes whatever their strides; padding inside records is zero. What is read
back can be written to, and no write reaches the file.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError
from legato.formats import Saved, Trust

Array = npt.NDArray[Any]

_BLOCK_ITEMS: Final = 1 << 20
_MAGIC_BYTES: Final = 12
_ALIGNED_BYTES: Final = 64
_MAPPED_FROM_BYTES: Final = 1 << 20
"""Smaller files are read: a mapping costs a page fault each page."""


def accepts(value: object) -> bool:
    """Take arrays, memory-mapped ones too, and scalars; not matrices, masked arrays or record arrays."""
    return type(value) in (np.ndarray, np.memmap) or isinstance(value, np.generic)


def save(value: object, target: Path, trust: Trust) -> Saved:  # noqa: ARG001 - the port
    """Write one `.npy` file."""
    path = target.with_name(target.name + ".npy")
    array = np.asarray(value)
    with path.open("wb") as file:
        write_array(array, file)
    if isinstance(value, np.generic):
        return Saved(path=path, format="numpy-scalar/1", type=f"numpy.{type(value).__name__}")
    return Saved(
        path=path,
        format="numpy/1",
        type="numpy.ndarray",
        about={"shape": list(array.shape), "dtype": str(array.dtype)},
    )


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read it back; large arrays are mapped copy-on-write."""
    if artifact.format == "numpy-scalar/1":
        return np.load(path, allow_pickle=False)[()]
    return read_array(path)


def read_array(path: Path) -> Array:
    """Read a `.npy` file; no write to the result reaches it."""
    if path.stat().st_size < _MAPPED_FROM_BYTES:
        return np.asarray(np.load(path, allow_pickle=False))
    mapped: Array = np.load(path, allow_pickle=False, mmap_mode="c").view(np.ndarray)
    return mapped


def write_array(array: Array, file: BinaryIO, what: str = "the array") -> None:
    """Write `array` in C order, a block at a time; raises ConfigurationError for objects."""
    if array.dtype.hasobject or array.dtype.kind not in "biufcmMSUV":
        raise ConfigurationError(
            f"{what} has dtype {array.dtype}, which holds Python objects",
            hint="convert it: array.astype(str) or array.astype(float); or return a table",
        )
    dtype = array.dtype if array.dtype.names else np.dtype(array.dtype.str)  # without a metadata mapping
    file.write(_header(dtype, array.shape))
    file.writelines(_without_padding(block).tobytes() for block in _blocks(array))


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of a `.npy` file, version 3: UTF-8, padded to 64 bytes (NEP 1)."""
    layout = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    text = repr(layout).encode()
    text += b" " * (-(_MAGIC_BYTES + len(text) + 1) % _ALIGNED_BYTES) + b"\n"
    return np.lib.format.magic(3, 0) + struct.pack("<I", len(text)) + text


def _blocks(array: Array) -> Iterator[Array]:
    if array.ndim == 0 or array.flags.c_contiguous:
        flat = array.reshape(-1)
        for start in range(0, flat.size, _BLOCK_ITEMS):
            yield flat[start : start + _BLOCK_ITEMS]
        return
    rows = max(1, _BLOCK_ITEMS * len(array) // max(array.size, 1))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def _without_padding(block: Array) -> Array:
    """Return records with zeros between their fields; plain items as they are."""
    if block.dtype.names is None:
        return block
    clean = np.zeros(block.shape, block.dtype)
    for name in block.dtype.names:
        clean[name] = _without_padding(block[name])
    return clean
