"""Evaluations take any library's columns, and come back as numpy with their metrics as estimates."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from formats_bench import Color, artifact_of, new_shelf, there_and_back

from legato.domain.errors import ConfigurationError, UserCodeError
from legato.domain.evaluation import Evaluation
from legato.formats.evaluation_columns import Columns
from legato.formats.evaluations import estimate

ROWS = 200
LABELS = np.random.default_rng(0).integers(0, 2, ROWS)


@pytest.mark.parametrize(
    "column",
    [list, tuple, np.array, pl.Series, pd.Series, pa.array, lambda v: pa.chunked_array([v[:3], v[3:]])],
    ids=["list", "tuple", "numpy", "polars", "pandas", "pyarrow", "chunked"],
)
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3, 4], "i"),
        ([0.5, 1.0, 2.0, 3.0], "f"),
        ([True, False, True, False], "b"),
        (["a", "b", "c", "d"], "U"),
        ([dt.date(2026, 1, day) for day in (1, 2, 3, 4)], "M"),
    ],
    ids=["int", "float", "bool", "text", "date"],
)
def test_columns_of_any_library_become_numpy(column, values, kind, tmp_path):
    back = there_and_back(Evaluation(labels=column(values), predictions=column(values)), tmp_path)

    assert back.labels.dtype.kind == kind
    assert back.predictions.astype("datetime64[D]" if kind == "M" else back.labels.dtype).tolist() == values


@pytest.mark.parametrize("ids", [[3, 1], ["b", "a"], [dt.date(2026, 1, 2), dt.date(2026, 1, 1)]], ids=str)
def test_ids_keep_their_type_and_order(ids, tmp_path):
    back = there_and_back(Evaluation(ids=ids, labels=[0, 1]), tmp_path)

    assert back.ids.tolist() == ids


def test_categories_and_enums_become_texts(tmp_path):
    back = there_and_back(
        Evaluation(
            ids=[Color.RED, Color.BLUE],
            labels=pl.Series(["x", "y"], dtype=pl.Categorical),
            predictions=pd.Categorical(["x", "x"]),
        ),
        tmp_path,
    )

    assert [column.tolist() for column in (back.ids, back.labels, back.predictions)] == [
        ["r", "b"],
        ["x", "y"],
        ["x", "x"],
    ]


@pytest.mark.parametrize(
    "scores",
    [
        np.full((ROWS, 2), 0.5),
        [[0.5, 0.5]] * ROWS,
        pl.DataFrame({"no": [0.5] * ROWS, "yes": [0.5] * ROWS}),
        pl.Series([[0.5, 0.5]] * ROWS),
    ],
    ids=["numpy", "lists", "table", "nested column"],
)
def test_scores_may_have_one_column_a_class(scores, tmp_path):
    back = there_and_back(Evaluation(labels=LABELS, scores=scores), tmp_path)

    assert (back.scores.shape, back.scores.dtype) == ((ROWS, 2), np.float64)


def test_rows_are_float64_and_slices_are_texts(tmp_path):
    back = there_and_back(
        Evaluation(
            rows=pl.DataFrame({"cost": [1, None], "index": [True, False]}),
            slices=pd.DataFrame(
                {"Unnamed: 0": [1.0, np.nan], "day": [dt.date(2026, 1, 1), None], "c": ["x", None]}
            ),
        ),
        tmp_path,
    )

    assert [column.dtype for column in back.rows.values()] == [np.float64, np.float64]
    assert math.isnan(back.rows["cost"][1])
    assert {name: column.tolist() for name, column in back.slices.items()} == {
        "Unnamed: 0": ["1.0", "null"],
        "day": ["2026-01-01", "null"],
        "c": ["x", "null"],
    }


def test_a_metric_function_is_asked_on_numpy_and_comes_back_with_its_interval(tmp_path):
    seen = []
    evaluation = Evaluation(
        labels=LABELS.tolist(),
        predictions=np.ones(ROWS),
        metrics={"share": lambda e: (seen.append(type(e.labels)), np.mean(e.labels == e.predictions))[1]},
    )

    share = there_and_back(evaluation, tmp_path).metrics["share"]

    assert set(seen) == {np.ndarray}
    assert len(seen) == 201
    assert share.low < share.estimate == LABELS.mean() < share.high
    assert share.high - share.low == pytest.approx(4 * math.sqrt(0.25 / ROWS), rel=0.25)


def test_an_evaluation_saved_again_gives_the_same_bytes(tmp_path):
    first = new_shelf().save(
        Evaluation(ids=range(3), labels=["a", "b", "a"], metrics={"m": len}), tmp_path / "first"
    )
    second = new_shelf().save(new_shelf().load(first.path, artifact_of(first)), tmp_path / "second")

    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.about["metrics"] == ["m"]


def test_a_metric_without_a_number_is_kept_as_not_a_number(tmp_path):
    back = there_and_back(Evaluation(labels=[1, 0], metrics={"m": lambda _: float("nan")}), tmp_path)

    assert math.isnan(back.metrics["m"].estimate)


def test_an_evaluation_of_no_rows_comes_back(tmp_path):
    back = there_and_back(Evaluation(labels=[], metrics={"m": lambda _: 1.0}), tmp_path)

    assert len(back) == 0
    assert repr(back.metrics["m"]) == "Estimate(estimate=1.0, low=nan, high=nan)"


def test_a_metric_that_raises_is_the_users_error(tmp_path):
    with pytest.raises(UserCodeError, match="the metric 'bad' of the Evaluation raised ZeroDivisionError"):
        new_shelf().save(Evaluation(labels=[1], metrics={"bad": lambda _: 1 / 0}), tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "needs `labels`, or at least one column in `rows`"),
        ({"ids": [1, 2], "predictions": [1, 2]}, "needs `labels`"),
        ({"labels": [1, 2], "predictions": [1]}, "`labels` has 2 rows, `predictions` has 1"),
        ({"labels": [1], "rows": {"cost": [1, 2]}}, r"`labels` has 1 rows, `rows\[\"cost\"\]` has 2"),
        ({"labels": "ab"}, "`labels` of an Evaluation is a str"),
        ({"labels": 5}, "`labels` of an Evaluation is a int"),
        ({"labels": np.array(5)}, "single value"),
        ({"labels": pl.LazyFrame({"a": [1]})}, "LazyFrame, not a column"),
        ({"rows": [1]}, "`rows` of an Evaluation is a list, not named columns"),
        ({"labels": [1], "slices": pl.Series([1])}, "`slices` of an Evaluation is a Series"),
        ({"labels": [1], "slices": {1: [1]}}, "a column called 1, which is not a text"),
    ],
    ids=range(11),
)
def test_an_evaluation_that_makes_no_sense_is_refused_where_it_is_made(columns, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        Evaluation(**columns)

    assert caught.value.hint


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ids": [1, 1], "labels": [1, 2]}, "`ids` of the Evaluation are not unique: 1 stands on 2 rows"),
        ({"ids": [1, None], "labels": [1, 2]}, "`ids` of the Evaluation hold a null"),
        ({"ids": pl.Series([1, None]), "labels": [1, 2]}, "`ids` of the Evaluation hold a null"),
        ({"ids": [(1, 2), (3, 4)], "labels": [1, 2]}, "`ids` of the Evaluation are nested"),
        ({"labels": [1, "a"]}, "`labels` of the Evaluation mix types: int, str"),
        ({"labels": [[1], [2, 3]]}, "`labels` of the Evaluation are nested"),
        ({"labels": ["a", None]}, "`labels` of the Evaluation hold a null"),
        (
            {"labels": [1, 2], "predictions": pd.DataFrame({"a": [1, 2], "b": [1, 2]})},
            "`predictions` of the Evaluation are nested",
        ),
        ({"rows": {"x": ["a", "b"]}}, r"`rows\[\"x\"\]` of the Evaluation are not numbers"),
        ({"labels": [1, 2], "scores": [[1], [1, 2]]}, "`scores` of the Evaluation are nested unevenly"),
        (
            {"labels": [1, 2], "scores": np.zeros((2, 2, 2))},
            r"`scores` of the Evaluation have the shape \(2, 2, 2\)",
        ),
        ({"labels": [1, 2], "slices": {"s": [[1], [2]]}}, r"`slices\[\"s\"\]` of the Evaluation are nested"),
        ({"labels": np.ma.array([1, 2], mask=[0, 1])}, "masked array"),
    ],
    ids=range(13),
)
def test_a_column_that_cannot_be_judged_is_refused_by_name(columns, message, tmp_path):
    evaluation = Evaluation(**columns)

    with pytest.raises(ConfigurationError, match=message) as caught:
        new_shelf().save(evaluation, tmp_path)

    assert caught.value.hint


def test_a_metric_that_raises_shows_the_author_s_lines_alone():
    def profit(_):
        return 1 / 0

    with pytest.raises(UserCodeError) as caught:
        estimate("profit", profit, Columns(labels=np.array([1.0, 2.0])))

    assert "in profit" in caught.value.details
    assert "legato/formats" not in caught.value.details
