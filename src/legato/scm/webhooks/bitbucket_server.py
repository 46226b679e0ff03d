"""The messages of Bitbucket Data Center and Server: changed refs, pull requests, the test of a connection.

Rule: a repository is `PROJECT/slug`, as in its interface; where it does not say how to clone, nobody guesses.
"""

from typing import Any, Final

import msgspec

from legato.domain.forge import Action, AnyChange, ForgeKind, Person, PullRequest, Push, Repository, Tag
from legato.scm.webhooks.reading import (
    MOST_CHANGES,
    Message,
    Payload,
    commit_of,
    head_of,
    read_as,
    ref_of,
    repository_of,
    web_of,
)
from legato.scm.webhooks.refusals import MalformedError

_ACTIONS: Final = {
    "pr:opened": Action.OPENED,
    "pr:from_ref_updated": Action.UPDATED,
    "pr:to_ref_updated": Action.UPDATED,
    "pr:modified": Action.UPDATED,
    "pr:merged": Action.CLOSED,
    "pr:declined": Action.CLOSED,
    "pr:deleted": Action.CLOSED,
}
_HEADS: Final = "refs/heads/"


class _Project(Payload, frozen=True, kw_only=True):
    key: str


class _Link(Payload, frozen=True, kw_only=True):
    href: str = ""
    name: str = ""


class _Links(Payload, frozen=True, kw_only=True, rename={"myself": "self"}):
    clone: tuple[_Link, ...] = ()
    myself: tuple[_Link, ...] = ()


class ServerRepository(Payload, frozen=True, kw_only=True):
    """A repository as Bitbucket Server writes it."""

    id: int
    slug: str
    project: _Project
    links: _Links = _Links()


class ServerUser(Payload, frozen=True, kw_only=True):
    """Someone as Bitbucket Server writes them."""

    name: str = ""


class _Reference(Payload, frozen=True, kw_only=True, rename={"full": "id", "short": "displayId"}):
    full: str = ""
    short: str = ""
    type: str = ""


class _Change(Payload, frozen=True, kw_only=True, rename="camel"):
    ref: _Reference
    from_hash: str
    to_hash: str


class _Push(Payload, frozen=True, kw_only=True):
    changes: tuple[_Change, ...]
    repository: ServerRepository
    actor: ServerUser = ServerUser()


class _Side(Payload, frozen=True, kw_only=True, rename={"full": "id", "commit": "latestCommit"}):
    full: str
    commit: str
    repository: ServerRepository


class _Author(Payload, frozen=True, kw_only=True):
    user: ServerUser = ServerUser()


class ServerPullRequest(
    Payload, frozen=True, kw_only=True, rename={"head": "fromRef", "base": "toRef", "number": "id"}
):
    """A pull request as Bitbucket Server writes it, in messages and in answers."""

    number: int
    head: _Side
    base: _Side
    author: _Author = _Author()
    title: str = ""
    state: str = ""
    draft: bool = False
    links: _Links = _Links()


class _PullRequestMessage(
    Payload, frozen=True, kw_only=True, rename={"request": "pullRequest", "before": "previousTarget"}
):
    request: ServerPullRequest
    actor: ServerUser = ServerUser()
    before: _Reference | None = None


def read(message: Message) -> tuple[AnyChange, ...] | str:
    """Return what a message of Bitbucket Server tells, or why it is passed over."""
    if message.event == "repo:refs_changed":
        return _push(message)
    if message.event in _ACTIONS:
        return _pull_request(message, _ACTIONS[message.event])
    return "ping" if message.event == "diagnostics:ping" else message.event


def _push(message: Message) -> tuple[AnyChange, ...] | str:
    told = read_as(message.body, _Push)
    if len(told.changes) > MOST_CHANGES:
        raise MalformedError(
            f"the push has {len(told.changes)} changes", hint=f"at most {MOST_CHANGES} are read"
        )
    found = tuple(change for one in told.changes if (change := _change(message, told, one)) is not None)
    return found or "a push without a branch or tag"


def _change(message: Message, told: _Push, one: _Change) -> AnyChange | None:
    rest: dict[str, Any] = {
        "repository": as_repository(told.repository),
        "delivery": message.identity,
        "actor": person(told.actor),
        "commit": commit_of(one.to_hash),
        "before": commit_of(one.from_hash),
    }
    if one.ref.full.startswith(_HEADS):
        return Push(branch=ref_of(one.ref.full.removeprefix(_HEADS)), **rest)
    if one.ref.full.startswith("refs/tags/"):
        return Tag(tag=ref_of(one.ref.full.removeprefix("refs/tags/")), **rest)
    return None


def _pull_request(message: Message, action: Action) -> tuple[AnyChange, ...] | str:
    told = read_as(message.body, _PullRequestMessage)
    same_base = told.before is None or told.before.full == told.request.base.full
    if message.event == "pr:modified" and same_base:
        return "pr:modified of title or description"
    found = as_pull_request(told.request, as_repository(told.request.base.repository), action)
    return (msgspec.structs.replace(found, delivery=message.identity, actor=person(told.actor)),)


def as_pull_request(told: ServerPullRequest, repository: Repository, action: Action) -> PullRequest:
    """Return a pull request as Bitbucket Server writes it, of a repository that was checked."""
    fork = told.head.repository.id != told.base.repository.id
    return PullRequest(
        repository=repository,
        number=told.number,
        action=action,
        branch=ref_of(told.head.full.removeprefix(_HEADS)),
        commit=head_of(told.head.commit),
        base=ref_of(told.base.full.removeprefix(_HEADS)),
        base_commit=commit_of(told.base.commit),
        source=as_repository(told.head.repository) if fork else repository,
        author=person(told.author.user),
        ref=f"refs/pull-requests/{told.number}/from",
        fork=fork,
        merged=told.state == "MERGED",
        draft=told.draft,
        title=told.title,
        web=web_of(next((link.href for link in told.links.myself), "")),
    )


def as_repository(told: ServerRepository) -> Repository:
    """Return a repository as Bitbucket Server writes it, checked."""
    clone = next((link.href for link in told.links.clone if link.name in {"http", "https"}), "")
    clone = clone or next((link.href for link in told.links.clone if link.name == "ssh"), "")
    web = next((link.href for link in told.links.myself), "")
    return repository_of(ForgeKind.BITBUCKET_SERVER, f"{told.project.key}/{told.slug}", clone, web)


def person(told: ServerUser) -> Person:
    """Return someone as Bitbucket Server writes them."""
    return Person(id=told.name, name=told.name)
