"""Which hosts may be asked: on a server, none of its own machine or network.

Rule: a name is resolved once, every address it has is looked at, and the connection goes to one that was looked at.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from legato.domain.errors import ConfigurationError, OutsideError

Resolve = Callable[[str, int], Sequence[tuple[Any, ...]]]
"""As `socket.getaddrinfo` with a host and a port."""

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def addresses_of(host: str, port: int, *, private: bool, resolve: Resolve = socket.getaddrinfo) -> list[str]:
    """Return the numeric addresses of a host that may be asked.

    Args:
        host: A name or an address in any spelling that the system takes: decimal and octal ones too.
        port: Where to ask.
        private: Hosts of this machine and of private networks may be asked.
        resolve: Asks the system for a name.

    Raises:
        OutsideError: There is no such host.
        ConfigurationError: One of its addresses may not be asked.
    """
    try:
        found = resolve(host.strip("[]"), port)
    except (OSError, UnicodeError) as error:
        raise OutsideError(f"cannot find the host {host!r}: {error}", hint="look at its name") from None
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in found))
    for address in () if private else addresses:
        if not is_public(address):
            raise ConfigurationError(
                f"the host {host!r} is {address}, on this machine or in its own network, which is not asked from here",
                hint="name a host of the public internet, or read it on a machine of that network",
            )
    return addresses


def is_public(address: str) -> bool:
    """Say whether a numeric address is one of the public internet.

    >>> is_public("93.184.216.34"), is_public("127.0.0.1"), is_public("169.254.169.254"), is_public("::ffff:10.0.0.1")
    (True, False, False, False)
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved
