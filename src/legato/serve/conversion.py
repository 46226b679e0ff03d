"""Turns a fitted estimator into ONNX, in the several ways that may be exact.

Rule: a way that fails is a note, never an error; which way is right, the comparison with the model says.
"""

import copy
import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

from legato.serve.runners import first_line
from legato.serve.signature import NUMERIC, Column

_TARGET: Final = {"": 18, "ai.onnx.ml": 3}
"""Fixed, so that a newer converter writes the same model; ONNX Runtime 1.20 reads it."""

_TREES: Final = ("sklearn.ensemble", "sklearn.tree", "lightgbm", "xgboost")
_ADDRESS: Final = re.compile(r"0x[0-9a-f]+")


def conversions(model: object, inputs: Sequence[Column]) -> Iterator[bytes | str]:
    """Yield ONNX models of `model`, most exact first; for a way that failed, the reason.

    Args:
        model: A fitted scikit-learn estimator or pipeline, or a scikit-learn wrapper of XGBoost or LightGBM.
        inputs: The signature's inputs.
    """
    if importlib.util.find_spec("skl2onnx") is None:
        yield "skl2onnx is not installed"
        return
    ready = _prepared(model)
    for layout, numbers in _ways(model, inputs):
        try:
            yield _convert(ready, layout(inputs, numbers))
        except Exception as error:  # noqa: BLE001 - converters raise whatever they like
            yield _ADDRESS.sub("0x", f"{type(error).__name__}: {first_line(error)}")


Typed = list[tuple[str, Any]]


def _ways(
    model: object, inputs: Sequence[Column]
) -> Iterator[tuple[Callable[[Sequence[Column], str], Typed], str]]:
    """Yield layouts with the type of their numbers: trees compare in single precision, the rest in double."""
    last = _last_step(model)
    trees = type(last).__module__.startswith(_TREES)
    precisions = ["FP32", "FP64"] if trees else ["FP64", "FP32"]
    if type(last).__module__.startswith("xgboost"):
        precisions = ["FP32"]  # its thresholds are singles: in doubles it is another model
    if all(column.datatype in NUMERIC for column in inputs):
        yield from ((_as_matrix, numbers) for numbers in precisions)
    if inputs[0].width == 1:
        yield from ((_as_columns, numbers) for numbers in precisions)
        if any(column.datatype in {"INT64", "BOOL"} for column in inputs):
            yield from ((_as_typed_columns, numbers) for numbers in precisions)


def _last_step(model: Any) -> Any:  # noqa: ANN401 - an estimator
    return model.steps[-1][1] if hasattr(model, "steps") else model


def _tensor(datatype: str, width: int) -> Any:  # noqa: ANN401 - a type of skl2onnx
    from skl2onnx.common import data_types  # type: ignore[import-untyped]

    names = {
        "FP64": "DoubleTensorType", "FP32": "FloatTensorType", "INT64": "Int64TensorType",
        "BOOL": "BooleanTensorType", "BYTES": "StringTensorType",
    }  # fmt: skip
    return getattr(data_types, names[datatype])([None, width])


def _as_matrix(inputs: Sequence[Column], numbers: str) -> Typed:
    return [("rows", _tensor(numbers, sum(column.width for column in inputs)))]


def _as_columns(inputs: Sequence[Column], numbers: str) -> Typed:
    return [(c.name, _tensor(numbers if c.datatype in NUMERIC else "BYTES", 1)) for c in inputs]


def _as_typed_columns(inputs: Sequence[Column], numbers: str) -> Typed:
    return [(c.name, _tensor(numbers if c.datatype in {"FP32", "FP64"} else c.datatype, 1)) for c in inputs]


def _convert(model: Any, initial_types: Typed) -> bytes:  # noqa: ANN401 - an estimator
    import skl2onnx  # type: ignore[import-untyped]

    last = _last_step(model)
    options = {id(model): {"zipmap": False}} if hasattr(last, "predict_proba") else None
    _register(type(last))
    found = skl2onnx.convert_sklearn(
        model, name="legato", initial_types=initial_types, options=options, target_opset=_TARGET
    )
    found.producer_name, found.producer_version, found.doc_string = "legato", "", ""
    return bytes(found.SerializeToString(deterministic=True))


def _prepared(model: Any) -> Any:  # noqa: ANN401 - an estimator
    """Return the model as the converters take it: XGBoost must not know its features' names and types."""
    last = _last_step(model)
    if not type(last).__module__.startswith("xgboost"):
        return model
    ready = copy.deepcopy(model)
    booster = _last_step(ready).get_booster()
    booster.feature_names, booster.feature_types = None, None
    return ready


def _register(kind: type) -> None:
    """Teach skl2onnx what it does not know, or knows wrongly, of this class."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes

    classifies = hasattr(kind, "predict_proba")
    shape = (
        shapes.calculate_linear_classifier_output_shapes
        if classifies
        else shapes.calculate_linear_regressor_output_shapes
    )
    convert = _converter_of(kind)
    if convert is None:
        return
    options = (
        {"zipmap": [True, False, "columns"], "nocl": [True, False], "raw_scores": [True, False]}
        if classifies
        else None
    )
    update_registered_converter(
        kind, f"Legato{kind.__name__}", shape, convert, options=options, overwrite=True
    )


def _imported(module: str) -> Any:  # noqa: ANN401 - an untyped library
    return importlib.import_module(module)


_MORE: Final = "onnxmltools.convert"
Convert = Callable[..., None]


def _converter_of(kind: type) -> Convert | None:
    root = kind.__module__.partition(".")[0]
    if root == "xgboost":
        return cast("Convert", _imported(f"{_MORE}.xgboost.operator_converters.XGBoost").convert_xgboost)
    if root == "lightgbm":
        return cast("Convert", _imported(f"{_MORE}.lightgbm.operator_converters.LightGbm").convert_lightgbm)
    if kind.__name__ in {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}:
        random_forest = _imported("skl2onnx.operator_converters.random_forest")
        name = "classifier" if kind.__name__.endswith("Classifier") else "regressor_converter"
        return _with_plain_attributes(getattr(random_forest, f"convert_sklearn_random_forest_{name}"))
    return None


class _PlainAttributes:
    """A container of ONNX nodes that takes numpy's bools and nested arrays where ONNX wants plain numbers."""

    def __init__(self, container: Any) -> None:  # noqa: ANN401 - skl2onnx's container
        self._container = container

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it has
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> Any:  # noqa: ANN401 - as the container's own
        return self._container.add_node(
            *arguments, **{name: _plain(value) for name, value in attributes.items()}
        )


def _plain(value: Any) -> Any:  # noqa: ANN401 - one attribute
    import numpy as np

    if not isinstance(value, (list, tuple)) or not value or isinstance(value[0], str):
        return value
    flat = np.asarray(value).ravel().tolist() if np.ndim(value) > 1 else value
    return [int(item) if isinstance(item, (bool, np.bool_)) else item for item in flat]


def _with_plain_attributes(convert: Callable[..., None]) -> Callable[..., None]:
    def converter(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401 - skl2onnx's own
        convert(scope, operator, _PlainAttributes(container))

    return converter
