"""Promotions: who, why and despite what stays in the record; aliases move by compare-and-set."""

import pytest
from models_in import FAIL, OPEN, PASS, candidate, open_ledger

from legato.domain.errors import ConfigurationError, ConflictError, MissingError
from legato.registry import deeds, read
from legato.registry.moves import Request


@pytest.fixture
def ledger():
    """A model `wine` with v1 (c1) and v2 (c3, champion); c2 did not pass g1 and g3."""
    opened = open_ledger()
    deeds.register(opened, candidate("a", PASS))
    deeds.register(opened, candidate("b", FAIL, PASS, OPEN))
    deeds.register(opened, candidate("c", PASS))
    yield opened
    opened.close()


def promote(ledger, reference, **more):
    return deeds.promote(ledger, Request(reference=reference, **more))


def test_a_version_becomes_champion_again_and_the_record_says_who_and_why(ledger):
    found = promote(ledger, "wine:1", actor="ada", why="v2 is slow")

    assert (found.before, found.version) == (2, 1)
    assert found.note == "champion of wine in local: v2 -> v1"
    assert read.version(ledger, "wine").number == 1
    assert [(move.before, move.after, move.actor, move.why) for move in read.history(ledger, "wine")] == [
        (0, 1, "", ""),
        (1, 2, "", ""),
        (2, 1, "ada", "v2 is slow"),
    ]


def test_promoting_the_champion_changes_nothing_and_says_so(ledger):
    head = ledger.head()
    found = promote(ledger, "wine:2")

    assert found.events == ()
    assert found.note == "champion of wine in local is v2 already: nothing to do"
    assert ledger.head() == head


def test_a_candidate_that_did_not_pass_goes_on_despite_each_gate_and_with_a_reason(ledger):
    found = promote(ledger, "wine:c2", actor="ada", despite=("g1", "g3"), why="the fair is tomorrow")
    version = read.version(ledger, "wine@champion")

    assert found.version == version.number == 3
    assert (version.candidate.number, version.despite, version.why) == (
        2,
        ("g1", "g3"),
        "the fair is tomorrow",
    )
    assert version.actor == "ada"


@pytest.mark.parametrize(
    ("despite", "why", "message"),
    [
        ((), "", "did not pass 'g1', 'g3'"),
        (("g1",), "because", "did not pass 'g3'"),
        (("g1", "g3"), "  ", "no reason is given"),
        (("g1", "g2", "g3"), "because", "no gate 'g2' that did not pass"),
        (("g1", "g33"), "because", "no gate 'g33'"),
    ],
)
def test_a_gate_is_never_overruled_in_silence(ledger, despite, why, message):
    head = ledger.head()
    with pytest.raises(ConfigurationError, match=message) as refusal:
        promote(ledger, "wine:c2", despite=despite, why=why)

    assert refusal.value.hint
    assert ledger.head() == head


def test_a_candidate_that_has_a_version_is_promoted_as_that_version(ledger):
    assert promote(ledger, "wine:c1").version == 1
    assert len(read.versions(ledger, "wine")) == 2


def test_an_alias_of_ones_own_and_another_environment_move_alone(ledger):
    promote(ledger, "wine:1", alias="fallback")
    promote(ledger, "wine:1", environment="production")

    assert read.version(ledger, "wine@fallback").number == 1
    assert read.version(ledger, "wine", environment="production").number == 1
    assert read.version(ledger, "wine").number == 2


def test_an_alias_can_follow_an_alias(ledger):
    assert promote(ledger, "wine@champion", alias="fallback").version == 2


def test_an_alias_that_moved_since_one_looked_is_a_conflict(ledger):
    promote(ledger, "wine:1", expect=2)
    with pytest.raises(ConflictError, match="is v1 by now, not v2"):
        promote(ledger, "wine:c2", despite=("g1", "g3"), why="because", expect=2)

    assert read.version(ledger, "wine").number == 1


def test_an_alias_that_was_set_since_one_looked_is_a_conflict(ledger):
    promote(ledger, "wine:1", alias="fallback", expect=0)

    with pytest.raises(ConflictError, match="not no version"):
        promote(ledger, "wine:2", alias="fallback", expect=0)


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("wien:1", "no model is called 'wien'", "did you mean 'wine'?"),
        ("wine:9", "has no version 9", "legato models list"),
        ("wine:c9", "has no candidate c9", "legato models list"),
        ("wine@best", "has no 'best' in 'local'", "champion in local"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(ledger, reference, message, hint):
    with pytest.raises(MissingError, match=message) as refusal:
        promote(ledger, reference)

    assert hint in refusal.value.hint


@pytest.mark.parametrize("alias", ["", "../x", ".x", "a b", "x" * 101])
def test_a_hostile_alias_is_refused(ledger, alias):
    with pytest.raises(ConfigurationError, match="cannot name a"):
        promote(ledger, "wine:1", alias=alias)
