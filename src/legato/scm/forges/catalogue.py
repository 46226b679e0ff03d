"""Forges by name: which room speaks to which, at which address, and how a token is shown to it.

Rule: a token stands in one header and nowhere else; a room is imported when it is first opened.
"""

import base64
import importlib
from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from legato.domain.errors import ConfigurationError
from legato.domain.forge import ForgeKind
from legato.scm.forges.asking import Asker, Clocks, Patience
from legato.scm.forges.port import Forge


class Entry(NamedTuple):
    """One forge: `room` as `module:class`, the address where none is given, and the path of its interface below one."""

    room: str
    public: str
    path: str


CATALOGUE: Final[Mapping[ForgeKind, Entry]] = {
    ForgeKind.GITHUB: Entry("legato.scm.forges.github:GitHub", "https://api.github.com", "/api/v3"),
    ForgeKind.GITLAB: Entry("legato.scm.forges.gitlab:GitLab", "https://gitlab.com/api/v4", "/api/v4"),
    ForgeKind.GITEA: Entry("legato.scm.forges.gitea:Gitea", "", "/api/v1"),
    ForgeKind.BITBUCKET: Entry(
        "legato.scm.forges.bitbucket:Bitbucket", "https://api.bitbucket.org/2.0", "/2.0"
    ),
    ForgeKind.BITBUCKET_SERVER: Entry("legato.scm.forges.bitbucket_server:BitbucketServer", "", ""),
}


_PUBLIC: Final = frozenset({"https://github.com", "https://api.github.com", "https://bitbucket.org"})
"""Where people look at the public forges; their interfaces lie elsewhere."""


class Access(NamedTuple):
    """How to reach a forge as someone.

    Attributes:
        address: `https://git.example.org`; empty: the public one.
        token: Shown as the forge wants it; `name:password` serves for both kinds of Bitbucket.
        account: Who that is to the forge; empty: the forge is asked.
    """

    token: str
    address: str = ""
    account: str = ""


def open_forge(kind: ForgeKind, access: Access, clocks: Clocks, patience: Patience | None = None) -> Forge:
    """Return a forge as one account; nothing is asked of it yet.

    Raises:
        ConfigurationError: It has no programming interface, no public address, or the token cannot be sent.
    """
    entry = CATALOGUE.get(kind)
    if entry is None:
        raise ConfigurationError(
            "a plain git remote has no programming interface", hint="statuses and comments need a forge"
        )
    address = access.address.rstrip("/")
    base = f"{address}{entry.path}" if address and address not in _PUBLIC else entry.public
    if not base:
        raise ConfigurationError(f"{kind} has no public address", hint="give the address of your own one")
    asker = Asker(
        base, _credentials(kind, access.token), patience or Patience(), clocks, hidden=_parts(access.token)
    )
    module, _, name = entry.room.partition(":")
    return cast("Forge", getattr(importlib.import_module(module), name)(asker, access.account))


def _credentials(kind: ForgeKind, token: str) -> Mapping[str, str]:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            f"the token for {kind} has characters that no header may have",
            hint="copy it again, without line ends",
        )
    if not token:
        return {}
    if ":" in token and kind in {ForgeKind.BITBUCKET, ForgeKind.BITBUCKET_SERVER}:
        return {"authorization": f"Basic {base64.b64encode(token.encode()).decode()}"}
    if kind is ForgeKind.GITHUB:
        return {"authorization": f"Bearer {token}", "x-github-api-version": "2022-11-28"}
    if kind is ForgeKind.GITEA:
        return {"authorization": f"token {token}"}
    return {"authorization": f"Bearer {token}"}  # GitLab takes it for its own kinds of token and for OAuth's


def _parts(token: str) -> tuple[str, ...]:
    return (token, token.partition(":")[2]) if ":" in token else (token,)
