"""Models without a `predict` of rows: boosters as their libraries train them, and PyTorch modules."""

import importlib.util
import json
import time
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost
from serve_cases import SavedBytes

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError
from legato.formats.shelf import Shelf
from legato.serve.bare_models import answering
from legato.serve.generation import Served
from legato.serve.model import load_model
from legato.serve.package import package
from legato.serve.refusals import RefusedError
from legato.serve.runners import NativeRunner, RowsRefusedError
from legato.serve.servable import ONNX_FILE, read_servable

SHELF = Shelf(lambda module: module == "torch_modules")
TRAIN = {"verbose": -1, "seed": 3, "num_threads": 1}


def frame(rows=300):
    generator = np.random.default_rng(5)
    table = pd.DataFrame({"id": range(rows), "a": generator.normal(size=rows)})
    table["b"] = generator.integers(0, 9, rows)
    table["c"] = [
        np.nan if index % 13 == 0 else value for index, value in enumerate(generator.normal(size=rows))
    ]
    return table


ROWS = frame()
NAMES = ["a", "b", "c"]
TRUE = (ROWS["a"] + ROWS["b"] / 9 > 0.5).astype(int)
THREE = (ROWS["b"] % 3).astype(int)


def xgb(objective, labels, rows=ROWS[NAMES], **more):
    data = xgboost.DMatrix(rows, label=labels)
    return xgboost.train({"objective": objective, "nthread": 1, **more}, data, num_boost_round=6)


def lgb(objective, labels, rows=ROWS[NAMES], **more):
    return lightgbm.train({"objective": objective, **TRAIN, **more}, lightgbm.Dataset(rows, label=labels), 6)


BOOSTERS = {
    "xgboost two classes": lambda: xgb("binary:logistic", TRUE),
    "xgboost three classes": lambda: xgb("multi:softprob", THREE, num_class=3),
    "xgboost the class itself": lambda: xgb("multi:softmax", THREE, num_class=3),
    "xgboost a number": lambda: xgb("reg:squarederror", ROWS["a"] * 3),
    "xgboost linear": lambda: xgb("reg:squarederror", ROWS["a"], ROWS[["a", "b"]], booster="gblinear"),
    "lightgbm two classes": lambda: lgb("binary", TRUE),
    "lightgbm three classes": lambda: lgb("multiclass", THREE, num_class=3),
    "lightgbm a number": lambda: lgb("regression", ROWS["a"] * 3),
}


def expected(booster, rows):
    if isinstance(booster, xgboost.Booster):
        return booster.predict(xgboost.DMatrix(rows))
    return booster.predict(rows)


def packaged(model, tables, folder):
    """Package a model with its own saved bytes, and load it again as an endpoint does."""
    saved = SHELF.save(model, folder / "saved")
    servable = package(model, tables, folder / "servable", native=saved)
    return servable, loaded(folder / "servable")


def loaded(folder):
    def native(where, described):
        facts = described.native
        artifact = Artifact(
            digest="",
            size_bytes=0,
            format=facts.format,
            type=facts.type,
            tree=facts.tree,
            classes=facts.classes,
        )
        return SHELF.load(where / facts.path, artifact)

    return load_model(Served(name="m", version="1", folder=str(folder)), native, time.perf_counter)


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def ask(model, rows):
    """Return what a loaded model answers to a table, by output."""
    table = rows.astype(object).where(rows.notna(), None)
    inputs = [
        {
            "name": c.name,
            "datatype": c.datatype,
            "shape": [len(rows), c.width],
            "data": table[c.name].tolist(),
        }
        for c in model.servable.signature.inputs
    ]
    answer = json.loads(model.answer(model.read(json.dumps({"inputs": inputs}).encode())))
    return {o["name"]: np.reshape(o["data"], o["shape"]) for o in answer["outputs"]}


@pytest.mark.parametrize("kind", BOOSTERS)
def test_a_booster_answers_through_its_servable_as_it_does_itself(kind, tmp_path):
    booster = BOOSTERS[kind]()
    names = booster.feature_names if isinstance(booster, xgboost.Booster) else booster.feature_name()

    servable, model = packaged(booster, {"test_set": ROWS}, tmp_path)

    assert [column.name for column in servable.signature.inputs] == list(names)
    answers = ask(model, ROWS[names].head(50))
    assert list(answers) == ["predictions"]
    np.testing.assert_allclose(answers["predictions"], expected(booster, ROWS[names].head(50)), atol=1e-4)


@pytest.mark.parametrize("kind", [kind for kind in BOOSTERS if "linear" not in kind])
def test_a_booster_of_trees_is_served_through_onnx_with_equal_bytes_each_time(kind, tmp_path):
    booster = BOOSTERS[kind]()
    saved = SavedBytes(tmp_path / "bytes")
    saved.path.write_bytes(b"x")

    servables = [package(booster, {"t": ROWS}, tmp_path / name, native=saved) for name in ("one", "two")]

    assert [servable.flavor for servable in servables] == ["onnx", "onnx"], servables[0].comparison.note
    assert (tmp_path / "one" / ONNX_FILE).read_bytes() == (tmp_path / "two" / ONNX_FILE).read_bytes()


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
@pytest.mark.parametrize("kind", ["xgboost two classes", "lightgbm two classes"])
def test_a_booster_answers_itself_on_the_rows_of_any_library_where_onnx_does_not_serve(
    library, kind, tmp_path
):
    table = pl.from_pandas(ROWS, nan_to_null=True).with_columns(pl.col("b") == 3)
    train = table.select(NAMES).to_pandas()
    booster = (xgb if kind.startswith("xgboost") else lgb)(
        "binary:logistic"[: 15 if kind[0] == "x" else 6], TRUE, train
    )
    rows = table if library == "polars" else table.to_arrow()

    servable, _ = packaged(booster, {"rows": rows}, tmp_path)
    change(tmp_path / "servable" / "servable.json", flavor="native")
    model = loaded(tmp_path / "servable")

    assert servable.native.library == library
    np.testing.assert_allclose(
        ask(model, train.head(40))["predictions"], expected(booster, train.head(40)), atol=1e-4
    )


def test_a_booster_with_categories_serves_natively_and_says_why(tmp_path):
    rows = ROWS.assign(city=pd.Categorical(np.where(ROWS["b"] > 4, "Bonn", "Ulm")))
    booster = xgboost.train(
        {"objective": "binary:logistic"},
        xgboost.DMatrix(rows[["a", "city"]], label=TRUE, enable_categorical=True),
        num_boost_round=4,
    )

    servable, model = packaged(booster, {"rows": rows}, tmp_path)

    assert servable.flavor == "native"
    assert "ONNX" in servable.comparison.note
    wanted = booster.predict(xgboost.DMatrix(rows[["a", "city"]].head(9), enable_categorical=True))
    np.testing.assert_allclose(ask(model, rows[["a", "city"]].head(9))["predictions"], wanted, atol=1e-6)


def test_a_booster_without_names_takes_one_matrix(tmp_path):
    matrix = ROWS[NAMES].to_numpy()
    xgb_model = xgb("binary:logistic", TRUE, matrix)
    lgb_model = lgb("binary", TRUE, matrix)

    for name, booster in (("x", xgb_model), ("l", lgb_model)):
        servable, _ = packaged(booster, {"matrix": matrix}, tmp_path / name)

        assert [(c.name, c.width) for c in servable.signature.inputs] == [("rows", 3)]
        assert servable.flavor == "onnx", servable.comparison.note


@pytest.mark.filterwarnings("ignore:Found whitespace in feature_names")
@pytest.mark.parametrize("wrapped", [False, True])
def test_names_with_spaces_which_lightgbm_spells_otherwise_are_asked_for_as_the_table_has_them(
    tmp_path, wrapped
):
    rows = ROWS.rename(columns={"a": "a b"})
    names = ["a b", "b", "c"]
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1) if wrapped else None
    model = lgb("binary", TRUE, rows[names]) if model is None else model.fit(rows[names], TRUE)

    servable, loaded_model = packaged(model, {"rows": rows}, tmp_path)

    assert [column.name for column in servable.signature.inputs] == names
    assert len(ask(loaded_model, rows[names].head(3))["predictions"]) == 3


def test_a_booster_whose_columns_no_table_holds_is_refused_by_its_own_name(tmp_path):
    saved = SavedBytes(tmp_path / "bytes")
    saved.path.write_bytes(b"x")

    with pytest.raises(ConfigurationError, match=r"that Booster was trained on: 'rows' lacks c"):
        package(lgb("binary", TRUE), {"rows": ROWS[["a", "b"]]}, tmp_path / "s", native=saved)


def modules():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    import torch_modules

    return torch_modules


def test_a_torch_module_answers_a_matrix_as_it_does_itself_in_its_mode_for_answering(tmp_path):
    torch_modules = modules()
    import torch

    rows = torch.randn(60, 4)
    net = torch_modules.Net(4)

    servable, model = packaged(net, {"rows": rows}, tmp_path)

    assert [(c.name, c.datatype, c.width) for c in servable.signature.inputs] == [("rows", "FP32", 4)]
    body = {"name": "rows", "datatype": "FP32", "shape": [3, 4], "data": rows[:3].tolist()}
    answer = json.loads(model.answer(model.read(json.dumps({"inputs": [body]}).encode())))
    given = np.reshape(answer["outputs"][0]["data"], (3, 2))
    np.testing.assert_allclose(given, net.eval()(rows[:3]).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("flavor", ["as packaged", "native"])
def test_a_torch_module_takes_pictures_of_the_shape_that_it_was_judged_on(tmp_path, flavor):
    torch_modules = modules()
    import torch

    pictures, labels = torch.rand(20, 1, 6, 5), np.zeros((20, 3))
    net = torch_modules.Pictures()

    servable, _ = packaged(net, {"labels": labels, "pictures": pictures}, tmp_path)
    if flavor == "native":
        change(tmp_path / "servable" / "servable.json", flavor="native")
    model = loaded(tmp_path / "servable")

    assert [(c.width, c.dims) for c in servable.signature.inputs] == [(30, (1, 6, 5))]
    wanted = net.eval()(pictures[:2]).detach().numpy()
    for data in (pictures[:2].tolist(), pictures[:2].ravel().tolist()):
        tensor = {"name": "rows", "datatype": "FP32", "shape": [2, 1, 6, 5], "data": data}
        answer = json.loads(model.answer(model.read(json.dumps({"inputs": [tensor]}).encode())))
        np.testing.assert_allclose(np.reshape(answer["outputs"][0]["data"], (2, 2)), wanted, atol=1e-5)
    for wrong in ({"shape": [2, 30]}, {"shape": [2, 1, 6, 5], "data": pictures[:2, 0].tolist()}):
        tensor = {"name": "rows", "datatype": "FP32", "data": [0.0] * 60} | wrong
        with pytest.raises(RefusedError):
            model.read(json.dumps({"inputs": [tensor]}).encode())


def test_a_torch_module_that_names_its_columns_takes_them_from_a_table(tmp_path):
    net = modules().Named()
    rows = pl.from_pandas(ROWS).drop_nans()

    servable, model = packaged(net, {"rows": rows}, tmp_path)

    assert [column.name for column in servable.signature.inputs] == ["a", "b"]
    assert ask(model, rows.head(5).to_pandas())["predictions"].shape == (5, 1)


def test_a_torch_module_serves_through_onnx_where_the_exporter_is_installed(tmp_path):
    torch_modules = modules()
    if importlib.util.find_spec("onnxscript") is None:
        pytest.skip("onnxscript is not installed")

    net, rows = torch_modules.Net(4), np.ones((9, 4), dtype=np.float32)

    servables = [packaged(net, {"rows": rows}, tmp_path / name)[0] for name in ("one", "two")]

    assert [servable.flavor for servable in servables] == ["onnx", "onnx"], servables[0].comparison.note
    one, two = ((tmp_path / name / "servable" / ONNX_FILE).read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_torch_module_that_answers_with_no_tensor_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="Pair answers with a tuple, not a tensor"):
        packaged(modules().Pair(4), {"rows": np.ones((9, 4), dtype=np.float32)}, tmp_path)


def test_rows_that_lightgbm_does_not_take_are_refused_not_a_failure(tmp_path):
    _, model = packaged(lgb("binary", TRUE), {"rows": ROWS}, tmp_path)
    runner = NativeRunner(answering(lgb("binary", TRUE)), "numpy", model.servable.signature)

    with pytest.raises(RowsRefusedError):
        runner([[1.0], [2]], 1)


def test_the_servable_names_the_library_of_a_booster(tmp_path):
    packaged(lgb("binary", TRUE), {"rows": ROWS}, tmp_path)

    assert read_servable(Path(tmp_path / "servable")).versions["lightgbm"] == lightgbm.__version__
