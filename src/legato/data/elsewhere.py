"""Finds the reader of an address.

Rule: a reader, and the library behind it, is loaded only when an address asks for it.
"""

from collections.abc import Mapping
from pathlib import Path

from legato.data.addresses import Address, Source, filled
from legato.data.fetched import Reader


def reader_of(address: Address, root: Path, variables: Mapping[str, str], *, private: bool = True) -> Reader:
    """Return the reader of an address.

    Args:
        address: What to read.
        root: What a database's file is relative to.
        variables: Credentials are taken from here.
        private: Sources on this machine and in its network may be read. A server says no.

    Raises:
        ConfigurationError: The address is of no known kind, or may not be asked from here.
        MissingError: A variable is not set, or a package is not installed.
    """
    full = filled(address.address, variables)
    match address.source:
        case Source.HTTP:
            from legato.data.web import Web

            return Web(full, private=private)
        case Source.BUCKET:
            from legato.data.buckets import BucketObjects

            return BucketObjects(full, variables, private=private)
        case Source.SQL:
            from legato.data.querying import Rows

            return Rows(address, full, root, private=private)
