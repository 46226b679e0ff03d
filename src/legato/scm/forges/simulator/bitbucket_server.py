"""What Bitbucket Data Center answers to what Legato asks.

Rule: shapes, statuses and paging are the documented ones; what there is stands in the `World` alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from legato.domain.forge import Permission, PullRequest
from legato.scm.forges.simulator.routes import (
    PAGE,
    Asked,
    Reply,
    Route,
    asked_about,
    build_of,
    edited,
    number_of,
    requests_of,
    route,
    show,
    written,
)


def _server_page(asked: Asked, items: Sequence[object]) -> Reply:
    start = int(asked.query.get("start", "0"))
    last = start + PAGE >= len(items)
    body = {"values": list(items[start : start + PAGE]), "isLastPage": last, "start": start}
    return Reply({**body, "nextPageStart": None if last else start + PAGE})


def _server_repository(name: str) -> Mapping[str, Any]:
    project, _, slug = name.partition("/")
    links = {
        "clone": [{"href": f"https://forge.example/{name}.git", "name": "http"}],
        "self": [{"href": f"https://forge.example/{name}"}],
    }
    return {"id": number_of(name), "slug": slug, "project": {"key": project}, "links": links}


def _server_request(one: PullRequest) -> Mapping[str, Any]:
    def side(branch: str, commit: str, name: str) -> Mapping[str, Any]:
        return {"id": f"refs/heads/{branch}", "latestCommit": commit, "repository": _server_repository(name)}

    return {
        "id": one.number, "title": one.title, "state": "OPEN", "draft": one.draft,
        "fromRef": side(one.branch, one.commit, one.source.name),
        "toRef": side(one.base, one.base_commit, one.repository.name),
        "author": {"user": {"name": one.author.id}}, "links": {"self": [{"href": one.web}]},
    }  # fmt: skip


def _server_status(asked: Asked) -> Reply:
    status = build_of(asked)
    if status is None or asked.body["state"] == "STOPPED":
        return Reply({"errors": [{"message": "Bad request"}]}, 400)
    show(asked, status)
    return Reply(None, 204)


def _server_activities(asked: Asked) -> Reply:
    thread = asked_about(asked).thread(int(asked.names["number"]))
    told = [
        {
            "action": "COMMENTED",
            "comment": {
                "id": int(one.id),
                "version": one.version,
                "text": one.text,
                "author": {"name": one.author},
            },
        }
        for one in reversed(thread)
    ]
    return _server_page(asked, [*told, {"action": "OPENED"}])


def _server_create(asked: Asked) -> Reply:
    return Reply({"id": int(written(asked, int(asked.names["number"]), asked.body["text"]).id)}, 201)


def _server_update(asked: Asked) -> Reply:
    thread = asked_about(asked).thread(int(asked.names["number"]))
    old = next((one for one in thread if one.id == asked.names["id"]), None)
    if old is not None and old.version != asked.body.get("version"):
        return Reply({"errors": [{"message": "The comment was changed meanwhile"}]}, 409)
    return Reply({"id": int(edited(asked, asked.body["text"]).id)})


def _server_rights(asked: Asked) -> Reply:
    found = [
        {"permission": f"REPO_{right.name}", "user": {"name": who}}
        for who, right in asked_about(asked).rights.items()
        if right is not Permission.NONE
    ]
    return _server_page(asked, found)


_SERVER: Final = "/rest/api/1.0/projects/{p}/repos/{s}"


def _server_route(method: str, path: str, answer: Any) -> Route:  # noqa: ANN401 - as in `Route`
    """Return a route whose repository is named by project and slug."""

    def answered(asked: Asked) -> Reply:
        named = {**asked.names, "repo": f"{asked.names['p']}/{asked.names['s']}"}
        found: Reply = answer(asked._replace(names=named))
        return found

    return route(method, path, answered)


BITBUCKET_SERVER: Final = (
    _server_route("GET", _SERVER, lambda a: Reply(_server_repository(asked_about(a).name))),
    _server_route("POST", f"{_SERVER}/commits/{{sha}}/builds", _server_status),
    _server_route("GET", f"{_SERVER}/pull-requests/{{number}}/activities", _server_activities),
    _server_route("POST", f"{_SERVER}/pull-requests/{{number}}/comments", _server_create),
    _server_route("PUT", f"{_SERVER}/pull-requests/{{number}}/comments/{{id}}", _server_update),
    _server_route("GET", f"{_SERVER}/permissions/users", _server_rights),
    route("GET", "/rest/api/1.0/projects/{p}/permissions/users", lambda a: _server_page(a, [])),
    _server_route(
        "GET",
        f"{_SERVER}/pull-requests",
        lambda a: _server_page(a, [_server_request(one) for one in requests_of(a)]),
    ),
    _server_route(
        "GET",
        f"{_SERVER}/default-branch",
        lambda a: (
            Reply({"displayId": asked_about(a).default}) if asked_about(a).default else Reply(None, 204)
        ),
    ),
    _server_route(
        "GET",
        "/rest/branch-permissions/2.0/projects/{p}/repos/{s}/restrictions",
        lambda a: _server_page(
            a, [{"matcher": {"displayId": name}} for name in sorted(asked_about(a).protected)]
        ),
    ),
    _server_route(
        "GET", f"{_SERVER}/commits/{{sha}}", lambda a: Reply({"id": asked_about(a).commit(a.names["sha"])})
    ),
)
