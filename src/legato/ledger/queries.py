"""Reads a workshop's file of named SQL.

Rule: every statement has a name, and a name has one statement.
"""

import re
from typing import Final

from legato.domain.errors import BugError

_NAME: Final = re.compile(r"^-- name: *(\S+)[^\S\n]*$", re.MULTILINE)


def named_queries(text: str) -> dict[str, str]:
    r"""Return the statements of `text`, each below a line `-- name: NAME`, by name.

    Raises:
        BugError: A name is there twice or has no statement.

    >>> named_queries("-- About runs.\n\n-- name: last\nSELECT 1;\n")
    {'last': 'SELECT 1;'}
    """
    _, *parts = _NAME.split(text)
    queries: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in queries or not body.strip():
            raise BugError(f"the query {name!r} is there twice, or empty", hint="report this as a bug")
        queries[name] = body.strip()
    return queries
