"""Rules choose who is told; each address gets a notice once, again after bad luck, and holds up no other."""

import pytest

from legato.domain.errors import ConfigurationError, MissingError
from legato.notify import End, Forgetful, Notice, Post, Receipt, Rule, Topic, read_rules
from legato.notify.memory import MemoryChannel
from legato.notify.post import ATTEMPTS


def notice(topic=Topic.FAILED, identity="e1", **more):
    return Notice(id=identity, topic=topic, at=0.0, source="/wine", title="x", **more)


class Office:
    """A post with channels in memory, by what their rule says."""

    def __init__(self, *rules, receipts=None):
        self.channels = {rule.to: MemoryChannel(rule.to, (receipts or {}).get(rule.to, ())) for rule in rules}
        self.waits = []
        self.post = Post(
            rules,
            lambda rule: self.channels[rule.to],
            Forgetful(),
            now=lambda: 0.0,
            sleep=self.waits.append,
        )

    def sent(self, to):
        return [one.id for one in self.channels[to].sent]


A = Rule(to="env:A", on=(Topic.FAILED, Topic.RECOVERED))
B = Rule(to="env:B", on=(Topic.FAILED,), pipelines=("wine*",), branches=("main",))
AGAIN = Receipt(end=End.AGAIN, why="it rains")


def test_rules_are_read_from_what_toml_gives():
    written = [
        {"to": "env:A", "on": ["failed", "recovered"]},
        {"to": "env:B", "on": ["failed"], "pipelines": ["wine*"], "branches": ["main"]},
    ]

    assert read_rules(written) == (A, B)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("env:A", "notify.rules is 'env:A'"),
        (["env:A"], r"notify.rules\[0\] is 'env:A'"),
        ([{"on": ["failed"]}], "does not say to whom"),
        ([{"to": "env:A"}], "does not say of what"),
        ([{"to": "env:A", "on": ["broken"]}], "'broken'"),
        ([{"to": "env:A", "on": "failed"}], "on is 'failed'"),
        ([{"to": "env:A", "on": ["failed"], "off": 1}], "off is not known"),
        ([{"to": "env:A", "on": ["failed"], "secret": "whsec_x"}], "secret stands in the file itself"),
        ([{"to": "env:A", "on": ["failed"], "branches": [1]}], "branches"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_with_its_place(written, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_rules(written)

    assert "whsec_x" not in str(caught.value)


def test_a_notice_goes_to_whom_the_rules_name():
    office = Office(A, B)

    office.post.tell(notice(pipeline="wine", branch="main"))
    office.post.tell(notice(Topic.RECOVERED, "e2", pipeline="wine", branch="main"))
    office.post.tell(notice(identity="e3", pipeline="churn", branch="main"))
    office.post.tell(notice(Topic.PROMOTED, "e4"))

    assert office.sent("env:A") == ["e1", "e2", "e3"]
    assert office.sent("env:B") == ["e1"]


def test_the_same_event_is_told_once():
    office = Office(A)

    results = [office.post.tell(notice()) for _ in range(3)]

    assert office.sent("env:A") == ["e1"]
    assert [len(one) for one in results] == [1, 0, 0]


def test_two_rules_for_one_address_send_once():
    office = Office(A, Rule(to="env:A", on=(Topic.FAILED,)))

    office.post.tell(notice())

    assert office.sent("env:A") == ["e1"]


def test_bad_luck_is_tried_again_with_longer_waits_or_those_asked_for():
    receipts = [AGAIN, Receipt(end=End.AGAIN, wait_s=30.0), Receipt(end=End.AGAIN, wait_s=9999.0)]
    office = Office(A, receipts={"env:A": receipts})

    done = office.post.tell(notice())

    assert office.waits == [1.0, 30.0, 300.0]
    assert (done[0].ok, done[0].attempts) == (True, 4)


def test_what_is_hopeless_is_tried_once_and_said():
    office = Office(A, receipts={"env:A": [Receipt(end=End.HOPELESS, why="it answers 404")]})

    done = office.post.tell(notice())

    assert (done[0].ok, done[0].attempts, done[0].why) == (False, 1, "it answers 404")
    assert office.waits == []


def test_one_address_that_fails_holds_up_no_other_and_is_told_when_asked_again():
    rule = Rule(to="env:C", on=(Topic.FAILED,))
    office = Office(A, rule, receipts={"env:A": [AGAIN] * ATTEMPTS})

    first = office.post.tell(notice())
    second = office.post.tell(notice())

    assert [one.ok for one in first] == [False, True]
    assert [(one.to, one.ok) for one in second] == [("env:A", True)]
    assert office.sent("env:C") == ["e1"]


def test_an_address_that_cannot_be_opened_is_said_and_not_raised():
    def refuse(_rule):
        raise MissingError("the variable A is not set")

    post = Post([A], refuse, Forgetful(), now=lambda: 0.0, sleep=lambda _: None)

    done = post.tell(notice())

    assert (done[0].ok, done[0].why) == (False, "the variable A is not set")


def test_the_memory_keeps_the_newest():
    memory = Forgetful(most=2)

    new = [memory.claim(key) for key in ("a", "b", "a", "c", "a")]

    assert new == [True, True, False, True, True]
