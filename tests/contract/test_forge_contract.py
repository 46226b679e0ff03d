"""Every forge keeps the promises of the port: in memory, and over HTTP against the simulator of each interface."""

import base64
from types import SimpleNamespace

import pytest

from legato.domain.errors import ConfigurationError, LegatoError, MissingError, OutsideError
from legato.domain.forge import (
    Action,
    CommitStatus,
    ForgeKind,
    Permission,
    Person,
    PullRequest,
    Repository,
    StatusState,
)
from legato.scm.forges import Clocks, Patience
from legato.scm.forges.asking import Answer
from legato.scm.forges.catalogue import Access, open_forge
from legato.scm.forges.comments import Comment, mark_of
from legato.scm.forges.memory import MemoryForge, World
from legato.scm.forges.simulator import Simulator

TOKEN = "s3cret-tok3n-of-a-forge"  # noqa: S105 - of nothing real
NAME = "team/wine"
COMMIT = "c0ffee" + "1" * 34
OTHER = "beef" + "2" * 36
HTTP = [kind for kind in ForgeKind if kind is not ForgeKind.GIT]
STATUS = CommitStatus(
    context="legato/wine", state=StatusState.SUCCESS, description="3 gates", target="https://ci.example/1"
)


class Time:
    def __init__(self):
        self.now = 1_000_000.0
        self.waits = []

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


def request(kind, number, *, fork=False):
    own = Repository(forge=kind, name=NAME, clone=f"https://forge.example/{NAME}.git")
    source = Repository(forge=kind, name="mallory/wine") if fork else own
    return PullRequest(
        repository=own,
        number=number,
        action=Action.OPENED,
        branch=f"feature-{number}",
        commit=OTHER,
        base="main",
        base_commit=COMMIT,
        source=source,
        author=Person(id="7", name="ann"),
        fork=fork,
    )


def fill(world, kind):
    known = world.add(NAME)
    known.commits |= {COMMIT, OTHER}
    known.protected |= {"main", "release/*", "stable"}
    known.rights |= {"7": Permission.WRITE, "8": Permission.READ, "9": Permission.ADMIN}
    for number in (1, 2, 3):
        known.requests[number] = request(kind, number, fork=number == 2)
    return known


@pytest.fixture(params=["memory", *HTTP])
def setting(request):
    world, time = World(), Time()
    if request.param == "memory":
        yield SimpleNamespace(
            forge=MemoryForge(world, "legato"), known=fill(world, ForgeKind.GIT), simulator=None
        )
        return
    with Simulator(request.param, world, TOKEN) as simulator:
        yield SimpleNamespace(
            forge=open_on(simulator, time),
            known=fill(world, request.param),
            simulator=simulator,
            time=time,
            kind=request.param,
        )


@pytest.fixture(params=HTTP)
def remote(request):
    world, time = World(), Time()
    with Simulator(request.param, world, TOKEN) as simulator:
        yield SimpleNamespace(
            forge=open_on(simulator, time), known=fill(world, request.param), simulator=simulator, time=time
        )


def open_on(simulator, time, token=TOKEN, patience=None):
    account = "legato" if simulator.kind is ForgeKind.BITBUCKET_SERVER else ""
    clocks = Clocks(now=lambda: time.now, sleep=time.sleep)
    return open_forge(simulator.kind, Access(token, simulator.address, account), clocks, patience)


def trouble(status, body=b"", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=named, body=body)


def test_a_status_is_shown_beside_its_commit(setting):
    setting.forge.set_status(NAME, COMMIT, STATUS)

    assert setting.known.statuses == {(COMMIT, "legato/wine"): STATUS}


def test_a_later_status_replaces_the_one_of_its_context_and_telling_it_twice_is_fine(setting):
    for state in (StatusState.PENDING, StatusState.RUNNING, StatusState.FAILURE, StatusState.FAILURE):
        setting.forge.set_status(
            NAME, COMMIT, CommitStatus(context="legato/wine", state=state, target="https://ci.example/1")
        )

    assert [status.state for status in setting.known.statuses.values()] == [StatusState.FAILURE]


@pytest.mark.parametrize("state", list(StatusState))
def test_every_state_is_shown_as_the_forge_can(setting, state):
    traits = setting.forge.traits

    setting.forge.set_status(
        NAME, COMMIT, CommitStatus(context="x", state=state, target="https://ci.example")
    )
    shown = next(iter(setting.known.statuses.values())).state

    exact = {StatusState.SUCCESS, StatusState.FAILURE}
    exact |= {StatusState.RUNNING} if traits.running else set()
    exact |= {StatusState.CANCELLED} if traits.cancelled else set()
    unfinished = {StatusState.PENDING, StatusState.RUNNING}
    assert shown == state or state not in exact
    assert (shown in unfinished) == (state in unfinished)
    assert (shown is StatusState.SUCCESS) == (state is StatusState.SUCCESS)


def test_long_contexts_and_descriptions_are_cut_to_what_the_forge_takes(setting):
    context = "legato/" + "deep/" * 20 + "end"

    for description in ("first", "x\ny " * 500):
        setting.forge.set_status(
            NAME,
            COMMIT,
            CommitStatus(
                context=context,
                state=StatusState.SUCCESS if description == "first" else StatusState.FAILURE,
                description=description,
                target="https://ci.example",
            ),
        )

    assert list(setting.known.statuses) == [(COMMIT, context)]


def test_a_status_for_a_commit_or_repository_that_is_not_there_says_so(setting):
    with pytest.raises(MissingError):
        setting.forge.set_status(NAME, "a" * 40, STATUS)
    with pytest.raises(MissingError):
        setting.forge.set_status("team/none", COMMIT, STATUS)


def test_one_comment_is_updated(setting):
    first = setting.forge.upsert_comment(NAME, 1, "report", "accuracy 0.91")
    for number in range(3):
        setting.known.thread(1).append(Comment(id=f"{900 + number}", author="ann", text="nice"))
    second = setting.forge.upsert_comment(NAME, 1, "report", "accuracy 0.92")

    own = [one for one in setting.known.thread(1) if one.author == "legato"]
    assert first == second == own[0].id
    assert len(own) == 1
    assert own[0].text.startswith("accuracy 0.92")


def test_comments_of_two_names_do_not_disturb_each_other(setting):
    quoting = f"see {mark_of('report')} in this text"

    one = setting.forge.upsert_comment(NAME, 1, "data", quoting)
    two = setting.forge.upsert_comment(NAME, 1, "report", "hello")

    assert one != two
    assert quoting in setting.known.thread(1)[0].text


def test_a_comment_with_our_mark_by_someone_else_is_never_taken_for_ours(setting):
    forged = Comment(id="50", author="mallory", text=f"all good\n\n{mark_of('report')}\n")
    setting.known.thread(1).append(forged)

    written = setting.forge.upsert_comment(NAME, 1, "report", "gate failed")

    assert written != "50"
    assert forged in setting.known.thread(1)


def test_a_comment_that_is_too_long_is_cut_and_found_again(setting):
    first = setting.forge.upsert_comment(NAME, 1, "report", "x" * 600_000)
    second = setting.forge.upsert_comment(NAME, 1, "report", "y" * 600_000)

    assert first == second
    assert "This comment was cut" in setting.known.thread(1)[0].text


def test_a_comment_on_a_pull_request_that_is_not_there_says_so(setting):
    with pytest.raises(MissingError):
        setting.forge.upsert_comment(NAME, 99, "report", "hello")


def test_rights_are_told_and_strangers_have_none(setting):
    told = [setting.forge.permission(NAME, Person(id=who)) for who in ("7", "8", "9", "10", "")]

    assert told == [
        Permission.WRITE,
        Permission.READ,
        Permission.ADMIN,
        Permission.NONE,
        Permission.NONE,
    ]


def test_all_open_pull_requests_are_listed_and_forks_are_known(setting):
    found = setting.forge.open_pull_requests(NAME)

    assert [one.number for one in found] == [3, 2, 1]
    assert [one.fork for one in found] == [False, True, False]
    assert {one.base for one in found} == {"main"}
    assert {one.author.id for one in found} == {"7"}
    assert all(OTHER.startswith(one.commit) for one in found)
    assert all(one.abbreviated == setting.forge.traits.abbreviates for one in found)
    assert all(one.repository.name == NAME for one in found)


def test_an_abbreviated_commit_is_completed(setting):
    assert setting.forge.full_commit(NAME, OTHER[:12]) == OTHER


def test_default_and_protected_branches_are_told(setting):
    assert setting.forge.default_branch(NAME) == "main"
    assert setting.forge.protected_branches(NAME) == ("main", "release/*", "stable")


def test_an_empty_repository_has_no_default_branch(setting):
    setting.known.default = ""

    assert setting.forge.default_branch(NAME) == ""


def test_a_repository_that_is_not_there_is_missing(setting):
    for ask in (
        setting.forge.default_branch,
        setting.forge.open_pull_requests,
        setting.forge.protected_branches,
    ):
        with pytest.raises(MissingError):
            ask("team/none")


@pytest.mark.parametrize(
    "name", ["../../admin", "team", "team/..", "team/wine?x=1", "team/wi ne", "", "a/b%2f..", "/x"]
)
def test_a_hostile_name_reaches_no_forge(setting, name):
    with pytest.raises(ConfigurationError):
        setting.forge.default_branch(name)

    assert setting.simulator is None or setting.simulator.asked == []


@pytest.mark.parametrize("commit", ["HEAD", "../x", "a" * 39, "0" * 40, ""])
def test_what_is_no_commit_reaches_no_forge(setting, commit):
    with pytest.raises(ConfigurationError):
        setting.forge.set_status(NAME, commit, STATUS)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_bad_luck_is_tried_again(remote, status):
    remote.simulator.troubles = [trouble(status), None]

    remote.forge.set_status(NAME, COMMIT, STATUS)

    assert remote.known.statuses
    assert remote.time.waits == [0.5, 1.0]


def test_what_the_forge_asks_for_is_waited_for(remote):
    remote.simulator.troubles = [trouble(429, retry_after="7")]

    remote.forge.default_branch(NAME)

    assert remote.time.waits == [7.0]


def test_a_wait_longer_than_the_patience_is_said_and_not_waited_for(remote):
    remote.simulator.troubles = [trouble(429, retry_after="3600")]

    with pytest.raises(OutsideError, match="3600 s"):
        remote.forge.default_branch(NAME)

    assert remote.time.waits == []


def test_after_the_last_request_that_is_allowed_the_next_one_waits_for_the_reset(remote):
    reset = str(int(remote.time.now) + 30)
    body = b"[]"
    remote.simulator.troubles = [trouble(404, body, x_ratelimit_remaining="0", x_ratelimit_reset=reset)]

    with pytest.raises(MissingError):
        remote.forge.default_branch("team/none")
    remote.forge.default_branch(NAME)

    assert remote.time.waits == [30.0]


def test_bad_luck_that_does_not_end_is_an_error_with_what_was_said(remote):
    remote.simulator.troubles = [trouble(503, b'{"message": "on holiday"}')] * 4

    with pytest.raises(OutsideError, match="4 attempts: 503: on holiday"):
        remote.forge.default_branch(NAME)


def test_a_comment_whose_answer_was_lost_is_not_written_twice(remote):
    remote.simulator.lost = 1

    remote.forge.upsert_comment(NAME, 1, "report", "hello")

    assert len(remote.known.thread(1)) == 1
    assert any(asked.startswith("POST") for asked in remote.simulator.asked)


def test_a_wrong_token_is_a_matter_of_configuration_and_stands_in_no_message(remote):
    wrong = open_on(remote.simulator, remote.time, token="another-s3cret")  # noqa: S106 - of nothing real

    with pytest.raises(ConfigurationError, match="401") as caught:
        wrong.default_branch(NAME)

    assert "another-s3cret" not in f"{caught.value}{caught.value.hint}{caught.value!r}"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 501])
def test_a_token_that_the_forge_repeats_is_taken_out_of_the_message(remote, status):
    said = f'{{"message": "no right for {TOKEN} here"}}'.encode()
    remote.simulator.troubles = [trouble(status, said)]

    with pytest.raises(LegatoError) as caught:
        remote.forge.default_branch(NAME)

    assert TOKEN not in str(caught.value)
    assert "***" in str(caught.value)


def test_a_redirect_to_another_host_is_not_followed(remote):
    remote.simulator.troubles = [trouble(302, location="http://127.0.0.2:1/steal")]

    with pytest.raises(OutsideError, match=r"127\.0\.0\.2, where the token is not sent"):
        remote.forge.default_branch(NAME)


def test_an_answer_of_another_shape_is_an_error_that_says_so(remote):
    remote.simulator.troubles = [trouble(200, b'["surprise"]')]

    with pytest.raises(OutsideError, match="otherwise than its documentation says"):
        remote.forge.default_branch(NAME)


def test_a_password_is_sent_as_bitbucket_wants_it_and_hidden():
    world, time = World(), Time()
    pair = base64.b64encode(b"ann:app-passw0rd").decode()
    with Simulator(ForgeKind.BITBUCKET, world, pair) as simulator:
        fill(world, ForgeKind.BITBUCKET)
        forge = open_on(simulator, time, token="ann:app-passw0rd")  # noqa: S106 - of nothing real
        branch = forge.default_branch(NAME)
        simulator.troubles = [trouble(400, b'{"message": "app-passw0rd %s"}' % pair.encode())]

        with pytest.raises(OutsideError) as caught:
            forge.default_branch(NAME)

    assert branch == "main"
    assert "app-passw0rd" not in str(caught.value)
    assert pair not in str(caught.value)


def test_nothing_listening_is_an_error_after_the_last_attempt():
    time = Time()
    clocks = Clocks(now=lambda: time.now, sleep=time.sleep)
    forge = open_forge(
        ForgeKind.GITEA, Access(TOKEN, "http://127.0.0.1:1"), clocks, Patience(timeout_s=1, attempts=2)
    )

    with pytest.raises(OutsideError, match="in 2 attempts"):
        forge.default_branch(NAME)


@pytest.mark.parametrize("token", ["with space", "line\nend", "ümlaut-token"])
def test_a_token_that_no_header_may_hold_is_refused_unread(token):
    clocks = Clocks(now=lambda: 0.0, sleep=lambda _: None)

    with pytest.raises(ConfigurationError) as caught:
        open_forge(ForgeKind.GITHUB, Access(token), clocks)

    assert token not in str(caught.value)


@pytest.mark.parametrize("kind", [ForgeKind.BITBUCKET, ForgeKind.BITBUCKET_SERVER])
def test_bitbucket_is_not_asked_to_show_a_status_without_an_address(kind):
    world, time = World(), Time()
    with Simulator(kind, world, TOKEN) as simulator:
        fill(world, kind)

        with pytest.raises(ConfigurationError, match="without an address"):
            open_on(simulator, time).set_status(
                NAME, COMMIT, CommitStatus(context="x", state=StatusState.SUCCESS)
            )

    assert simulator.asked == []
