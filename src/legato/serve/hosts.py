"""Which addresses an endpoint listens on, and which `Host` a request may name.

Rule: without authentication nothing but this machine is listened to, and a page from elsewhere cannot speak
for it (DNS rebinding): its `Host` or `Origin` names another machine.
"""

import ipaddress
from typing import Final

from legato.domain.errors import ConfigurationError

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def loopback(host: str) -> str:
    """Return the address to bind for `host`.

    Raises:
        ConfigurationError: It is reachable from other machines.

    >>> loopback("localhost"), loopback("::1")
    ('127.0.0.1', '::1')
    """
    if host == "localhost":
        return "127.0.0.1"
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ConfigurationError(
            f"an endpoint cannot listen on {host!r}: others could reach it, and nothing authenticates yet",
            hint="listen on 127.0.0.1, and put a proxy that authenticates in front of it",
        )
    return host


def shown_host(host: str) -> str:
    """Return an address as it stands in a URL.

    >>> shown_host("::1")
    '[::1]'
    """
    return f"[{host}]" if ":" in host else host


class Hosts:
    """Knows which `Host` and `Origin` headers speak for this endpoint."""

    def __init__(self, bound: str) -> None:
        """`bound` is the address that the endpoint listens on."""
        self._names = _LOCAL | {shown_host(bound)}
        self._known: dict[str, bool] = {}

    def trusts(self, host: str | None) -> bool:
        """Say whether a `Host` header (name and port) names this machine; a missing one does not.

        >>> hosts = Hosts("127.0.0.1")
        >>> hosts.trusts("localhost:8000"), hosts.trusts("evil.test"), hosts.trusts(None)
        (True, False, False)
        """
        if host is None:
            return False
        known = self._known.get(host)
        if known is None:
            known = self._name(host.lower()) in self._names
            if len(self._known) < 64:  # noqa: PLR2004 - callers choose this text
                self._known[host] = known
        return known

    def trusts_origin(self, origin: str) -> bool:
        """Say whether an `Origin` header names this machine.

        >>> hosts = Hosts("127.0.0.1")
        >>> hosts.trusts_origin("http://localhost:3000"), hosts.trusts_origin("null")
        (True, False)
        """
        return self.trusts(origin.partition("://")[2])

    @staticmethod
    def _name(host: str) -> str:
        name, separator, port = host.rpartition(":")
        return name if separator and port.isdecimal() else host
