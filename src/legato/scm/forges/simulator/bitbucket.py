"""What Bitbucket Cloud answers to what Legato asks.

Rule: shapes, statuses and paging are the documented ones; what there is stands in the `World` alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from legato.domain.forge import PullRequest
from legato.scm.forges.simulator.routes import (
    PAGE,
    Asked,
    Reply,
    Route,
    asked_about,
    build_of,
    edited,
    requests_of,
    route,
    show,
    written,
)


def _cloud_page(asked: Asked, path: str, items: Sequence[object]) -> Reply:
    page = int(asked.query.get("page", "1"))
    body: dict[str, object] = {"values": list(items[(page - 1) * PAGE : page * PAGE]), "page": page}
    if page * PAGE < len(items):
        body["next"] = f"{asked.base}{path}?page={page + 1}"
    return Reply(body)


def _cloud_repository(name: str) -> Mapping[str, Any]:
    return {
        "uuid": f"{{{name}}}",
        "full_name": name,
        "links": {"html": {"href": f"https://forge.example/{name}"}},
    }


def _cloud_request(one: PullRequest) -> Mapping[str, Any]:
    source = _cloud_repository(one.source.name) if one.source.name else None
    return {
        "id": one.number, "title": one.title, "state": "OPEN", "draft": one.draft,
        "links": {"html": {"href": one.web}}, "author": {"uuid": one.author.id, "nickname": one.author.name},
        "source": {"branch": {"name": one.branch}, "commit": {"hash": one.commit[:12]}, "repository": source},
        "destination": {"branch": {"name": one.base}, "repository": _cloud_repository(one.repository.name)},
    }  # fmt: skip


def _cloud_status(asked: Asked) -> Reply:
    status = build_of(asked)
    if status is None:
        return Reply({"type": "error", "error": {"message": "Bad request"}}, 400)
    show(asked, status)
    return Reply({"key": asked.body["key"]}, 201)


def _cloud_comments(asked: Asked) -> Reply:
    thread = asked_about(asked).thread(int(asked.names["number"]))
    found = [
        {"id": int(one.id), "content": {"raw": one.text}, "user": {"uuid": one.author}} for one in thread
    ]
    return _cloud_page(
        asked, f"/2.0/repositories/{asked.names['repo']}/pullrequests/{asked.names['number']}/comments", found
    )


def _cloud_create(asked: Asked) -> Reply:
    return Reply(
        {"id": int(written(asked, int(asked.names["number"]), asked.body["content"]["raw"]).id)}, 201
    )


def _cloud_rights(asked: Asked) -> Reply:
    found = [
        {"permission": right.name.lower(), "user": {"uuid": who}}
        for who, right in asked_about(asked).rights.items()
    ]
    workspace, _, slug = asked.names["repo"].partition("/")
    return _cloud_page(asked, f"/2.0/workspaces/{workspace}/permissions/repositories/{slug}", found)


def _cloud_restrictions(asked: Asked) -> Reply:
    found = [
        {"kind": kind, "pattern": name}
        for name in sorted(asked_about(asked).protected)
        for kind in ("push", "force")
    ]
    return _cloud_page(asked, f"/2.0/repositories/{asked.names['repo']}/branch-restrictions", found)


def _cloud_about(asked: Asked) -> Reply:
    known = asked_about(asked)
    main = {"name": known.default} if known.default else None
    return Reply({**_cloud_repository(known.name), "mainbranch": main})


_CLOUD: Final = "/2.0/repositories/{repo}"
BITBUCKET: Final = (
    route("GET", "/2.0/user", lambda a: Reply({"uuid": a.names["me"]})),
    route("GET", _CLOUD, _cloud_about),
    route("POST", f"{_CLOUD}/commit/{{sha}}/statuses/build", _cloud_status),
    route("GET", f"{_CLOUD}/pullrequests/{{number}}/comments", _cloud_comments),
    route("POST", f"{_CLOUD}/pullrequests/{{number}}/comments", _cloud_create),
    route(
        "PUT",
        f"{_CLOUD}/pullrequests/{{number}}/comments/{{id}}",
        lambda a: Reply({"id": int(edited(a, a.body["content"]["raw"]).id)}),
    ),
    Route(
        "GET",
        route("GET", "/2.0/workspaces/{w}/permissions/repositories/{s}", _cloud_rights).path,
        lambda a: _cloud_rights(a._replace(names={**a.names, "repo": f"{a.names['w']}/{a.names['s']}"})),
    ),
    route(
        "GET",
        f"{_CLOUD}/pullrequests",
        lambda a: _cloud_page(
            a,
            f"/2.0/repositories/{a.names['repo']}/pullrequests",
            [_cloud_request(one) for one in requests_of(a)],
        ),
    ),
    route("GET", f"{_CLOUD}/branch-restrictions", _cloud_restrictions),
    route(
        "GET", f"{_CLOUD}/commit/{{sha}}", lambda a: Reply({"hash": asked_about(a).commit(a.names["sha"])})
    ),
)
