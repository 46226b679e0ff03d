"""Who sent a message: the signature of each forge, checked in constant time.

Rule: every scheme is an HMAC-SHA256 but GitLab's older token; SHA-1 is refused, also where it would hold; a secret
that begins with `whsec_` signs after Standard Webhooks and serves for nothing weaker.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from legato.domain.forge import ForgeKind
from legato.domain.signing import PREFIX, read_secret, verify
from legato.scm.webhooks.refusals import UnsignedError

_HEX_LENGTH: Final = 64


def check_signature(
    forge: ForgeKind, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float
) -> None:
    """Refuse a message that none of the secrets has signed.

    Args:
        forge: Which forge it says it comes from.
        headers: By their names in small letters.
        body: Exactly as it came.
        secrets: Those that the webhook may have; several while one replaces another. Empty ones never serve.
        now: Seconds since 1970.

    Raises:
        UnsignedError: The signature is missing, wrong, or of a kind that proves nothing.
    """
    usable = [secret for secret in secrets if secret]
    if not usable:
        raise UnsignedError(
            "no secret is known for this webhook", hint="set the same secret on the forge and here"
        )
    _SCHEMES[forge](headers, body, usable, now)


def _hashed(header: str, *others: str, prefix: str = "sha256=") -> Callable[..., None]:
    """Return the check of a hexadecimal HMAC-SHA256 in a header, with a prefix where the forge has one."""

    def check(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], _now: float) -> None:
        given = next((headers[name] for name in (header, *others) if headers.get(name)), "")
        if not given.startswith(prefix):
            weak = "sha1" in given or headers.get("x-hub-signature", "").startswith("sha1=")
            raise _unsigned("is signed with SHA-1 only" if weak else "is not signed")
        digits = given.removeprefix(prefix).encode(errors="replace")
        if len(digits) != _HEX_LENGTH:
            raise _unsigned("has a signature of another length")
        holds = False
        for secret in secrets:  # all of them, whichever holds
            right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
            holds |= hmac.compare_digest(right, digits)
        if not holds:
            raise _unsigned("has a wrong signature")

    return check


def _gitlab(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
    if any(secret.startswith(PREFIX) for secret in secrets) and headers.get("webhook-signature"):
        _standard(headers, body, secrets, now)
        return
    given = headers.get("x-gitlab-token", "").encode(errors="replace")
    holds = False
    for secret in secrets:
        same = hmac.compare_digest(_digest(secret.encode()), _digest(given))
        holds |= same and not secret.startswith(PREFIX)
    if not holds:
        raise _unsigned("has a wrong token" if given else "has neither signature nor token")


def _digest(data: bytes) -> bytes:
    """Return bytes of one length, so that comparing says nothing of the length of a token."""
    return hashlib.sha256(data).digest()


def _standard(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
    keys = [key for key in map(read_secret, secrets) if key is not None]
    why = verify(headers, body, keys, now) if keys else "its secret begins with whsec_ and cannot be read"
    if why:
        raise _unsigned(f"is not believed: {why}")


def _unsigned(why: str) -> UnsignedError:
    return UnsignedError(
        f"the message {why}", hint="set the same secret on the forge and here, and let it sign with SHA-256"
    )


_SCHEMES: Final[Mapping[ForgeKind, Callable[..., None]]] = {
    ForgeKind.GITHUB: _hashed("x-hub-signature-256"),
    ForgeKind.GITEA: _hashed("x-gitea-signature", "x-forgejo-signature", prefix=""),
    ForgeKind.GITLAB: _gitlab,
    ForgeKind.BITBUCKET: _hashed("x-hub-signature"),
    ForgeKind.BITBUCKET_SERVER: _hashed("x-hub-signature"),
    ForgeKind.GIT: _standard,
}
