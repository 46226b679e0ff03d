"""The messages of GitLab: pushes, tag pushes, merge requests.

Rule: `object_kind` in the body decides, which is signed; the header's name of the event is not.
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
    "open": Action.OPENED,
    "reopen": Action.OPENED,
    "update": Action.UPDATED,
    "close": Action.CLOSED,
    "merge": Action.CLOSED,
}
_MEANT: Final = frozenset({"target_branch", "draft"})
"""Changes of a merge request without new commits after which it is looked at again."""


class _Kind(Payload, frozen=True, kw_only=True):
    object_kind: str = ""


class _Project(Payload, frozen=True, kw_only=True):
    id: int
    path_with_namespace: str
    git_http_url: str = ""
    web_url: str = ""
    default_branch: str | None = None


class _Push(Payload, frozen=True, kw_only=True):
    ref: str
    before: str
    after: str
    project: _Project
    user_id: int = 0
    user_username: str | None = ""


class _User(Payload, frozen=True, kw_only=True):
    id: int = 0
    username: str = ""


class _LastCommit(Payload, frozen=True, kw_only=True):
    id: str


class _MergeRequest(Payload, frozen=True, kw_only=True):
    iid: int
    source_branch: str
    target_branch: str
    source_project_id: int | None = None
    target_project_id: int
    author_id: int = 0
    last_commit: _LastCommit | None = None
    source: _Project | None = None
    action: str = ""
    oldrev: str = ""
    title: str = ""
    url: str = ""
    draft: bool = False


class _MergeRequestMessage(Payload, frozen=True, kw_only=True):
    object_attributes: _MergeRequest
    project: _Project
    user: _User = _User()
    changes: dict[str, Any] = msgspec.field(default_factory=dict)


def read(message: Message) -> tuple[AnyChange, ...] | str:
    """Return what a message of GitLab tells, or why it is passed over."""
    kind = read_as(message.body, _Kind).object_kind
    if kind == "push":
        return _push(message, "refs/heads/")
    if kind == "tag_push":
        return _push(message, "refs/tags/")
    if kind == "merge_request":
        return _merge_request(message)
    return kind[:60] or message.event


def _push(message: Message, prefix: str) -> tuple[AnyChange, ...]:
    told = read_as(message.body, _Push)
    if not told.ref.startswith(prefix):
        raise MalformedError(
            f"the ref {told.ref[:200]!r} does not begin with {prefix}", hint="send it as GitLab does"
        )
    name = ref_of(told.ref.removeprefix(prefix))
    rest: dict[str, Any] = {
        "repository": _repository(told.project),
        "delivery": message.identity,
        "actor": _person(told.user_id, told.user_username or ""),
        "commit": commit_of(told.after),
        "before": commit_of(told.before),
    }
    return (Tag(tag=name, **rest),) if prefix == "refs/tags/" else (Push(branch=name, **rest),)


def _merge_request(message: Message) -> tuple[AnyChange, ...] | str:
    told = read_as(message.body, _MergeRequestMessage)
    asked = told.object_attributes
    action = _ACTIONS.get(asked.action)
    if action is None or (action is Action.UPDATED and not asked.oldrev and _MEANT.isdisjoint(told.changes)):
        return f"merge_request {asked.action[:40]}".rstrip()
    if asked.target_project_id != told.project.id:
        raise MalformedError("the merge request belongs to another project", hint="send it as GitLab does")
    repository = _repository(told.project)
    fork = asked.source_project_id != asked.target_project_id
    request = PullRequest(
        repository=repository,
        delivery=message.identity,
        actor=_person(told.user.id, told.user.username),
        number=asked.iid,
        action=action,
        branch=ref_of(asked.source_branch),
        commit=head_of(asked.last_commit.id if asked.last_commit else ""),
        base=ref_of(asked.target_branch),
        source=_source(asked) if fork else repository,
        author=_person(asked.author_id, told.user.username if told.user.id == asked.author_id else ""),
        ref=f"refs/merge-requests/{asked.iid}/head",
        fork=fork,
        merged=asked.action == "merge",
        draft=asked.draft,
        title=asked.title,
        web=web_of(asked.url),
    )
    return (request,)


def _source(asked: _MergeRequest) -> Repository:
    return Repository(forge=ForgeKind.GITLAB, name="") if asked.source is None else _repository(asked.source)


def _repository(told: _Project) -> Repository:
    return repository_of(
        ForgeKind.GITLAB, told.path_with_namespace, told.git_http_url, told.web_url, told.default_branch or ""
    )


def _person(number: int, name: str) -> Person:
    return Person(id=str(number) if number else "", name=name)
