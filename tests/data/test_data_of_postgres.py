"""Rows of a real PostgreSQL, started for the test."""

import os
import shutil
import socket
import subprocess
import time

import pytest

from legato.data.addresses import Address
from legato.data.updating import updated
from legato.domain.errors import OutsideError


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The address of a database with a table, and its password apart."""
    pytest.importorskip("adbc_driver_postgresql", reason="pip install adbc-driver-postgresql")
    if not shutil.which("initdb") or not shutil.which("pg_ctl"):
        pytest.skip("needs PostgreSQL's own programs: apt install postgresql")
    folder = tmp_path_factory.mktemp("postgres")
    port = free_port()
    as_user = {"user": "postgres"} if os.geteuid() == 0 else {}
    if as_user:
        shutil.chown(folder, "postgres")
        for parent in folder.parents[:2]:
            parent.chmod(0o755)
    secret = folder / "password"
    secret.write_text("p@ss hush")
    secret.chmod(0o644)
    made = subprocess.run(
        ["initdb", "-D", folder / "db", "-U", "ann", f"--pwfile={secret}", "-A", "scram-sha-256", "--no-sync"],
        capture_output=True, check=False, cwd="/", **as_user,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"initdb does not work here: {made.stderr.decode()[-200:]}")
    options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories= -c fsync=off"
    subprocess.run(
        ["pg_ctl", "-D", folder / "db", "-w", "-o", options, "-l", folder / "log", "start"],
        check=True, capture_output=True, cwd="/", **as_user,
    )  # fmt: skip
    yield f"postgresql://ann:${{PW}}@127.0.0.1:{port}/postgres"
    subprocess.run(
        ["pg_ctl", "-D", folder / "db", "-m", "immediate", "stop"],
        check=False,
        capture_output=True,
        cwd="/",
        **as_user,
    )


VARIABLES = {"PW": "p@ss hush"}


@pytest.fixture
def filled(database):
    from adbc_driver_postgresql import dbapi

    from legato.data.addresses import filled as fill

    for _ in range(50):
        try:
            connection = dbapi.connect(fill(database, VARIABLES))
            break
        except dbapi.Error:
            time.sleep(0.1)
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
    assert b"hush" not in kept
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
