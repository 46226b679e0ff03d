"""Turns a booster or PyTorch module into ONNX, with the one output that may answer like it.

Rule: a way that fails is a note, never an error; which way is right, the comparison with the model says.
"""

import importlib
import importlib.util
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Final

from legato.serve.bare_models import is_booster, is_module
from legato.serve.runners import first_line
from legato.serve.signature import NUMERIC, Column

_OPSET: Final = 15
_TORCH_OPSET: Final = 18
_FLOAT: Final = 1
"""The number of the element type float32 in ONNX."""


def is_bare(model: object) -> bool:
    """Say whether this file knows the model's kind."""
    return is_booster(model) or is_module(model)


def conversions(model: Any, inputs: Sequence[Column]) -> Iterator[bytes | str]:  # noqa: ANN401 - a foreign model
    """Yield ONNX models of a booster or module, each with one output; for a way that failed, the reason."""
    if not all(column.datatype in NUMERIC for column in inputs):
        yield "only rows of plain numbers are turned into ONNX"
        return
    width = sum(column.width for column in inputs)
    name = inputs[0].name if len(inputs) == 1 else "rows"
    try:
        if is_booster(model):
            yield from _answers(_of_booster(model, name, width))
        else:
            yield _of_module(model, name, inputs[0].row if len(inputs) == 1 else (width,))
    except Exception as error:  # noqa: BLE001 - converters raise whatever they like
        yield f"{type(error).__name__}: {first_line(error)}"


def _of_booster(booster: Any, name: str, width: int) -> Any:  # noqa: ANN401 - a foreign model
    if importlib.util.find_spec("onnxmltools") is None:
        raise ImportError("onnxmltools is not installed")
    convert = importlib.import_module("onnxmltools.convert")
    types = importlib.import_module("onnxmltools.convert.common.data_types")
    typed = [(name, types.FloatTensorType([None, width]))]
    if type(booster).__module__.startswith("xgboost"):
        bare = booster.copy()  # converters take no names and types of features
        bare.feature_names, bare.feature_types = None, None
        return convert.convert_xgboost(bare, name="legato", initial_types=typed, target_opset=_OPSET)
    return convert.convert_lightgbm(
        booster, name="legato", initial_types=typed, target_opset=_OPSET, zipmap=False
    )


def _answers(converted: Any) -> Iterator[bytes]:  # noqa: ANN401 - an ONNX model
    """Yield the model with each of its outputs alone, and with the second of two classes' shares alone.

    Boosters answer with the shares of all classes, with that of the second of two, with a class or with a number.
    """
    helper = importlib.import_module("onnx.helper")
    for output in reversed(converted.graph.output):
        yield _with_output(converted, output)
        if output.name == "probabilities":
            second = helper.make_tensor_value_info("second", _FLOAT, [None])
            constant = helper.make_node("Constant", [], ["legato_one"], value_int=1)
            gather = helper.make_node("Gather", [output.name, "legato_one"], ["second"], axis=1)
            yield _with_output(converted, second, constant, gather)


def _with_output(converted: Any, output: Any, *nodes: Any) -> bytes:  # noqa: ANN401 - ONNX has no types
    found = type(converted)()
    found.CopyFrom(converted)
    found.graph.node.extend(nodes)
    del found.graph.output[:]
    found.graph.output.add().CopyFrom(output)
    for dimension in found.graph.output[0].type.tensor_type.shape.dim[:1]:
        dimension.Clear()  # some converters call it 1, which is true of no batch
    return _plain(found)


def _plain(found: Any) -> bytes:  # noqa: ANN401 - an ONNX model
    found.producer_name, found.producer_version, found.doc_string = "legato", "", ""
    return bytes(found.SerializeToString(deterministic=True))


def _of_module(module: Any, name: str, row: tuple[int, ...]) -> bytes | str:  # noqa: ANN401 - torch is optional
    missing = [package for package in ("onnx", "onnxscript") if importlib.util.find_spec(package) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    torch = importlib.import_module("torch")
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own use of what torch will drop
        program = torch.onnx.export(
            module.eval(),
            (torch.zeros(2, *row),),
            input_names=[name],
            output_names=["predictions"],
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            opset_version=_TORCH_OPSET,
            dynamo=True,
            verbose=False,
        )
        program.save(written)
    found = importlib.import_module("onnx").load_from_string(written.getvalue())
    del found.metadata_props[:]
    for node in found.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return _plain(found)
