"""Finds the reader of an address.

Rule: a reader, and the library behind it, is loaded only when an address asks for it.
"""

from legato.data.addresses import Address, Source, filled
from legato.data.desk import Desk
from legato.data.fetched import Reader


def reader_of(address: Address, desk: Desk) -> Reader:
    """Return the reader of an address, which asks with what the desk was given.

    Raises:
        ConfigurationError: The address is of no known kind, or may not be asked from here.
        MissingError: A variable is not set, or a package is not installed.
    """
    full = filled(address.address, desk.variables)
    match address.source:
        case Source.HTTP:
            from legato.data.web import Web

            return Web(full, private=desk.private)
        case Source.BUCKET:
            from legato.data.buckets import BucketObjects

            return BucketObjects(full, desk.connect, private=desk.private)
        case Source.SQL:
            from legato.data.querying import Rows

            return Rows(address, full, desk.root, private=desk.private)
