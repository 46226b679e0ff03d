"""Files and folders go in as they are, and are read by their kind when a step asks for a table."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from formats_bench import artifact_of, new_shelf

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError, OutsideError

TABLE = pl.DataFrame({"a": [1, 2], "s": ["x", "y"]})


def _outside(name: str) -> Artifact:
    return Artifact(digest="sha256:" + "0" * 64, size_bytes=1, format="file/1", about={"name": name})


def _write(folder: Path, kind: str) -> Path:
    path = folder / "blob"
    match kind:
        case "csv":
            TABLE.write_csv(path)
        case "tsv":
            TABLE.write_csv(path, separator="\t")
        case "csv.gz":
            path.write_bytes(gzip.compress(TABLE.write_csv().encode()))
        case "parquet":
            TABLE.write_parquet(path)
        case "arrow":
            TABLE.write_ipc(path)
        case "jsonl":
            TABLE.write_ndjson(path)
        case "json":
            TABLE.write_json(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "parquet", "arrow", "jsonl", "json"])
@pytest.mark.parametrize("form", [pl.DataFrame, pl.LazyFrame, pd.DataFrame])
def test_a_dataset_file_is_read_by_its_own_name(kind, form, tmp_path):
    path = _write(tmp_path, kind)

    back = new_shelf().load(path, _outside(f"wine.{kind}"), form=form)

    assert isinstance(back, form)
    table = back.collect() if form is pl.LazyFrame else back
    assert table.shape == (2, 2)
    assert list(table["s"]) == ["x", "y"]


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
@pytest.mark.parametrize("form", [pa.Table, ds.Dataset])
def test_a_dataset_file_is_read_by_arrow(kind, form, tmp_path):
    path = _write(tmp_path, kind)

    back = new_shelf().load(path, _outside(f"wine.{kind}"), form=form)

    assert isinstance(back, form)
    assert back.schema.names == ["a", "s"]


def test_without_an_annotation_a_dataset_is_its_path(tmp_path):
    path = _write(tmp_path, "csv")

    assert new_shelf().load(path, _outside("wine.csv")) == path


def test_texts_bytes_and_json_are_read_from_any_file(tmp_path):
    path = tmp_path / "blob"
    path.write_text('{"a": 1}')

    read = [new_shelf().load(path, _outside("x.json"), form=form) for form in (str, bytes, dict)]

    assert read == ['{"a": 1}', b'{"a": 1}', {"a": 1}]


def test_an_array_file_is_read_as_an_array(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(2))

    back = new_shelf().load(tmp_path / "x.npy", _outside("x.npy"), form=np.ndarray)

    np.testing.assert_array_equal(back, np.eye(2))


def test_a_folder_of_one_kind_is_read_as_one_table(tmp_path):
    (tmp_path / "deep").mkdir()
    TABLE.write_csv(tmp_path / "deep" / "1.csv")
    TABLE.write_csv(tmp_path / "deep" / "2.csv")
    saved = new_shelf().save(tmp_path / "deep", tmp_path / "out")

    shapes = [
        new_shelf().load(saved.path, artifact_of(saved), form=form).shape
        for form in (pl.DataFrame, pd.DataFrame, pa.Table)
    ]

    assert shapes == [(4, 2)] * 3
    assert saved.about == {"name": "deep", "files": 2}


@pytest.mark.parametrize(
    ("name", "form", "message"),
    [
        ("wine.xlsx", pl.DataFrame, "'wine.xlsx' cannot be read as a polars.DataFrame"),
        ("wine", pd.DataFrame, "'wine' cannot be read as a pandas.DataFrame"),
        ("wine.csv", np.ndarray, "'wine.csv' cannot be read as a numpy.ndarray"),
        ("wine.parquet.gz", pl.DataFrame, "a packed Parquet file"),
    ],
)
def test_a_file_that_holds_no_such_thing_is_refused(name, form, message, tmp_path):
    path = _write(tmp_path, "csv")

    with pytest.raises(ConfigurationError, match=message) as caught:
        new_shelf().load(path, _outside(name), form=form)

    assert caught.value.hint


def test_a_damaged_dataset_is_named_in_the_error(tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(b"no parquet")

    with pytest.raises(OutsideError, match="cannot be read"):
        new_shelf().load(path, _outside("wine.parquet"), form=pl.DataFrame)


@pytest.mark.parametrize(
    ("files", "message"),
    [([], "it holds no files"), (["a.csv", "b.json"], r"its files are of several kinds \(.csv, .json\)")],
)
def test_a_folder_that_is_no_table_says_why(files, message, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in files:
        (folder / name).write_text("")

    with pytest.raises(ConfigurationError, match=message):
        new_shelf().load(folder, _outside("parts"), form=pl.DataFrame)


def test_an_empty_dataset_is_the_person_s_to_mend(tmp_path):
    path = tmp_path / "blob"
    path.write_text("")

    with pytest.raises(
        OutsideError, match=r"'wine.csv' cannot be read as a polars.DataFrame: NoDataError"
    ) as caught:
        new_shelf().load(path, _outside("wine.csv"), form=pl.DataFrame)

    assert "correct the file" in caught.value.hint


def test_a_returned_file_is_copied_with_its_name_and_mode(tmp_path):
    script = tmp_path / "tool.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    saved = new_shelf().save(script, tmp_path / "out")
    script.write_text("changed")

    assert saved.path.read_text() == "#!/bin/sh\n"
    assert os.access(saved.path, os.X_OK)
    assert saved.about == {"name": "tool.sh"}


def test_a_file_that_already_lies_in_the_folder_stays_where_it_is(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"x")

    saved = new_shelf().save(tmp_path / "model.bin", tmp_path)

    assert saved.path == tmp_path / "model.bin"


def test_links_inside_a_folder_are_followed(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("a")
    (source / "b").symlink_to("a")

    saved = new_shelf().save(source, tmp_path / "out")

    assert (saved.path / "b").read_text() == "a"
    assert not (saved.path / "b").is_symlink()


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside", "gone"])
def test_a_link_that_leaves_the_folder_or_leads_nowhere_is_refused(target, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "outside").write_text("secret")
    (source / "link").symlink_to(target)

    with pytest.raises(ConfigurationError, match="is a link that"):
        new_shelf().save(source, tmp_path / "out")


def test_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigurationError, match="is no regular file"):
        new_shelf().save(tmp_path / "pipe", tmp_path / "out")


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="does not exist"):
        new_shelf().save(tmp_path / "gone", tmp_path / "out")
