"""The programming interface of Bitbucket Cloud, version 2.0.

Rule: as in `port`; people are known by their uuid, and commits of pull requests come abbreviated.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from legato.domain.errors import ConfigurationError, OutsideError
from legato.domain.forge import Action, CommitStatus, ForgeKind, Permission, Person, PullRequest, StatusState
from legato.scm.forges.asking import MOST_PAGES, Asker, plain
from legato.scm.forges.comments import Comment, marked, upsert
from legato.scm.forges.names import cut, known_commit, known_repository
from legato.scm.forges.port import Traits
from legato.scm.webhooks.bitbucket import (
    CloudPullRequest,
    CloudRepository,
    CloudUser,
    as_pull_request,
    as_repository,
)

_STATES: Final = {
    StatusState.PENDING: "INPROGRESS",
    StatusState.RUNNING: "INPROGRESS",
    StatusState.SUCCESS: "SUCCESSFUL",
    StatusState.FAILURE: "FAILED",
    StatusState.ERROR: "FAILED",
    StatusState.CANCELLED: "STOPPED",
}
_RIGHTS: Final = {"admin": Permission.ADMIN, "write": Permission.WRITE, "read": Permission.READ}
_LONGEST_KEY: Final = 40
_LONGEST_TEXT: Final = 255
_LONGEST_COMMENT: Final = 32_000

T = TypeVar("T")


class _Text(msgspec.Struct, frozen=True):
    raw: str = ""


class _Comment(msgspec.Struct, frozen=True):
    id: int
    content: _Text = _Text()
    user: CloudUser | None = None
    deleted: bool = False


class _Right(msgspec.Struct, frozen=True):
    permission: str
    user: CloudUser


class _Branch(msgspec.Struct, frozen=True):
    name: str


class _Main(msgspec.Struct, frozen=True):
    mainbranch: _Branch | None = None


class _Restriction(msgspec.Struct, frozen=True):
    kind: str
    pattern: str = ""


class _Commit(msgspec.Struct, frozen=True):
    hash: str


class _Page(msgspec.Struct, frozen=True):
    values: tuple[msgspec.Raw, ...] = ()
    next: str = ""


class Bitbucket:
    """Bitbucket Cloud as one account.

    Args:
        asker: Sends the requests.
        account: The uuid that comments are written as; empty: Bitbucket is asked.
    """

    def __init__(self, asker: Asker, account: str = "") -> None:
        self._asker = asker
        self._account = account

    @property
    def traits(self) -> Traits:
        """How this forge differs from others."""
        return Traits(
            kind=ForgeKind.BITBUCKET, running=True, cancelled=True, fetches_requests=False, abbreviates=True
        )

    def set_status(self, repository: str, commit: str, status: CommitStatus) -> None:
        """Show how a commit fares."""
        body = build_of(status, _STATES)
        self._asker.send(
            "POST", f"{_path(repository)}/commit/{known_commit(commit)}/statuses/build", body=body
        )

    def upsert_comment(self, repository: str, number: int, name: str, text: str) -> str:
        """Write one comment on a pull request, or replace the one that this account wrote under `name`."""
        comments = f"{_path(repository)}/pullrequests/{int(number)}/comments"
        body = {"content": {"raw": marked(name, text, _LONGEST_COMMENT)}}

        def create() -> str:
            return str(plain(self._asker.send("POST", comments, body=body, once=True))["id"])

        def update(found: Comment) -> None:
            self._asker.send("PUT", f"{comments}/{found.id}", body=body)

        return upsert(name, self._me(), lambda: self._comments(comments), create, update)

    def _comments(self, comments: str) -> Iterator[Comment]:
        for one in self._listed(comments, _Comment, pagelen=100, sort="created_on"):
            if not one.deleted:
                yield Comment(id=str(one.id), author=one.user.uuid if one.user else "", text=one.content.raw)

    def permission(self, repository: str, person: Person) -> Permission:
        """Return what someone may do, in whichever way they came to it."""
        if not person.id:
            return Permission.NONE
        workspace, _, slug = known_repository(repository).partition("/")
        path = f"/workspaces/{workspace}/permissions/repositories/{slug}"
        rights = (one for one in self._listed(path, _Right, pagelen=100) if one.user.uuid == person.id)
        return max((_RIGHTS.get(one.permission, Permission.NONE) for one in rights), default=Permission.NONE)

    def open_pull_requests(self, repository: str) -> Sequence[PullRequest]:
        """Return the open pull requests."""
        own = as_repository(
            self._asker.get(_path(repository), CloudRepository), self.default_branch(repository)
        )
        found = self._listed(f"{_path(repository)}/pullrequests", CloudPullRequest, state="OPEN", pagelen=50)
        return tuple(as_pull_request(one, own, Action.OPENED) for one in found)

    def default_branch(self, repository: str) -> str:
        """Return the name of the main branch."""
        found = self._asker.get(_path(repository), _Main).mainbranch
        return found.name if found else ""

    def protected_branches(self, repository: str) -> Sequence[str]:
        """Return the names and patterns of branches that not everyone may push to, sorted."""
        found = self._listed(f"{_path(repository)}/branch-restrictions", _Restriction, pagelen=100)
        return tuple(sorted({one.pattern for one in found if one.kind == "push" and one.pattern}))

    def full_commit(self, repository: str, commit: str) -> str:
        """Return the whole id of a commit."""
        known = known_commit(commit, abbreviated=True)
        return self._asker.get(f"{_path(repository)}/commit/{known}", _Commit).hash

    def _listed(self, path: str, shape: type[T], **query: object) -> Iterator[T]:
        page = self._asker.get(path, _Page, **query)
        for _ in range(MOST_PAGES):
            for one in page.values:
                yield self._asker.structure(one, shape)
            if not page.next:
                return
            page = self._asker.get(self._asker.own_path(page.next), _Page)
        raise OutsideError(f"{path} has more than {MOST_PAGES} pages", hint="tidy up there")

    def _me(self) -> str:
        if not self._account:
            self._account = self._asker.get("/user", CloudUser).uuid
        return self._account


def build_of(status: CommitStatus, states: dict[StatusState, str]) -> dict[str, str]:
    """Return a status as both kinds of Bitbucket take it: with a key of limited length, and always with an address.

    Raises:
        ConfigurationError: It has no address.
    """
    if not status.target:
        raise ConfigurationError(
            f"Bitbucket takes no status without an address to look at: {status.context}",
            hint="say where this server is reached by others",
        )
    key = status.context
    if len(key) > _LONGEST_KEY:
        key = hashlib.sha256(key.encode()).hexdigest()[:_LONGEST_KEY]
    return {
        "key": key,
        "name": cut(status.context, _LONGEST_TEXT),
        "state": states[status.state],
        "description": cut(status.description, _LONGEST_TEXT),
        "url": status.target,
    }


def _path(repository: str) -> str:
    return f"/repositories/{known_repository(repository)}"
