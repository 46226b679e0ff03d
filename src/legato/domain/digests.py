"""Digests: the one identity of bytes, and the one way to turn plain data into bytes.

Rule: equal data give equal bytes on every machine and in every version of Python.
"""

import hashlib
from typing import Any, NewType

import msgspec

Digest = NewType("Digest", str)
"""`sha256:` and 64 hexadecimal digits."""

PREFIX = "sha256:"
_ENCODER = msgspec.json.Encoder(order="deterministic")


def digest_of(data: bytes | bytearray | memoryview) -> Digest:
    """Return the digest of `data`.

    >>> digest_of(b"")[:14]
    'sha256:e3b0c44'
    """
    return Digest(PREFIX + hashlib.sha256(data).hexdigest())


def canonical(value: Any) -> bytes:  # noqa: ANN401 - any plain data
    """Return `value` (plain data or a domain struct) as JSON with sorted keys.

    >>> canonical({"b": 1, "a": [True, None]})
    b'{"a":[true,null],"b":1}'
    """
    return _ENCODER.encode(value)


def is_digest(text: str) -> bool:
    """Say whether `text` is a well-formed digest.

    >>> is_digest("sha256:" + "0" * 64), is_digest("sha256:../../etc")
    (True, False)
    """
    body = text.removeprefix(PREFIX)
    return text.startswith(PREFIX) and len(body) == 64 and all(c in "0123456789abcdef" for c in body)  # noqa: PLR2004 - sha256
