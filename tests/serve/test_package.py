"""Packaging: the signature that is read, the flavor that is chosen, the bytes that are written."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from legato.domain.errors import ConfigurationError
from legato.serve.package import package
from legato.serve.servable import read_golden, read_servable


def numbers(rows: int = 300) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    frame = pd.DataFrame(generator.normal(size=(rows, 3)), columns=["a", "b", "c"])
    frame["n"] = generator.integers(0, 9, rows)
    return frame


def test_a_pipeline_on_named_columns_is_served_through_onnx_with_types_and_holes_read_from_its_rows(named):
    servable = read_servable(named)
    inputs = {column.name: (column.datatype, column.nullable) for column in servable.signature.inputs}

    assert servable.flavor == "onnx", servable.comparison.note
    assert inputs == {
        "distance": ("INT64", False),
        "temperature": ("FP64", True),
        "carrier": ("BYTES", True),
        "rain": ("BOOL", False),
    }
    assert [(a.name, a.datatype, a.width, a.labels) for a in servable.signature.outputs] == [
        ("predictions", "INT64", 0, None),
        ("probabilities", "FP64", 2, (0, 1)),
    ]
    assert servable.comparison.rows == 400
    assert (named / servable.native.path).read_bytes() == b"the model's own bytes"


def test_golden_rows_hold_a_missing_value_of_each_column_that_has_some(named):
    golden = read_golden(named)

    assert 90 < len(golden.inputs["carrier"]) <= 100
    assert None in golden.inputs["carrier"]
    assert None in golden.inputs["temperature"]


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        RandomForestClassifier(10, random_state=1),
        HistGradientBoostingClassifier(max_iter=10),
        xgboost.XGBClassifier(n_estimators=5, n_jobs=1),
        lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_common_classifiers_agree_with_their_onnx_on_every_row(model, tmp_path, saved):
    table = numbers()

    servable = package(
        model.fit(table, (table["a"] + table["b"] > 0).astype(int)), {"t": table}, tmp_path, native=saved
    )

    assert servable.flavor == "onnx", servable.comparison.note
    assert servable.comparison.largest_difference < 1e-4


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        HistGradientBoostingRegressor(max_iter=10),
        xgboost.XGBRegressor(n_estimators=5, n_jobs=1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_common_regressors_agree_with_their_onnx_on_every_row(model, tmp_path, saved):
    table = numbers()

    servable = package(model.fit(table, table["a"] * 2), {"t": table}, tmp_path, native=saved)

    assert servable.flavor == "onnx", servable.comparison.note
    assert [a.name for a in servable.signature.outputs] == ["predictions"]


def test_a_model_whose_onnx_answers_otherwise_is_served_natively_and_says_why(tmp_path, saved):
    table = numbers().assign(place=[None if i % 7 == 0 else "ab"[i % 2] for i in range(300)])
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("texts", encoder, ["place"])], remainder="passthrough")
    trees = HistGradientBoostingClassifier(max_iter=30)
    target = (table["a"] + 2 * table["place"].isna() + (table["place"] == "a") > 0.5).astype(int)

    servable = package(
        Pipeline([("columns", columns), ("trees", trees)]).fit(table, target),
        {"t": table},
        tmp_path,
        native=saved,
    )

    assert servable.flavor == "native"
    assert "differ" in servable.comparison.note
    assert not (tmp_path / "model.onnx").exists()


class Rule:
    """A model of the user's own."""

    def predict(self, rows):
        return ["late" if value > 1000 else "on time" for value in rows["distance"].to_list()]


def test_a_class_with_predict_is_served_natively_on_the_columns_that_matter_to_it(tmp_path, saved):
    table = pl.DataFrame({"distance": [500, 1500], "carrier": ["UA", "DL"]})

    servable = package(Rule(), {"seed": 3, "test_set": table}, tmp_path, native=saved)

    assert servable.flavor == "native"
    assert [column.name for column in servable.signature.inputs] == ["distance"]
    assert servable.native.library == "polars"
    assert read_golden(tmp_path).outputs == {"predictions": ["on time", "late"]}


def test_columns_that_a_column_transformer_drops_are_not_asked_for(tmp_path, saved):
    table = numbers()
    columns = ColumnTransformer([("keep", "passthrough", ["a", "n"])], remainder="drop")
    model = Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(table, table["a"] > 0)

    servable = package(model, {"t": table[["a", "n"]]}, tmp_path, native=saved)

    assert [column.name for column in servable.signature.inputs] == ["a", "n"]


def test_categories_and_dates_are_texts_that_reach_the_model_as_it_knew_them(tmp_path, saved):
    class ByKind:
        feature_names_in_ = ("kind", "day")

        def predict(self, rows):
            return np.asarray(rows["kind"].cat.codes) + np.asarray(rows["day"].dt.day)

    table = pd.DataFrame(
        {
            "kind": pd.Categorical(["x", "y", "x"], categories=["y", "x"]),
            "day": pd.to_datetime(["2026-01-03", "2026-01-04", "2026-01-05"]),
        }
    )

    servable = package(ByKind(), {"t": table}, tmp_path, native=saved)

    kind, day = servable.signature.inputs
    assert (kind.kind, kind.categories) == ("category", ("y", "x"))
    assert (day.datatype, day.kind) == ("BYTES", "datetime")
    assert read_golden(tmp_path).outputs["predictions"] == [4, 4, 6]


class Doubling:
    """A model of the user's own that takes a table of any library."""

    feature_names_in_ = ("a", "n", "words")

    def predict(self, rows):
        return 2.0 * np.asarray(rows["a"])


def test_tables_of_every_library_give_the_same_signature(tmp_path, saved):
    frame = numbers().assign(words="w")
    tables = {"pandas": frame, "polars": pl.from_pandas(frame), "pyarrow": pa.Table.from_pandas(frame)}

    packed = [
        package(Doubling(), {"t": table}, tmp_path / name, native=saved) for name, table in tables.items()
    ]

    assert [servable.native.library for servable in packed] == ["pandas", "polars", "pyarrow"]
    assert packed[0].signature == packed[1].signature == packed[2].signature


def test_without_real_rows_a_matrix_model_is_tried_on_drawn_ones_and_says_so(tmp_path, saved):
    features = np.arange(20.0).reshape(10, 2)
    model = LinearRegression().fit(features, features[:, 0])

    servable = package(model, {}, tmp_path, native=saved)

    assert servable.comparison.real is False
    assert servable.signature.inputs[0].width == 2


def test_a_model_without_predict_is_refused(tmp_path, saved):
    with pytest.raises(
        ConfigurationError, match="a dict cannot be served: it has no method 'predict'"
    ) as caught:
        package({}, {}, tmp_path, native=saved)

    assert "predict(self, rows)" in caught.value.hint


def test_a_model_whose_columns_no_table_holds_is_refused_by_name(tmp_path, saved):
    table = numbers()
    model = LinearRegression().fit(table, table["a"])

    with pytest.raises(ConfigurationError, match=r"'t' lacks n \(it has 'nn'\)"):
        package(model, {"t": table.rename(columns={"n": "nn"})}, tmp_path, native=saved)


def test_a_column_that_no_request_can_carry_is_refused_by_name(tmp_path, saved):
    class Any:
        feature_names_in_ = ("gap",)

        def predict(self, rows):
            return [0] * len(rows)

    table = pl.DataFrame({"gap": [dt.timedelta(1)]})

    with pytest.raises(ConfigurationError, match="column 'gap' is of type Duration"):
        package(Any(), {"t": table}, tmp_path, native=saved)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from serve_cases import FEATURES, SavedBytes, flights, flights_model
from legato.serve.package import package
table = flights()
model = flights_model().fit(table.select(FEATURES), table["late"])
package(model, {"test_set": table}, Path(sys.argv[1]), native=SavedBytes(Path(sys.argv[3])))
"""


def test_two_processes_write_the_same_bytes(tmp_path, saved):
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / seed), str(Path(__file__).parent), str(saved.path)],
            env={"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": seed},
            check=True,
        )

    files = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*") if path.is_file())
    assert {str(path) for path in files} == {
        "servable.json",
        "golden.json",
        "model.onnx",
        "native/value.skops",
    }
    for path in files:
        assert (tmp_path / "1" / path).read_bytes() == (tmp_path / "2" / path).read_bytes(), path
