"""The programming interface of Gitea and Forgejo, version 1.

Rule: as in `port`; where it speaks as GitHub does, GitHub's room is used, and only what differs stands here.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from legato.domain.forge import ForgeKind
from legato.scm.forges.asking import Asker
from legato.scm.forges.comments import Comment
from legato.scm.forges.github import GitHub
from legato.scm.forges.names import known_commit
from legato.scm.forges.port import Traits


class _User(msgspec.Struct, frozen=True):
    login: str


class _Comment(msgspec.Struct, frozen=True):
    id: int
    user: _User | None = None
    body: str | None = ""


class _Protection(msgspec.Struct, frozen=True):
    rule_name: str = ""
    branch_name: str = ""


class _Commit(msgspec.Struct, frozen=True):
    sha: str


class Gitea(GitHub):
    """Gitea or Forgejo as one account."""

    kind = ForgeKind.GITEA  # type: ignore[misc] # the one word that GitHub's own methods ask for
    page_word = "limit"

    def __init__(self, asker: Asker, account: str = "") -> None:
        super().__init__(asker, account)

    @property
    def traits(self) -> Traits:
        """How this forge differs from others."""
        return Traits(
            kind=ForgeKind.GITEA, running=False, cancelled=False, fetches_requests=True, abbreviates=False
        )

    def _comments(self, issue: str) -> Iterator[Comment]:
        for one in self._asker.get(issue, tuple[_Comment, ...]):  # all of them: this list has no pages
            yield Comment(id=str(one.id), author=one.user.login if one.user else "", text=one.body or "")

    def protected_branches(self, repository: str) -> Sequence[str]:
        """Return the names and patterns of protected branches, sorted."""
        found = self._asker.get(f"{self._path(repository)}/branch_protections", tuple[_Protection, ...])
        return tuple(sorted(one.rule_name or one.branch_name for one in found))

    def full_commit(self, repository: str, commit: str) -> str:
        """Return the whole id of a commit."""
        known: Final = known_commit(commit, abbreviated=True)
        return self._asker.get(f"{self._path(repository)}/git/commits/{known}", _Commit).sha
