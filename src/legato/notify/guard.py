"""Where a server may connect to when people give it addresses: nowhere inside.

Rule: the address that was checked is the one that is connected to; a name is looked up once, every answer must be
public, and no redirect is followed.

Source: SSRF, CWE-918; the ranges are IANA's special-purpose registries as the standard library knows them.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from legato.domain.errors import ConfigurationError, OutsideError
from legato.domain.graph import Struct

Resolve = Callable[[str, int], Sequence[str]]
"""A host and port to the IP addresses that it stands for."""

_PORTS: Final = {"https": 443, "http": 80}
_LAST_PORT: Final = 65535
_LONGEST: Final = 2048
_INSIDE: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10", "168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15",
        "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10",
    )
)  # fmt: skip
"""Shared, cloud-internal, benchmark, and every way to write an IPv4 address into an IPv6 one."""

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class Limits(Struct, frozen=True, kw_only=True):
    """What is let through.

    Attributes:
        inside: Addresses that are not public are let through: on a person's own machine, never on a server.
        plain: `http` is let through.
    """

    inside: bool = False
    plain: bool = False


class Checked(Struct, frozen=True, kw_only=True):
    """An address that was checked, and the IP addresses that it may be connected to."""

    scheme: str
    host: str
    port: int
    target: str
    ips: tuple[str, ...]


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the IP addresses of a host, as the system finds them.

    Raises:
        OSError: It finds none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check(url: str, limits: Limits, lookup: Resolve = resolve) -> Checked:
    """Return where an address leads.

    Args:
        url: `https://host/path`.
        limits: What is let through.
        lookup: Finds the IP addresses of a name.

    Raises:
        ConfigurationError: It is no such address, or leads inside.
        OutsideError: Nobody knows its name.
    """
    parts = _parts(url, limits)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    literal = _number(host)
    if literal is not None:
        ips: Sequence[str] = [str(literal)]
    else:
        try:
            ips = lookup(host, port)
        except (OSError, UnicodeError):
            raise OutsideError(f"the name {host} cannot be looked up", hint="look at the address") from None
    if not ips:
        raise OutsideError(f"the name {host} has no address", hint="look at the address")
    if not limits.inside:
        _refuse_inside(host, ips)
    target = parts.path or "/"
    return Checked(
        scheme=parts.scheme,
        host=host,
        port=port,
        target=f"{target}?{parts.query}" if parts.query else target,
        ips=tuple(ips),
    )


def _parts(url: str, limits: Limits) -> SplitResult:
    bad = len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url or "\\" in url
    try:
        parts = urlsplit("" if bad else url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    allowed = ("https", "http") if limits.plain else ("https",)
    if parts.scheme not in allowed or not parts.hostname or parts.username is not None or parts.fragment:
        raise ConfigurationError(
            "the address cannot be sent to", hint=f"write {allowed[0]}://host/path, without name and password"
        )
    if port is not None and not 0 < port <= _LAST_PORT:
        raise ConfigurationError("the address has an impossible port", hint="write one from 1 to 65535")
    return parts


def _number(host: str) -> Ip | None:
    """Return the IP address that a host is written as, also in the forms that only C libraries read.

    >>> str(_number("2130706433")), str(_number("0x7f.1")), str(_number("0177.0.0.1")), _number("example.org")
    ('127.0.0.1', '127.0.0.1', '127.0.0.1', None)
    """
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _refuse_inside(host: str, ips: Iterable[str]) -> None:
    for text in ips:
        if not is_public(ipaddress.ip_address(text.partition("%")[0])):
            raise ConfigurationError(
                f"{host} leads to {text}, which is not public: a server sends nothing there",
                hint="give an address that anyone could reach, or send it by a relay of your own",
            )


def is_public(ip: Ip) -> bool:
    """Say whether an IP address is one that anyone could reach.

    >>> is_public(ipaddress.ip_address("8.8.8.8")), is_public(ipaddress.ip_address("::ffff:127.0.0.1"))
    (True, False)
    """
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return is_public(ip.ipv4_mapped)
    if ip.is_multicast or not ip.is_global or ip.is_reserved or ip.is_unspecified:
        return False
    return not any(ip in network for network in _INSIDE)
