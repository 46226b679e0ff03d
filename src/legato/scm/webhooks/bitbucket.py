"""The messages of Bitbucket Cloud: pushes of branches and tags, pull requests.

Rule: commits of its pull requests come abbreviated and stay so; whoever checks one out asks the forge for the rest.
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
    "pullrequest:created": Action.OPENED,
    "pullrequest:updated": Action.UPDATED,
    "pullrequest:fulfilled": Action.CLOSED,
    "pullrequest:rejected": Action.CLOSED,
}


class _Link(Payload, frozen=True, kw_only=True):
    href: str = ""


class _Links(Payload, frozen=True, kw_only=True):
    html: _Link = _Link()


class CloudRepository(Payload, frozen=True, kw_only=True):
    """A repository as Bitbucket Cloud writes it."""

    uuid: str
    full_name: str
    links: _Links = _Links()


class CloudUser(Payload, frozen=True, kw_only=True):
    """Someone as Bitbucket Cloud writes them; of these only the uuid is never given to another."""

    uuid: str = ""
    nickname: str = ""
    display_name: str = ""


class _Commit(Payload, frozen=True, kw_only=True):
    hash: str


class _Reference(Payload, frozen=True, kw_only=True):
    type: str
    name: str
    target: _Commit


class _Change(Payload, frozen=True, kw_only=True):
    old: _Reference | None = None
    new: _Reference | None = None
    forced: bool = False


class _Changes(Payload, frozen=True, kw_only=True):
    changes: tuple[_Change, ...] = ()


class _Push(Payload, frozen=True, kw_only=True):
    push: _Changes
    repository: CloudRepository
    actor: CloudUser = CloudUser()


class _Branch(Payload, frozen=True, kw_only=True):
    name: str


class _Side(Payload, frozen=True, kw_only=True):
    branch: _Branch
    commit: _Commit | None = None
    repository: CloudRepository | None = None


class CloudPullRequest(Payload, frozen=True, kw_only=True):
    """A pull request as Bitbucket Cloud writes it, in messages and in answers."""

    id: int
    source: _Side
    destination: _Side
    author: CloudUser | None = None
    title: str = ""
    state: str = ""
    draft: bool = False
    links: _Links = _Links()


class _PullRequestMessage(Payload, frozen=True, kw_only=True):
    pullrequest: CloudPullRequest
    repository: CloudRepository
    actor: CloudUser = CloudUser()


def read(message: Message) -> tuple[AnyChange, ...] | str:
    """Return what a message of Bitbucket Cloud tells, or why it is passed over."""
    if message.event == "repo:push":
        return _push(message)
    if message.event in _ACTIONS:
        return _pull_request(message, _ACTIONS[message.event])
    return message.event


def _push(message: Message) -> tuple[AnyChange, ...] | str:
    told = read_as(message.body, _Push)
    if len(told.push.changes) > MOST_CHANGES:
        raise MalformedError(
            f"the push has {len(told.push.changes)} changes", hint=f"at most {MOST_CHANGES} are read"
        )
    found = tuple(change for one in told.push.changes if (change := _change(message, told, one)) is not None)
    return found or "a push without a branch or tag"


def _change(message: Message, told: _Push, one: _Change) -> AnyChange | None:
    place = one.new or one.old
    if place is None:
        return None
    repository, actor = as_repository(told.repository), person(told.actor)
    name = ref_of(place.name)
    commit = commit_of(one.new.target.hash) if one.new else ""
    before = commit_of(one.old.target.hash) if one.old else ""
    shared: dict[str, Any] = {"repository": repository, "delivery": message.identity, "actor": actor}
    if place.type == "branch":
        return Push(branch=name, commit=commit, before=before, forced=one.forced, **shared)
    if place.type == "tag":
        return Tag(tag=name, commit=commit, before=before, **shared)
    return None


def _pull_request(message: Message, action: Action) -> tuple[AnyChange, ...]:
    told = read_as(message.body, _PullRequestMessage)
    destination = told.pullrequest.destination.repository
    if destination is None or destination.uuid != told.repository.uuid:
        raise MalformedError(
            "the pull request belongs to another repository", hint="send it as Bitbucket does"
        )
    found = as_pull_request(told.pullrequest, as_repository(told.repository), action)
    return (msgspec.structs.replace(found, delivery=message.identity, actor=person(told.actor)),)


def as_pull_request(told: CloudPullRequest, repository: Repository, action: Action) -> PullRequest:
    """Return a pull request as Bitbucket Cloud writes it, of a repository that was checked."""
    head, base = told.source.repository, told.destination.repository
    fork = head is None or base is None or head.uuid != base.uuid
    source = repository
    if fork:
        source = as_repository(head) if head else Repository(forge=ForgeKind.BITBUCKET, name="")
    return PullRequest(
        repository=repository,
        number=told.id,
        action=action,
        branch=ref_of(told.source.branch.name),
        commit=head_of(told.source.commit.hash if told.source.commit else "", abbreviated=True),
        base=ref_of(told.destination.branch.name),
        source=source,
        author=person(told.author or CloudUser()),
        fork=fork,
        merged=told.state == "MERGED",
        draft=told.draft,
        title=told.title,
        web=web_of(told.links.html.href),
    )


def as_repository(told: CloudRepository, default: str = "") -> Repository:
    """Return a repository as Bitbucket Cloud writes it, checked; it is cloned from where it is looked at."""
    web = told.links.html.href
    return repository_of(ForgeKind.BITBUCKET, told.full_name, f"{web}.git" if web else "", web, default)


def person(told: CloudUser) -> Person:
    """Return someone as Bitbucket Cloud writes them."""
    return Person(id=told.uuid, name=told.nickname or told.display_name)
