"""Rows of databases as Arrow: PostgreSQL, DuckDB, SQLite.

Rule: a database is only read, the version and the rows in one view of it, and rows pass by in batches.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from legato.data.addresses import Address, shown
from legato.data.arrow_files import write_batches
from legato.data.fetched import Fetched, refused
from legato.data.guarding import addresses_of
from legato.domain.errors import ConfigurationError, LegatoError, MissingError

BATCH: Final = 2**16
POSTGRES_PORT: Final = 5432


class View(NamedTuple):
    """One consistent look at a database: a question with one answer, and a query's rows as schema and batches."""

    answer: Callable[[str], str]
    rows: Callable[[str], tuple[Any, Iterator[Any]]]


class Rows:
    """The rows of one query.

    Args:
        address: What the author wrote.
        full: Its address, filled.
        root: What the file of a database is relative to.
        private: Databases of this machine and its network may be read.
    """

    def __init__(self, address: Address, full: str, root: Path, *, private: bool) -> None:
        self._asked = address
        self._full = full if private else _public(full)
        self._scheme = full.partition("://")[0].lower()
        self._root = root

    def version(self) -> str:
        """Return the answer of `version=`; empty where there is none."""
        if not self._asked.version:
            return ""
        with self._view() as view:
            return view.answer(self._asked.version)

    def fetch(self, folder: Path, told: Callable[[int], None]) -> Fetched:
        """Read the query's rows into one Parquet file."""
        target = folder / "rows.parquet"
        with self._view() as view:
            version = view.answer(self._asked.version) if self._asked.version else ""
            schema, batches = view.rows(self._asked.query)
            write_batches(schema, _counted(batches, told), target)
        name = self._asked.name.rpartition(":")[2]
        return Fetched(path=target, format="arrow/1", version=version, file=f"{name}.parquet")

    @contextmanager
    def _view(self) -> Iterator[View]:
        openers: dict[str, Callable[[], AbstractContextManager[View]]] = {
            "postgresql": lambda: _postgres(self._full),
            "postgres": lambda: _postgres(self._full),
            "duckdb": lambda: _duckdb(self._file()),
            "sqlite": lambda: _sqlite(self._file()),
        }
        try:
            with openers[self._scheme]() as view:
                yield view
        except LegatoError:
            raise
        except ModuleNotFoundError as error:
            raise MissingError(
                f"{shown(self._full)} needs the package {error.name}, which is not installed",
                hint=f"pip install {_PACKAGES[self._scheme]}",
            ) from None
        except Exception as error:  # noqa: BLE001 - each driver has a hierarchy of its own
            raise refused(self._full, error, "look at the address and the query") from None

    def _file(self) -> Path:
        path = self._root / unquote(urlsplit(self._full).path[1:])
        if not path.is_file():
            raise MissingError(f"there is no database {path}", hint="look for a typing error in the address")
        return path


_PACKAGES: Final = {
    "postgresql": "adbc-driver-postgresql pyarrow", "postgres": "adbc-driver-postgresql pyarrow",
    "duckdb": "duckdb pyarrow", "sqlite": "pyarrow",
}  # fmt: skip


def _public(full: str) -> str:
    """Return the address of a database on the public internet, bound to an address that was looked at.

    What a driver would take instead of the host that is named (`host=`, several hosts, files) is refused.
    """
    parts = urlsplit(full)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname:
        raise ConfigurationError(
            f"{shown(full)} is a file of this machine, which is not read from here",
            hint="name a database on a host of its own",
        )
    words = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    other = [name for name in words if name not in _PUBLIC_WORDS]
    if other or "," in parts.netloc:
        raise ConfigurationError(
            f"{shown(full)} says {other[0] + '=' if other else 'several hosts'}, which is not followed from here",
            hint=f"name one host, and no more than {', '.join(sorted(_PUBLIC_WORDS))}",
        )
    numeric = addresses_of(parts.hostname, parts.port or POSTGRES_PORT, private=False)[0]
    query = "&".join(part for part in (parts.query, f"hostaddr={numeric}") if part)
    return parts._replace(query=query, fragment="").geturl()


_PUBLIC_WORDS: Final = frozenset({"sslmode", "connect_timeout", "application_name", "password", "user"})


def _counted(batches: Iterator[Any], told: Callable[[int], None]) -> Iterator[Any]:
    for batch in batches:
        told(batch.nbytes)
        yield batch


# -- PostgreSQL -------------------------------------------------------------------------------------------------


@contextmanager
def _postgres(full: str) -> Iterator[View]:
    from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped,unused-ignore]

    with dbapi.connect(full) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

        def rows(query: str) -> tuple[Any, Iterator[Any]]:
            cursor.execute(query)
            return _plain(cursor.fetch_record_batch())

        def answer(question: str) -> str:
            cursor.execute(question)
            return _answer(cursor.fetchone(), question)

        yield View(answer, rows)
        connection.rollback()


def _plain(reader: Any) -> tuple[Any, Iterator[Any]]:  # noqa: ANN401 - pyarrow is loaded late
    """Return a driver's rows without types of its own: exact numbers as floats, others as the text they are."""
    import pyarrow as pa  # type: ignore[import-untyped]

    fields = [_plain_field(field) for field in reader.schema]
    schema = pa.schema(fields)

    def batches() -> Iterator[Any]:
        for batch in reader:
            columns = [
                _plain_column(column, field.type) for column, field in zip(batch.columns, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return schema, batches()


def _plain_field(field: Any) -> Any:  # noqa: ANN401 - as above
    import pyarrow as pa

    metadata = field.metadata or {}
    told = metadata.get(b"ADBC:postgresql:typname", b"").decode()
    kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    if told == "numeric" or getattr(field.type, "type_name", "") == "numeric":
        kind = pa.float64()
    return pa.field(field.name, kind)


def _plain_column(column: Any, kind: Any) -> Any:  # noqa: ANN401 - as above
    import pyarrow as pa

    stored = column.storage if isinstance(column, pa.ExtensionArray) else column
    return stored if stored.type == kind else stored.cast(kind)


def _answer(row: Any, question: str) -> str:  # noqa: ANN401 - what a driver gives
    if row is None:
        return "no rows"
    if len(row) != 1:
        raise ConfigurationError(
            f"version={question!r} gives {len(row)} columns, not one answer",
            hint="ask for one: select max(updated_at) …",
        )
    return str(row[0])


# -- DuckDB -----------------------------------------------------------------------------------------------------


@contextmanager
def _duckdb(path: Path) -> Iterator[View]:
    import duckdb

    connection = duckdb.connect(str(path), read_only=True)
    try:
        connection.begin()

        def rows(query: str) -> tuple[Any, Iterator[Any]]:
            relation = connection.sql(query)
            if relation is None:
                raise ConfigurationError(
                    "the query gives no rows: it is no select", hint="write query='select …'"
                )
            reader = relation.to_arrow_reader(BATCH)
            return reader.schema, iter(reader)

        def answer(question: str) -> str:
            found = connection.execute(question).fetchall()  # all: a connection does one thing at a time
            return _answer(found[0] if found else None, question)

        yield View(answer, rows)
    finally:
        connection.close()


# -- SQLite -----------------------------------------------------------------------------------------------------


@contextmanager
def _sqlite(path: Path) -> Iterator[View]:
    import sqlite3
    from urllib.parse import quote

    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("BEGIN")
        yield View(
            lambda question: _answer(connection.execute(question).fetchone(), question),
            lambda query: _typed(connection, query),
        )
    finally:
        connection.close()


def _typed(connection: Any, query: str) -> tuple[Any, Iterator[Any]]:  # noqa: ANN401 - sqlite3.Connection
    """Return rows with a type a column: SQLite knows types of values only, so all are looked at first."""
    import pyarrow as pa

    cursor = connection.execute(query)
    if cursor.description is None:
        raise ConfigurationError("the query gives no rows: it is no select", hint="write query='select …'")
    names = [column[0] for column in cursor.description]
    seen: list[set[type]] = [set() for _ in names]
    while found := cursor.fetchmany(BATCH):
        for kinds, values in zip(seen, zip(*found, strict=True), strict=True):
            kinds.update(map(type, values))
    schema = pa.schema([(name, _kind(name, kinds)) for name, kinds in zip(names, seen, strict=True)])

    def batches() -> Iterator[Any]:
        again = connection.execute(query)
        while rows := again.fetchmany(BATCH):
            columns = [
                pa.array(values, type=kind)
                for values, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return schema, batches()


def _kind(name: str, kinds: set[type]) -> Any:  # noqa: ANN401 - a type of pyarrow
    import pyarrow as pa

    kinds = kinds - {type(None)}
    if kinds <= {int}:
        return pa.int64() if kinds else pa.null()
    if kinds <= {int, float}:
        return pa.float64()
    if kinds == {str}:
        return pa.string()
    if kinds == {bytes}:
        return pa.binary()
    told = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ConfigurationError(
        f"column {name!r} holds values of several types ({told})",
        hint=f'cast it in the query: cast("{name}" as text)',
    )
