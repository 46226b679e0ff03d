"""What GitHub and Gitea answer to what Legato asks.

Rule: shapes, statuses and paging are the documented ones; what there is stands in the `World` alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from legato.domain.forge import CommitStatus, PullRequest, StatusState
from legato.scm.forges.simulator.routes import (
    Asked,
    Reply,
    Route,
    asked_about,
    edited,
    linked_page,
    named_branches,
    number_of,
    requests_of,
    right_of,
    route,
    show,
    written,
)

_HUB_STATES: Final = {
    "pending": StatusState.PENDING, "success": StatusState.SUCCESS, "failure": StatusState.FAILURE,
    "error": StatusState.ERROR,
}  # fmt: skip
_UNPROCESSABLE: Final = 422


def _hub_repository(name: str, default: str = "") -> Mapping[str, Any]:
    clone = f"https://forge.example/{name}.git"
    return {
        "id": number_of(name),
        "full_name": name,
        "clone_url": clone,
        "html_url": clone[:-4],
        "default_branch": default,
    }


def _hub_request(one: PullRequest) -> Mapping[str, Any]:
    source = one.source.name
    return {
        "number": one.number, "title": one.title, "state": "open", "draft": one.draft, "html_url": one.web,
        "user": {"login": one.author.id},
        "head": {"ref": one.branch, "sha": one.commit, "repo": _hub_repository(source) if source else None},
        "base": {"ref": one.base, "sha": one.base_commit, "repo": _hub_repository(one.repository.name)},
    }  # fmt: skip


def _hub_status(asked: Asked) -> Reply:
    body = asked.body
    if body["state"] not in _HUB_STATES:
        return Reply({"message": "Validation Failed"}, _UNPROCESSABLE)
    status = CommitStatus(
        context=body["context"],
        state=_HUB_STATES[body["state"]],
        description=body["description"],
        target=body["target_url"],
    )
    show(asked, status)
    return Reply({"context": body["context"]}, 201)


def _hub_comments(asked: Asked) -> Sequence[object]:
    thread = asked.world.find(asked.names["repo"]).thread(int(asked.names["number"]))
    return [{"id": int(one.id), "user": {"login": one.author}, "body": one.text} for one in thread]


def _hub_create(asked: Asked) -> Reply:
    made = written(asked, int(asked.names["number"]), asked.body["body"])
    return Reply({"id": int(made.id), "body": made.text}, 201)


def _hub_permission(asked: Asked) -> Reply:
    right = right_of(asked)
    return Reply({"permission": right.name.lower(), "user": {"login": asked.names["who"]}})


def _hub_routes(root: str) -> tuple[Route, ...]:
    repo = f"{root}/repos/{{repo}}"
    return (
        route("GET", f"{root}/user", lambda asked: Reply({"login": asked.names["me"], "id": 1})),
        route(
            "GET", repo, lambda asked: Reply(_hub_repository(asked.names["repo"], asked_about(asked).default))
        ),
        route("POST", f"{repo}/statuses/{{sha}}", _hub_status),
        route("POST", f"{repo}/issues/{{number}}/comments", _hub_create),
        route(
            "PATCH",
            f"{repo}/issues/comments/{{id}}",
            lambda a: Reply({"id": int(edited(a, a.body["body"]).id)}),
        ),
        route("GET", f"{repo}/collaborators/{{who}}/permission", _hub_permission),
        route(
            "GET",
            f"{repo}/pulls",
            lambda a: linked_page(
                a, f"{root}/repos/{a.names['repo']}/pulls", [_hub_request(one) for one in requests_of(a)]
            ),
        ),
    )


GITHUB: Final = (
    *_hub_routes("/api/v3"),
    route(
        "GET",
        "/api/v3/repos/{repo}/issues/{number}/comments",
        lambda a: linked_page(
            a, f"/api/v3/repos/{a.names['repo']}/issues/{a.names['number']}/comments", _hub_comments(a)
        ),
    ),
    route(
        "GET",
        "/api/v3/repos/{repo}/branches",
        lambda a: linked_page(a, f"/api/v3/repos/{a.names['repo']}/branches", named_branches(a)),
    ),
    route(
        "GET",
        "/api/v3/repos/{repo}/commits/{sha}",
        lambda a: Reply({"sha": asked_about(a).commit(a.names["sha"])}),
    ),
)
GITEA: Final = (
    *_hub_routes("/api/v1"),
    route("GET", "/api/v1/repos/{repo}/issues/{number}/comments", lambda a: Reply(_hub_comments(a))),
    route(
        "GET",
        "/api/v1/repos/{repo}/branch_protections",
        lambda a: Reply([{"rule_name": name} for name in asked_about(a).protected]),
    ),
    route(
        "GET",
        "/api/v1/repos/{repo}/git/commits/{sha}",
        lambda a: Reply({"sha": asked_about(a).commit(a.names["sha"])}),
    ),
)
