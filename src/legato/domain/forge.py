"""What a forge tells and is told: pushes, tags and pull requests, commit statuses, rights of people.

Rule: everything in here came from outside and was checked once, at the edge; names are data and never become
options, patterns or code. Format: docs/formats/webhooks.md.
"""

from enum import IntEnum, StrEnum
from typing import Final

from legato.domain.digests import Digest
from legato.domain.graph import Struct

LONGEST_REF: Final = 1024
"""Characters; file systems that hold refs as files stop far below that."""

_FORBIDDEN_IN_REF: Final = frozenset("~^:?*[\\ \x7f") | {chr(code) for code in range(32)}
_COMMIT_LENGTHS: Final = (40, 64)
_SHORTEST_COMMIT: Final = 7


class ForgeKind(StrEnum):
    """Which forge; `GIT` is a plain remote that speaks our own webhook, sent by a hook of the repository."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    BITBUCKET = "bitbucket"
    BITBUCKET_SERVER = "bitbucket-server"
    GIT = "git"


class Repository(Struct, frozen=True, kw_only=True):
    """A repository of a forge.

    Attributes:
        name: `owner/name`, with all groups in between; empty where the forge does not say (a deleted fork).
        clone: Where it is fetched from (`https://…`); empty where the forge does not say.
        web: Where people look at it.
        default_branch: As the forge tells it; empty where it does not.
    """

    forge: ForgeKind
    name: str
    clone: str = ""
    web: str = ""
    default_branch: str = ""


class Person(Struct, frozen=True, kw_only=True):
    """Someone on a forge: `id` is what its interface knows them by and is never given to another, `name` is shown."""

    id: str = ""
    name: str = ""


class Change(Struct, frozen=True, kw_only=True, tag_field="change"):
    """The root of what a webhook tells.

    Attributes:
        delivery: The forge's id of the message that told it; equal when a message is sent again.
        repository: The one whose webhook it is; for a pull request the one that it asks to be taken into.
        actor: Who did it.
    """

    repository: Repository
    delivery: str = ""
    actor: Person = Person()


class Push(Change, frozen=True, kw_only=True, tag="push"):
    """A branch moved, appeared or went away.

    Attributes:
        branch: Its name without `refs/heads/`.
        commit: What it points to now; empty when it was deleted.
        before: What it pointed to; empty when it is new.
        forced: The forge says that commits were left behind.
    """

    branch: str
    commit: str = ""
    before: str = ""
    forced: bool = False

    @property
    def deleted(self) -> bool:
        """Whether the branch is gone."""
        return not self.commit


class Tag(Change, frozen=True, kw_only=True, tag="tag"):
    """A tag moved, appeared or went away; fields as in `Push`.

    `commit` may be the id of a tag object, which git resolves.
    """

    tag: str
    commit: str = ""
    before: str = ""

    @property
    def deleted(self) -> bool:
        """Whether the tag is gone."""
        return not self.commit


class Action(StrEnum):
    """What became of a pull request: `UPDATED` when its commits or its base are others than before."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


class PullRequest(Change, frozen=True, kw_only=True, tag="pull request"):
    """A pull request (GitLab: merge request).

    Attributes:
        number: As people see it.
        branch: Name of the branch that it brings, in `source`.
        commit: The head of that branch; at least twelve digits of it where `abbreviated` is true.
        base: Name of the branch that it asks to be taken into.
        base_commit: Where that one stood; empty where the forge does not say.
        ref: The ref of `repository` under which the commit can be fetched; empty where there is none, then it is
            fetched from `source`.
        fork: It comes from another repository, or from one that nobody can name any more.
        author: Who opened it.
        merged: It was closed by taking it in.
    """

    number: int
    action: Action
    branch: str
    commit: str
    base: str
    source: Repository
    author: Person = Person()
    base_commit: str = ""
    ref: str = ""
    fork: bool = False
    merged: bool = False
    draft: bool = False
    title: str = ""
    web: str = ""

    @property
    def abbreviated(self) -> bool:
        """Whether `commit` has to be completed by asking the forge."""
        return len(self.commit) not in _COMMIT_LENGTHS


AnyChange = Push | Tag | PullRequest


class Delivery(Struct, frozen=True, kw_only=True):
    """One message of a forge whose signature holds.

    Attributes:
        id: The forge's own; the same when it sends the message again. Most forges do not sign it.
        digest: Of the message's body, which is signed: a message that was seen is known by this as well.
        changes: What it tells; several where one push moved several branches.
    """

    id: str
    digest: Digest
    forge: ForgeKind
    changes: tuple[AnyChange, ...]


class Ignored(Struct, frozen=True, kw_only=True):
    """A message whose signature holds and that asks for nothing; `reason` is for people (`ping`)."""

    id: str
    digest: Digest
    forge: ForgeKind
    reason: str


class StatusState(StrEnum):
    """How a commit fares."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    CANCELLED = "cancelled"


class CommitStatus(Struct, frozen=True, kw_only=True):
    """What a forge shows beside a commit.

    Attributes:
        context: Which status it is (`legato/wine-quality`); a later one of the same context replaces it.
        description: One line; cut to what the forge takes.
        target: Where a click leads; an address.
    """

    context: str
    state: StatusState
    description: str = ""
    target: str = ""


class Permission(IntEnum):
    """What a person may do with a repository; each includes those before it."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3


def is_ref(name: str) -> bool:
    """Say whether git would take `name` for a ref, as `git check-ref-format --allow-onelevel` does.

    >>> is_ref("feature/a-b"), is_ref("a..b"), is_ref("a.lock/b"), is_ref('x";echo${IFS}hi;#')
    (True, False, False, True)
    """
    if not name or len(name) > LONGEST_REF or name == "@" or name.endswith("."):
        return False
    if ".." in name or "@{" in name or not _FORBIDDEN_IN_REF.isdisjoint(name):
        return False
    return all(part and part[0] != "." and not part.endswith(".lock") for part in name.split("/"))


def is_commit(text: str, *, abbreviated: bool = False) -> bool:
    """Say whether `text` is the id of a commit: 40 or 64 small hexadecimal digits, not all zero.

    >>> is_commit("0123456789" * 4), is_commit("0" * 40), is_commit("abc1234"), is_commit("abc1234", abbreviated=True)
    (True, False, False, True)
    """
    fits = (
        _SHORTEST_COMMIT <= len(text) <= _COMMIT_LENGTHS[-1] if abbreviated else len(text) in _COMMIT_LENGTHS
    )
    return fits and set(text) <= set("0123456789abcdef") and set(text) != {"0"}
