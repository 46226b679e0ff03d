"""The port of the forges: what Legato asks of GitHub, GitLab, Gitea and Bitbucket, and tells them.

Rule: a forge is told what is so and asked what is so; nothing is decided here.

Every method may be called again: a status replaces the one of its context, a comment the one of its name. Requests that
failed for want of luck (429, 5xx, a lost connection) are tried again within the patience given, and not longer: what is
left is an `OutsideError`. Safe from many threads. No message of an error holds a token. Repositories are named by
`Repository.name`; a repository, commit or pull request that is not there, or that the token may not see, is a
`MissingError`; a token that may not do what is asked is a `ConfigurationError`.
"""

from collections.abc import Sequence
from typing import Protocol

from legato.domain.forge import CommitStatus, ForgeKind, Permission, Person, PullRequest
from legato.domain.graph import Struct


class Traits(Struct, frozen=True, kw_only=True):
    """How one forge differs from another.

    Attributes:
        running: A status can be shown as running; else it is shown as pending.
        cancelled: A status can be shown as cancelled; else it is shown as an error or failure.
        fetches_requests: Commits of pull requests can be fetched from the repository itself, by `PullRequest.ref`.
        abbreviates: Commits of pull requests come abbreviated; see `Forge.full_commit`.
    """

    kind: ForgeKind
    running: bool
    cancelled: bool
    fetches_requests: bool
    abbreviates: bool


class Forge(Protocol):
    """One forge, as one account. See the module for what all methods promise."""

    @property
    def traits(self) -> Traits:
        """How this forge differs from others."""
        ...

    def set_status(self, repository: str, commit: str, status: CommitStatus) -> None:
        """Show how a commit fares; the status of the same context is replaced."""
        ...

    def upsert_comment(self, repository: str, number: int, name: str, text: str) -> str:
        """Write one comment on a pull request, or replace the one that this account wrote under `name`; return its id.

        Args:
            repository: `owner/name`.
            number: Of the pull request.
            name: Letters, digits, `.`, `_` and `-`; tells our own comments apart, and is not shown.
            text: Markdown; cut, with a word about it, where the forge takes less.
        """
        ...

    def permission(self, repository: str, person: Person) -> Permission:
        """Return what someone may do; nothing where the forge does not know them."""
        ...

    def open_pull_requests(self, repository: str) -> Sequence[PullRequest]:
        """Return the open pull requests, newest first as far as the forge sorts them."""
        ...

    def default_branch(self, repository: str) -> str:
        """Return the name of the default branch; empty in an empty repository."""
        ...

    def protected_branches(self, repository: str) -> Sequence[str]:
        """Return the names of protected branches, sorted; where the forge takes patterns, they are among them."""
        ...

    def full_commit(self, repository: str, commit: str) -> str:
        """Return the whole id of a commit of which the first digits are known."""
        ...
