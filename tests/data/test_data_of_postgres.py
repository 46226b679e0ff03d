"""Rows of a real PostgreSQL, started for the test."""

import pytest

from ledger_servers import Postgres, running_postgres
from legato.data.addresses import Address
from legato.data.updating import updated
from legato.domain.errors import OutsideError


@pytest.fixture(scope="module")
def database():
    """The address of a database, its password apart."""
    pytest.importorskip("adbc_driver_postgresql", reason="pip install adbc-driver-postgresql")
    with running_postgres() as server:
        yield f"postgresql://legato:${{PW}}@127.0.0.1:{server.port}/postgres"


VARIABLES = {"PW": Postgres.password}


@pytest.fixture
def filled(database):
    from adbc_driver_postgresql import dbapi

    from legato.data.addresses import filled as fill

    connection = dbapi.connect(fill(database, VARIABLES))
    with connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists orders")
        cursor.execute(
            "create table orders as select i as id, 'n' || i as name, (i / 4.0)::numeric(10, 2) as price, "
            "timestamptz '2026-01-01 00:00:00Z' + i * interval '1 hour' as at, "
            "i % 2 = 0 as even from generate_series(1, 1000) s(i)"
        )
        connection.commit()
    return database


def read(room, database, before=None, **more):
    told = {"query": "select * from orders order by id", "version": "select max(id) from orders"} | more
    with room.desk(variables=VARIABLES) as desk:
        return updated(desk, Address(name="orders", address=database, **told), before)


def test_rows_come_with_their_types_and_the_version_with_them(room, filled):
    import pyarrow.parquet as pq

    entry = read(room, filled)

    with room.desk() as desk:
        table = pq.read_table(desk.store.path(entry.digest))
    types = {field.name: str(field.type) for field in table.schema}
    assert table.num_rows == 1000
    assert types["price"] == "double"
    assert types["even"] == "bool"
    assert types["at"].startswith("timestamp[us")
    assert table["price"][0].as_py() == 0.25
    assert entry.version == "1000"


def test_the_same_version_is_not_read_again_and_the_same_rows_are_the_same_bytes(room, filled):
    first = read(room, filled)

    assert read(room, filled, first) == first
    assert read(room, filled).digest == first.digest


def test_the_password_is_nowhere(room, filled):
    entry = read(room, filled)
    with room.desk() as desk:
        desk.change(lambda lock: lock.put(entry))

    kept = b"".join(path.read_bytes() for path in room.root.rglob("*") if path.is_file())
    assert Postgres.password.encode() not in kept
    assert "PW" not in entry.source


def test_a_refused_password_and_a_bad_query_say_so_without_it(room, filled):
    with pytest.raises(OutsideError) as wrong, room.desk(variables={"PW": "wrong-hush"}) as desk:
        updated(desk, Address(name="orders", address=filled, query="select 1 as a"), None)
    with pytest.raises(OutsideError, match="no_such_table"):
        read(room, filled, query="select * from no_such_table", version="")

    assert "hush" not in str(wrong.value)


def test_nothing_can_be_written_by_a_query(room, filled):
    with pytest.raises(OutsideError, match="read-only"):
        read(room, filled, query="delete from orders returning id", version="")

    assert read(room, filled).version == "1000"
