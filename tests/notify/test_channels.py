"""Every channel keeps the promises of the port; our own webhooks are signed and never lead inside."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.domain.signing import verify, write_secret
from legato.notify import End, Limits, Notice, Receipt, Rule, Topic
from legato.notify.guard import check
from legato.notify.memory import MemoryChannel
from legato.notify.opening import open_channel
from legato.notify.port import MOST_DATA_BYTES
from legato.notify.webhook import Webhook, event_of

# a module that Apprise imports and Python 3.13 no longer has
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

KEY = bytes(range(32))
NOW = 1_700_000_000.0
LOCAL = Limits(inside=True, plain=True)
NOTICE = Notice(
    id="run-17-failed",
    topic=Topic.FAILED,
    at=1_699_999_999.5,
    source="/projects/wine",
    subject="run/17",
    title="wine: run 17 failed",
    text="classifier raised",
    link="https://ci.example/runs/17",
    data={"step": "classifier"},
)


@contextmanager
def receiver(answers=()):
    heard, waiting = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def _do(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            heard.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, headers = waiting.pop(0) if waiting else (204, {})
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_POST = _do  # noqa: N815 - as http.server calls them

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1], heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def apprise_at(port):
    pytest.importorskip("apprise", reason="pip install 'legato[notify]'")
    from legato.notify.apprise import Apprise

    return Apprise(f"json://127.0.0.1:{port}/secret-path", limits=LOCAL)


CHANNELS = {
    "webhook": lambda port: Webhook(
        f"http://127.0.0.1:{port}/secret-path", [write_secret(KEY)], limits=LOCAL
    ),
    "apprise": apprise_at,
}
every_channel = pytest.mark.parametrize("kind", CHANNELS)


def test_the_memory_keeps_what_it_takes_and_answers_as_it_is_told():
    channel = MemoryChannel(receipts=[Receipt(end=End.AGAIN), Receipt(end=End.HOPELESS)])

    ends = [channel.send(NOTICE, NOW).end for _ in range(3)]

    assert ends == [End.AGAIN, End.HOPELESS, End.SENT]
    assert channel.sent == [NOTICE]


@every_channel
def test_a_notice_arrives_with_its_title_and_link(kind):
    with receiver() as (port, heard):
        receipt = CHANNELS[kind](port).send(NOTICE, NOW)

    assert receipt == Receipt(end=End.SENT)
    assert len(heard) == 1
    assert b"wine: run 17 failed" in heard[0][2]
    assert b"https://ci.example/runs/17" in heard[0][2]


@every_channel
def test_bad_luck_is_worth_another_try_and_raises_nothing(kind):
    with receiver([(503, {})]) as (port, _):
        channel = CHANNELS[kind](port)
        unlucky = channel.send(NOTICE, NOW)
    gone = channel.send(NOTICE, NOW)

    assert unlucky.end is gone.end is End.AGAIN
    assert unlucky.why


@every_channel
def test_no_name_and_no_reason_holds_the_address(kind):
    with receiver([(503, {}), (400, {})]) as (port, _):
        channel = CHANNELS[kind](port)
        said = [channel.name, *(channel.send(NOTICE, NOW).why for _ in range(2))]
    said.append(channel.send(NOTICE, NOW).why)

    assert "secret-path" not in " ".join(said)


@every_channel
def test_a_redirect_is_not_followed(kind):
    with (
        receiver() as (elsewhere, stolen),
        receiver([(302, {"Location": f"http://127.0.0.1:{elsewhere}/x"})]) as (port, _),
    ):
        receipt = CHANNELS[kind](port).send(NOTICE, NOW)

    assert receipt.end is not End.SENT
    assert stolen == []


def test_a_webhook_is_a_signed_cloud_event():
    with receiver() as (port, heard):
        Webhook(
            f"http://127.0.0.1:{port}/a?b=c", [write_secret(KEY), write_secret(b"n" * 32)], limits=LOCAL
        ).send(NOTICE, NOW)

    path, headers, body = heard[0]
    event = json.loads(body)
    assert path == "/a?b=c"
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert headers["webhook-id"] == event["id"] == "run-17-failed"
    assert [verify(headers, body, [key], NOW) for key in (KEY, b"n" * 32)] == ["", ""]
    assert verify(headers, body + b" ", [KEY], NOW) == "its signature is wrong"
    assert {key: event[key] for key in ("specversion", "type", "source", "subject", "time")} == {
        "specversion": "1.0",
        "type": "dev.legato.failed",
        "source": "/projects/wine",
        "subject": "run/17",
        "time": "2023-11-14T22:13:19.500000Z",
    }
    assert event["data"]["step"] == "classifier"


def test_an_event_too_large_for_anyone_is_cut_and_says_so():
    notice = Notice(id="x", topic=Topic.DRIFT, at=0.0, source="/x", title="t", data={"rows": "x" * 2**20})

    body = event_of(notice)

    assert len(body) <= MOST_DATA_BYTES
    assert json.loads(body)["data"]["cut"] is True


@pytest.mark.parametrize(
    ("status", "end"),
    [(200, End.SENT), (429, End.AGAIN), (404, End.HOPELESS), (410, End.HOPELESS), (301, End.HOPELESS)],
)
def test_what_the_receiver_answers_decides(status, end):
    with receiver([(status, {"Retry-After": "9", "Location": "http://127.0.0.1/"})]) as (port, _):
        receipt = CHANNELS["webhook"](port).send(NOTICE, NOW)

    assert receipt.end is end
    assert receipt.wait_s == (9.0 if end is End.AGAIN else 0.0)


INSIDE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "0", "0.0.0.0",  # noqa: S104 - refused
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "169.254.169.254", "2852039166", "0xa9fea9fe",
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "168.63.129.16", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "[fe80::1]", "[fe80::1%25lo]", "[fc00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "[::127.0.0.1]", "[ff02::1]", "240.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", INSIDE)
def test_a_server_sends_nothing_to_an_address_inside_however_it_is_written(host):
    asked = []

    with pytest.raises((ConfigurationError, OutsideError)):
        check(f"https://{host}/x", Limits(), lambda *place: asked.append(place) or [])

    receipt = Webhook(f"https://{host}/x", [write_secret(KEY)], lookup=lambda *_: []).send(NOTICE, NOW)
    assert receipt.end is not End.SENT
    assert asked == []


@pytest.mark.parametrize(
    "ips", [["127.0.0.1"], ["::1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:169.254.169.254"], ["fe80::1%2"]]
)
def test_a_name_that_leads_inside_is_refused_though_one_of_its_addresses_is_public(ips):
    receipt = Webhook("https://rebind.example/x", [write_secret(KEY)], lookup=lambda *_: ips).send(
        NOTICE, NOW
    )

    assert receipt.end is End.HOPELESS
    assert "not public" in receipt.why


def test_the_connection_goes_to_the_address_that_was_checked_and_the_name_is_looked_up_once():
    lookups = []

    def lookup(host, _port):
        lookups.append(host)
        return ["127.0.0.1"] if len(lookups) == 1 else ["127.0.0.2"]

    with receiver() as (port, heard):
        url = f"http://name-that-no-system-knows.invalid:{port}/x"
        receipt = Webhook(url, [write_secret(KEY)], limits=LOCAL, lookup=lookup).send(NOTICE, NOW)

    assert receipt.end is End.SENT
    assert lookups == ["name-that-no-system-knows.invalid"]
    assert heard[0][1]["host"].startswith("name-that-no-system-knows.invalid")


NO_ADDRESSES = [
    "http://example.org/x", "https://a:b@example.org/", "https://@example.org/", "ftp://example.org/", "https:///x",
    "https://exa mple.org/", "https://example.org\\@127.0.0.1/", "https://example.org:99999/", "",
    "https://example.org/x#y", "https://ex\nample.org/", "file:///etc/passwd", "gopher://example.org/",
]  # fmt: skip


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_an_address_that_is_none_is_refused_unasked(url):
    with pytest.raises(ConfigurationError):
        check(url, Limits(), lambda *_: ["8.8.8.8"])


def test_a_public_address_passes():
    found = check(
        "https://hooks.example:8443/a/b?c=d", Limits(), lambda *_: ["93.184.216.34", "2606:4700::1"]
    )

    assert (found.host, found.port, found.target) == ("hooks.example", 8443, "/a/b?c=d")
    assert found.ips == ("93.184.216.34", "2606:4700::1")


@pytest.mark.parametrize("secrets", [[], ["password"], ["whsec_"], ["whsec_!!!"], ["whsec_QUJD"]])
def test_a_webhook_without_a_real_secret_is_refused(secrets):
    with pytest.raises(ConfigurationError, match="no secret that can be used"):
        Webhook("https://hooks.example/", secrets)


def test_a_rule_finds_its_address_and_secret_in_the_environment():
    rule = Rule(to="env:HOOK", on=(Topic.FAILED,), secret="env:KEY")  # noqa: S106 - a variable's name

    with receiver() as (port, heard):
        environment = {"HOOK": f"http://127.0.0.1:{port}/x", "KEY": write_secret(KEY)}
        receipt = open_channel(rule, environment, LOCAL).send(NOTICE, NOW)

    assert receipt.end is End.SENT
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("environment", "kind"),
    [({}, MissingError), ({"HOOK": "https://hooks.example/sEcret"}, ConfigurationError)],
)
def test_a_rule_that_cannot_be_opened_says_what_is_missing_and_shows_no_address(environment, kind):
    with pytest.raises(kind) as caught:
        open_channel(Rule(to="env:HOOK", on=(Topic.FAILED,)), environment, Limits())

    assert "HOOK" in str(caught.value)
    assert "sEcret" not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize("address", ["syslog://", "file:///etc/passwd", "dbus://", "nonsense://x", "json://"])
def test_apprise_acts_on_nothing_of_this_machine(address):
    pytest.importorskip("apprise", reason="pip install 'legato[notify]'")
    from legato.notify.apprise import Apprise

    with pytest.raises(ConfigurationError):
        Apprise(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "rebind.example"])
def test_apprise_is_not_sent_inside_from_a_server(host):
    pytest.importorskip("apprise", reason="pip install 'legato[notify]'")
    from legato.notify.apprise import Apprise

    receipt = Apprise(f"json://{host}/x", lookup=lambda *_: ["10.0.0.1"]).send(NOTICE, NOW)

    assert receipt.end is End.HOPELESS
    assert "not public" in receipt.why
