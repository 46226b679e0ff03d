"""What forges send: a message of headers and bytes becomes changes, a reason to pass it over, or a refusal.

Rule: size and type, then the signature, then the shape; pure, so whoever answers HTTP only hands on what came.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from legato.domain.digests import digest_of
from legato.domain.forge import AnyChange, Delivery, ForgeKind, Ignored
from legato.scm.webhooks import bitbucket, bitbucket_server, gitlab, hub, plain
from legato.scm.webhooks.reading import LONGEST_BODY_BYTES, Message, check_envelope, check_identity
from legato.scm.webhooks.refusals import (
    DeliveryError,
    MalformedError,
    NotJsonError,
    TooLargeError,
    UnsignedError,
)
from legato.scm.webhooks.signatures import check_signature

__all__ = [
    "LONGEST_BODY_BYTES",
    "DeliveryError",
    "MalformedError",
    "NotJsonError",
    "TooLargeError",
    "UnsignedError",
    "forge_of",
    "parse",
]

_READERS: Final[Mapping[ForgeKind, Callable[[Message], tuple[AnyChange, ...] | str]]] = {
    ForgeKind.GITHUB: hub.read,
    ForgeKind.GITEA: hub.read,
    ForgeKind.GITLAB: gitlab.read,
    ForgeKind.BITBUCKET: bitbucket.read,
    ForgeKind.BITBUCKET_SERVER: bitbucket_server.read,
    ForgeKind.GIT: plain.read,
}
_EVENTS: Final = {
    ForgeKind.GITHUB: ("x-github-event",),
    ForgeKind.GITEA: ("x-gitea-event", "x-forgejo-event"),
    ForgeKind.GITLAB: ("x-gitlab-event",),
    ForgeKind.BITBUCKET: ("x-event-key",),
    ForgeKind.BITBUCKET_SERVER: ("x-event-key",),
    ForgeKind.GIT: (),
}
_IDENTITIES: Final = {
    ForgeKind.GITHUB: ("x-github-delivery",),
    ForgeKind.GITEA: ("x-gitea-delivery", "x-forgejo-delivery"),
    ForgeKind.GITLAB: ("webhook-id", "idempotency-key", "x-gitlab-event-uuid"),
    ForgeKind.BITBUCKET: ("x-request-uuid",),
    ForgeKind.BITBUCKET_SERVER: ("x-request-id",),
    ForgeKind.GIT: ("webhook-id",),
}


def parse(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    *,
    now: float,
    forge: ForgeKind | None = None,
) -> Delivery | Ignored:
    """Return what a message tells, its signature checked.

    Args:
        headers: Of the request; their names in any case.
        body: Exactly the bytes that came.
        secrets: Those that this webhook may have; several while one replaces another.
        now: Seconds since 1970, for the schemes that sign the time.
        forge: Which forge the webhook belongs to; None: the one that the message names.

    Raises:
        TooLargeError: Status 413.
        NotJsonError: Status 415.
        UnsignedError: Status 401: no signature, or a wrong one.
        MalformedError: Status 400: signed, and not understood.
    """
    small = {name.lower(): value for name, value in headers.items()}
    check_envelope(small, body)
    kind = forge_of(small)
    if forge is not None and kind is not forge:
        raise UnsignedError(
            f"this webhook takes messages of {forge}, not of {kind or 'nobody known'}",
            hint="give each forge a webhook of its own",
        )
    if kind is None:
        raise UnsignedError("the message is of no forge that is known", hint="look at what sends it")
    check_signature(kind, small, body, secrets, now)
    message = Message(
        forge=kind,
        event=_first(small, _EVENTS[kind])[:60],
        identity=check_identity(_first(small, _IDENTITIES[kind])),
        headers=small,
        body=body,
    )
    found = _READERS[kind](message)
    digest = digest_of(body)
    if isinstance(found, str):
        return Ignored(id=message.identity, digest=digest, forge=kind, reason=found)
    return Delivery(id=message.identity, digest=digest, forge=kind, changes=found)


def forge_of(headers: Mapping[str, str]) -> ForgeKind | None:
    """Return which forge a message says it comes from; None where it says nothing of it.

    Gitea and Forgejo send GitHub's headers too, so theirs are looked for first.

    Args:
        headers: By their names in small letters.
    """
    if headers.get("x-gitea-event") or headers.get("x-forgejo-event"):
        return ForgeKind.GITEA
    if headers.get("x-github-event"):
        return ForgeKind.GITHUB
    if headers.get("x-gitlab-event"):
        return ForgeKind.GITLAB
    if headers.get("x-event-key"):
        cloud = headers.get("x-request-uuid") or headers.get("x-hook-uuid")
        return ForgeKind.BITBUCKET if cloud else ForgeKind.BITBUCKET_SERVER
    return ForgeKind.GIT if headers.get("webhook-signature") else None


def _first(headers: Mapping[str, str], names: Sequence[str]) -> str:
    return next((headers[name] for name in names if headers.get(name)), "")
