"""Addresses of data that lies elsewhere: what kind they are, and how they are shown without what is secret.

Rule: only `shown` leaves this process; what `filled` returns goes to the driver that opens the connection alone.
"""

import hashlib
import posixpath
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Struct


class Source(StrEnum):
    """Where a dataset comes from."""

    HTTP = "http"
    BUCKET = "bucket"
    SQL = "sql"


SCHEMES: Final[Mapping[str, Source]] = {
    "http": Source.HTTP, "https": Source.HTTP,
    "s3": Source.BUCKET, "gs": Source.BUCKET, "az": Source.BUCKET,
    "postgresql": Source.SQL, "postgres": Source.SQL, "sqlite": Source.SQL, "duckdb": Source.SQL,
}  # fmt: skip

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET: Final = re.compile(r"pass|pwd|secret|token|sig|key|credential|auth|sas|code", re.IGNORECASE)
HIDDEN: Final = "***"


class Address(Struct, frozen=True, kw_only=True):
    """What a dataset declares of a source elsewhere.

    Attributes:
        name: The dataset's name in the lock.
        address: As the author wrote it; may hold `${NAME}`, and a secret.
        query: For databases: what to read.
        version: For databases: a cheap question whose answer changes when the data does.
    """

    name: str
    address: str
    query: str = ""
    version: str = ""

    @property
    def source(self) -> Source:
        """Where it comes from; raises ConfigurationError when that is not known."""
        return source_of(self.address)

    @property
    def shown(self) -> str:
        """The address as it may be shown, written and hashed."""
        return shown(self.address)

    @property
    def asks(self) -> str:
        """Names the query without saying it: a query may hold what nobody should read."""
        return hashlib.sha256(self.query.encode()).hexdigest()[:16] if self.query else ""


def source_of(address: str) -> Source:
    """Return where an address leads.

    >>> source_of("s3://bucket/rows")
    <Source.BUCKET: 'bucket'>
    """
    scheme = address.partition("://")[0].lower()
    try:
        return SCHEMES[scheme]
    except KeyError:
        raise ConfigurationError(
            f"the address {shown(address)!r} starts with {scheme}://, which no reader knows",
            hint=f"known: {', '.join(f'{name}://' for name in SCHEMES)}, and paths below the repository",
        ) from None


def shown(address: str) -> str:
    """Return an address without its secrets: the password, and parameters that are named like one.

    >>> shown("postgresql://ann:pw@db:5432/shop"), shown("https://h/f.csv?v=2&sig=abc#top")
    ('postgresql://ann@db:5432/shop', 'https://h/f.csv?v=2&sig=***')
    """
    parts = _split(address)
    host = parts.netloc.rpartition("@")[2]
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    netloc = f"{user}@{host}" if user and parts.scheme not in {"http", "https"} else host
    query = _masked(parts.query)
    return f"{parts.scheme}://{netloc}{parts.path}" + (f"?{query}" if query else "")


def _masked(query: str) -> str:
    if not query:
        return ""
    pairs = parse_qsl(query, keep_blank_values=True)
    shown_pairs = ((name, HIDDEN if _SECRET.search(name) else value) for name, value in pairs)
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='*/:,${}')}" for name, value in shown_pairs)


def secrets_of(address: str) -> tuple[str, ...]:
    """Return the texts of a filled address that nobody may see, for masking what a driver says.

    >>> secrets_of("postgresql://ann:p%40w@db/shop")
    ('p%40w', 'p@w')
    """
    parts = _split(address)
    user = parts.netloc.rpartition("@")[0]
    found = [user.partition(":")[2]]
    if parts.scheme in {"http", "https"}:
        found.append(user.partition(":")[0])
    found += (value for name, value in parse_qsl(parts.query) if _SECRET.search(name))
    return tuple(dict.fromkeys(text for raw in found for text in (raw, unquote(raw)) if text))


def masked(text: str, address: str) -> str:
    """Return a driver's words without the secrets of the address that it was given."""
    for secret in secrets_of(address):
        text = text.replace(secret, HIDDEN)
    return text.replace(address, shown(address))


def filled(address: str, variables: Mapping[str, str]) -> str:
    """Return an address with `${NAME}` replaced, percent-encoded where it is part of the user or query.

    Raises:
        MissingError: A variable is not set.

    >>> filled("postgresql://${U}:${P}@db/shop", {"U": "ann", "P": "p@w"})
    'postgresql://ann:p%40w@db/shop'
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in variables:
            raise MissingError(
                f"the address {shown(address)!r} needs the variable {name}, which is not set",
                hint=f"export {name}=..., or put it into .env",
            )
        return quote(variables[name], safe="/:" if match.start() > authority else "")

    authority = address.find("@", address.find("://"))
    return _VARIABLE.sub(value, address)


def file_name(address: str) -> str:
    """Return the name of the file that an address leads to; empty for a prefix.

    >>> file_name("https://h/data/wine.csv?v=2"), file_name("s3://bucket/rows/")
    ('wine.csv', '')
    """
    return posixpath.basename(unquote(_split(address).path))


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:
        scheme = address.partition("://")[0]
        raise ConfigurationError(
            f"the address {scheme}://… is not well formed: {error}", hint="write scheme://host/path"
        ) from None
