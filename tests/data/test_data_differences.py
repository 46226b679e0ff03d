"""What differs is said in rows, columns, ranges and categories, and is true."""

import random

import pytest

from legato.cli.data_page import page
from legato.cli.data_shown import lines_of
from legato.data.adding import add, entry_of
from legato.data.differing import difference
from legato.data.snapshots import take
from legato.data.versions import side_now, side_of
from legato.domain.errors import ConfigurationError, OutsideError

pl = pytest.importorskip("polars", reason='pip install "legato[tables]"')


def compare(room, name, old, new, **more):
    """Return how two versions of one dataset differ; each is bytes, or a function that writes a path."""
    put(room, name, old)
    with room.desk() as desk:
        before = entry_of(name, take(room.root, name, desk.store, desk.known))
        put(room, name, new)
        return difference(name, side_of(desk.store, before, "before"), side_now(desk, name), **more)


def put(room, name, content):
    if callable(content):
        (room.root / name).unlink(missing_ok=True)
        content(room.root / name)
    else:
        room.write(name, content)


def wines(count, **changes):
    made = random.Random(7)  # noqa: S311 - numbers for a table
    rows = [
        {"id": number, "alcohol": made.gauss(10, 1), "color": made.choice(["red", "white"])}
        for number in range(count)
    ]
    return pl.DataFrame(rows).with_columns(**changes)


WRITERS = {
    "wine.csv": lambda table: table.write_csv,
    "wine.parquet": lambda table: table.write_parquet,
    "wine.arrow": lambda table: table.write_ipc,
    "wine.jsonl": lambda table: table.write_ndjson,
}


@pytest.mark.parametrize("name", WRITERS)
def test_rows_columns_ranges_and_categories_of_every_kind_of_table(room, name):
    old = wines(200)
    new = pl.concat([old[10:], wines(5).with_columns(pl.col("id") + 1000)]).with_columns(
        color=pl.when(pl.col("id") < 50).then(pl.lit("rosé")).otherwise("color"), vintage=pl.lit(2026)
    )

    found = compare(room, name, WRITERS[name](old), WRITERS[name](new))

    columns = {column.name: column for column in found.columns}
    assert found.rows == (200, 195)
    assert (found.row_change.added, found.row_change.removed, found.row_change.changed) == (5, 10, 40)
    assert found.row_change.key == ("id",)
    assert columns["color"].rows == 40
    assert columns["color"].new == ("rosé",)
    assert columns["vintage"].before is None
    assert (columns["id"].before.high, columns["id"].after.high) == (199, 1004)
    assert sum(columns["alcohol"].after.shape) == pytest.approx(1)


def test_rows_without_a_key_are_a_bag(room):
    found = compare(room, "t.csv", "a,b\n1,x\n1,x\n2,y\n", "a,b\n2,y\n1,x\n3,z\n")

    assert found.row_change.key == ()
    assert (found.row_change.added, found.row_change.removed) == (1, 1)


def test_a_key_of_several_columns_can_be_named(room):
    found = compare(room, "t.csv", "a,b,c\n1,1,x\n1,2,x\n", "a,b,c\n1,1,x\n1,2,y\n", keys=["a", "b"])

    assert (found.row_change.added, found.row_change.changed) == (0, 1)


@pytest.mark.parametrize(("keys", "why"), [(["a"], "told apart"), (["nope"], "no column 'nope'")])
def test_a_key_that_is_none_is_refused(room, keys, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        compare(room, "t.csv", "a,b\n1,1\n1,2\n", "a,b\n1,1\n", keys=keys)

    assert caught.value.hint


def test_types_nulls_and_nans_are_told(room):
    found = compare(
        room,
        "t.parquet",
        pl.DataFrame({"n": [1, 2, 3], "x": [1.0, float("nan"), 2.0]}).write_parquet,
        pl.DataFrame({"n": [1.5, None, 3.0], "x": [1.0, float("inf"), 2.0]}).write_parquet,
    )

    (number, other) = found.columns
    assert (number.before.type, number.after.type) == ("Int64", "Float64")
    assert (number.before.nulls, number.after.nulls) == (0, pytest.approx(1 / 3))
    assert other.differs
    assert list(lines_of(found))


@pytest.mark.parametrize("text", ["", "a,b\n", "a\n1\n"])
def test_empty_and_tiny_tables_are_no_trouble(room, text):
    if not text:
        with pytest.raises(OutsideError, match="cannot be read as a table") as caught:
            compare(room, "t.csv", text, "a,b\n1,2\n")
        assert "--bytes" in caught.value.hint
        return

    found = compare(room, "t.csv", text, "a,b\n1,2\n")

    assert found.rows[1] == 1
    assert list(lines_of(found, everything=True))
    assert "<svg" in page(found)


def test_a_file_that_is_not_what_its_name_says_is_said(room):
    with pytest.raises(OutsideError, match=r"t\.parquet \(work tree\) cannot be read as a table"):
        compare(room, "t.parquet", pl.DataFrame({"a": [1]}).write_parquet, b"not parquet at all")


def test_bytes_are_compared_without_reading_a_table(room):
    found = compare(room, "t.csv", b"\xff", b"\xfe\xfe", as_bytes=True)

    assert (found.kind, found.sizes) == ("bytes", (1, 2))


def test_a_folder_says_which_files(room):
    for name, text in (("a", "1"), ("b", "2"), ("sub/c", "3"), ("kept", "4")):
        room.write(f"im/{name}", text)
    with room.desk() as desk:
        add(desk, ["im"])
        before = side_of(desk.store, desk.lock().entries["im"], "lock")
    room.write("im/b", "changed")
    room.write("im/moved", "3")
    (room.root / "im" / "sub" / "c").unlink()
    (room.root / "im" / "a").unlink()
    room.write("im/new", "5")

    with room.desk() as desk:
        found = difference("im", before, side_now(desk, "im"))

    assert found.kind == "folder"
    assert (found.files.added, found.files.removed, found.files.changed) == (("new",), ("a",), ("b",))
    assert found.files.moved == (("sub/c", "moved"),)
    assert any("moved" in line for line in lines_of(found))


def test_a_folder_of_tables_is_compared_as_one_table_too(room):
    for part in range(3):
        room.write(f"t/{part}.csv", f"id,v\n{part},1\n")
    with room.desk() as desk:
        add(desk, ["t"])
        before = side_of(desk.store, desk.lock().entries["t"], "lock")
    room.write("t/3.csv", "id,v\n3,9\n")

    with room.desk() as desk:
        found = difference("t", before, side_now(desk, "t"))

    assert (found.rows, found.row_change.added) == ((3, 4), 1)


def test_equal_versions_are_not_read(room):
    found = compare(room, "broken.csv", b"\xff\xff", b"\xff\xff")

    assert found.kind == "same"


def test_what_a_table_says_cannot_steer_a_page_or_terminal(room):
    evil = "<img src=x onerror=alert(1)>"
    found = compare(room, "t.csv", f"id,{evil}\n1,a\n", f"id,{evil}\n1,{evil}\n")

    text = page(found)

    assert "<img" not in text
    assert "&lt;img" in text
    assert any(evil in line for line in lines_of(found))
