"""Keeps secrets out of what steps print: as they are, base64, and URL-encoded, also split over two writes.

Rule: a byte leaves only when no secret can begin in it any more.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = b"***"
SHORTEST: Final = 4
"""Shorter secrets would blank half of every line; they are masked only as whole words of their own write."""


LONG_LINE: Final = 8
"""Lines of a secret that are at least as long are hidden alone too: logs break a key where they like."""


def parts(secret: str) -> list[str]:
    r"""Return a secret and its longer lines.

    >>> parts("abcdefgh\nx\nijklmnop")
    ['abcdefgh\nx\nijklmnop', 'abcdefgh', 'ijklmnop']
    """
    lines = secret.splitlines()
    return [secret, *(line for line in lines if len(line) >= LONG_LINE)] if len(lines) > 1 else [secret]


def spellings(secret: str) -> set[bytes]:
    """Return the ways in which a secret is usually printed.

    >>> {b"a b+c", b"a%20b%2Bc", b"YSBi"} <= spellings("a b+c")
    True
    """
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), quote_plus(secret).encode(), repr(secret)[1:-1].encode()}
    for offset in range(3):  # base64 of a text that holds the secret shows one of three alignments of it
        for encode in (b64encode, urlsafe_b64encode):
            aligned = encode(b"\0" * offset + raw)
            start, end = -(-offset * 4 // 3), len(aligned) - (4 if (offset + len(raw)) % 3 else 0)
            found.add(aligned[start + (1 if offset else 0) : end])
    return {text for text in found if len(text) >= SHORTEST}


class Mask:
    """A filter for one stream.

    Args:
        secrets: The values to hide.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        hidden = {text for secret in secrets for part in parts(secret) for text in spellings(part)}
        texts = sorted(hidden, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, texts))) if texts else None
        self._prefixes = {text[:length] for text in texts for length in range(1, len(text))}
        self._longest = max((len(text) for text in texts), default=1)
        self._kept = b""

    def feed(self, data: bytes) -> bytes:
        """Return what may be shown by now."""
        if self._pattern is None:
            return data
        text = self._pattern.sub(MASK, self._kept + data)
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[start:] in self._prefixes:
                self._kept = text[start:]
                return text[:start]
        self._kept = b""
        return text

    def rest(self) -> bytes:
        """Return what was held back, at the end of the stream."""
        kept, self._kept = self._kept, b""
        return kept
