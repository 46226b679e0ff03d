"""Our own message, for a plain git remote: what the shipped `post-receive` hook sends.

Rule: signed after Standard Webhooks; it says which refs moved and nothing that a clone would not show.
Format: docs/formats/webhooks.md.
"""

from typing import Any, Final

from legato.domain.forge import AnyChange, ForgeKind, Person, Push, Tag
from legato.scm.webhooks.reading import (
    MOST_CHANGES,
    Message,
    Payload,
    commit_of,
    read_as,
    ref_of,
    repository_of,
)
from legato.scm.webhooks.refusals import MalformedError

EVENT: Final = "git.push"
FORMAT: Final = 1
_HEADS: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"


class _Repository(Payload, frozen=True, kw_only=True):
    name: str
    clone: str = ""


class _Change(Payload, frozen=True, kw_only=True):
    ref: str
    before: str
    after: str


class _Body(Payload, frozen=True, kw_only=True):
    format: int
    type: str
    repository: _Repository
    changes: tuple[_Change, ...]
    actor: str = ""


def read(message: Message) -> tuple[AnyChange, ...] | str:
    """Return what the hook of a plain remote tells, or why it is passed over."""
    told = read_as(message.body, _Body)
    if told.format != FORMAT:
        raise MalformedError(
            f"the message has format {told.format}, this version reads {FORMAT}",
            hint="install the hook again",
        )
    if told.type != EVENT:
        return told.type[:60]
    if len(told.changes) > MOST_CHANGES:
        raise MalformedError(
            f"the push has {len(told.changes)} changes", hint=f"at most {MOST_CHANGES} are read"
        )
    found = tuple(change for one in told.changes if (change := _change(message, told, one)) is not None)
    return found or "a push without a branch or tag"


def _change(message: Message, told: _Body, one: _Change) -> AnyChange | None:
    rest: dict[str, Any] = {
        "repository": repository_of(ForgeKind.GIT, told.repository.name, told.repository.clone),
        "delivery": message.identity,
        "actor": Person(id=told.actor, name=told.actor),
        "commit": commit_of(one.after),
        "before": commit_of(one.before),
    }
    if one.ref.startswith(_HEADS):
        return Push(branch=ref_of(one.ref.removeprefix(_HEADS)), **rest)
    if one.ref.startswith(_TAGS):
        return Tag(tag=ref_of(one.ref.removeprefix(_TAGS)), **rest)
    return None
