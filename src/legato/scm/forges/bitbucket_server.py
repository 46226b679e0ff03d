"""The programming interface of Bitbucket Data Center and Server, from 7.4 on.

Rule: as in `port`; rights that someone has by a group only are not seen, which never gives more than they have.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.domain.forge import Action, CommitStatus, ForgeKind, Permission, Person, PullRequest, StatusState
from legato.scm.forges.asking import MOST_PAGES, Asker, plain
from legato.scm.forges.bitbucket import build_of
from legato.scm.forges.comments import Comment, marked, upsert
from legato.scm.forges.names import known_commit, known_repository
from legato.scm.forges.port import Traits
from legato.scm.webhooks.bitbucket_server import (
    ServerPullRequest,
    ServerRepository,
    ServerUser,
    as_pull_request,
    as_repository,
)

_STATES: Final = {
    StatusState.PENDING: "INPROGRESS",
    StatusState.RUNNING: "INPROGRESS",
    StatusState.SUCCESS: "SUCCESSFUL",
    StatusState.FAILURE: "FAILED",
    StatusState.ERROR: "FAILED",
    StatusState.CANCELLED: "FAILED",
}
_RIGHTS: Final = {
    "REPO_ADMIN": Permission.ADMIN,
    "PROJECT_ADMIN": Permission.ADMIN,
    "REPO_WRITE": Permission.WRITE,
    "PROJECT_WRITE": Permission.WRITE,
    "REPO_READ": Permission.READ,
    "PROJECT_READ": Permission.READ,
}
_LONGEST_COMMENT: Final = 32_000

T = TypeVar("T")


class _Comment(msgspec.Struct, frozen=True):
    id: int
    version: int = 0
    text: str = ""
    author: ServerUser = ServerUser()


class _Activity(msgspec.Struct, frozen=True):
    action: str
    comment: _Comment | None = None


class _Right(msgspec.Struct, frozen=True):
    permission: str
    user: ServerUser


class _Branch(msgspec.Struct, frozen=True, rename={"name": "displayId"}):
    name: str


class _Matcher(msgspec.Struct, frozen=True, rename={"name": "displayId"}):
    name: str = ""


class _Restriction(msgspec.Struct, frozen=True):
    type: str = ""
    matcher: _Matcher = _Matcher()


class _Commit(msgspec.Struct, frozen=True):
    id: str


class _Page(msgspec.Struct, frozen=True, rename="camel"):
    values: tuple[msgspec.Raw, ...] = ()
    is_last_page: bool = True
    next_page_start: int | None = None


class BitbucketServer:
    """Bitbucket Data Center or Server as one account.

    Args:
        asker: Sends the requests.
        account: User name that comments are written as; this forge does not say whose token it is.
    """

    def __init__(self, asker: Asker, account: str = "") -> None:
        self._asker = asker
        self._account = account

    @property
    def traits(self) -> Traits:
        """How this forge differs from others."""
        return Traits(
            kind=ForgeKind.BITBUCKET_SERVER,
            running=True,
            cancelled=False,
            fetches_requests=True,
            abbreviates=False,
        )

    def set_status(self, repository: str, commit: str, status: CommitStatus) -> None:
        """Show how a commit fares."""
        path = f"{_path(repository)}/commits/{known_commit(commit)}/builds"
        self._asker.send("POST", path, body=build_of(status, _STATES))

    def upsert_comment(self, repository: str, number: int, name: str, text: str) -> str:
        """Write one comment on a pull request, or replace the one that this account wrote under `name`."""
        if not self._account:
            raise ConfigurationError(
                "Bitbucket Server does not say whose token it is",
                hint="name the account that comments are written as",
            )
        request = f"{_path(repository)}/pull-requests/{int(number)}"
        written = marked(name, text, _LONGEST_COMMENT)

        def create() -> str:
            answer = self._asker.send("POST", f"{request}/comments", body={"text": written}, once=True)
            return str(plain(answer)["id"])

        def update(found: Comment) -> None:
            body = {"text": written, "version": found.version}
            self._asker.send("PUT", f"{request}/comments/{found.id}", body=body)

        return upsert(name, self._account, lambda: self._comments(request), create, update)

    def _comments(self, request: str) -> Sequence[Comment]:
        """Return the comments oldest first; this forge lists what happened, newest first."""
        found = (
            one.comment
            for one in self._listed(f"{request}/activities", _Activity)
            if one.action == "COMMENTED"
        )
        comments = {
            str(one.id): Comment(id=str(one.id), author=one.author.name, text=one.text, version=one.version)
            for one in found
            if one is not None
        }
        return sorted(comments.values(), key=lambda one: int(one.id))

    def permission(self, repository: str, person: Person) -> Permission:
        """Return what someone may do by the repository's and the project's own lists of people."""
        if not person.id:
            return Permission.NONE
        own = _path(repository)
        project = own.rpartition("/repos/")[0]
        lists = [
            self._listed(f"{place}/permissions/users", _Right, filter=person.id) for place in (own, project)
        ]
        rights = (one for one in itertools.chain(*lists) if one.user.name == person.id)
        return max((_RIGHTS.get(one.permission, Permission.NONE) for one in rights), default=Permission.NONE)

    def open_pull_requests(self, repository: str) -> Sequence[PullRequest]:
        """Return the open pull requests."""
        own = as_repository(self._asker.get(_path(repository), ServerRepository))
        found = self._listed(f"{_path(repository)}/pull-requests", ServerPullRequest, state="OPEN")
        return tuple(as_pull_request(one, own, Action.OPENED) for one in found)

    def default_branch(self, repository: str) -> str:
        """Return the name of the default branch."""
        self._asker.get(_path(repository), ServerRepository)  # that it is missing is another answer
        for path in ("default-branch", "branches/default"):  # the second before 7.5
            try:
                answer = self._asker.send("GET", f"{_path(repository)}/{path}")
            except MissingError:
                continue
            if answer.body:
                return self._asker.structure(answer.body, _Branch).name
        return ""

    def protected_branches(self, repository: str) -> Sequence[str]:
        """Return the names and patterns of branches with a restriction, sorted."""
        path = _path(repository).replace("/api/1.0/", "/branch-permissions/2.0/", 1)
        found = self._listed(f"{path}/restrictions", _Restriction)
        return tuple(sorted({one.matcher.name for one in found if one.matcher.name}))

    def full_commit(self, repository: str, commit: str) -> str:
        """Return the whole id of a commit."""
        known = known_commit(commit, abbreviated=True)
        return self._asker.get(f"{_path(repository)}/commits/{known}", _Commit).id

    def _listed(self, path: str, shape: type[T], **query: object) -> Iterator[T]:
        start: int | None = 0
        for _ in range(MOST_PAGES):
            page = self._asker.get(path, _Page, **query, limit=100, start=start)
            for one in page.values:
                yield self._asker.structure(one, shape)
            start = page.next_page_start
            if page.is_last_page or start is None:
                return
        raise OutsideError(f"{path} has more than {MOST_PAGES} pages", hint="tidy up there")


def _path(repository: str) -> str:
    project, _, slug = known_repository(repository).partition("/")
    return f"/rest/api/1.0/projects/{project}/repos/{quote(slug, safe='')}"
