"""Tables come back as they were, in the form that the consumer asks for."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from formats_bench import artifact_of, new_shelf, there_and_back

from legato.domain.errors import ConfigurationError

POLARS = pl.DataFrame({"a": [1, None, 3], "s": ["x", "y", None]})
PANDAS = pd.DataFrame({"a": [1, 2], "s": ["x", None]}, index=pd.Index(["k", "l"]))
ARROW = pa.table({"a": [1, None], "s": ["x", "y"]})


@pytest.mark.parametrize("table", [POLARS, PANDAS, ARROW], ids=["polars", "pandas", "pyarrow"])
@pytest.mark.parametrize(
    ("form", "kind"),
    [
        (pl.DataFrame, pl.DataFrame),
        (pl.LazyFrame, pl.LazyFrame),
        (pd.DataFrame, pd.DataFrame),
        (pa.Table, pa.Table),
        (ds.Dataset, ds.Dataset),
        (Path, Path),
        ("pl.LazyFrame | None", pl.LazyFrame),
        ("pd.DataFrame", pd.DataFrame),
    ],
)
def test_a_table_of_one_library_is_read_as_that_of_another(table, form, kind, tmp_path):
    back = there_and_back(table, tmp_path, form)

    assert isinstance(back, kind)
    if not isinstance(back, Path):
        names = back.collect_schema().names() if kind is pl.LazyFrame else getattr(back, "columns", None)
        names = back.schema.names if kind in (pa.Table, ds.Dataset) else names
        assert set(names) >= {"a", "s"}


def test_an_unnamed_pandas_index_stays_out_of_other_libraries(tmp_path):
    back = there_and_back(PANDAS, tmp_path, pl.DataFrame)

    assert back.columns == ["a", "s"]


@pytest.mark.parametrize(
    ("form", "kind"),
    [(None, pl.Series), (pd.Series, pd.Series), (np.ndarray, np.ndarray), (pa.Array, pa.Array)],
)
def test_a_polars_column_is_read_as_other_columns(form, kind, tmp_path):
    back = there_and_back(pl.Series("n", [1, 2]), tmp_path, form)

    assert isinstance(back, kind)
    assert list(np.asarray(back)) == [1, 2]


@pytest.mark.parametrize("name", [None, "n", 3, ""])
def test_a_pandas_column_keeps_its_name_and_index(name, tmp_path):
    column = pd.Series([0.5, None], index=["k", "l"], name=name)

    pd.testing.assert_series_equal(there_and_back(column, tmp_path), column)


def test_a_lazy_frame_gives_the_bytes_of_the_table_that_it_computes(tmp_path):
    lazy = new_shelf().save(POLARS.lazy().filter(pl.col("a") > 1), tmp_path / "lazy")
    eager = new_shelf().save(POLARS.filter(pl.col("a") > 1), tmp_path / "eager")

    assert lazy.path.read_bytes() == eager.path.read_bytes()
    assert lazy.about == {"rows": 1, "columns": 2}


def test_the_chunks_of_a_table_leave_no_trace(tmp_path):
    whole = pl.DataFrame({"a": range(300_000)})
    parts = pl.concat([whole[:7], whole[7:200_000], whole[200_000:]], rechunk=False)
    arrow, arrow_parts = whole.to_arrow(), pa.concat_tables([whole[:9].to_arrow(), whole[9:].to_arrow()])

    files = [
        new_shelf().save(table, tmp_path / str(i)).path.read_bytes()
        for i, table in enumerate((whole, parts, arrow, arrow_parts))
    ]

    assert files[0] == files[1]
    assert files[2] == files[3]


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame(np.eye(2)),
        pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        pd.DataFrame({"a": [1, 2], "b": [3, 4], "c": [5, 6]}).set_index(["a", "b"]),
        pd.DataFrame({"a": [1, 2, 3]}).iloc[::2],
        pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(["x", "y"], categories=["y", "x"])),
        pd.DataFrame({"a": pd.Series([], dtype="datetime64[ns, UTC]"), "b": pd.Series([], dtype="str")}),
        pd.DataFrame(
            {"o": pd.Series(["a", np.nan], dtype=object), "n": pd.Series(["a", None], dtype=object)}
        ),
        pd.DataFrame({"l": [[1], [2, 3]], "b": [b"x", b""]}),
        pd.DataFrame({"td": pd.to_timedelta([1, None], unit="s"), "iv": pd.interval_range(0, 2)}),
        pd.DataFrame(
            {"ap": pd.array([1, None], dtype=pd.ArrowDtype(pa.int32())), "B": pd.array([True, None])}
        ),
        pd.DataFrame({"same": [1, 1]}, index=[5, 5]),
    ],
    ids=range(13),
)
def test_odd_pandas_tables_come_back_equal(table, tmp_path):
    pd.testing.assert_frame_equal(there_and_back(table, tmp_path), table, check_freq=False)


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame(),
        pl.DataFrame(schema={"a": pl.Int8, "b": pl.String}),
        pl.DataFrame({"n": [None, None], "t": pl.Series([1, 2], dtype=pl.Time)}),
        pl.DataFrame({"a": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int64, 2))}),
        pl.DataFrame(
            {"i": pl.Series([1, 2], dtype=pl.Int128), "d": pl.Series([1, 2], dtype=pl.Duration("ms"))}
        ),
        pl.DataFrame({"l": pl.Series([["a"], None], dtype=pl.List(pl.Categorical)), "b": [b"", None]}),
    ],
    ids=range(6),
)
def test_odd_polars_tables_come_back_equal(table, tmp_path):
    back = there_and_back(table, tmp_path)

    assert back.schema == table.schema
    assert back.equals(table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"mixed": [1, "x"]}), "column mixed with type object"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are called 'a'"),
        (pd.DataFrame({"a": [{"x": 1}, {"y": 2}]}), "column 'a' holds nested objects"),
        (pd.DataFrame({1: [1], "a": [2]}), "would come back"),
        (
            pd.DataFrame({"a": pd.Series(["x", None, float("nan")], dtype=object)}),
            "column 'a' mixes kinds of missing",
        ),
        (pd.DataFrame({"__index_level_0__": [1]}), "keeps for itself"),
        (pd.Series([1], name=("a", "b")), r"a column named \('a', 'b'\)"),
        (pl.DataFrame({"o": [object()]}, schema={"o": pl.Object}), "column 'o' holds Python objects"),
        (pl.DataFrame(height=3), "a table of 3 rows without columns"),
        (pa.table([[1], [2]], names=["a", "a"]), "two columns are called 'a'"),
    ],
    ids=range(10),
)
def test_tables_that_would_come_back_changed_are_refused(table, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message) as caught:
        new_shelf().save(table, tmp_path)

    assert caught.value.hint


def test_a_class_derived_from_a_table_is_refused_rather_than_flattened(tmp_path):
    class Prices(pd.DataFrame):
        pass

    with pytest.raises(ConfigurationError, match="no format fits"):
        new_shelf().save(Prices({"a": [1]}), tmp_path)


def test_a_consumer_that_writes_into_a_table_leaves_the_file_alone(tmp_path):
    saved = new_shelf().save(PANDAS, tmp_path)
    before = saved.path.read_bytes()

    back = new_shelf().load(saved.path, artifact_of(saved))
    back.loc["k", "a"] = 99
    column = new_shelf().load(saved.path, artifact_of(saved), form=pl.DataFrame)["a"].to_numpy(writable=True)
    column[:] = 7

    assert saved.path.read_bytes() == before
