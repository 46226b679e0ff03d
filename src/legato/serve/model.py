"""A model version loaded and ready: reads a request, runs it, writes the answer.

Rule: it has answered its golden rows as the model did in training before it answers anyone else. Immutable,
so a request is answered by one version from beginning to end.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from legato.domain.errors import ConfigurationError, MissingError
from legato.serve.agreement import disagreement
from legato.serve.bare_models import answering
from legato.serve.generation import Served
from legato.serve.requests import Question, RequestReader
from legato.serve.runners import Array, NativeRunner, OnnxRunner, Runner
from legato.serve.servable import ONNX_FILE, Golden, Servable, read_golden, read_servable

Timer = Callable[[], float]
LoadNative = Callable[[Path, Servable], object]
"""Loads the model's own bytes: the servable's folder and description in, the model out."""

_ENCODER: Final = msgspec.json.Encoder()
_TRIALS: Final = 5
_ENOUGH_S: Final = 0.02


class Model:
    """One served version. Safe to use from several threads when its runner is.

    Attributes:
        head: The headers that every answer of this version carries.
        seconds_base: Wall seconds that one row takes, measured when it was loaded.
        seconds_row: Wall seconds that each further row takes.
    """

    def __init__(self, served: Served, servable: Servable, runner: Runner) -> None:
        """Prepare what every answer shares."""
        self.served = served
        self.servable = servable
        self.read = RequestReader(servable.signature)
        self.parallel = runner.parallel
        self.head = [
            ("content-type", "application/json"),
            ("legato-model-version", f"{served.name}:{served.version}"),
            ("legato-model-digest", served.digest),
        ]
        self.seconds_base = 0.0
        self.seconds_row = 0.0
        self._run = runner
        self._outputs = servable.signature.outputs

    def answer(self, question: Question) -> bytes:
        """Return the JSON answer to a question; raises RowsRefusedError."""
        outputs = [
            {"name": answer.name, "datatype": answer.datatype, "shape": array.shape, "data": _flat(array)}
            for answer, array in zip(self._outputs, self._run(question.values, question.rows), strict=True)
        ]
        said: dict[str, object] = {"model_name": self.served.name, "model_version": self.served.version}
        if question.id is not None:
            said["id"] = question.id
        if question.outputs is not None:
            given = {output["name"]: output for output in outputs}
            outputs = [given[name] for name in question.outputs]
        said["outputs"] = outputs
        return _ENCODER.encode(said)

    def metadata(self, versions: Sequence[str]) -> bytes:
        """Return the model's metadata as the protocol has it."""
        signature = self.servable.signature
        return _ENCODER.encode(
            {
                "name": self.served.name,
                "versions": list(versions),
                "platform": "onnx_onnxruntime" if self.servable.flavor == "onnx" else "legato_native",
                "inputs": [
                    {"name": column.name, "datatype": column.datatype, "shape": column.shape}
                    | {
                        "parameters": _parameters(
                            nullable=column.nullable, kind=column.kind, categories=column.categories
                        )
                    }
                    for column in signature.inputs
                ],
                "outputs": [
                    {"name": answer.name, "datatype": answer.datatype, "shape": answer.shape}
                    | {"parameters": _parameters(labels=answer.labels)}
                    for answer in signature.outputs
                ],
                "parameters": {
                    "version": self.served.version,
                    "digest": self.served.digest,
                    "named": signature.named,
                },
            }
        )

    def test(self, golden: Golden, timer: Timer) -> None:
        """Answer the golden rows, compare, and measure; raises ConfigurationError when an answer differs."""
        signature = self.servable.signature
        values = [golden.inputs[column.name] for column in signature.inputs]
        rows = len(values[0])
        flat = values if signature.named else [[value for row in values[0] for value in row]]
        given = self._run(flat, rows)
        expected = [golden.outputs[answer.name] for answer in self._outputs]
        words = disagreement(expected, given)[1]
        if words:
            raise ConfigurationError(
                f"{self.served.name}:{self.served.version} fails its self-test on {rows} rows: {words}",
                hint="package the model again here; its libraries may have other versions on this machine",
            )
        one = [column[: len(column) // rows] for column in flat]
        self.seconds_base = _seconds(lambda: self._run(one, 1), timer)
        self.seconds_row = max(0.0, _seconds(lambda: self._run(flat, rows), timer) - self.seconds_base) / rows


def _flat(array: Array) -> list[Any]:
    flat: list[Any] = (array if array.ndim == 1 else array.ravel()).tolist()
    return flat


def _parameters(**given: Any) -> dict[str, Any]:  # noqa: ANN401 - plain data
    return {name: value for name, value in given.items() if value not in {None, "", False}}


def _seconds(run: Callable[[], object], timer: Timer) -> float:
    """Return the shortest of a few runs in wall seconds; a slow one is not repeated."""
    spent: list[float] = []
    while len(spent) < _TRIALS and sum(spent) < _ENOUGH_S:
        start = timer()
        run()
        spent.append(timer() - start)
    return min(spent)


def load_model(served: Served, load_native: LoadNative, timer: Timer) -> Model:
    """Load one version and try it on its golden rows.

    Args:
        served: What to load.
        load_native: Called for a model that is not served through ONNX.
        timer: Seconds that only grow; tells a model that is quick enough to run between two requests.

    Raises:
        MissingError: The folder or a package is not there.
        ConfigurationError: The servable is damaged, too new, or fails its self-test.
    """
    folder = Path(served.folder)
    servable = read_servable(folder)
    model = Model(served, servable, _runner(folder, servable, load_native))
    model.test(read_golden(folder), timer)
    return model


def _runner(folder: Path, servable: Servable, load_native: LoadNative) -> Runner:
    if servable.flavor == "native":
        model = answering(load_native(folder, servable))
        return NativeRunner(model, servable.native.library, servable.signature)
    if servable.flavor != "onnx":
        raise ConfigurationError(
            f"{folder} has flavor {servable.flavor!r}", hint="upgrade Legato where it is served"
        )
    try:
        return OnnxRunner(folder / ONNX_FILE, servable.signature, servable.missing_text)
    except ImportError as error:
        raise MissingError(
            f"{servable.native.type or 'the model'} is served through ONNX Runtime, which is not installed",
            hint="pip install 'legato[serve]'",
        ) from error
