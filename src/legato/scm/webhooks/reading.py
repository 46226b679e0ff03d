"""The bytes of a message to checked structures: size, type, depth, shape, names.

Rule: nothing is read of a body before its signature holds; a name that git would not take is refused.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from legato.domain.errors import ConfigurationError
from legato.domain.forge import ForgeKind, Repository, is_commit, is_ref
from legato.domain.graph import Struct
from legato.scm.addresses import read_address
from legato.scm.webhooks.refusals import MalformedError, NotJsonError, TooLargeError

LONGEST_BODY_BYTES: Final = 5 * 2**20
DEEPEST: Final = 64
MOST_CHANGES: Final = 1000

_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_NAME: Final = re.compile(r"~?[A-Za-z0-9_.][A-Za-z0-9_.~+-]*(?:/[A-Za-z0-9_.][A-Za-z0-9_.~+-]*)+")
_IDENTITY: Final = re.compile(r"[A-Za-z0-9{][A-Za-z0-9{}._:+/=-]{0,199}")
_LONGEST_NAME: Final = 500

P = TypeVar("P", bound="Payload")


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What every shape of a message is; members that nobody asked for are passed over."""


class Message(Struct, frozen=True, kw_only=True):
    """One message whose signature holds.

    Attributes:
        event: What the forge calls it.
        headers: By their names in small letters.
    """

    forge: ForgeKind
    event: str
    identity: str
    headers: Mapping[str, str]
    body: bytes


def check_envelope(headers: Mapping[str, str], body: bytes) -> None:
    """Refuse what is too large or of another type, before anything is computed of it.

    Raises:
        TooLargeError: The body is longer than `LONGEST_BODY_BYTES`.
        NotJsonError: It is no JSON by its own account.
    """
    if len(body) > LONGEST_BODY_BYTES:
        raise TooLargeError(
            f"a message of {len(body)} bytes is not looked at", hint=f"at most {LONGEST_BODY_BYTES} bytes are"
        )
    kind, _, parameters = headers.get("content-type", "").partition(";")
    encoding = parameters.partition("=")[2].strip().strip('"').lower()
    if kind.strip().lower() != "application/json" or encoding not in {"", "utf-8", "utf8"}:
        raise NotJsonError(
            f"a message of type {kind.strip()[:80]!r} is not read",
            hint="set the webhook's content type to application/json",
        )


def check_identity(text: str) -> str:
    """Return the id of a message.

    Raises:
        MalformedError: It is missing, or none that a forge gives.
    """
    if not _IDENTITY.fullmatch(text):
        raise MalformedError(f"the message has no usable id: {text[:80]!r}", hint="send it as the forge does")
    return text


def read_as(body: bytes, shape: type[P]) -> P:
    """Return a body as one of the forge's shapes.

    Raises:
        MalformedError: It is nested too deeply, is no JSON, or has another shape.
    """
    if depth_of(body) > DEEPEST:
        raise MalformedError(
            f"the message is nested deeper than {DEEPEST}", hint="no forge sends such a message"
        )
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(
            f"the message is not as the forge documents it: {str(error)[:200]}",
            hint="look whether the webhook belongs to this kind of forge",
        ) from None


def depth_of(body: bytes) -> int:
    """Return how deep objects and lists are nested; in time that grows with the length only.

    >>> depth_of(b'{"a": [1, {"[[[": 2}]}')
    3
    """
    deepest = depth = 0
    for byte in _STRINGS.sub(b"", body).translate(None, _NO_BRACKETS):
        depth += 1 if byte in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def repository_of(
    forge: ForgeKind, name: str, clone: str = "", web: str = "", default: str = ""
) -> Repository:
    """Return a repository whose name and addresses were checked.

    Raises:
        MalformedError: One of them cannot be.
    """
    parts = name.split("/")
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name) or {".", ".."} & set(parts):
        raise MalformedError(f"{name[:200]!r} is no name of a repository", hint="expected: owner/name")
    try:
        address = read_address(clone).text if clone else ""
    except ConfigurationError as error:
        raise MalformedError(error.message, hint=error.hint) from None
    return Repository(
        forge=forge,
        name=name,
        clone=address,
        web=web_of(web),
        default_branch=ref_of(default) if default else "",
    )


def web_of(text: str) -> str:
    """Return an address that a page may link to, else nothing."""
    try:
        good = text.isprintable() and urlsplit(text).scheme in {"https", "http"}
    except ValueError:
        return ""
    return text if good else ""


def ref_of(name: str) -> str:
    """Return the name of a branch or tag.

    Raises:
        MalformedError: Git would not take it.
    """
    if not is_ref(name):
        raise MalformedError(
            f"git has no branch or tag called {name[:200]!r}", hint="see git check-ref-format"
        )
    return name


def commit_of(text: str, *, abbreviated: bool = False) -> str:
    """Return the id of a commit; empty for the one that stands for none (all zero).

    Raises:
        MalformedError: It is no id.
    """
    if not text or (set(text) == {"0"} and len(text) in {40, 64}):
        return ""
    if not is_commit(text, abbreviated=abbreviated):
        raise MalformedError(f"{text[:100]!r} is no id of a commit", hint="expected 40 hexadecimal digits")
    return text


def head_of(text: str, *, abbreviated: bool = False) -> str:
    """Return the id of a commit that must be there, as `commit_of`."""
    commit = commit_of(text, abbreviated=abbreviated)
    if not commit:
        raise MalformedError("the pull request has no commit", hint="expected 40 hexadecimal digits")
    return commit
