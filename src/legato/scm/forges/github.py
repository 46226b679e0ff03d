"""GitHub's programming interface, version 2022-11-28, on github.com and on Enterprise Server.

Rule: as in `port`; whoever the token belongs to is asked once, unless it is told (`legato[bot]` for an app).
"""

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.forge import Action, CommitStatus, ForgeKind, Permission, Person, PullRequest, StatusState
from legato.scm.forges.asking import Asker, plain
from legato.scm.forges.comments import Comment, marked, upsert
from legato.scm.forges.names import cut, known_commit, known_repository
from legato.scm.forges.port import Traits
from legato.scm.webhooks.hub import HubPullRequest, HubRepository, as_pull_request, as_repository

_STATES: Final = {
    StatusState.PENDING: "pending",
    StatusState.RUNNING: "pending",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failure",
    StatusState.ERROR: "error",
    StatusState.CANCELLED: "error",
}
_RIGHTS: Final = {
    "admin": Permission.ADMIN,
    "owner": Permission.ADMIN,
    "write": Permission.WRITE,
    "read": Permission.READ,
}
_LONGEST_DESCRIPTION: Final = 140
_LONGEST_COMMENT: Final = 60_000


class _User(msgspec.Struct, frozen=True):
    login: str


class _Comment(msgspec.Struct, frozen=True):
    id: int
    user: _User | None = None
    body: str | None = ""


class _Permission(msgspec.Struct, frozen=True):
    permission: str


class _Branch(msgspec.Struct, frozen=True):
    name: str


class _Commit(msgspec.Struct, frozen=True):
    sha: str


class GitHub:
    """GitHub as one account.

    Args:
        asker: Sends the requests.
        account: Login that comments are written as; empty: GitHub is asked.
    """

    kind: Final = ForgeKind.GITHUB
    page_word = "per_page"

    def __init__(self, asker: Asker, account: str = "") -> None:
        self._asker = asker
        self._account = account

    @property
    def traits(self) -> Traits:
        """How this forge differs from others."""
        return Traits(
            kind=ForgeKind.GITHUB, running=False, cancelled=False, fetches_requests=True, abbreviates=False
        )

    def set_status(self, repository: str, commit: str, status: CommitStatus) -> None:
        """Show how a commit fares."""
        body = {
            "state": _STATES[status.state],
            "context": status.context,
            "description": cut(status.description, _LONGEST_DESCRIPTION),
            "target_url": status.target,
        }
        self._asker.send("POST", f"{self._path(repository)}/statuses/{known_commit(commit)}", body=body)

    def upsert_comment(self, repository: str, number: int, name: str, text: str) -> str:
        """Write one comment on a pull request, or replace the one that this account wrote under `name`."""
        issue = f"{self._path(repository)}/issues/{int(number)}/comments"
        body = {"body": marked(name, text, _LONGEST_COMMENT)}

        def create() -> str:
            return str(plain(self._asker.send("POST", issue, body=body, once=True))["id"])

        def update(found: Comment) -> None:
            path = f"{self._path(repository)}/issues/comments/{found.id}"
            self._asker.send("PATCH", path, body=body)

        return upsert(name, self._me(), lambda: self._comments(issue), create, update)

    def _comments(self, issue: str) -> Iterator[Comment]:
        for page in self._asker.pages(issue, tuple[_Comment, ...], **{self.page_word: 100}):
            for one in page:
                yield Comment(id=str(one.id), author=one.user.login if one.user else "", text=one.body or "")

    def permission(self, repository: str, person: Person) -> Permission:
        """Return what someone may do."""
        if not person.id:
            return Permission.NONE
        path = f"{self._path(repository)}/collaborators/{quote(person.id, safe='')}/permission"
        try:
            found = self._asker.get(path, _Permission)
        except MissingError:
            return Permission.NONE
        return _RIGHTS.get(found.permission, Permission.NONE)

    def open_pull_requests(self, repository: str) -> Sequence[PullRequest]:
        """Return the open pull requests."""
        own = as_repository(self.kind, self._asker.get(self._path(repository), HubRepository))
        query = {"state": "open", self.page_word: 50}
        pages = self._asker.pages(f"{self._path(repository)}/pulls", tuple[HubPullRequest, ...], **query)
        return tuple(as_pull_request(one, own, Action.OPENED) for page in pages for one in page)

    def default_branch(self, repository: str) -> str:
        """Return the name of the default branch."""
        return self._asker.get(self._path(repository), HubRepository).default_branch or ""

    def protected_branches(self, repository: str) -> Sequence[str]:
        """Return the names of protected branches, sorted."""
        pages = self._asker.pages(
            f"{self._path(repository)}/branches", tuple[_Branch, ...], protected="true", per_page=100
        )
        return tuple(sorted(one.name for page in pages for one in page))

    def full_commit(self, repository: str, commit: str) -> str:
        """Return the whole id of a commit."""
        known = known_commit(commit, abbreviated=True)
        return self._asker.get(f"{self._path(repository)}/commits/{known}", _Commit).sha

    def _path(self, repository: str) -> str:
        return f"/repos/{known_repository(repository)}"

    def _me(self) -> str:
        if not self._account:
            try:
                self._account = self._asker.get("/user", _User).login
            except (ConfigurationError, MissingError) as error:
                raise ConfigurationError(
                    f"the forge does not say whose token this is: {error.message}",
                    hint="name the account that comments are written as (an app is NAME[bot])",
                ) from None
        return self._account
