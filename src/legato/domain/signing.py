"""Signed messages after Standard Webhooks: `v1,` and the base64 of an HMAC-SHA256 of id, time and body.

Rule: signatures are compared in constant time, and no message is older or newer than the tolerance.

Source: the Standard Webhooks specification, symmetric signatures.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

PREFIX: Final = "whsec_"
TOLERANCE_S: Final = 300.0
"""How far the clocks of both sides may differ, delivery included."""

_VERSION: Final = "v1"
_SHORTEST_KEY: Final = 16
_LONGEST_TIME: Final = 12


def read_secret(text: str) -> bytes | None:
    """Return the key that a secret as people copy it stands for (`whsec_` and base64); None where it is no such.

    >>> read_secret("whsec_" + "A" * 32) == bytes(24), read_secret("password")
    (True, None)
    """
    if not text.startswith(PREFIX):
        return None
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) >= _SHORTEST_KEY else None


def write_secret(key: bytes) -> str:
    """Return a key as people copy it."""
    return PREFIX + base64.b64encode(key).decode()


def sign(identity: str, at: int, body: bytes, keys: Iterable[bytes]) -> Mapping[str, str]:
    """Return the headers of a signed message.

    Args:
        identity: Of the message; equal when it is sent again.
        at: When it is sent, in whole seconds since 1970.
        body: Exactly the bytes that are sent.
        keys: All that the receiver may know it by, for the time in which one replaces another.
    """
    signatures = " ".join(f"{_VERSION},{_signature(identity, str(at), body, key)}" for key in keys)
    return {"webhook-id": identity, "webhook-timestamp": str(at), "webhook-signature": signatures}


def verify(headers: Mapping[str, str], body: bytes, keys: Iterable[bytes], now: float) -> str:
    """Return why a message is not believed; empty where it is.

    Args:
        headers: By their names in small letters.
        body: As it came.
        keys: Those that may have signed it.
        now: Seconds since 1970.
    """
    identity = headers.get("webhook-id", "")
    at = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not identity or not at or not given:
        return "it is not signed"
    if not (at.isascii() and at.isdigit() and len(at) <= _LONGEST_TIME):
        return "its time cannot be read"
    holds = False
    candidates = [word.partition(",")[2] for word in given.split(" ")[:16] if word.startswith(f"{_VERSION},")]
    for key in keys:  # all of them, whichever holds: the time taken says nothing
        right = _signature(identity, at, body, key).encode()
        for candidate in candidates:
            holds |= hmac.compare_digest(right, candidate.encode(errors="replace"))
    if not holds:
        return "its signature is wrong"
    if abs(now - int(at)) > TOLERANCE_S:
        return "it was signed too long ago, or the clocks differ"
    return ""


def _signature(identity: str, at: str, body: bytes, key: bytes) -> str:
    signed = f"{identity}.{at}.".encode(errors="replace") + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
