"""scipy's sparse matrices and arrays as an archive of their index and value arrays.

Rule: members carry no date; indices are written as they are, so what was sorted stays sorted.
"""

import io
import zipfile
from pathlib import Path

import scipy.sparse  # type: ignore[import-untyped]

from legato.domain.artifacts import Artifact
from legato.formats import Saved, Trust
from legato.formats.annotations import type_name
from legato.formats.archives import Copied, write_archive


def accepts(value: object) -> bool:
    """Take every sparse layout that scipy can save."""
    return scipy.sparse.issparse(value) and value.format in ("csr", "csc", "bsr", "dia", "coo")  # type: ignore[attr-defined]


def save(value: object, target: Path, trust: Trust) -> Saved:  # noqa: ARG001 - the port
    """Write one `.npz` file."""
    path = target.with_name(target.name + ".npz")
    buffer = io.BytesIO()
    scipy.sparse.save_npz(buffer, value, compressed=False)
    with zipfile.ZipFile(buffer) as source:
        write_archive(path, [(name, Copied(source, name)) for name in source.namelist()])
    shape = [int(length) for length in value.shape]  # type: ignore[attr-defined]
    return Saved(
        path=path,
        format="sparse/1",
        type=type_name(type(value)),
        about={"shape": shape, "stored": int(value.nnz)},  # type: ignore[attr-defined]
    )


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read it back."""
    with path.open("rb") as file:
        return scipy.sparse.load_npz(file)
