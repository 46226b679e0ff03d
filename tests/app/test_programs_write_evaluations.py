"""Evaluations that programs write as JSON, CSV or Parquet."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from legato.app.commands import read_evaluation
from legato.domain.errors import ConfigurationError

COLUMNS = {
    "ids": [1, 2, 3],
    "labels": [0, 1, 1],
    "predictions": [0, 1, 0],
    "scores": [0.1, 0.9, 0.4],
    "cost": [1.5, 2.5, 3.5],
    "color": ["red", "white", "red"],
}


def as_json(path):
    path.write_text(json.dumps(COLUMNS))


def as_rows(path):
    path.write_text(
        json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)])
    )


def as_csv(path):
    lines = [",".join(COLUMNS), *(",".join(map(str, row)) for row in zip(*COLUMNS.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")


def as_parquet(path):
    parquet.write_table(pa.table(COLUMNS), path)


@pytest.mark.parametrize("write", [as_json, as_rows, as_csv, as_parquet])
def test_every_form_says_the_same(tmp_path, write):
    write(tmp_path / "judged")

    found = read_evaluation(tmp_path / "judged")

    assert (found.ids, found.labels, found.scores) == ([1, 2, 3], [0, 1, 1], [0.1, 0.9, 0.4])
    assert found.rows == {"cost": [1.5, 2.5, 3.5]}
    assert found.slices == {"color": ["red", "white", "red"]}


@pytest.mark.parametrize("text", ["", "{}", '{"labels": 3}', "[]", "ids,labels\n"])
def test_what_is_no_evaluation_is_refused(tmp_path, text):
    (tmp_path / "judged").write_text(text)

    with pytest.raises(ConfigurationError) as caught:
        read_evaluation(tmp_path / "judged")

    assert caught.value.hint
