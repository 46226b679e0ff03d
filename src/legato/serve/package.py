"""Packages a fitted model as a servable: ONNX where that answers like the model, else the model itself.

Rule: equal models and tables give equal bytes; that ONNX does not convert never fails a package.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from legato.domain.errors import ConfigurationError
from legato.serve import bare_conversion
from legato.serve.agreement import disagreement
from legato.serve.bare_models import answering
from legato.serve.conversion import conversions
from legato.serve.runners import Array, NativeRunner, OnnxRunner, RowsRefusedError, first_line
from legato.serve.sample import Sample, golden_rows, sample_for
from legato.serve.servable import (
    NATIVE_FOLDER,
    ONNX_FILE,
    Comparison,
    Golden,
    Native,
    Servable,
    write_servable,
)
from legato.serve.signature import Answer, Signature
from legato.serve.tables import row_count, take

_VERSIONED: Final = ("numpy", "onnxmltools", "onnxruntime", "sklearn", "skl2onnx", "torch")
_CONVERTIBLE: Final = ("sklearn", "xgboost", "lightgbm")


class SavedModel(Protocol):
    """Where the model's own bytes lie and how to read them, as the formats room says it."""

    @property
    def path(self) -> Path:
        """The file or folder that was written."""

    @property
    def format(self) -> str:
        """Name and number of the format."""

    @property
    def type(self) -> str:
        """The Python type as people write it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """First-party classes that the bytes refer to."""

    @property
    def unsafe(self) -> bool:
        """Reading it may run code."""


def package(model: Any, tables: Mapping[str, object], folder: Path, *, native: SavedModel) -> Servable:  # noqa: ANN401
    """Write a servable for `model` into `folder` and return its description.

    Args:
        model: A fitted scikit-learn estimator or pipeline, an XGBoost or LightGBM model (wrapped or a bare
            booster), a PyTorch module, or any class with `predict`.
        tables: The evaluation step's other inputs by parameter; the signature is read from the one that fits.
        folder: An empty or new folder.
        native: The model's own saved bytes.

    Raises:
        ConfigurationError: The model has no `predict`, no table fits it, or it answers otherwise when rows
            come as a request carries them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked = answering(model)
    sample = sample_for(asked, tables, called=type(model).__qualname__)
    truth, outputs = _answers(asked, sample)
    signature = Signature(inputs=sample.inputs, outputs=outputs, named=sample.named)
    _check_round_trip(asked, sample, signature, truth, called=type(model).__qualname__)
    chosen = _compared(model, sample, signature, truth)
    if chosen.onnx is not None:
        (folder / ONNX_FILE).write_bytes(chosen.onnx)
    servable = Servable(
        flavor="native" if chosen.onnx is None else "onnx",
        signature=signature,
        native=_copy_native(native, folder, sample.library),
        comparison=chosen.comparison,
        missing_text=chosen.missing_text,
        versions=_versions(model),
    )
    write_servable(folder, servable, _golden(sample, signature, truth))
    return servable


def _answers(model: Any, sample: Sample) -> tuple[list[Array], tuple[Answer, ...]]:  # noqa: ANN401 - user code
    """Return what the model says to the sample, and the output tensors that this makes."""
    truth = [np.asarray(model.predict(sample.table))]
    outputs = [_output("predictions", truth[0])]
    if hasattr(model, "predict_proba"):
        shares = np.asarray(model.predict_proba(sample.table))
        if shares.ndim == 2:  # noqa: PLR2004 - several targets at once give a list of matrices, which stays unserved
            labels = getattr(model, "classes_", None)
            truth.append(shares)
            outputs.append(_output("probabilities", shares, labels))
    return truth, tuple(outputs)


_DATATYPES: Final[Mapping[str, str]] = {
    "b": "BOOL",
    "i": "INT64",
    "u": "INT64",
    "f": "FP64",
    "U": "BYTES",
    "O": "BYTES",
}


def _output(name: str, array: Array, labels: Any = None) -> Answer:  # noqa: ANN401 - classes_ of an estimator
    plain = array.dtype.kind != "O" or all(isinstance(value, str) for value in array.ravel())
    if array.ndim not in {1, 2} or array.dtype.kind not in _DATATYPES or not plain:
        raise ConfigurationError(
            f"the {name} have type {array.dtype} and shape {list(array.shape)}, which no answer can carry",
            hint="let predict return one number, text or boolean a row, or a matrix of numbers",
        )
    width = int(array.shape[1]) if array.ndim == 2 else 0  # noqa: PLR2004 - rows and columns
    listed = tuple(np.asarray(labels).tolist()) if labels is not None and len(labels) == width else None
    return Answer(name=name, datatype=_DATATYPES[array.dtype.kind], width=width, labels=listed)


def _check_round_trip(
    model: object, sample: Sample, signature: Signature, truth: list[Array], *, called: str
) -> None:
    """Refuse a model that answers otherwise once its rows have come through a request."""
    try:
        given = NativeRunner(model, sample.library, signature)(sample.values(), row_count(sample.table))
        words = disagreement(truth, given)[1]
    except RowsRefusedError as error:
        words = str(error)
    if words:
        raise ConfigurationError(
            f"{called} answers otherwise when its rows come as a request: {words}",
            hint="train it on plain numbers, texts, booleans, categories or dates",
        )


class _Chosen(NamedTuple):
    """The ONNX model that answers like the model itself, or none; how it was found."""

    onnx: bytes | None
    comparison: Comparison
    missing_text: str = ""


def _compared(model: object, sample: Sample, signature: Signature, truth: list[Array]) -> _Chosen:
    """Return the first ONNX model that answers like `model`, or none and why there is none."""
    rows = row_count(sample.table)
    convertible = type(model).__module__.startswith(_CONVERTIBLE) or bare_conversion.is_bare(model)
    if not convertible or any(column.kind for column in sample.inputs):
        return _Chosen(
            None, Comparison(rows=rows, real=sample.real, note="only plain estimators are turned into ONNX")
        )
    notes, values = [], sample.values()
    for onnx, missing_text in _candidates(model, signature):
        try:
            runner = OnnxRunner(onnx, signature, missing_text) if isinstance(onnx, bytes) else None
            largest, words = (
                disagreement(truth, runner(values, rows)) if runner is not None else (0.0, str(onnx))
            )
        except Exception as error:  # noqa: BLE001 - a model that does not load or run is one that does not agree
            largest, words = 0.0, f"{type(error).__name__}: {first_line(error)}"
        if isinstance(onnx, bytes) and not words:
            difference = float(f"{largest:.1e}")
            return _Chosen(
                onnx, Comparison(rows=rows, real=sample.real, largest_difference=difference), missing_text
            )
        notes.append(words)
    return _Chosen(
        None,
        Comparison(rows=rows, real=sample.real, note=f"served natively: {' · '.join(dict.fromkeys(notes))}"),
    )


def _candidates(model: object, signature: Signature) -> Iterator[tuple[bytes | str, str]]:
    """Yield each conversion with each text that encoders are known to write for a missing one."""
    holes = any(column.datatype == "BYTES" and column.nullable for column in signature.inputs)
    convert = bare_conversion.conversions if bare_conversion.is_bare(model) else conversions
    for onnx in convert(model, signature.inputs):
        yield from (
            (onnx, text) for text in (("", "nan", "None") if holes and isinstance(onnx, bytes) else ("",))
        )


def _copy_native(native: SavedModel, folder: Path, library: str) -> Native:
    target = folder / NATIVE_FOLDER / native.path.name
    target.parent.mkdir(exist_ok=True)
    if native.path.is_dir():
        shutil.copytree(native.path, target, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(native.path, target)
    return Native(
        path=f"{NATIVE_FOLDER}/{native.path.name}",
        format=native.format,
        type=native.type,
        tree=native.path.is_dir(),
        classes=tuple(native.classes),
        unsafe=native.unsafe,
        library=library,
    )


def _golden(sample: Sample, signature: Signature, truth: list[Array]) -> Golden:
    rows = golden_rows(sample)
    if sample.named:
        kept = Sample(
            inputs=sample.inputs, table=take(sample.table, rows), library=sample.library, named=True
        )
        inputs = {column.name: values for column, values in zip(sample.inputs, kept.values(), strict=True)}
    else:
        matrix = sample.table[rows].reshape(len(rows), -1)
        inputs = {"rows": [[None if v != v else v for v in row] for row in matrix.tolist()]}  # noqa: PLR0124 - NaN
    return Golden(
        inputs=inputs,
        outputs={
            answer.name: array[rows].tolist() for answer, array in zip(signature.outputs, truth, strict=True)
        },
    )


def _versions(model: Any) -> dict[str, str]:  # noqa: ANN401 - any class with predict
    """Return the versions of what made the servable: modules that are not loaded had no part in it."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    names = {*_VERSIONED, type(last).__module__.partition(".")[0]}
    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in sorted(names)}
    return {name: str(version) for name, version in loaded.items() if isinstance(version, str)}
