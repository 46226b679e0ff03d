"""Opens what a project shares with other machines: a zone's store and a zone's ledger.

Rule: a bucket's library starts threads, so nothing here is called in a process that will fork.
"""

import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from legato.app.config import Project
from legato.app.processes import alive
from legato.app.wiring import workshops
from legato.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from legato.ledger import Ledger, Reader
    from legato.ledger.mirrored import Mirroring
    from legato.ledger.objects import Objects
    from legato.ledger.shared import Means
    from legato.store.bucket import BucketStore

FRESH_S: Final = 5.0
"""How long a look at a shared ledger serves a run that asks for many keys."""


def open_remote(project: Project, zone: str, variables: Mapping[str, str]) -> "BucketStore":
    """Return a zone's store.

    Raises:
        ConfigurationError: No remote is configured, or its address cannot be followed.
    """
    from legato.store.bucket import BucketStore
    from legato.store.bucket_address import open_bucket
    from legato.store.bucket_requests import Patience

    patience = Patience(sleep=time.sleep, jitter=random.Random())  # noqa: S311 - spreads retries, hides nothing
    bucket = open_bucket(store_address(project, zone), variables, patience)
    return BucketStore(bucket, project.state / "shared" / zone)


def open_shared_ledger(
    project: Project, zone: str, variables: Mapping[str, str], told: Callable[[str], None]
) -> "Ledger":
    """Return a zone's ledger, to write to: in the database that is configured, else in the remote.

    Args:
        project: Says where.
        zone: The degree of trust.
        variables: The environment, for credentials.
        told: Hears where the copy on this machine had to be made anew.

    Raises:
        ConfigurationError: Neither is configured, or the address cannot be followed.
        OutsideError: It does not answer.
    """
    from legato.ledger.shared import open_shared

    address = ledger_address(project, zone)
    return open_shared(address, _mirroring(project, zone, told), workshops(), means_of(variables))


def open_shared_reader(
    project: Project, zone: str, variables: Mapping[str, str], told: Callable[[str], None]
) -> "Reader":
    """Return a zone's ledger for one who only looks, and needs no right to write there; else as above."""
    from legato.ledger.shared import open_shared_for_reading

    address = ledger_address(project, zone)
    return open_shared_for_reading(address, _mirroring(project, zone, told), workshops(), means_of(variables))


def _mirroring(project: Project, zone: str, told: Callable[[str], None]) -> "Mirroring":
    from legato.ledger.mirrored import Mirroring

    mirror = project.state / "shared" / f"{zone}.db"
    mirror.parent.mkdir(parents=True, exist_ok=True)
    return Mirroring(path=mirror, fresh_s=FRESH_S, steady=time.monotonic, told=told)


def means_of(variables: Mapping[str, str]) -> "Means":
    """Return what a shared ledger is told from outside, credentials for its bucket among it."""
    from legato.ledger.shared import Means

    return Means(
        clock=time.time,
        steady=time.monotonic,
        salt=lambda: os.urandom(16),
        alive=alive,
        connect=lambda address: _ledger_objects(address, variables),
    )


def _ledger_objects(text: str, variables: Mapping[str, str]) -> "Objects":
    from legato.ledger.objects import Objects
    from legato.ledger.shared import FOLDER
    from legato.store.bucket_address import Manner, connect, read_address

    address = read_address(text)
    manner = Manner(silence_s=20, tries=6, tries_s=45)  # its objects are small
    return Objects(connect(address, variables, manner), address.below(FOLDER), address.name)


def data_buckets(variables: Mapping[str, str]) -> "Callable[[str], ObjectStore]":
    """Return what opens the buckets that datasets come from, with credentials from the environment given."""

    def opened(text: str) -> "ObjectStore":
        from legato.store.bucket_address import Manner, connect, read_address

        day = 1440  # minutes of silence: an object may be as large as the line is slow
        return connect(read_address(text), variables, Manner(whole=day, tries=5, tries_s=120))

    return opened


def ledger_address(project: Project, zone: str) -> str:
    """Return where a zone's ledger lies; raises ConfigurationError where nothing is configured."""
    if project.ledger_url:
        return with_zone(project.ledger_url, zone, project.root)
    return store_address(project, zone)


def store_address(project: Project, zone: str) -> str:
    """Return where a zone's bytes lie."""
    if not project.remote:
        raise _unconfigured()
    return with_zone(project.remote, zone, project.root)


def with_zone(address: str, zone: str, root: Path) -> str:
    """Return where a zone lies below an address: in a schema of a database, else in a folder; relative to `root`.

    >>> with_zone("s3://team/wine?region=eu-west-1", "ci", Path("/p"))
    's3://team/wine/ci?region=eu-west-1'
    >>> with_zone("shared", "ci", Path("/p"))
    '/p/shared/ci'
    """
    if address.startswith(("postgresql://", "postgres://")):
        return with_schema(address, f"legato_{zone}")
    if address.startswith("memory:"):
        return address
    if "://" not in address:
        return str(root / address / zone)
    parts = urlsplit(address)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{zone}"))


def with_schema(address: str, schema: str) -> str:
    """Return a database's address with the schema that is meant, unless it names one, which then begins the name.

    >>> with_schema("postgresql://db/legato", "legato_ci")
    'postgresql://db/legato?schema=legato_ci'
    """
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    named = options.pop("schema", "")
    zone = schema.removeprefix("legato")
    return urlunsplit(
        parts._replace(query=urlencode({**options, "schema": named + zone if named else schema}))
    )


def shown(address: str) -> str:
    """Return an address without what may be secret: a name, a password, options.

    >>> shown("postgresql://ann:pw@db/legato?sslmode=require"), shown("s3://team/wine")
    ('postgresql://db/legato', 's3://team/wine')
    """
    if "://" not in address:
        return address
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _unconfigured() -> ConfigurationError:
    return ConfigurationError(
        "no remote is configured", hint='write [store] remote = "s3://bucket/prefix" into legato.toml'
    )
