"""The messages of GitHub, and those of Gitea and Forgejo, which have nearly the same shape.

Rule: a message becomes changes or a reason to pass it over; what GitHub calls an event is not signed, so the body alone
must have its shape.
"""

from typing import Any, Final

import msgspec

from legato.domain.forge import Action, AnyChange, ForgeKind, Person, PullRequest, Push, Repository, Tag
from legato.scm.webhooks.reading import (
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
    "opened": Action.OPENED,
    "reopened": Action.OPENED,
    "synchronize": Action.UPDATED,
    "synchronized": Action.UPDATED,
    "ready_for_review": Action.UPDATED,
    "edited": Action.UPDATED,
    "closed": Action.CLOSED,
}
_PULL_REQUESTS: Final = ("pull_request", "pull_request_sync")
_HEADS: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"


class _User(Payload, frozen=True, kw_only=True):
    login: str = ""
    name: str | None = None


class HubRepository(Payload, frozen=True, kw_only=True):
    """A repository as GitHub and Gitea write it."""

    id: int
    full_name: str
    clone_url: str = ""
    html_url: str = ""
    default_branch: str | None = None


class _Push(Payload, frozen=True, kw_only=True):
    ref: str
    before: str
    after: str
    repository: HubRepository
    sender: _User = _User()
    forced: bool = False


class _Delete(Payload, frozen=True, kw_only=True):
    ref: str
    ref_type: str
    repository: HubRepository
    sender: _User = _User()


class _Side(Payload, frozen=True, kw_only=True):
    ref: str
    sha: str
    repo: HubRepository | None = None


class HubPullRequest(Payload, frozen=True, kw_only=True):
    """A pull request as GitHub and Gitea write it, in messages and in answers."""

    number: int
    head: _Side
    base: _Side
    user: _User | None = None
    title: str = ""
    html_url: str = ""
    merged: bool | None = False
    draft: bool | None = False
    state: str = "open"


class _PullRequestMessage(Payload, frozen=True, kw_only=True):
    action: str
    pull_request: HubPullRequest
    repository: HubRepository
    sender: _User = _User()
    changes: dict[str, Any] = msgspec.field(default_factory=dict)


def read(message: Message) -> tuple[AnyChange, ...] | str:
    """Return what a message of GitHub or Gitea tells, or why it is passed over."""
    if message.event == "push":
        return _push(message)
    if message.event in _PULL_REQUESTS:
        return _pull_request(message)
    if message.event == "delete" and message.forge is ForgeKind.GITEA:  # GitHub tells the same by a push
        return _delete(message)
    return message.event


def _push(message: Message) -> tuple[AnyChange, ...] | str:
    told = read_as(message.body, _Push)
    rest: dict[str, Any] = {
        "repository": as_repository(message.forge, told.repository),
        "delivery": message.identity,
        "actor": person(told.sender),
        "commit": commit_of(told.after),
        "before": commit_of(told.before),
    }
    if told.ref.startswith(_HEADS):
        return (Push(branch=ref_of(told.ref.removeprefix(_HEADS)), forced=told.forced, **rest),)
    if told.ref.startswith(_TAGS):
        return (Tag(tag=ref_of(told.ref.removeprefix(_TAGS)), **rest),)
    return f"a push to {ref_of(told.ref)}"


def _delete(message: Message) -> tuple[AnyChange, ...] | str:
    told = read_as(message.body, _Delete)
    rest: dict[str, Any] = {
        "repository": as_repository(message.forge, told.repository),
        "delivery": message.identity,
        "actor": person(told.sender),
    }
    if told.ref_type == "branch":
        return (Push(branch=ref_of(told.ref.removeprefix(_HEADS)), **rest),)
    if told.ref_type == "tag":
        return (Tag(tag=ref_of(told.ref.removeprefix(_TAGS)), **rest),)
    return f"delete {told.ref_type[:40]}"


def _pull_request(message: Message) -> tuple[AnyChange, ...] | str:
    told = read_as(message.body, _PullRequestMessage)
    action = _ACTIONS.get(told.action)
    if action is None or (told.action == "edited" and not {"base", "ref"} & told.changes.keys()):
        return f"{message.event} {told.action[:40]}"
    repository = as_repository(message.forge, told.repository)
    if told.pull_request.base.repo is None or told.pull_request.base.repo.id != told.repository.id:
        raise MalformedError(
            "the pull request belongs to another repository", hint="send it as the forge does"
        )
    found = as_pull_request(told.pull_request, repository, action)
    return (msgspec.structs.replace(found, delivery=message.identity, actor=person(told.sender)),)


def as_pull_request(told: HubPullRequest, repository: Repository, action: Action) -> PullRequest:
    """Return a pull request as the forge writes it, of a repository that was checked."""
    head, base = told.head.repo, told.base.repo
    fork = head is None or base is None or head.id != base.id
    source = repository
    if fork:
        gone = Repository(forge=repository.forge, name="")
        source = as_repository(repository.forge, head) if head is not None else gone
    return PullRequest(
        repository=repository,
        number=told.number,
        action=action,
        branch=ref_of(told.head.ref),
        commit=head_of(told.head.sha),
        base=ref_of(told.base.ref),
        base_commit=commit_of(told.base.sha),
        source=source,
        author=person(told.user or _User()),
        ref=f"refs/pull/{told.number}/head",
        fork=fork,
        merged=bool(told.merged),
        draft=bool(told.draft),
        title=told.title,
        web=web_of(told.html_url),
    )


def as_repository(forge: ForgeKind, told: HubRepository) -> Repository:
    """Return a repository as the forge writes it, checked."""
    return repository_of(forge, told.full_name, told.clone_url, told.html_url, told.default_branch or "")


def person(told: _User) -> Person:
    """Return someone as the forge writes them."""
    return Person(id=told.login, name=told.login)
