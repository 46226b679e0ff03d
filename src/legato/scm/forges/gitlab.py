"""GitLab's programming interface, version 4, on gitlab.com and on own instances.

Rule: as in `port`; a project is named by its whole path, quoted.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from legato.domain.errors import MissingError, OutsideError
from legato.domain.forge import (
    Action,
    CommitStatus,
    ForgeKind,
    Permission,
    Person,
    PullRequest,
    Repository,
    StatusState,
)
from legato.scm.forges.asking import Asker, plain
from legato.scm.forges.comments import Comment, marked, upsert
from legato.scm.forges.names import cut, known_commit, known_repository
from legato.scm.forges.port import Traits
from legato.scm.webhooks.reading import head_of, ref_of, repository_of, web_of

_STATES: Final = {
    StatusState.PENDING: "pending",
    StatusState.RUNNING: "running",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "failed",
    StatusState.CANCELLED: "canceled",
}
_LEVELS: Final = ((40, Permission.ADMIN), (30, Permission.WRITE), (10, Permission.READ))
_LONGEST_DESCRIPTION: Final = 255
_LONGEST_COMMENT: Final = 500_000
_SAME_STATE: Final = "Cannot transition status"


class _User(msgspec.Struct, frozen=True):
    id: int
    username: str = ""


class _Note(msgspec.Struct, frozen=True):
    id: int
    author: _User
    body: str = ""


class _Member(msgspec.Struct, frozen=True):
    access_level: int


class _Project(msgspec.Struct, frozen=True):
    id: int
    path_with_namespace: str
    http_url_to_repo: str = ""
    web_url: str = ""
    default_branch: str | None = None


class _MergeRequest(msgspec.Struct, frozen=True):
    iid: int
    source_branch: str
    target_branch: str
    target_project_id: int
    source_project_id: int | None = None
    sha: str | None = None
    author: _User | None = None
    title: str = ""
    web_url: str = ""
    draft: bool = False


class _Branch(msgspec.Struct, frozen=True):
    name: str


class _Commit(msgspec.Struct, frozen=True):
    id: str


class GitLab:
    """GitLab as one account.

    Args:
        asker: Sends the requests.
        account: User name that comments are written as; empty: GitLab is asked.
    """

    def __init__(self, asker: Asker, account: str = "") -> None:
        self._asker = asker
        self._account = account

    @property
    def traits(self) -> Traits:
        """How this forge differs from others."""
        return Traits(
            kind=ForgeKind.GITLAB, running=True, cancelled=True, fetches_requests=True, abbreviates=False
        )

    def set_status(self, repository: str, commit: str, status: CommitStatus) -> None:
        """Show how a commit fares."""
        body = {
            "state": _STATES[status.state],
            "name": status.context,
            "description": cut(status.description, _LONGEST_DESCRIPTION),
            **({"target_url": status.target} if status.target else {}),
        }
        try:
            self._asker.send("POST", f"{_path(repository)}/statuses/{known_commit(commit)}", body=body)
        except OutsideError as error:
            if _SAME_STATE not in error.message:  # it already is what it should become
                raise

    def upsert_comment(self, repository: str, number: int, name: str, text: str) -> str:
        """Write one comment on a merge request, or replace the one that this account wrote under `name`."""
        notes = f"{_path(repository)}/merge_requests/{int(number)}/notes"
        body = {"body": marked(name, text, _LONGEST_COMMENT)}

        def create() -> str:
            return str(plain(self._asker.send("POST", notes, body=body, once=True))["id"])

        def update(found: Comment) -> None:
            self._asker.send("PUT", f"{notes}/{found.id}", body=body)

        return upsert(name, self._me(), lambda: self._notes(notes), create, update)

    def _notes(self, notes: str) -> Iterator[Comment]:
        query = {"per_page": 100, "sort": "asc", "order_by": "created_at"}
        for page in self._asker.pages(notes, tuple[_Note, ...], **query):
            for one in page:
                yield Comment(id=str(one.id), author=one.author.username, text=one.body)

    def permission(self, repository: str, person: Person) -> Permission:
        """Return what someone may do."""
        if not person.id.isdigit():
            return Permission.NONE
        try:
            member = self._asker.get(f"{_path(repository)}/members/all/{int(person.id)}", _Member)
        except MissingError:
            return Permission.NONE
        return next((right for level, right in _LEVELS if member.access_level >= level), Permission.NONE)

    def open_pull_requests(self, repository: str) -> Sequence[PullRequest]:
        """Return the open merge requests."""
        told = self._asker.get(_path(repository), _Project)
        own = repository_of(
            ForgeKind.GITLAB,
            told.path_with_namespace,
            told.http_url_to_repo,
            told.web_url,
            told.default_branch or "",
        )
        pages = self._asker.pages(
            f"{_path(repository)}/merge_requests", tuple[_MergeRequest, ...], state="opened", per_page=100
        )
        return tuple(_pull_request(one, own) for page in pages for one in page if one.sha)

    def default_branch(self, repository: str) -> str:
        """Return the name of the default branch."""
        return self._asker.get(_path(repository), _Project).default_branch or ""

    def protected_branches(self, repository: str) -> Sequence[str]:
        """Return the names and patterns of protected branches, sorted."""
        pages = self._asker.pages(
            f"{_path(repository)}/protected_branches", tuple[_Branch, ...], per_page=100
        )
        return tuple(sorted(one.name for page in pages for one in page))

    def full_commit(self, repository: str, commit: str) -> str:
        """Return the whole id of a commit."""
        known = known_commit(commit, abbreviated=True)
        return self._asker.get(f"{_path(repository)}/repository/commits/{known}", _Commit).id

    def _me(self) -> str:
        if not self._account:
            self._account = self._asker.get("/user", _User).username
        return self._account


def _path(repository: str) -> str:
    return f"/projects/{quote(known_repository(repository), safe='')}"


def _pull_request(told: _MergeRequest, own: Repository) -> PullRequest:
    fork = told.source_project_id != told.target_project_id
    author = told.author
    return PullRequest(
        repository=own,
        number=told.iid,
        action=Action.OPENED,
        branch=ref_of(told.source_branch),
        commit=head_of(told.sha or ""),
        base=ref_of(told.target_branch),
        source=Repository(forge=ForgeKind.GITLAB, name="") if fork else own,
        author=Person(id=str(author.id), name=author.username) if author else Person(),
        ref=f"refs/merge-requests/{told.iid}/head",
        fork=fork,
        draft=told.draft,
        title=told.title,
        web=web_of(told.web_url),
    )
