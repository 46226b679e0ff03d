"""Loaded models: the self-test, the answer, and what a process needs to serve ONNX."""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from legato.domain.errors import ConfigurationError, MissingError
from legato.serve.agreement import disagreement
from legato.serve.generation import Served
from legato.serve.model import load_model
from legato.serve.servable import read_golden


def load(folder, native=None):
    return load_model(Served(name="wine", version="3", folder=str(folder)), native, time.perf_counter)


def request(model, golden, rows):
    inputs = [
        {
            "name": c.name,
            "datatype": c.datatype,
            "shape": [rows, c.width],
            "data": golden.inputs[c.name][:rows],
        }
        for c in model.servable.signature.inputs
    ]
    return json.dumps({"id": "a", "inputs": inputs}).encode()


@pytest.mark.parametrize("kind", ["named", "matrix"])
def test_a_model_answers_its_golden_rows_as_it_did_in_training(kind, request_folder):
    folder = request_folder(kind)
    model, golden = load(folder), read_golden(folder)

    answer = json.loads(model.answer(model.read(request(model, golden, 20))))

    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("wine", "3", "a")
    assert [(o["name"], o["shape"]) for o in answer["outputs"]] == [
        ("predictions", [20]),
        ("probabilities", [20, 2]),
    ]
    assert answer["outputs"][0]["data"] == golden.outputs["predictions"][:20]
    np.testing.assert_allclose(
        np.reshape(answer["outputs"][1]["data"], (20, 2)), golden.outputs["probabilities"][:20], atol=1e-4
    )


@pytest.fixture
def request_folder(named, matrix):
    return {"named": named, "matrix": matrix}.__getitem__


def test_only_the_outputs_that_are_asked_for_are_answered(matrix):
    model = load(matrix)
    body = json.loads(request(model, read_golden(matrix), 1)) | {"outputs": [{"name": "probabilities"}]}

    answer = json.loads(model.answer(model.read(json.dumps(body).encode())))

    assert [output["name"] for output in answer["outputs"]] == ["probabilities"]


def test_a_model_that_answers_otherwise_than_in_training_does_not_load(matrix, tmp_path):
    folder = shutil.copytree(matrix, tmp_path / "altered")
    golden = json.loads((folder / "golden.json").read_text())
    golden["outputs"]["predictions"][0] = 1 - golden["outputs"]["predictions"][0]
    (folder / "golden.json").write_text(json.dumps(golden))

    with pytest.raises(
        ConfigurationError, match="wine:3 fails its self-test on 100 rows: 1 of 100 labels differ"
    ):
        load(folder)


def test_a_servable_of_a_newer_format_is_refused(matrix, tmp_path):
    folder = shutil.copytree(matrix, tmp_path / "newer")
    (folder / "servable.json").write_text('{"format": 2, "flavor": 7}')

    with pytest.raises(ConfigurationError, match="has format 2; this Legato reads up to 1"):
        load(folder)


@pytest.mark.parametrize("damage", ["servable.json", "golden.json", "model.onnx"])
def test_a_damaged_servable_is_refused(matrix, tmp_path, damage):
    folder = shutil.copytree(matrix, tmp_path / "damaged")
    (folder / damage).write_bytes((folder / damage).read_bytes()[:40])

    with pytest.raises(ConfigurationError, match=r"damaged|cannot load"):
        load(folder)


def test_a_folder_without_a_servable_is_missing(tmp_path):
    with pytest.raises(MissingError, match=r"holds no servable\.json"):
        load(tmp_path)


def test_serving_onnx_needs_neither_the_training_libraries_nor_a_table_library(named):
    script = (
        "import sys, time\n"
        "from legato.app.serving import load_generation\n"
        "from legato.serve.generation import Generation, Served\n"
        "import legato.serve.process\n"
        f"served = Served(name='m', version='1', folder={str(named)!r})\n"
        "load_generation(Generation(number=1, endpoint='e', models=(served,)))\n"
        "roots = {name.partition('.')[0] for name in sys.modules}\n"
        "unwanted = {'sklearn', 'scipy', 'pandas', 'polars', 'pyarrow', 'skl2onnx', 'onnx', 'rich'}\n"
        "print(sorted(roots & unwanted))\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_labels_agree_only_when_equal_and_numbers_within_a_tolerance():
    same = disagreement([["a", "b"], [1.0, float("nan")]], [["a", "b"], [1.00005, float("nan")]])
    label = disagreement([[1, 2, 3]], [[1, 2, 4]])
    number = disagreement([[1.0]], [[1.001]])
    hole = disagreement([[1.0]], [[float("nan")]])
    shape = disagreement([[1.0]], [[1.0, 2.0]])

    assert same[1] == ""
    assert label[1] == "1 of 3 labels differ"
    assert "1 of 1 numbers differ" in number[1]
    assert "missing" in hole[1]
    assert "shape" in shape[1]
