"""Connections to a PostgreSQL server: opened, opened again where they were lost, and given back.

Rule: no error of the client's library leaves this file, and no password is in any message.
"""

import os
import re
import time
from contextlib import nullcontext
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from legato.domain.errors import BugError, ConfigurationError, LegatoError, OutsideError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,40}\Z")
_DEFAULT_SCHEMA: Final = "legato"
_SETTINGS: Final = {
    "application_name": "legato",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "tcp_user_timeout": "30000",
}
_LIMITS: Final = "-c lock_timeout=30s -c idle_in_transaction_session_timeout=60s"
_TRIES: Final = 12
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 4.0
_FOR_A_MOMENT: Final = ("starting up", "shutting down", "in recovery mode")
_REASONS: Final = {
    "password authentication failed": "set the password: PGPASSWORD, ~/.pgpass, or in the address",
    "no password supplied": "set the password: PGPASSWORD, ~/.pgpass, or in the address",
    "no pg_hba.conf entry": "ask whoever runs the database to let this machine in (pg_hba.conf)",
    "could not translate host name": "see that the host's name is right",
    "Connection refused": "see that the server runs there, and that host and port are right",
    "does not exist": "make the database and the user first, or name those that are there",
    "too many clients": "raise max_connections of the server, or put a pool in front of it",
}
_Result = TypeVar("_Result")


class Address(NamedTuple):
    """Where a ledger is.

    Attributes:
        target: What the client's library is told.
        schema: Where its tables are.
        name: The address for messages, without secrets.
        secrets: Words that must be in no message.
    """

    target: str
    schema: str
    name: str
    secrets: tuple[str, ...]


def parse_address(address: str) -> Address:
    """Return what an address means: `postgresql://user@host:port/database?schema=legato`.

    Raises:
        ConfigurationError: It cannot be understood.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise _misspelt("its host or port cannot be read") from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise _misspelt(f"it begins with {parts.scheme!r}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    schema = options.pop("schema", _DEFAULT_SCHEMA)
    if not _SCHEMA.match(schema):
        raise _misspelt(f"a schema has small letters, digits and underscores, not {schema!r}")
    given = options.pop("options", "")
    options = {**_SETTINGS, **options, "options": f"{_LIMITS} {given}".strip()}
    target = parts._replace(query=urlencode(options, quote_via=quote)).geturl()
    secrets = (unquote(parts.password or ""), parts.password or "", options.get("password", ""))
    name = _name(parts, port, schema)
    return Address(target, schema, name, tuple(word for word in secrets if word))


class PostgresSession:
    """One connection, opened when it is needed and again when it was lost. Safe from many threads."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.schema = address.schema
        self._lock = RLock()
        self._connection: Connection | None = None
        self._was_there = False
        self._closed = False
        self._process = os.getpid()

    def run(self, work: "Callable[[Connection], _Result]") -> _Result:
        """Do `work` in a transaction; after a lost connection or a deadlock it is done again.

        So `work` must find out itself whether an earlier try was kept.
        """
        return self._tried(work, lambda connection: connection.transaction())

    def look(self, work: "Callable[[Connection], _Result]") -> _Result:
        """Do `work` of one statement, which is its own transaction; it may be done again."""
        return self._tried(work, nullcontext)

    def _tried(
        self,
        work: "Callable[[Connection], _Result]",
        around: "Callable[[Connection], AbstractContextManager[object]]",
    ) -> _Result:
        with self._lock:
            self._check_process()
            for count in range(_TRIES):
                try:
                    connection = self._connected()
                    with around(connection):
                        return work(connection)
                except _errors() as error:
                    self._forget_lost()
                    if count + 1 == _TRIES or not self._passes(error):
                        raise outside(error, self.address) from None
                time.sleep(min(_FIRST_PAUSE_S * 2**count, _LONGEST_PAUSE_S))
        raise AssertionError

    def open(self) -> "Connection":
        """Return another connection, which the caller closes."""
        self._check_process()
        import psycopg

        try:
            return psycopg.connect(self.address.target, autocommit=True)
        except _errors() as error:
            raise outside(error, self.address) from None

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._closed = True
            if self._connection is not None and os.getpid() == self._process:
                self._connection.close()
            self._connection = None

    def _connected(self) -> "Connection":
        if self._connection is None:
            import psycopg

            self._connection = psycopg.connect(self.address.target, autocommit=True)
            # whatever the server's default: each statement has to see what others have just committed
            self._connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            self._was_there = True
        return self._connection

    def _forget_lost(self) -> None:
        if self._connection is not None and (self._connection.closed or self._connection.broken):
            self._connection = None

    def _passes(self, error: Exception) -> bool:
        """Say whether it may go better in a moment."""
        import psycopg

        if isinstance(error, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected):
            return True
        if any(words in str(error) for words in _FOR_A_MOMENT):
            return True
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return lost and self._was_there and self._connection is None

    def _check_process(self) -> None:
        if self._closed:
            raise BugError(
                f"the ledger {self.address.name} was used after it was closed", hint="report this as a bug"
            )
        if os.getpid() != self._process:
            raise BugError(
                f"the ledger {self.address.name} of process {self._process} was used by its child {os.getpid()}",
                hint="report this as a bug; a ledger is opened after forking",
            )


def outside(error: Exception, address: Address) -> LegatoError:
    """Return Legato's error for one of the client's library."""
    import psycopg

    words = " ".join(str(error).split())
    for secret in address.secrets:
        words = words.replace(secret, "***")
    message = f"cannot use the ledger {address.name}: {words}"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        schema = address.schema
        hint = f"grant the user its rights: GRANT CREATE ON DATABASE ..., or ALL ON SCHEMA {schema}"
        return OutsideError(message, hint=hint)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        hint = next((hint for reason, hint in _REASONS.items() if reason in words), "")
        return OutsideError(message, hint=hint or "see that the server is there, then try again")
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
        return _misspelt("the client's library does not know one of its options")
    return BugError(message, hint="report this as a bug")


def _errors() -> tuple[type[Exception], ...]:
    try:
        import psycopg
    except ImportError as error:
        raise ConfigurationError(
            f"a ledger in PostgreSQL needs the package psycopg: {error}",
            hint="install it: pip install 'legato[postgres]'",
        ) from None
    return (psycopg.Error,)


def _name(parts: SplitResult, port: int | None, schema: str) -> str:
    who = f"{unquote(parts.username)}@" if parts.username else ""
    where = f"{parts.hostname or ''}{f':{port}' if port else ''}"
    what = "" if schema == _DEFAULT_SCHEMA else f"?schema={schema}"
    return f"postgresql://{who}{where}{parts.path}{what}"


def _misspelt(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the ledger's address cannot be followed: {why}",
        hint='write it so: [ledger] url = "postgresql://user@host:5432/database?schema=legato"',
    )
