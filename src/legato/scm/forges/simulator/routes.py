"""What the faces of the simulator are made of: routes, requests, replies, and deeds that all forges know.

Rule: what there is stands in the `World` alone; a face only says it in its forge's own words.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from legato.domain.errors import MissingError
from legato.domain.forge import CommitStatus, Permission, PullRequest, StatusState
from legato.scm.forges.comments import Comment
from legato.scm.forges.memory import Known, World

PAGE: Final = 2
"""Short, so that every list has several pages."""
_BUILD_STATES: Final = {
    "INPROGRESS": StatusState.RUNNING, "SUCCESSFUL": StatusState.SUCCESS, "FAILED": StatusState.FAILURE,
    "STOPPED": StatusState.CANCELLED,
}  # fmt: skip
_LONGEST_KEY: Final = 40


class Asked(NamedTuple):
    """One request as a face sees it: `names` are the parts of its path that the route names, unquoted.

    `base` is the server's own address, for links to further pages.
    """

    world: World
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    base: str


class Reply(NamedTuple):
    """What a face answers."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = {}


class Route(NamedTuple):
    """One thing that a face answers: the method, the path as a pattern with named groups, and the answer."""

    method: str
    path: re.Pattern[str]
    answer: Callable[[Asked], Reply]


def route(method: str, path: str, answer: Callable[[Asked], Reply]) -> Route:
    """Return a route; `{repo}` in the path takes `owner/name`, any other word in braces one part of it."""
    pattern = path.replace("{repo}", r"(?P<repo>[^/]+/[^/]+)")
    return Route(method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)), answer)


def written(asked: Asked, number: int, text: str) -> Comment:
    """Add a comment by whoever asks, and return it."""
    thread = asked.world.find(asked.names["repo"]).thread(number)
    thread.append(Comment(id=str(asked.world.number()), author=asked.names["me"], text=text))
    return thread[-1]


def edited(asked: Asked, text: str) -> Comment:
    """Replace the text of a comment, and return it."""
    for thread in asked.world.find(asked.names["repo"]).comments.values():
        for at, one in enumerate(thread):
            if one.id == asked.names["id"]:
                thread[at] = Comment(id=one.id, author=one.author, text=text, version=one.version + 1)
                return thread[at]
    raise MissingError(f"no comment {asked.names['id']}")


def show(asked: Asked, status: CommitStatus) -> None:
    """Show a status beside a commit."""
    known = asked.world.find(asked.names["repo"])
    known.statuses[known.commit(asked.names["sha"]), status.context] = status


def requests_of(asked: Asked) -> Sequence[PullRequest]:
    """Return the open pull requests, newest first."""
    requests = asked.world.find(asked.names["repo"]).requests
    return [requests[number] for number in sorted(requests, reverse=True)]


def linked_page(asked: Asked, path: str, items: Sequence[object]) -> Reply:
    """Return one page of a list, the next one named in `Link`, as GitHub, GitLab and Gitea do it."""
    page = int(asked.query.get("page", "1"))
    shown = list(items[(page - 1) * PAGE : page * PAGE])
    if page * PAGE >= len(items):
        return Reply(shown)
    words = "&".join(f"{name}={value}" for name, value in {**asked.query, "page": str(page + 1)}.items())
    return Reply(shown, headers={"Link": f'<{asked.base}{path}?{words}>; rel="next"'})


def right_of(asked: Asked) -> Permission:
    """Return what the person who is asked about may do."""
    return asked.world.find(asked.names["repo"]).rights.get(asked.names["who"], Permission.NONE)


def asked_about(asked: Asked) -> Known:
    """Return the repository that is asked about."""
    return asked.world.find(asked.names["repo"])


def named_branches(asked: Asked) -> Sequence[object]:
    """Return the protected branches as a list of names."""
    return [{"name": name} for name in sorted(asked_about(asked).protected)]


def number_of(name: str) -> int:
    """Return the number of a repository: the same each time."""
    return sum(ord(letter) * (at + 1) for at, letter in enumerate(name))


def build_of(asked: Asked) -> CommitStatus | None:
    """Return a status as both kinds of Bitbucket take it; None where they would refuse it."""
    body = asked.body
    if len(body["key"]) > _LONGEST_KEY or not body["url"]:
        return None
    return CommitStatus(
        context=body["name"],
        state=_BUILD_STATES[body["state"]],
        description=body["description"],
        target=body["url"],
    )
