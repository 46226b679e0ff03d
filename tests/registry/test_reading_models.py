"""What people see of models, references as they type them, and tables that equal their events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from models_in import FAIL, PASS, candidate, open_ledger

from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.events import PayloadRedacted
from legato.registry import deeds, read
from legato.registry.moves import Judged, Request
from legato.registry.reference import Reference, parse


@pytest.fixture
def ledger():
    opened = open_ledger()
    yield opened
    opened.close()


def test_a_version_shows_where_it_comes_from_and_what_its_gates_found(ledger):
    registered = candidate(
        "a",
        PASS,
        run=17,
        commit="0123abc",
        dirty=True,
        data={"wine": "sha256:1"},
        parameters={"classifier.trees": "200"},
        packages={"numpy": "2.4.0"},
        platform="linux-x86_64-cpython-3.11",
        key="k1:1",
    )
    deeds.register(ledger, registered, Judged(actor="ada"))
    version = read.version(ledger, "wine:1")

    assert version.lineage == registered.lineage
    assert (version.artifact, version.servable) == (registered.artifact, registered.servable)
    assert (version.verdicts, version.metrics) == (registered.verdicts, registered.metrics)
    assert (version.name, version.actor, version.candidate.name) == ("wine:1", "ada", "wine:c1")
    assert [(alias.alias, alias.environment) for alias in version.aliases] == [("champion", "local")]


def test_models_are_listed_with_their_counts_and_aliases(ledger):
    for text, outcome, model in [("a", PASS, "wine"), ("b", FAIL, "wine"), ("c", FAIL, "beer")]:
        deeds.register(ledger, candidate(text, outcome, model=model))
    listed = read.models(ledger)

    assert [(model.name, model.candidates, model.versions) for model in listed] == [
        ("beer", 1, 0),
        ("wine", 2, 1),
    ]
    assert [len(model.aliases) for model in listed] == [0, 1]


def test_candidates_and_versions_come_oldest_first_and_know_each_other(ledger):
    for text, outcome in [("a", PASS), ("b", FAIL), ("c", PASS)]:
        deeds.register(ledger, candidate(text, outcome))

    assert [(found.number, found.version) for found in read.candidates(ledger, "wine")] == [
        (1, 1),
        (2, 0),
        (3, 2),
    ]
    assert [(found.number, found.candidate.number) for found in read.versions(ledger, "wine")] == [
        (1, 1),
        (2, 3),
    ]
    assert read.candidate(ledger, "wine:2").number == 3


def test_history_can_be_of_one_alias_in_one_environment(ledger):
    deeds.register(ledger, candidate("a", PASS))
    deeds.promote(ledger, Request(reference="wine:1", alias="fallback"))
    deeds.promote(ledger, Request(reference="wine:1", environment="staging"))

    assert [move.alias for move in read.history(ledger, "wine", environment="local")] == [
        "champion",
        "fallback",
    ]
    assert [move.environment for move in read.history(ledger, "wine", alias="champion")] == [
        "local",
        "staging",
    ]


@pytest.mark.parametrize("look", [read.model, read.versions, read.candidates, read.history, read.version])
def test_a_model_that_is_not_there_is_missing_with_the_nearest_name(ledger, look):
    deeds.register(ledger, candidate("a", PASS))

    with pytest.raises(MissingError, match="no model is called 'wins'") as refusal:
        look(ledger, "wins")
    assert refusal.value.hint == "did you mean 'wine'?"


def test_nothing_registered_is_an_empty_list(ledger):
    assert read.models(ledger) == ()


def test_a_candidate_that_is_no_version_says_how_it_becomes_one(ledger):
    deeds.register(ledger, candidate("a", FAIL))

    with pytest.raises(MissingError, match="wine:c1 is no version yet") as refusal:
        read.version(ledger, "wine:c1")
    assert "legato models promote wine:c1" in refusal.value.hint


def test_tables_made_anew_from_the_events_are_the_same(ledger):
    for text, outcome in [("a", PASS), ("b", FAIL), ("c", PASS)]:
        deeds.register(ledger, candidate(text, outcome))
    deeds.promote(ledger, Request(reference="wine:c2", despite=("g1",), why="because"))
    before = (read.models(ledger), read.versions(ledger, "wine"), read.history(ledger, "wine"))
    ledger.rebuild()

    assert (read.models(ledger), read.versions(ledger, "wine"), read.history(ledger, "wine")) == before


def test_a_blanked_candidate_is_gone_and_its_number_is_not_given_again(ledger):
    deeds.register(ledger, candidate("a", PASS))
    deeds.register(ledger, candidate("b", PASS))
    second = [stored.seq for stored in ledger.events(kinds=["candidate.registered"])][1]
    ledger.append([PayloadRedacted(seq=second, why="a name was in it")])
    ledger.rebuild()

    assert [found.number for found in read.candidates(ledger, "wine")] == [1]
    assert deeds.register(ledger, candidate("c", PASS)).candidate == 3


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("wine", Reference(model="wine")),
        ("wine@champion", Reference(model="wine", alias="champion")),
        ("wine:3", Reference(model="wine", version=3)),
        ("wine:v3", Reference(model="wine", version=3)),
        ("wine:c4", Reference(model="wine", candidate=4)),
        ("Wine_2.0-b", Reference(model="Wine_2.0-b")),
    ],
)
def test_references_are_read_as_typed(text, reference):
    assert parse(text) == reference
    assert parse(str(reference)) == reference


HOSTILE = [
    ":1",
    "@champion",
    "wine:",
    "wine@",
    "wine:0",
    "wine:-1",
    "wine:1.0",
    "wine:c",
    "wine:01",
    "wine:1:2",
    "wine@a@b",
    "wine@champion:1",
    "wine:9999999999",
    "../wine",
    "wine/1",
    "wine\\1",
    "wine%2e",
    "\u0661",
    "wine:\u0661",
    "wine#x",
    "wine?x",
    ".wine",
    "-rf",
    "wine;x",
    "wine'x",
    "$(x)",
    "`x`",
    "<b>",
    "{{7*7}}",
]


@pytest.mark.parametrize("text", [*HOSTILE, "", "wi ne", "wine\n", "wine:1\n", "wine\x00", "w" * 101])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(ConfigurationError):
        parse(text)


@given(st.text(max_size=120))
def test_any_text_is_a_reference_that_reads_back_or_is_refused(text):
    try:
        found = parse(text)
    except ConfigurationError:
        return

    assert parse(str(found)) == found
