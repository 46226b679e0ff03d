"""What a dataset is to a run: the lock for sources elsewhere, this run's own lock after a refresh."""

import sqlite3
import time

import pytest

from legato.app.datasets import DatasetKind
from legato.data.adding import add
from legato.data.lock import read_lock
from legato.data.updating import update
from legato.domain.errors import ConflictError, MissingError
from legato.domain.graph import Graph, Node
from legato.engine.files import Files


@pytest.fixture
def shop(room):
    connection = sqlite3.connect(room.root / "shop.db")
    connection.execute("create table orders (id integer)")
    connection.execute("insert into orders values (1)")
    connection.commit()
    yield connection
    connection.close()


def orders(**detail):
    told = {"address": "sqlite:///shop.db", "query": "select id from orders", "kind": "elsewhere"} | detail
    return Node(name="orders", kind="dataset", detail=told)


def wine(path="data/wine.csv"):
    return Node(name="wine", kind="dataset", detail={"path": path, "kind": "file"})


def kind(room, pipeline="pipeline.py"):
    files = Files(str(room.root), {}, time.time_ns())
    made = DatasetKind(
        root=room.root,
        state=room.state,
        pipeline=pipeline,
        store=room.desk().store,
        files=files,
        seen={},
        variables={},
    )
    made.files = files
    return made


def artifact(kind, node):
    call = kind.call(node, {})
    acted = call.act(None)
    return acted.outputs[""], acted.notes


def lock_orders(room):
    from legato.app.datasets import address_of

    with room.desk() as desk:
        update(desk, ["orders"], {"orders": address_of(orders(), "")})


@pytest.mark.usefixtures("shop")
def test_a_source_elsewhere_that_was_never_read_names_the_command(room):
    with pytest.raises(MissingError, match="has not been read yet") as caught:
        kind(room).call(orders(), {})

    assert caught.value.hint == "legato data update orders"


def test_a_run_uses_the_lock_and_a_refresh_its_own(room, shop):
    lock_orders(room)
    shop.execute("insert into orders values (2)")
    shop.commit()
    before = (room.root / "legato.lock").read_bytes()

    locked, _ = artifact(kind(room), orders())
    refreshing = kind(room)
    (changed,) = refreshing.refresh(Graph(nodes=(orders(),)), ["orders"])
    fresh, _ = artifact(refreshing, orders())

    assert locked.digest == read_lock(room.root).entries["orders"].digest
    assert fresh.digest == changed.digest != locked.digest
    assert fresh.about["dataset"] == "orders"
    assert (room.root / "legato.lock").read_bytes() == before


@pytest.mark.usefixtures("shop")
def test_a_refresh_of_what_did_not_change_is_no_lock_of_its_own(room):
    lock_orders(room)

    assert kind(room).refresh(Graph(nodes=(orders(), wine()))) == []


def test_a_refresh_of_an_unknown_name_says_which_there_are(room):
    with pytest.raises(MissingError, match="no dataset 'nope'") as caught:
        kind(room).refresh(Graph(nodes=(wine(),)), ["nope"])

    assert caught.value.hint == "its datasets: wine"


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("detail", [{"query": "select 2"}, {"address": "sqlite:///other.db"}])
def test_the_lock_of_another_source_is_no_answer(room, detail):
    lock_orders(room)

    with pytest.raises(ConflictError, match="from another") as caught:
        kind(room).call(orders(**detail), {})

    assert caught.value.hint == "legato data update orders"


@pytest.mark.usefixtures("shop")
def test_locked_bytes_that_are_not_in_the_store_are_missing(room):
    lock_orders(room)
    with room.desk() as desk:
        desk.store.delete(desk.lock().entries["orders"].digest)

    with pytest.raises(MissingError, match="not in the store"):
        kind(room).call(orders(), {})


def test_the_secret_of_an_address_is_in_no_key_nor_artifact(room):
    node = orders(address="postgresql://ann:hush@127.0.0.1:9/shop")
    with room.desk() as desk:
        from legato.data.lock import Entry

        digest = desk.store.put_path(room.write("rows", "x")).digest
        entry = Entry(name="orders", digest=digest, source="postgresql://ann@127.0.0.1:9/shop", query="7c8f")
        desk.change(lambda lock: lock.put(entry))

    with pytest.raises(ConflictError) as caught:
        kind(room).call(node, {})

    assert "hush" not in f"{caught.value} {caught.value.hint}"


def test_members_of_a_repository_have_names_of_their_own(room, shop):
    made = kind(room, "churn/pipeline.py")
    made.refresh(Graph(nodes=(orders(),)))

    assert list(made.own) == ["churn:orders"]
    assert shop.execute("select count(*) from orders").fetchone() == (1,)


def test_the_lock_and_every_file_and_folder_are_noted_for_the_fast_path(room):
    room.write("data/im/a", "1")
    room.write("data/im/deep/b", "2")
    made = kind(room)

    made.call(wine("data/im"), {})

    touched = {path.removeprefix(f"{room.root}/") for path in made.files.touched}
    assert {"legato.lock", "data/im/", "data/im/deep/", "data/im/a", "data/im/deep/b"} <= touched


def test_a_locked_file_that_is_gone_is_placed_when_it_is_needed(room):
    room.write("data/wine.csv", "1")
    with room.desk() as desk:
        add(desk, ["data/wine.csv"])
    path = room.root / "data/wine.csv"
    path.unlink()
    eager = kind(room)
    eager.places = True

    found, notes = artifact(kind(room), wine())
    there = path.read_text()
    path.unlink()
    eager.call(wine(), {})

    assert there == "1"
    assert notes == ("placed data/wine.csv from the store",)
    assert found.digest == read_lock(room.root).entries["data/wine.csv"].digest
    assert path.read_text() == "1"


def test_a_file_that_differs_from_the_lock_is_taken_and_noted(room):
    room.write("data/wine.csv", "1")
    with room.desk() as desk:
        add(desk, ["data/wine.csv"])
    room.write("data/wine.csv", "2")

    _, notes = artifact(kind(room), wine())

    assert notes == ("data/wine.csv is not as legato.lock has it: legato data add data/wine.csv",)


def test_a_pattern_does_not_mean_less_because_a_locked_file_is_gone(room):
    for name in ("a", "b"):
        room.write(f"data/{name}.csv", name)
    with room.desk() as desk:
        add(desk, ["data/a.csv", "data/b.csv"])
    (room.root / "data/b.csv").unlink()

    with pytest.raises(MissingError, match=r"'data/b\.csv', which 'data/\*\.csv' matches"):
        kind(room).call(wine("data/*.csv"), {})
