"""Asking an endpoint for the rows of a file."""

import json

import numpy as np
import polars as pl
import pytest
from serve_cases import flights
from sklearn.linear_model import LinearRegression

from legato.app import endpoints, predicting
from legato.app.row_files import read_batches
from legato.domain.errors import ConfigurationError, LegatoError, MissingError, OutsideError
from legato.serve.generation import Generation, Served
from legato.serve.package import package

COLUMNS = ["distance", "temperature", "carrier", "rain"]


def predict(*arguments, **more):
    """Yield the answers row by row."""
    for answers in predicting.predict(*arguments, **more):
        yield from predicting.rows_of(answers)


@pytest.fixture(scope="module")
def address(tmp_path_factory, named, matrix):
    folder = tmp_path_factory.mktemp("endpoints") / "flights"
    models = (
        Served(name="flights", version="1", folder=str(named)),
        Served(name="plain", version="2", folder=str(matrix)),
    )
    yield endpoints.ensure(folder, "flights", Generation(number=0, endpoint="flights", models=models)).address
    endpoints.stop(folder)


@pytest.fixture
def files(tmp_path):
    """Return the same rows as files of every kind."""
    table = flights(50).select(COLUMNS)
    table.write_csv(tmp_path / "rows.csv")
    table.write_parquet(tmp_path / "rows.parquet")
    table.write_ndjson(tmp_path / "rows.jsonl")
    (tmp_path / "rows.json").write_text(json.dumps(table.to_dicts()))
    return tmp_path


def test_files_of_every_kind_give_the_same_answers_in_any_batches(address, files):
    answers = [
        list(predict(address, "flights", files / f"rows.{kind}", batch_rows=size))
        for kind, size in (("csv", 1000), ("parquet", 7), ("jsonl", 50), ("json", 49))
    ]

    assert len(answers[0]) == 50
    assert set(answers[0][0]["probabilities"]) == {"0", "1"}
    for rows in answers[1:]:
        assert [row["predictions"] for row in rows] == [row["predictions"] for row in answers[0]]
        assert [row["probabilities"]["1"] for row in rows] == pytest.approx(
            [row["probabilities"]["1"] for row in answers[0]], abs=1e-6
        )


def test_a_version_may_be_named(address, files):
    assert len(list(predict(address, "flights:1", files / "rows.csv"))) == 50


def test_a_matrix_model_takes_a_file_with_exactly_its_columns(address, tmp_path):
    (tmp_path / "rows.csv").write_text("a,b,c,d\n1,2,3,4\n-5,6,7,8\n")
    (tmp_path / "short.csv").write_text("a,b\n1,2\n")

    answers = list(predict(address, "plain", tmp_path / "rows.csv"))

    assert [answer["predictions"] for answer in answers] == [1, 0]
    with pytest.raises(ConfigurationError, match="takes rows of 4 unnamed numbers, the file has 2 columns"):
        list(predict(address, "plain", tmp_path / "short.csv"))


def test_columns_the_model_does_not_take_are_left_out_with_a_notice(address, files):
    pl.read_csv(files / "rows.csv").with_columns(note=pl.lit("x")).write_csv(files / "more.csv")
    notices = []

    answers = list(predict(address, "flights", files / "more.csv", notice=notices.append))

    assert len(answers) == 50
    assert notices == ["not sent, since the model does not take them: note"]


def test_a_missing_column_is_an_error_with_the_nearest_name(address, files):
    pl.read_csv(files / "rows.csv").rename({"distance": "distanse"}).write_csv(files / "other.csv")

    with pytest.raises(MissingError, match=r"lacks 'distance' \(it has 'distanse'\)"):
        list(predict(address, "flights", files / "other.csv"))


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("distance", "far", "expected a whole number, got 'far'"),
        ("distance", "1.5", "expected a whole number, got '1.5'"),
        ("distance", "", "expected a whole number, got nothing"),
        ("temperature", "warm", "expected a number, got 'warm'"),
        ("temperature", "inf", "expected a number, got 'inf'"),
        ("rain", "perhaps", "expected true or false, got 'perhaps'"),
    ],
)
def test_a_cell_that_does_not_fit_is_named_by_row_and_column(address, tmp_path, column, cell, words):
    row = {"distance": "500", "temperature": "3.5", "carrier": "UA", "rain": "true"}
    lines = [",".join(row), ",".join(row.values()), ",".join((row | {column: cell}).values())]
    (tmp_path / "rows.csv").write_text("\n".join(lines))

    with pytest.raises(ConfigurationError, match=f"row 1 of .*rows.csv, column '{column}': {words}"):
        list(predict(address, "flights", tmp_path / "rows.csv"))


def test_a_text_is_no_number_where_the_file_knows_the_difference(address, tmp_path):
    (tmp_path / "rows.json").write_text(
        '[{"distance": "500", "temperature": 1, "carrier": "UA", "rain": true}]'
    )

    with pytest.raises(ConfigurationError, match="column 'distance': expected a whole number, got '500'"):
        list(predict(address, "flights", tmp_path / "rows.json"))


def test_missing_cells_are_sent_where_the_model_has_seen_some(address, tmp_path):
    (tmp_path / "rows.csv").write_text("distance,temperature,carrier,rain\n500,,NA,false\n")

    assert len(list(predict(address, "flights", tmp_path / "rows.csv"))) == 1


def test_an_empty_file_gives_no_answers(address, tmp_path):
    (tmp_path / "rows.csv").write_text("")

    assert list(predict(address, "flights", tmp_path / "rows.csv")) == []


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("rows.txt", b"a", ConfigurationError),
        ("rows.json", b"{", ConfigurationError),
        ("rows.json", b"[1]", ConfigurationError),
        ("rows.csv", b"\xff\xfe\x00", ConfigurationError),
        ("rows.csv", b"a,b\n1\n", ConfigurationError),
        ("rows.parquet", b"none", ConfigurationError),
        ("gone.csv", None, MissingError),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path, name, content, kind):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(kind, match=name):
        list(read_batches(tmp_path / name, 100))


def test_an_unknown_model_and_a_silent_address_are_errors_that_name_them(address, files):
    with pytest.raises(MissingError, match="wines: model 'wines' is not served here; served: flights, plain"):
        list(predict(address, "wines", files / "rows.csv"))
    with pytest.raises(OutsideError, match=r"no endpoint answers at http://127\.0\.0\.1:1:"):
        list(predict("http://127.0.0.1:1", "flights", files / "rows.csv"))
    with pytest.raises(LegatoError, match="is no address of an endpoint"):
        list(predict("ftp://x", "flights", files / "rows.csv"))


def test_rows_with_many_columns_are_asked_for_in_requests_that_are_not_too_large(tmp_path, saved):
    width, rows = 3000, 900
    features = np.random.default_rng(0).normal(size=(60, width))
    model = LinearRegression().fit(features, features[:, 0])
    package(model, {"features": features}, tmp_path / "wide", native=saved)
    table = pl.from_numpy(np.random.default_rng(1).normal(size=(rows, width)))
    table.write_parquet(tmp_path / "rows.parquet")
    served = Served(name="wide", version="1", folder=str(tmp_path / "wide"))

    try:
        wide = endpoints.ensure(
            tmp_path / "home", "wide", Generation(number=0, endpoint="wide", models=(served,))
        )
        answers = list(predict(wide.address, "wide", tmp_path / "rows.parquet"))
    finally:
        endpoints.stop(tmp_path / "home")

    assert [answers[0]["predictions"], len(answers)] == [
        pytest.approx(model.predict(table[:1].to_numpy())[0]),
        rows,
    ]


def test_columns_as_json_are_rows_too(address, tmp_path):
    columns = {
        "distance": [500, 900],
        "temperature": [1.5, None],
        "carrier": ["UA", "AA"],
        "rain": [True, False],
    }
    (tmp_path / "rows.json").write_text(json.dumps(columns))

    assert len(list(predict(address, "flights", tmp_path / "rows.json"))) == 2


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_numbers_that_only_python_writes_as_json_are_read_for_what_they_are(address, tmp_path, number):
    row = f'{{"distance": 5, "temperature": {number}, "carrier": "UA", "rain": true}}'
    (tmp_path / "rows.json").write_text(f"[{row}]")

    if number == "NaN":
        assert len(list(predict(address, "flights", tmp_path / "rows.json"))) == 1
    else:
        with pytest.raises(ConfigurationError, match="column 'temperature': expected a number, got inf"):
            list(predict(address, "flights", tmp_path / "rows.json"))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("rows.json", '{"distance": 5,', r"rows.json is not JSON: Expecting property name"),
        ("rows.json", "", r"rows.json is not JSON: it is empty"),
        ("rows.json", "[1]", r"row 0 of .*rows.json is a number, not an object"),
        ("rows.json", '{"a": [1, 2], "b": [1]}', r"columns of unequal length: 'b' has 1 values, others 2"),
        ("rows.jsonl", '{"distance": 5}\n{oh\n', r"line 2 of .*rows.jsonl is not JSON"),
    ],
)
def test_json_that_is_none_is_refused_with_what_was_expected(address, tmp_path, name, text, words):
    (tmp_path / name).write_text(text)

    with pytest.raises(ConfigurationError, match=words) as refused:
        list(predict(address, "flights", tmp_path / name))

    if "unequal" not in words:
        assert '{"distance": 1, "temperature": 1.5, "carrier": "text", "rain": true}' in refused.value.hint


def test_what_was_asked_before_a_bad_cell_is_answered(address, files):
    lines = (files / "rows.csv").read_text().splitlines()
    (files / "bad.csv").write_text("\n".join([*lines[:21], "far,1,UA,true"]))
    answers = []

    with pytest.raises(ConfigurationError, match=r"row 20 of .*bad.csv, column 'distance'"):
        answers.extend(predict(address, "flights", files / "bad.csv", batch_rows=10))

    assert len(answers) == 20


def test_a_line_of_another_width_is_named_after_cells_of_several_lines(tmp_path):
    (tmp_path / "rows.csv").write_text('a,b\n"x\ny",1\n\n1,2,3\n"p\nq",4\n')

    with pytest.raises(ConfigurationError, match=r"line 5 of .*rows.csv has 3 cells, its header 2"):
        list(read_batches(tmp_path / "rows.csv", 100))
