"""What registering a candidate comes to: numbers, versions, the champion, and nothing twice."""

import pytest
from models_in import FAIL, OPEN, PASS, candidate, open_ledger

from legato.domain.errors import ConfigurationError
from legato.domain.events import kind_of
from legato.registry import deeds, read
from legato.registry.moves import Judged, Request


@pytest.fixture
def ledger():
    opened = open_ledger()
    yield opened
    opened.close()


def kinds(ledger):
    return [kind_of(stored.event) for stored in ledger.events()]


def test_the_first_that_passes_is_champion(ledger):
    found = deeds.register(ledger, candidate("a", PASS, PASS), Judged(actor="ada"))

    assert (found.candidate, found.version, found.before, found.champion, found.first) == (1, 1, 0, 1, True)
    assert kinds(ledger) == ["candidate.registered", "version.created", "alias.moved"]


@pytest.mark.parametrize("outcome", [FAIL, OPEN])
def test_what_does_not_pass_stays_a_candidate(ledger, outcome):
    deeds.register(ledger, candidate("a", PASS))
    found = deeds.register(ledger, candidate("b", PASS, outcome))

    assert (found.candidate, found.version, found.champion, found.first) == (2, 0, 1, False)
    assert "g2" in found.note
    assert read.candidate(ledger, "wine:c2").outcome is outcome


def test_numbers_count_per_model(ledger):
    numbers = [
        (found.model, found.candidate, found.version)
        for found in (
            deeds.register(ledger, candidate(text, outcome, model=model))
            for text, outcome, model in [
                ("a", PASS, "wine"),
                ("b", FAIL, "wine"),
                ("c", PASS, "beer"),
                ("d", PASS, "wine"),
            ]
        )
    ]

    assert numbers == [("wine", 1, 1), ("wine", 2, 0), ("beer", 1, 1), ("wine", 3, 2)]


def test_a_model_without_gates_becomes_champion(ledger):
    assert deeds.register(ledger, candidate("a")).champion == 1


def test_the_same_bytes_judged_equally_are_not_doubled(ledger):
    deeds.register(ledger, candidate("a", PASS, run=1))
    before = len(kinds(ledger))
    found = deeds.register(ledger, candidate("a", PASS, run=2))

    assert found.known
    assert (found.candidate, found.version, found.events) == (1, 1, ())
    assert len(kinds(ledger)) == before


def test_the_same_bytes_judged_otherwise_are_another_candidate(ledger):
    numbers = [
        deeds.register(ledger, candidate("a", *outcomes)).candidate
        for outcomes in [(PASS,), (FAIL,), (OPEN,)]
    ]

    assert numbers == [1, 2, 3]


def test_running_again_does_not_undo_what_a_person_promoted(ledger):
    deeds.register(ledger, candidate("a", PASS))
    deeds.register(ledger, candidate("b", PASS))
    deeds.promote(ledger, Request(reference="wine:1", why="v2 is slow"))
    found = deeds.register(ledger, candidate("b", PASS))

    assert read.version(ledger, "wine@champion").number == 1
    assert "legato models promote wine:2" in found.note


def test_the_champion_of_another_environment_does_not_move(ledger):
    found = deeds.register(ledger, candidate("a", PASS, environment="production"))

    assert (found.version, found.champion) == (1, 0)
    assert kinds(ledger) == ["candidate.registered", "version.created"]


def test_a_champion_that_moved_meanwhile_is_not_overruled(ledger):
    deeds.register(ledger, candidate("a", PASS))
    deeds.register(ledger, candidate("b", PASS), Judged(against=1))
    found = deeds.register(ledger, candidate("c", PASS), Judged(against=1))

    assert (found.version, found.champion) == (3, 2)
    assert "v2 is champion now: run again" in found.note
    assert read.version(ledger, "wine").number == 2


@pytest.mark.parametrize(
    "name", ["", ".wine", "../wine", "wi ne", "-wine", "w" * 101, "wine\n", "wine;drop", "wein\u00e9"]
)
def test_a_hostile_name_is_refused_and_nothing_is_written(ledger, name):
    with pytest.raises(ConfigurationError, match="cannot name a model"):
        deeds.register(ledger, candidate("a", PASS, model=name))

    assert kinds(ledger) == []


def test_a_promotion_by_hand_outlives_a_run_in_which_only_the_champion_changed(ledger):
    for text in "abc":
        deeds.register(ledger, candidate(text, PASS))
    deeds.promote(ledger, Request(reference="wine:1", actor="ada"))
    found = deeds.register(ledger, candidate("c", PASS, PASS))

    assert (found.candidate, found.version, found.champion, found.known) == (3, 3, 1, True)
    assert "legato models promote wine:3" in found.note


def test_new_bytes_take_over_from_a_promotion_by_hand(ledger):
    for text in "ab":
        deeds.register(ledger, candidate(text, PASS))
    deeds.promote(ledger, Request(reference="wine:1", actor="ada"))

    assert deeds.register(ledger, candidate("c", PASS)).champion == 3


def test_old_bytes_take_over_again_from_a_champion_that_a_run_made(ledger):
    for text in "ab":
        deeds.register(ledger, candidate(text, PASS))

    assert deeds.register(ledger, candidate("a", PASS, PASS)).champion == 3


def test_a_candidate_promoted_despite_its_gates_is_a_person_s_champion_too(ledger):
    deeds.register(ledger, candidate("a", PASS))
    deeds.register(ledger, candidate("b", FAIL))
    deeds.promote(ledger, Request(reference="wine:c2", actor="ada", despite=("g1",), why="a test"))

    assert deeds.register(ledger, candidate("a", PASS, PASS)).champion == 2


def test_a_version_that_falls_short_of_a_person_s_champion_is_the_version_that_it_was(ledger):
    for text in "ab":
        deeds.register(ledger, candidate(text, PASS))
    deeds.promote(ledger, Request(reference="wine:1", actor="ada"))
    found = deeds.register(ledger, candidate("b", PASS, FAIL))

    assert (found.candidate, found.version, found.champion) == (2, 2, 1)
    assert "legato models promote wine:2" in found.note


def test_a_candidate_that_a_person_made_a_version_stays_one(ledger):
    deeds.register(ledger, candidate("a", FAIL))
    deeds.promote(ledger, Request(reference="wine:c1", actor="ada", despite=("g1",), why="a test"))
    found = deeds.register(ledger, candidate("a", FAIL))

    assert (found.version, found.champion, found.outcome) == (1, 1, FAIL)


def test_a_known_version_is_champion_again_where_a_run_made_the_present_one(ledger):
    for text in "ab":
        deeds.register(ledger, candidate(text, PASS))
    found = deeds.register(ledger, candidate("a", PASS), Judged(actor="ada"))
    again = deeds.register(ledger, candidate("a", PASS))
    forth = deeds.register(ledger, candidate("b", PASS))

    assert (found.known, found.version, found.before, found.champion) == (True, 1, 2, 1)
    assert "wine:1 is champion again, after v2" in found.note
    assert (again.events, again.champion) == ((), 1)
    assert (forth.version, forth.champion) == (2, 2)
    assert [(move.after, move.actor, move.why) for move in read.history(ledger, "wine")[2:]] == [
        (1, "ada", "the pipeline makes this version again"),
        (2, "", "the pipeline makes this version again"),
    ]


@pytest.mark.parametrize(
    ("outcome", "environment"), [(FAIL, "local"), (PASS, "staging")], ids=["did not pass", "lives elsewhere"]
)
def test_a_known_candidate_is_not_champion_again_where_it_was_not_by_a_run(ledger, outcome, environment):
    deeds.register(ledger, candidate("a", outcome, environment=environment))
    deeds.register(ledger, candidate("b", PASS))
    before = read.version(ledger, "wine").number

    assert deeds.register(ledger, candidate("a", outcome, environment=environment)).events == ()
    assert read.version(ledger, "wine").number == before


def test_a_person_s_champion_is_not_moved_back_by_a_known_version(ledger):
    for text in "ab":
        deeds.register(ledger, candidate(text, PASS))
    deeds.promote(ledger, Request(reference="wine:1", actor="ada", why="calmer"))

    assert deeds.register(ledger, candidate("b", PASS)).events == ()
    assert read.version(ledger, "wine").number == 1


def test_a_known_version_that_was_compared_with_another_champion_waits_for_the_next_run(ledger):
    for text in "abc":
        deeds.register(ledger, candidate(text, PASS))

    assert deeds.register(ledger, candidate("a", PASS), Judged(against=2)).events == ()
    assert deeds.register(ledger, candidate("a", PASS), Judged(against=3)).champion == 1
