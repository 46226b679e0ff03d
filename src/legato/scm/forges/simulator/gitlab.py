"""What GitLab answers to what Legato asks.

Rule: shapes, statuses and paging are the documented ones; what there is stands in the `World` alone.
"""

from typing import Final

from legato.domain.forge import CommitStatus, Permission, StatusState
from legato.scm.forges.simulator.routes import (
    Asked,
    Reply,
    asked_about,
    edited,
    linked_page,
    named_branches,
    number_of,
    requests_of,
    right_of,
    route,
    written,
)

_LAB_STATES: Final = {
    "pending": StatusState.PENDING, "running": StatusState.RUNNING, "success": StatusState.SUCCESS,
    "failed": StatusState.FAILURE, "canceled": StatusState.CANCELLED,
}  # fmt: skip
_LEVELS: Final = {Permission.NONE: 0, Permission.READ: 20, Permission.WRITE: 30, Permission.ADMIN: 40}


def _lab_project(asked: Asked) -> Reply:
    known = asked_about(asked)
    clone = f"https://forge.example/{known.name}.git"
    return Reply({
        "id": number_of(known.name), "path_with_namespace": known.name, "http_url_to_repo": clone,
        "web_url": clone[:-4], "default_branch": known.default,
    })  # fmt: skip


def _lab_status(asked: Asked) -> Reply:
    body, known = asked.body, asked_about(asked)
    commit, state = known.commit(asked.names["sha"]), _LAB_STATES[body["state"]]
    old = known.statuses.get((commit, body["name"]))
    if old is not None and old.state == state:
        return Reply({"message": f"Cannot transition status via :enqueue from :{body['state']}"}, 400)
    target = body.get("target_url", "")
    status = CommitStatus(context=body["name"], state=state, description=body["description"], target=target)
    known.statuses[commit, body["name"]] = status
    return Reply({"name": body["name"]}, 201)


def _lab_notes(asked: Asked) -> Reply:
    thread = asked_about(asked).thread(int(asked.names["number"]))
    notes = [
        {"id": int(one.id), "author": {"id": 1, "username": one.author}, "body": one.text} for one in thread
    ]
    name = asked.names["repo"].replace("/", "%2F")
    return linked_page(asked, f"/api/v4/projects/{name}/merge_requests/{asked.names['number']}/notes", notes)


def _lab_member(asked: Asked) -> Reply:
    right = right_of(asked)
    if right is Permission.NONE:
        return Reply({"message": "404 Not found"}, 404)
    return Reply({"id": int(asked.names["who"]), "access_level": _LEVELS[right]})


def _lab_requests(asked: Asked) -> Reply:
    own = number_of(asked.names["repo"])
    found = [
        {
            "iid": one.number, "source_branch": one.branch, "target_branch": one.base, "sha": one.commit,
            "title": one.title, "web_url": one.web, "draft": one.draft, "target_project_id": own,
            "source_project_id": number_of(one.source.name) if one.source.name else None,
            "author": {"id": int(one.author.id), "username": one.author.name},
        }
        for one in requests_of(asked)
    ]  # fmt: skip
    name = asked.names["repo"].replace("/", "%2F")
    return linked_page(asked, f"/api/v4/projects/{name}/merge_requests", found)


def _lab_create(asked: Asked) -> Reply:
    return Reply({"id": int(written(asked, int(asked.names["number"]), asked.body["body"]).id)}, 201)


_LAB: Final = "/api/v4/projects/(?P<repo>[^/]+)"
GITLAB: Final = (
    route("GET", "/api/v4/user", lambda a: Reply({"id": 1, "username": a.names["me"]})),
    route("GET", _LAB, _lab_project),
    route("POST", f"{_LAB}/statuses/{{sha}}", _lab_status),
    route("GET", f"{_LAB}/merge_requests/{{number}}/notes", _lab_notes),
    route("POST", f"{_LAB}/merge_requests/{{number}}/notes", _lab_create),
    route(
        "PUT",
        f"{_LAB}/merge_requests/{{number}}/notes/{{id}}",
        lambda a: Reply({"id": int(edited(a, a.body["body"]).id)}),
    ),
    route("GET", f"{_LAB}/members/all/{{who}}", _lab_member),
    route("GET", f"{_LAB}/merge_requests", _lab_requests),
    route("GET", f"{_LAB}/protected_branches", lambda a: Reply(named_branches(a))),
    route(
        "GET",
        f"{_LAB}/repository/commits/{{sha}}",
        lambda a: Reply({"id": asked_about(a).commit(a.names["sha"])}),
    ),
)
