"""A plain git remote without webhooks: asked for its branches and tags, compared with what was seen before.

Rule: a first look tells nothing, it only sees; a remote that cannot be asked is an error, never an empty remote.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from legato.domain.digests import canonical, digest_of
from legato.domain.forge import AnyChange, Push, Repository, Tag, is_commit, is_ref
from legato.domain.graph import Struct
from legato.scm.commands import NO_CREDENTIALS, Credentials, Git

_LINE: Final = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t(refs/(?:heads|tags)/[^\0\n]+)")
_PEELED: Final = "^{}"
_HEADS: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"


class Look(Struct, frozen=True, kw_only=True):
    """What one look at a remote found: commits by ref, and what changed since the look before."""

    refs: Mapping[str, str]
    changes: tuple[AnyChange, ...] = ()


def look(
    git: Git,
    repository: Repository,
    seen: Mapping[str, str] | None,
    *,
    at: Path,
    credentials: Credentials = NO_CREDENTIALS,
) -> Look:
    """Ask a remote once.

    Args:
        git: For the address of the remote.
        repository: As which the changes are told.
        seen: `Look.refs` of the look before; None: this is the first.
        at: Any folder; nothing is written to it.
        credentials: For the remote.

    Raises:
        ConfigurationError: The credentials do not hold.
        MissingError: There is no such repository.
        OutsideError: It cannot be asked.
    """
    now = read_refs(git.listed(at, credentials))
    return Look(refs=now, changes=() if seen is None else changes_between(repository, seen, now))


def read_refs(listed: str) -> Mapping[str, str]:
    """Return commits by ref out of what `git ls-remote` prints; a tag object counts as the commit it leads to.

    >>> read_refs("1" * 40 + "\\trefs/tags/v1\\n" + "2" * 40 + "\\trefs/tags/v1^{}\\n") == {"refs/tags/v1": "2" * 40}
    True
    """  # noqa: D301 - as the program prints it
    found: dict[str, str] = {}
    for line in listed.split("\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        commit, ref = match[1], match[2].removesuffix(_PEELED)
        if is_commit(commit) and is_ref(ref):
            found[ref] = commit
    return found


def changes_between(
    repository: Repository, before: Mapping[str, str], now: Mapping[str, str]
) -> tuple[AnyChange, ...]:
    """Return what moved, sorted by ref; each has an id that the same move has again.

    Args:
        repository: Whose refs they are.
        before: Commits by ref.
        now: Commits by ref.
    """
    changes: list[AnyChange] = []
    for ref in sorted(before.keys() | now.keys()):
        old, new = before.get(ref, ""), now.get(ref, "")
        if old == new:
            continue
        identity = digest_of(canonical([repository.name, repository.clone, ref, old, new])).rpartition(":")[2]
        rest: dict[str, Any] = {
            "repository": repository,
            "delivery": f"poll-{identity[:32]}",
            "commit": new,
            "before": old,
        }
        if ref.startswith(_HEADS):
            changes.append(Push(branch=ref.removeprefix(_HEADS), **rest))
        elif ref.startswith(_TAGS):
            changes.append(Tag(tag=ref.removeprefix(_TAGS), **rest))
    return tuple(changes)
