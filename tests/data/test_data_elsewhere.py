"""Sources elsewhere: read when their version moved, in one form, without a secret left anywhere."""

import http.server
import sqlite3
import threading

import pytest

from legato.data.addresses import Address
from legato.data.lock import read_lock
from legato.data.updating import update, updated
from legato.domain.errors import ConfigurationError, MissingError, OutsideError


class Site(http.server.ThreadingHTTPServer):
    """A web site of a few pages; `answers` are functions by path, `asked` what was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Page)
        self.answers = {}
        self.asked = []
        self.address = f"http://127.0.0.1:{self.server_port}"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        self.server.answers[self.path](self)

    do_HEAD = do_GET  # noqa: N815 - http.server's own name

    def log_message(self, *_):
        pass

    def say(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def site():
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def read(room, address, before=None, **more):
    with room.desk(**more) as desk:
        return updated(desk, address, before)


def bytes_of(room, entry):
    with room.desk() as desk:
        return desk.store.path(entry.digest).read_bytes()


def test_a_file_of_a_site_is_read_once_while_its_tag_is_the_same(room, site):
    site.answers["/d/wine.csv"] = lambda page: page.say(200, b"a,b\n1,2\n", ETag='"1"')
    wine = Address(name="wine", address=f"{site.address}/d/wine.csv")

    first = read(room, wine)
    again = read(room, wine, first)

    assert bytes_of(room, first) == b"a,b\n1,2\n"
    assert (first.file, first.format, first.version) == ("wine.csv", "file/1", 'etag "1"')
    assert again == first
    assert [method for method, _, _ in site.asked] == ["GET", "HEAD"]


def test_a_password_is_sent_and_never_kept(room, site):
    site.answers["/f.csv"] = lambda page: page.say(200, b"x")
    address = site.address.replace("://", "://ann:${PASSWORD}@") + "/f.csv?token=${TOKEN}"
    site.answers["/f.csv?token=hush2"] = site.answers["/f.csv"]

    entry = read(room, Address(name="f", address=address), variables={"PASSWORD": "hush", "TOKEN": "hush2"})
    with room.desk() as desk:
        desk.change(lambda lock: lock.put(entry))

    assert site.asked[0][2].startswith("Basic ")
    kept = b"".join(path.read_bytes() for path in room.root.rglob("*") if path.is_file())
    assert b"hush" not in kept
    assert entry.source == f"{site.address}/f.csv?token=***"


def test_a_busy_server_is_asked_again_and_a_short_answer_is_no_answer(room, site):
    answers = [
        lambda page: page.say(503, b"slow down", Retry_After="0"),
        lambda page: page.say(200, b"half", Content_Length="8"),
        lambda page: page.say(200, b"all of it"),
    ]
    site.answers["/f"] = lambda page: answers.pop(0)(page)  # noqa: PLW0108 - another answer each time

    entry = read(room, Address(name="f", address=f"{site.address}/f"))

    assert bytes_of(room, entry) == b"all of it"


@pytest.mark.parametrize("code", [403, 404])
def test_a_refusal_names_the_address_and_the_code(room, site, code):
    site.answers["/f?sig=hush"] = lambda page: page.say(code)

    with pytest.raises(OutsideError, match=f"f\\?sig=\\*\\*\\*: the server answered {code}") as caught:
        read(room, Address(name="f", address=f"{site.address}/f?sig=hush"))

    assert "hush" not in str(caught.value)
    assert caught.value.hint
    assert room.left_behind() == []


def test_a_redirect_is_followed_without_the_password_and_only_to_the_web(room, site):
    with Site() as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        other.answers["/there"] = lambda page: page.say(200, b"moved")
        site.answers["/here"] = lambda page: page.say(302, Location=f"{other.address}/there")
        site.answers["/file"] = lambda page: page.say(302, Location="file:///etc/passwd")
        entry = read(room, Address(name="f", address=site.address.replace("://", "://ann:pw@") + "/here"))
        other.shutdown()
        thread.join()

    assert bytes_of(room, entry) == b"moved"
    assert other.asked[0][2] is None
    with pytest.raises(OutsideError):
        read(room, Address(name="f", address=f"{site.address}/file"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
def test_on_a_server_this_machine_is_not_asked(room, site, host):
    site.answers["/f"] = lambda page: page.say(200, b"x")
    address = Address(name="f", address=f"http://{host}:{site.server_port}/f")

    with pytest.raises(ConfigurationError, match="which is not asked from here"):
        read(room, address, private=False)

    assert site.asked == []


def test_nobody_there_is_an_error_of_the_outside(room):
    with pytest.raises(OutsideError, match=r"cannot read http://127\.0\.0\.1:9/f"):
        read(room, Address(name="f", address="http://127.0.0.1:9/f"))


# -- databases --------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(room):
    """A database of orders, relative to the project."""
    connection = sqlite3.connect(room.root / "shop.db")
    connection.execute("create table orders (id integer, name text, price real, odd)")
    rows = [(number, f"n{number}", number / 4, None) for number in range(1000)]
    connection.executemany("insert into orders values (?, ?, ?, ?)", rows)
    connection.commit()
    yield connection
    connection.close()


def orders(**more):
    query = {"query": "select id, name, price, odd from orders order by id"} | more
    return Address(name="orders", address="sqlite:///shop.db", **query)


@pytest.mark.usefixtures("shop")
def test_rows_become_a_table_that_every_library_reads(room):
    import pyarrow.parquet as pq

    entry = read(room, orders())

    with room.desk() as desk:
        table = pq.read_table(desk.store.path(entry.digest))
    assert table.num_rows == 1000
    assert [str(field.type) for field in table.schema] == ["int64", "string", "double", "null"]
    assert (entry.format, entry.file) == ("arrow/1", "orders.parquet")


@pytest.mark.usefixtures("shop")
def test_equal_rows_are_equal_bytes_and_those_of_the_format(room, tmp_path):
    import pyarrow as pa

    from legato.formats.arrow_tables import write_table

    entry = read(room, orders(query="select id, name from orders order by id"))

    table = pa.table({"id": range(1000), "name": [f"n{number}" for number in range(1000)]})
    write_table(table, tmp_path / "rows.parquet")
    assert bytes_of(room, entry) == (tmp_path / "rows.parquet").read_bytes()


def test_while_the_version_answers_the_same_nothing_is_read(room, shop):
    asked = orders(version="select max(id) from orders")
    first = read(room, asked)
    shop.execute("update orders set name = 'other'")
    shop.commit()

    same = read(room, asked, first)
    shop.execute("insert into orders values (5000, 'new', 1, null)")
    shop.commit()
    moved = read(room, asked, first)

    assert same == first
    assert (first.version, moved.version) == ("999", "5000")
    assert moved.digest != first.digest


@pytest.mark.usefixtures("shop")
def test_another_query_is_read_whatever_the_version_says(room):
    first = read(room, orders(version="select 1"))

    other = read(room, orders(query="select id from orders", version="select 1"), first)

    assert other.digest != first.digest


@pytest.mark.parametrize(
    ("more", "kind", "why"),
    [
        ({"query": "select a from nowhere"}, OutsideError, "no such table"),
        ({"query": "delete from orders"}, OutsideError, "readonly|read-only|query_only"),
        ({"query": "select id, name as id from orders"}, ConfigurationError, "two columns called 'id'"),
        ({"query": "select 1 as a union select 'x'"}, ConfigurationError, "several types"),
        ({"version": "select 1, 2"}, ConfigurationError, "gives 2 columns"),
        ({"address": "sqlite:///nope.db"}, MissingError, "there is no database"),
        ({"address": "duckdb:///nope.db"}, MissingError, "there is no database"),
    ],
)
def test_what_a_database_cannot_answer_is_said(room, shop, more, kind, why):
    told = {"name": "orders", "address": "sqlite:///shop.db", "query": "select id from orders"} | more

    with pytest.raises(kind, match=why) as caught:
        read(room, Address(**told))

    assert caught.value.hint
    assert shop.execute("select count(*) from orders").fetchone() == (1000,)


@pytest.mark.usefixtures("shop")
def test_on_a_server_its_own_files_are_not_read(room):
    with pytest.raises(ConfigurationError, match="a file of this machine"):
        read(room, orders(), private=False)


def test_duckdb_is_read_in_batches(room):
    duckdb = pytest.importorskip("duckdb", reason="pip install duckdb")
    import pyarrow.parquet as pq

    with duckdb.connect(str(room.root / "big.duckdb")) as connection:
        connection.execute(
            "create table t as select i, i * 0.5 as x, date '2026-01-01' as d from range(300000) r(i)"
        )
    asked = Address(
        name="t",
        address="duckdb:///big.duckdb",
        query="select * from t order by i",
        version="select count(*) from t",
    )

    entry = read(room, asked)

    with room.desk() as desk:
        file = pq.ParquetFile(desk.store.path(entry.digest))
    assert (file.metadata.num_rows, file.num_row_groups, entry.version) == (300000, 3, "300000")


@pytest.mark.usefixtures("shop")
def test_updating_locks_what_was_read(room):
    with room.desk() as desk:
        (added,) = update(desk, ["orders"], {"orders": orders()})

    entry = read_lock(room.root).entries["orders"]
    assert (added.state, entry.source) == ("new", "sqlite:///shop.db")
    assert "select" not in (room.root / "legato.lock").read_text()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("postgresql://93.184.216.34/db?host=127.0.0.1", "says host=, which is not followed"),
        ("postgresql://93.184.216.34,127.0.0.1/db", "says several hosts"),
        ("postgresql:///db", "a file of this machine"),
        ("postgresql://93.184.216.34/db?passfile=/etc/passwd", "says passfile="),
        ("postgresql://ann:hush@127.0.0.1/db", "which is not asked from here"),
        ("s3://bucket/key?endpoint=http://127.0.0.1", "endpoint of its own"),
    ],
)
def test_on_a_server_no_address_leads_to_this_machine_by_another_word(room, address, why):
    query = {"query": "select 1"} if address.startswith("postgresql") else {}

    with pytest.raises(ConfigurationError, match=why) as caught:
        read(room, Address(name="x", address=address, **query), private=False)

    assert "hush" not in str(caught.value)
