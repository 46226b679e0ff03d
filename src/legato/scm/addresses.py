"""Where a repository is fetched from: addresses that git may be given.

Rule: an address that could make git run a command, read another file of this machine or take it for an option is
refused; credentials never stand in one.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Struct

_NETWORK: Final = frozenset({"https", "http", "ssh", "git"})
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_SHORT: Final = re.compile(r"(?:([A-Za-z0-9_][A-Za-z0-9_.+-]*)@)?([A-Za-z0-9][A-Za-z0-9.-]*):(?!:)([^:-].*)")
_LONGEST: Final = 2048
_LAST_PORT: Final = 65535


class Address(Struct, frozen=True, kw_only=True):
    """One address, checked.

    Attributes:
        text: As git gets it; without a password, and without a name but that of `ssh`.
        transport: What git may use for it, and nothing else: `https`, `http`, `ssh`, `git`, `file`.
        host: With its port where it has one; empty for a folder of this machine.
    """

    text: str
    transport: str
    host: str = ""


def read_address(text: str, *, local: bool = False) -> Address:
    """Return what an address says.

    Args:
        text: `https://host/owner/name.git`, `ssh://git@host/…`, `git@host:owner/name.git`, `git://…`; a name or
            password in front of the host of an `https` address is taken away.
        local: Whether an absolute path or `file:///…` of this machine will do.

    Raises:
        ConfigurationError: It is no such address.
    """
    if not text or len(text) > _LONGEST or text.startswith("-") or not text.isprintable() or " " in text:
        raise _refused(text, "it is empty, too long, or has characters that no address has")
    if "://" in text:
        return _of_url(text, local)
    if local and text.startswith("/"):
        return Address(text=text, transport="file")
    short = _SHORT.fullmatch(text)
    if short is None:  # `ext::sh -c …` among them
        raise _refused(text, "git would take it for a path of this machine, or for a command")
    return Address(text=text, transport="ssh", host=short[2])


def _of_url(text: str, local: bool) -> Address:  # noqa: FBT001 - as `read_address` was told
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _refused(text, "it cannot be read") from None
    scheme = parts.scheme
    if scheme == "file" and local and not parts.netloc and parts.path.startswith("/"):
        return Address(text=text, transport="file")
    if scheme not in _NETWORK:
        raise _refused(text, f"{scheme!r} is not among {', '.join(sorted(_NETWORK))}")
    host = parts.netloc.rpartition("@")[2]
    bare = host.removesuffix(f":{port}") if port is not None else host.removesuffix(":")
    if not _HOST.fullmatch(bare) or not parts.path.strip("/") or parts.path.startswith("/-"):
        raise _refused(text, "its host or path cannot be read")
    if parts.query or parts.fragment or (port is not None and not 0 < port <= _LAST_PORT):
        raise _refused(text, "it has a query, a fragment or an impossible port")
    user = parts.username or ""
    if scheme == "ssh" and user:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", user):
            raise _refused(text, "its user name cannot be read")
        host = f"{user}@{host}"
    return Address(text=f"{scheme}://{host}{parts.path}", transport=scheme, host=host)


def _refused(text: str, why: str) -> ConfigurationError:
    shown = re.sub(r"//[^/@]*@", "//", text)[:200]
    return ConfigurationError(
        f"{shown!r} is no address that a repository is fetched from: {why}",
        hint="write https://host/owner/name.git or ssh://git@host/owner/name.git; credentials are given apart from it",
    )
