"""One comment that is updated: found again by a mark that no reader sees, and by who wrote it.

Rule: only a comment of our own account is replaced; anyone may copy the mark, and whoever owns a comment can edit it.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from legato.domain.errors import ConfigurationError, ConflictError
from legato.domain.graph import Struct
from legato.scm.forges.asking import UncertainError

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_ATTEMPTS: Final = 3
_CUT: Final = "\n\n*This comment was cut: it is longer than the forge takes.*"


class Comment(Struct, frozen=True, kw_only=True):
    """A comment as a forge has it; `version` where it takes edits only of the newest."""

    id: str
    author: str
    text: str
    version: int = 0


def mark_of(name: str) -> str:
    """Return the mark: a link definition in Markdown, which every forge takes and none shows.

    Raises:
        ConfigurationError: The name has other characters.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no name of a comment", hint="write letters, digits, dots and dashes: report"
        )
    return f"[//]: # (legato:{name})"


def marked(name: str, text: str, longest: int) -> str:
    """Return the text with its mark; cut to `longest` characters where it is longer."""
    end = f"\n\n{mark_of(name)}\n"
    if len(text) + len(end) > longest:
        text = text[: longest - len(end) - len(_CUT)] + _CUT
    return text + end


def upsert(
    name: str,
    account: str,
    listed: Callable[[], Iterable[Comment]],
    create: Callable[[], str],
    update: Callable[[Comment], object],
) -> str:
    """Replace our comment of a name, or write it; return its id.

    Args:
        name: As in `mark_of`.
        account: Who we are to the forge, as `Comment.author`.
        listed: All comments, oldest first.
        create: Writes it; raises `UncertainError` where nobody knows whether it did.
        update: Replaces one; raises `ConflictError` where it is not the newest version.
    """
    mark = mark_of(name)
    for attempt in range(1, _ATTEMPTS + 1):
        own = (one for one in listed() if one.author == account and one.text.rstrip().endswith(mark))
        found = next(own, None)
        try:
            if found is None:
                return create()
            update(found)
        except (UncertainError, ConflictError):
            if attempt == _ATTEMPTS:
                raise
            continue
        return found.id
    raise AssertionError  # the last attempt returned or raised
