"""Messages of forges: signed as each documents it, read into changes, and refused wherever anything is off."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legato.domain.digests import digest_of
from legato.domain.forge import Action, Delivery, ForgeKind, Ignored, Person, is_ref
from legato.domain.signing import sign, verify, write_secret
from legato.scm.webhooks import (
    LONGEST_BODY_BYTES,
    DeliveryError,
    MalformedError,
    NotJsonError,
    TooLargeError,
    UnsignedError,
    forge_of,
    parse,
)
from legato.scm.webhooks.reading import depth_of

SECRET = "a secret of both sides"  # noqa: S105 - of nothing real
KEY = bytes(range(32))
NOW = 1_700_000_000.0
OLD, NEW, ZERO = "a1" * 20, "b2" * 20, "0" * 40
HOSTILE = 'zzz";echo${IFS}"hello";#'


def hub_repository(name="team/wine", number=1):
    return {
        "id": number,
        "full_name": name,
        "clone_url": f"https://forge.example/{name}.git",
        "html_url": f"https://forge.example/{name}",
        "default_branch": "main",
    }


def hub_push(ref="refs/heads/main", before=OLD, after=NEW):
    return {
        "ref": ref,
        "before": before,
        "after": after,
        "repository": hub_repository(),
        "sender": {"login": "ann"},
    }


def hub_request(action="opened", *, head="same", draft=False, **more):
    repos = {"same": hub_repository(), "fork": hub_repository("mallory/wine", 2), "gone": None}
    return {
        "action": action,
        "number": 7,
        "pull_request": {
            "number": 7,
            "title": "{{7*7}} <img src=x>",
            "html_url": "https://forge.example/team/wine/pull/7",
            "user": {"login": "ann"},
            "draft": draft,
            "merged": action == "closed",
            "head": {"ref": "feature", "sha": NEW, "repo": repos[head]},
            "base": {"ref": "main", "sha": OLD, "repo": hub_repository()},
        },
        "repository": hub_repository(),
        "sender": {"login": "bob"},
        **more,
    }


def lab_project(name="group/sub/wine", number=5):
    return {
        "id": number,
        "path_with_namespace": name,
        "git_http_url": f"https://lab.example/{name}.git",
        "web_url": f"https://lab.example/{name}",
        "default_branch": "main",
    }


def lab_push(kind="push", ref="refs/heads/main", before=OLD, after=NEW):
    project = lab_project()
    user = {"user_id": 3, "user_username": "ann"}
    return {"object_kind": kind, "ref": ref, "before": before, "after": after, "project": project, **user}


def lab_request(action="open", *, fork=False, oldrev="", changes=None):
    return {
        "object_kind": "merge_request",
        "user": {"id": 3, "username": "ann"},
        "project": lab_project(),
        "changes": changes or {},
        "object_attributes": {
            "iid": 7,
            "action": action,
            "oldrev": oldrev,
            "source_branch": "feature",
            "target_branch": "main",
            "source_project_id": 9 if fork else 5,
            "target_project_id": 5,
            "author_id": 3,
            "last_commit": {"id": NEW},
            "source": lab_project("mallory/wine", 9) if fork else lab_project(),
            "url": "https://lab.example/x",
        },
    }


def cloud_repository(name="team/wine"):
    return {
        "uuid": f"{{{name}}}",
        "full_name": name,
        "links": {"html": {"href": f"https://bb.example/{name}"}},
    }


def cloud_reference(kind, name, commit):
    return {"type": kind, "name": name, "target": {"hash": commit}}


def cloud_push(*changes):
    return {
        "push": {"changes": [{"old": old, "new": new} for old, new in changes]},
        "repository": cloud_repository(),
        "actor": {"uuid": "{u-1}", "nickname": "ann"},
    }


def cloud_request(*, fork=False, state="OPEN"):
    source = cloud_repository("mallory/wine") if fork else cloud_repository()
    return {
        "pullrequest": {
            "id": 7,
            "state": state,
            "source": {"branch": {"name": "feature"}, "commit": {"hash": NEW[:12]}, "repository": source},
            "destination": {"branch": {"name": "main"}, "repository": cloud_repository()},
            "author": {"uuid": "{u-1}", "nickname": "ann"},
        },
        "repository": cloud_repository(),
        "actor": {"uuid": "{u-2}", "nickname": "bob"},
    }


def server_repository(slug="wine", number=1, project="TEAM"):
    links = {"clone": [{"name": "http", "href": f"https://ann@dc.example/scm/{project}/{slug}.git"}]}
    return {"id": number, "slug": slug, "project": {"key": project}, "links": links}


def server_push(*changes):
    return {
        "repository": server_repository(),
        "actor": {"name": "ann"},
        "changes": [
            {"ref": {"id": ref}, "refId": ref, "fromHash": old, "toHash": new} for ref, old, new in changes
        ],
    }


def server_request(*, fork=False, state="OPEN", **more):
    source = server_repository(number=2, project="~mallory") if fork else server_repository()
    return {
        "actor": {"name": "bob"},
        "pullRequest": {
            "id": 7,
            "state": state,
            "fromRef": {"id": "refs/heads/feature", "latestCommit": NEW, "repository": source},
            "toRef": {"id": "refs/heads/main", "latestCommit": OLD, "repository": server_repository()},
            "author": {"user": {"name": "ann"}},
        },
        **more,
    }


def plain_push(*changes):
    return {
        "format": 1,
        "type": "git.push",
        "repository": {"name": "team/wine", "clone": "https://git.example/team/wine.git"},
        "changes": [{"ref": ref, "before": old, "after": new} for ref, old, new in changes],
        "actor": "ann",
    }


def hexadecimal(body, secret=SECRET):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(kind, event, body, secret=SECRET):
    """Return the headers that each forge documents."""
    json_type = {"Content-Type": "application/json"}
    match kind:
        case ForgeKind.GITHUB:
            own = {"X-GitHub-Event": event, "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
            own |= {"X-Hub-Signature-256": f"sha256={hexadecimal(body, secret)}"}
        case ForgeKind.GITEA:
            own = {"X-Gitea-Event": event, "X-GitHub-Event": event, "X-Gitea-Delivery": "d-2"}
            own |= {"X-Gitea-Signature": hexadecimal(body, secret)}
        case ForgeKind.GITLAB:
            own = {"X-Gitlab-Event": event, "X-Gitlab-Event-UUID": "d-3", "X-Gitlab-Token": secret}
        case ForgeKind.BITBUCKET:
            own = {"X-Event-Key": event, "X-Request-UUID": "d-4", "X-Hook-UUID": "h"}
            own |= {"X-Hub-Signature": f"sha256={hexadecimal(body, secret)}"}
        case ForgeKind.BITBUCKET_SERVER:
            own = {"X-Event-Key": event, "X-Request-Id": "d-5"}
            own |= {"X-Hub-Signature": f"sha256={hexadecimal(body, secret)}"}
        case ForgeKind.GIT:
            own = dict(sign("push_1", int(NOW), body, [KEY]))
    return json_type | own


def told(kind, event, payload, *, secrets=None, **more):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    secrets = secrets or ([write_secret(KEY)] if kind is ForgeKind.GIT else [SECRET])
    return parse(signed(kind, event, body) | more, body, secrets, now=NOW)


def only(found):
    assert isinstance(found, Delivery)
    assert len(found.changes) == 1
    return found.changes[0]


HEAD, TAG = "refs/heads/main", "refs/tags/v1"
PUSHES = {
    ForgeKind.GITHUB: ("push", hub_push()),
    ForgeKind.GITEA: ("push", hub_push()),
    ForgeKind.GITLAB: ("Push Hook", lab_push()),
    ForgeKind.BITBUCKET: (
        "repo:push",
        cloud_push((cloud_reference("branch", "main", OLD), cloud_reference("branch", "main", NEW))),
    ),
    ForgeKind.BITBUCKET_SERVER: ("repo:refs_changed", server_push((HEAD, OLD, NEW))),
    ForgeKind.GIT: ("", plain_push((HEAD, OLD, NEW))),
}
TAGS = {
    ForgeKind.GITHUB: ("push", hub_push(TAG, ZERO)),
    ForgeKind.GITEA: ("push", hub_push(TAG, ZERO)),
    ForgeKind.GITLAB: ("Tag Push Hook", lab_push("tag_push", TAG, ZERO)),
    ForgeKind.BITBUCKET: ("repo:push", cloud_push((None, cloud_reference("tag", "v1", NEW)))),
    ForgeKind.BITBUCKET_SERVER: ("repo:refs_changed", server_push((TAG, ZERO, NEW))),
    ForgeKind.GIT: ("", plain_push((TAG, ZERO, NEW))),
}
DELETIONS = {
    ForgeKind.GITHUB: ("push", hub_push(HEAD, OLD, ZERO)),
    ForgeKind.GITEA: (
        "delete",
        {"ref": "main", "ref_type": "branch", "repository": hub_repository(), "sender": {"login": "ann"}},
    ),
    ForgeKind.GITLAB: ("Push Hook", lab_push(after=ZERO)),
    ForgeKind.BITBUCKET: ("repo:push", cloud_push((cloud_reference("branch", "main", OLD), None))),
    ForgeKind.BITBUCKET_SERVER: ("repo:refs_changed", server_push((HEAD, OLD, ZERO))),
    ForgeKind.GIT: ("", plain_push((HEAD, OLD, ZERO))),
}
REQUESTS = {
    ForgeKind.GITHUB: [
        ("pull_request", hub_request("opened")),
        ("pull_request", hub_request("synchronize")),
        ("pull_request", hub_request("closed")),
    ],
    ForgeKind.GITEA: [
        ("pull_request", hub_request("opened")),
        ("pull_request_sync", hub_request("synchronized")),
        ("pull_request", hub_request("closed")),
    ],
    ForgeKind.GITLAB: [
        ("Merge Request Hook", lab_request("open")),
        ("Merge Request Hook", lab_request("update", oldrev=OLD)),
        ("Merge Request Hook", lab_request("merge")),
    ],
    ForgeKind.BITBUCKET: [
        ("pullrequest:created", cloud_request()),
        ("pullrequest:updated", cloud_request()),
        ("pullrequest:fulfilled", cloud_request(state="MERGED")),
    ],
    ForgeKind.BITBUCKET_SERVER: [
        ("pr:opened", server_request()),
        ("pr:from_ref_updated", server_request()),
        ("pr:merged", server_request(state="MERGED")),
    ],
}
FORKS = {
    ForgeKind.GITHUB: ("pull_request", hub_request(head="fork")),
    ForgeKind.GITEA: ("pull_request", hub_request(head="fork")),
    ForgeKind.GITLAB: ("Merge Request Hook", lab_request(fork=True)),
    ForgeKind.BITBUCKET: ("pullrequest:created", cloud_request(fork=True)),
    ForgeKind.BITBUCKET_SERVER: ("pr:opened", server_request(fork=True)),
}
every_forge = pytest.mark.parametrize("kind", list(ForgeKind))


@every_forge
def test_a_push_is_read(kind):
    found = told(kind, *PUSHES[kind])

    push = only(found)
    assert (push.branch, push.commit, push.before, push.deleted) == ("main", NEW, OLD, False)
    assert push.repository.forge is found.forge is kind
    assert push.repository.name.rpartition("/")[2] == "wine"
    assert push.repository.clone.startswith("https://")
    assert "@" not in push.repository.clone
    assert push.actor.id
    assert push.delivery == found.id


@every_forge
def test_a_new_tag_is_read(kind):
    tag = only(told(kind, *TAGS[kind]))

    assert (tag.tag, tag.commit, tag.before) == ("v1", NEW, "")


@every_forge
def test_a_deleted_branch_is_a_push_to_nothing(kind):
    push = only(told(kind, *DELETIONS[kind]))

    assert push.branch == "main"
    assert push.deleted


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_pull_request_is_opened_updated_and_closed(kind):
    found = [only(told(kind, event, payload)) for event, payload in REQUESTS[kind]]

    assert [one.action for one in found] == [Action.OPENED, Action.UPDATED, Action.CLOSED]
    assert [one.merged for one in found] == [False, False, True]
    assert {(one.number, one.branch, one.base, one.fork) for one in found} == {(7, "feature", "main", False)}
    assert all(NEW.startswith(one.commit) for one in found)
    assert all(one.source == one.repository for one in found)


@pytest.mark.parametrize("kind", FORKS)
def test_a_pull_request_from_a_fork_says_so(kind):
    request = only(told(kind, *FORKS[kind]))

    assert request.fork
    assert "mallory" in request.source.name
    assert "mallory" not in request.repository.name


@pytest.mark.parametrize("kind", [ForgeKind.GITHUB, ForgeKind.GITEA])
def test_a_fork_that_is_gone_is_a_fork(kind):
    request = only(told(kind, "pull_request", hub_request(head="gone")))

    assert request.fork
    assert request.source.name == ""


def test_several_refs_of_one_push_are_several_changes():
    found = told(
        ForgeKind.BITBUCKET_SERVER,
        "repo:refs_changed",
        server_push((HEAD, OLD, NEW), (TAG, ZERO, NEW), ("refs/notes/x", OLD, NEW)),
    )

    assert [type(one).__name__ for one in found.changes] == ["Push", "Tag"]


IGNORED = [
    (ForgeKind.GITHUB, "ping", {"zen": "x"}, "ping"),
    (ForgeKind.GITHUB, "star", {}, "star"),
    (ForgeKind.GITHUB, "push", hub_push("refs/notes/x"), "refs/notes/x"),
    (ForgeKind.GITHUB, "pull_request", hub_request("labeled"), "labeled"),
    (ForgeKind.GITHUB, "pull_request", hub_request("edited", changes={"title": {}}), "edited"),
    (ForgeKind.GITLAB, "Note Hook", {"object_kind": "note"}, "note"),
    (ForgeKind.GITLAB, "Merge Request Hook", lab_request("approved"), "approved"),
    (ForgeKind.GITLAB, "Merge Request Hook", lab_request("update"), "update"),
    (ForgeKind.BITBUCKET, "repo:fork", {}, "repo:fork"),
    (ForgeKind.BITBUCKET, "repo:push", cloud_push(), "without a branch"),
    (ForgeKind.BITBUCKET_SERVER, "diagnostics:ping", {"test": True}, "ping"),
    (ForgeKind.BITBUCKET_SERVER, "pr:modified", server_request(previousTitle="x"), "title"),
]


@pytest.mark.parametrize(("kind", "event", "payload", "reason"), IGNORED)
def test_what_asks_for_nothing_is_passed_over_with_a_reason(kind, event, payload, reason):
    found = told(kind, event, payload)

    assert isinstance(found, Ignored)
    assert reason in found.reason


def test_a_new_base_or_the_end_of_a_draft_is_an_update():
    found = [
        only(told(ForgeKind.GITHUB, "pull_request", hub_request("edited", changes={"base": {}}))),
        only(told(ForgeKind.GITLAB, "x", lab_request("update", changes={"draft": {"current": False}}))),
        only(
            told(
                ForgeKind.BITBUCKET_SERVER,
                "pr:modified",
                server_request(previousTarget={"id": "refs/heads/old"}),
            )
        ),
    ]

    assert {one.action for one in found} == {Action.UPDATED}


SPOILED = {
    "missing": lambda _: "",
    "wrong": lambda value: value[:-2] + ("00" if value[-2:] != "00" else "11"),
    "truncated": lambda value: value[:-1],
    "longer": lambda value: value + "0",
    "not ASCII": lambda value: value[:-1] + "é",
}


@every_forge
@pytest.mark.parametrize("spoil", SPOILED)
def test_a_message_whose_signature_does_not_hold_is_refused_with_401(kind, spoil):
    event, payload = PUSHES[kind]
    body = json.dumps(payload).encode()
    headers = {
        name: SPOILED[spoil](value) if re.search("signature|token", name, re.IGNORECASE) else value
        for name, value in signed(kind, event, body).items()
    }

    with pytest.raises(UnsignedError) as caught:
        parse(headers, body, [SECRET, write_secret(KEY)], now=NOW)

    assert caught.value.status == 401
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind in ForgeKind if kind is not ForgeKind.GITLAB])
def test_one_changed_byte_of_the_body_is_refused(kind):
    event, payload = PUSHES[kind]
    body = json.dumps(payload).encode()

    with pytest.raises(UnsignedError):
        parse(signed(kind, event, body), body.replace(b"main", b"mine"), [SECRET, write_secret(KEY)], now=NOW)


@pytest.mark.parametrize("kind", [ForgeKind.GITHUB, ForgeKind.BITBUCKET, ForgeKind.BITBUCKET_SERVER])
def test_a_signature_with_sha1_only_is_refused_though_it_holds(kind):
    event, payload = PUSHES[kind]
    body = json.dumps(payload).encode()
    headers = signed(kind, event, body)
    headers.pop("X-Hub-Signature-256", None)
    headers["X-Hub-Signature"] = "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()

    with pytest.raises(UnsignedError, match="SHA-1 only"):
        parse(headers, body, [SECRET], now=NOW)


@every_forge
@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_secret_nothing_is_believed(kind, secrets):
    event, payload = PUSHES[kind]
    body = json.dumps(payload).encode()

    with pytest.raises(UnsignedError, match="no secret is known"):
        parse(signed(kind, event, body, secret=""), body, secrets, now=NOW)


def test_while_one_secret_replaces_another_both_hold():
    event, payload = PUSHES[ForgeKind.GITHUB]

    found = told(ForgeKind.GITHUB, event, payload, secrets=["the new one", SECRET])

    assert isinstance(found, Delivery)


def test_gitlab_signs_after_standard_webhooks_and_then_its_token_serves_no_more():
    body = json.dumps(lab_push()).encode()
    secret = write_secret(KEY)
    base = {"Content-Type": "application/json", "X-Gitlab-Event": "Push Hook"}

    found = parse(base | dict(sign("msg-9", int(NOW), body, [KEY])), body, [secret], now=NOW)
    with pytest.raises(UnsignedError):
        parse(base | {"X-Gitlab-Token": secret, "X-Gitlab-Event-UUID": "d"}, body, [secret], now=NOW)

    assert found.id == "msg-9"


@pytest.mark.parametrize("late_s", [-301, 301, 10_000])
def test_a_signed_message_of_another_time_is_refused(late_s):
    body = json.dumps(plain_push((HEAD, OLD, NEW))).encode()

    with pytest.raises(UnsignedError, match="too long ago, or the clocks differ"):
        parse(signed(ForgeKind.GIT, "", body), body, [write_secret(KEY)], now=NOW + late_s)


def test_the_example_of_the_standard_is_verified():
    """Computed by hand from the specification: base64 of HMAC-SHA256 of `id.timestamp.body`."""
    body = b'{"test": 2432232314}'
    right = hmac.new(KEY, b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330." + body, hashlib.sha256).digest()
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"v1a,AAAA v1,{base64.b64encode(right).decode()}",
    }

    assert verify(headers, body, [b"x" * 24, KEY], 1614265330.0) == ""
    assert verify(headers, body + b" ", [KEY], 1614265330.0) == "its signature is wrong"


def test_gitea_is_not_taken_for_github_whose_headers_it_sends_too():
    assert forge_of({"x-gitea-event": "push", "x-github-event": "push"}) is ForgeKind.GITEA
    assert forge_of({"x-forgejo-event": "push", "x-github-event": "push"}) is ForgeKind.GITEA


def test_a_webhook_of_one_forge_takes_no_message_of_another():
    body = json.dumps(lab_push()).encode()

    with pytest.raises(UnsignedError, match="takes messages of github, not of gitlab"):
        parse(signed(ForgeKind.GITLAB, "x", body), body, [SECRET], now=NOW, forge=ForgeKind.GITHUB)
    with pytest.raises(UnsignedError, match="no forge that is known"):
        parse({"Content-Type": "application/json"}, b"{}", [SECRET], now=NOW)


def test_a_message_sent_again_has_the_same_id_and_digest():
    event, payload = PUSHES[ForgeKind.GITHUB]

    first, second = (told(ForgeKind.GITHUB, event, payload) for _ in range(2))

    assert first == second
    assert first.digest == digest_of(json.dumps(payload).encode())


def test_a_body_beyond_the_limit_is_refused_with_413_and_never_read():
    with pytest.raises(TooLargeError) as caught:
        told(ForgeKind.GITHUB, "push", b" " * (LONGEST_BODY_BYTES + 1))

    assert caught.value.status == 413


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "text/plain",
        "",
        "application/json; charset=utf-16",
        "application/jsonp",
    ],
)
def test_another_content_type_is_refused(kind):
    body = json.dumps(hub_push()).encode()

    with pytest.raises(NotJsonError) as caught:
        parse(signed(ForgeKind.GITHUB, "push", body) | {"Content-Type": kind}, body, [SECRET], now=NOW)

    assert caught.value.status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"ref": NaN}',
        b"\xff\xfe",
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 400_000,
        b'"' + b'\\"' * 400_000,
        b'{"ref": "\\ud800"}',
    ],
)
def test_a_signed_body_that_is_no_such_message_is_refused_with_400(body):
    with pytest.raises(MalformedError) as caught:
        told(ForgeKind.GITHUB, "push", body)

    assert caught.value.status == 400


@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/a..b",
        "refs/heads/.hidden",
        "refs/heads/a.lock",
        "refs/heads/a b",
        "refs/heads/a~1",
        "refs/heads/",
        "refs/heads/a\x00b",
        "refs/heads/a\nb",
        "refs/heads/a@{1}",
        "refs/heads/a\\b",
        "refs/heads/" + "x" * 2000,
    ],
)
@pytest.mark.parametrize(
    "kind", [ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.BITBUCKET_SERVER, ForgeKind.GIT]
)
def test_a_name_that_git_would_not_take_is_refused(kind, ref):
    payload = {
        ForgeKind.GITHUB: ("push", hub_push(ref)),
        ForgeKind.GITLAB: ("Push Hook", lab_push(ref=ref)),
        ForgeKind.BITBUCKET_SERVER: ("repo:refs_changed", server_push((ref, OLD, NEW))),
        ForgeKind.GIT: ("", plain_push((ref, OLD, NEW))),
    }[kind]

    with pytest.raises(MalformedError):
        told(kind, *payload)


@pytest.mark.parametrize(
    "name", [HOSTILE, "-x", "--upload-pack=touch", "{{7+7}}", "<img/src=x>", "é/ü", "$(id)"]
)
def test_a_hostile_branch_is_carried_as_data(name):
    push = only(told(ForgeKind.GITHUB, "push", hub_push(f"refs/heads/{name}")))

    assert push.branch == name


@pytest.mark.parametrize("commit", ["HEAD", "a" * 39, "A1" * 20, "--help", "", "a1" * 19 + "g1"])
def test_what_is_no_commit_is_refused(commit):
    request = hub_request()
    request["pull_request"]["head"]["sha"] = commit

    with pytest.raises(MalformedError):
        told(ForgeKind.GITHUB, "pull_request", request)


@pytest.mark.parametrize(
    "name", ["wine", "../wine", "team/../x", "team/wine\n", "-x/wine", "team//wine", "team/wi ne", "a/" * 400]
)
def test_a_repository_with_a_hostile_name_is_refused(name):
    with pytest.raises(MalformedError):
        told(ForgeKind.GITHUB, "push", hub_push() | {"repository": hub_repository() | {"full_name": name}})


@pytest.mark.parametrize(
    "clone",
    ["ext::sh -c id", "file:///etc", "/etc", "--upload-pack=x", "https://", "https://-x/y"],
)
def test_a_hostile_clone_address_is_refused(clone):
    with pytest.raises(MalformedError):
        told(ForgeKind.GITHUB, "push", hub_push() | {"repository": hub_repository() | {"clone_url": clone}})


def test_a_link_that_is_no_address_is_left_out():
    request = hub_request()
    request["pull_request"]["html_url"] = "javascript:alert(1)"

    assert only(told(ForgeKind.GITHUB, "pull_request", request)).web == ""


def test_a_request_of_another_repository_than_the_message_names_is_refused():
    request = hub_request()
    request["pull_request"]["base"]["repo"] = hub_repository("other/one", 99)

    with pytest.raises(MalformedError, match="belongs to another repository"):
        told(ForgeKind.GITHUB, "pull_request", request)


@pytest.mark.parametrize("identity", ["", "x" * 300, "a b", "../x", "a\nb"])
def test_a_message_without_a_usable_id_is_refused(identity):
    with pytest.raises(MalformedError, match="no usable id"):
        told(ForgeKind.GITHUB, "push", hub_push(), **{"X-GitHub-Delivery": identity})


def test_people_are_known_by_what_is_never_given_to_another():
    found = [only(told(kind, *PUSHES[kind])).actor for kind in (ForgeKind.GITLAB, ForgeKind.BITBUCKET)]

    assert found == [Person(id="3", name="ann"), Person(id="{u-1}", name="ann")]


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=300))
def test_any_signed_bytes_are_read_or_refused_and_nothing_else(body):
    for kind, event in (
        (ForgeKind.GITHUB, "push"),
        (ForgeKind.GITLAB, "x"),
        (ForgeKind.BITBUCKET, "repo:push"),
    ):
        try:
            found = told(kind, event, body)
        except DeliveryError as error:
            assert error.status in {400, 401, 413, 415}  # noqa: PT017 - either end is fine
        else:
            assert found.id


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_depth_is_counted_as_json_nests(value):
    def depth(one):
        if isinstance(one, dict):
            return 1 + max((depth(inner) for inner in one.values()), default=0)
        return 1 + max((depth(inner) for inner in one), default=0) if isinstance(one, list) else 0

    assert depth_of(json.dumps(value).encode()) == depth(value)


def test_refs_are_judged_as_git_judges_them():
    parts = [
        "a",
        ".",
        "..",
        "/",
        "@",
        "{",
        "}",
        "@{",
        "~",
        "^",
        ":",
        "?",
        "*",
        "[",
        "]",
        "\\",
        " ",
        "-",
        ".lock",
        "é",
        "\x7f",
        "\t",
        HOSTILE,
        "lock",
        "a.",
        "//",
    ]
    names = sorted(
        {
            first + second + third
            for first in parts
            for second in ("", *parts[:12])
            for third in ("", "x", ".")
        }
    )[:900]
    script = (
        'while IFS= read -r -d "" name; do git check-ref-format "refs/heads/$name" && echo 1 || echo 0; done'
    )
    given_names = "".join(f"{name}\0" for name in names).encode()
    answers = subprocess.run(
        ["bash", "-c", script], input=given_names, capture_output=True, check=True
    ).stdout.split()

    differing = [
        name
        for name, answer in zip(names, answers, strict=True)
        if is_ref(f"refs/heads/{name}") != (answer == b"1")
    ]
    assert differing == []


def test_time_is_taken_as_an_argument_and_not_from_a_clock():
    body = json.dumps(plain_push((HEAD, OLD, NEW))).encode()
    headers = {"Content-Type": "application/json", **sign("push_2", int(time.time()), body, [KEY])}

    with pytest.raises(UnsignedError):
        parse(headers, body, [write_secret(KEY)], now=0.0)
