"""Triggers are read and checked before anything runs."""

import pytest

HEAD = "import datetime\nimport legato as lg\n"
STEPS = (
    'wine = lg.dataset("wine.csv")\n'
    "as_of = lg.parameter(datetime.date, default=datetime.date(2026, 1, 1))\n"
    "@lg.step\ndef split(wine: str, *, as_of: datetime.date, share: float = 0.2) -> str: ...\n"
    "@lg.step\ndef evaluation(split: str, *, depth: int = 2) -> lg.Evaluation: ...\n"
    'wine_model = lg.model("wine", split, evaluation)\n'
    'wine_endpoint = lg.endpoint("wine", wine_model)\n'
)
LINE = STEPS.count("\n") + HEAD.count("\n") + 1


def test_every_kind_of_trigger_is_read(studio):
    text = STEPS + (
        "triggers = [\n"
        "    lg.on_pull_request(run=evaluation),\n"
        '    lg.on_push("main", "release/*", run=wine_endpoint, environment="production"),\n'
        '    lg.on_tag("v*", run="evaluation"),\n'
        '    lg.on_schedule("0 3 * * MON", run=[wine_model, split], tz="Europe/Berlin", refresh=[wine],\n'
        '                   params={"as_of": lg.scheduled, "evaluation.depth": 4}),\n'
        '    lg.on_drift(wine_endpoint, run=wine_model, at_most="1 a day"),\n'
        '    lg.on_new_data(wine, run=wine_model, name="fresh-wine"),\n'
        "]\n"
    )

    triggers = studio.collect(text, head=HEAD).graph.triggers

    assert [trigger.name for trigger in triggers] == [
        "pull-request",
        "push",
        "tag",
        "schedule",
        "drift",
        "fresh-wine",
    ]
    pull, push, tag, schedule, drift, data = triggers
    assert (pull.targets, pull.environment, pull.place.line) == (("evaluation",), "local", LINE + 1)
    assert (push.patterns, push.targets, push.environment) == (
        ("main", "release/*"),
        ("wine_endpoint",),
        "production",
    )
    assert tag.patterns == ("v*",)
    assert (schedule.cron, schedule.tz, schedule.refresh) == ("0 3 * * MON", "Europe/Berlin", ("wine",))
    assert (schedule.params, schedule.scheduled) == ({"evaluation.depth": "4"}, ("as_of",))
    assert (drift.of, drift.at_most) == (("wine_endpoint",), "1 a day")
    assert data.of == ("wine",)


def test_triggers_of_one_kind_are_numbered(studio):
    text = (
        STEPS
        + 'triggers = [lg.on_push("a", run=split), lg.on_push("b", run=split), lg.on_push("c", run=split)]\n'
    )

    triggers = studio.collect(text, head=HEAD).graph.triggers

    assert [trigger.name for trigger in triggers] == ["push", "push-2", "push-3"]


@pytest.mark.parametrize(
    ("trigger", "message", "hint"),
    [
        ('lg.on_push("main", run="evaluatio")', "names no step or artifact", "did you mean `evaluation`?"),
        ('lg.on_push("main", run=3)', "is nothing that can be run", "pass a step"),
        ('lg.on_push("main", run=as_of)', "is nothing that can be run", "pass a step"),
        ('lg.on_push("ma in", run=split)', "'ma in' is no pattern of a branch", "release/*"),
        ('lg.on_tag("v**", run=split)', "'v**' is no pattern of a tag", "with one *"),
        ('lg.on_schedule("0 25 * * *", run=split)', "the hour '25'", "a hour is 0 to 23"),
        ('lg.on_schedule("0 3 * *", run=split)', "has 4 fields, not five", "Mondays at three"),
        ('lg.on_schedule("0 3 * * *", run=split, tz="Europe/Berlim")', "'Europe/Berlim'", "`Europe/Berlin`"),
        (
            'lg.on_push("main", run=split, params={"dept": 3})',
            "which is no parameter",
            "did you mean `depth`?",
        ),
        ('lg.on_push("main", run=split, params={"split.depth": 3})', "which is no parameter", "share"),
        ('lg.on_push("main", run=split, params={"evaluation.depth": "x"})', "'evaluation.depth'", ""),
        ('lg.on_push("main", run=split, params={"depth": lg.scheduled})', "'depth'", ""),
        ('lg.on_push("main", run=split, refresh=["win"])', "'win' is no dataset", "did you mean `wine`?"),
        ('lg.on_push("main", run=split, refresh=[split])', "'split' is no dataset", "wine"),
        ('lg.on_push("main", run=split, environment="a b")', "no name of an environment", "staging"),
        ('lg.on_push("main", run=split, name="A b")', "is no name for a trigger", "small letters"),
        ("lg.on_drift(wine_model, run=split)", "is no endpoint", "lg.endpoint()"),
        ("lg.on_new_data(run=split)", "watches no dataset", "lg.on_new_data(wine"),
        ('lg.on_drift(wine_endpoint, run=split, at_most="daily")', "says no rate", "1 a day"),
    ],
)
def test_a_trigger_that_cannot_be_followed_is_refused_with_its_line(studio, trigger, message, hint):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the class is looked at below
        studio.collect(STEPS + f"triggers = [{trigger}]\n", head=HEAD)

    assert type(caught.value).__name__ == "ConfigurationError"
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.where == f"pipeline.py:{LINE}"


def test_a_trigger_outside_the_list_starts_nothing_and_says_so(studio):
    error = studio.refused(STEPS + 'nightly = lg.on_push("main", run=split)\n', head=HEAD)

    assert "it is not in the list `triggers`" in error.message
    assert error.where == f"pipeline.py:{LINE}"


def test_a_trigger_may_have_a_variable_of_its_own(studio):
    text = STEPS + 'nightly = lg.on_push("main", run=split)\ntriggers = [nightly]\n'

    assert len(studio.collect(text, head=HEAD).graph.triggers) == 1


def test_a_list_of_the_authors_own_is_left_alone(studio):
    assert studio.collect(STEPS + 'triggers = ["a", "b"]\n', head=HEAD).graph.triggers == ()


@pytest.mark.parametrize("words", ["run=split, brunch='x'", ""])
def test_a_word_that_is_unknown_or_missing_is_refused(studio, words):
    error = studio.refused(STEPS + f"triggers = [lg.on_push('main', {words})]\n", head=HEAD)

    assert "knows no word" in error.message or "says nothing to run" in error.message
    assert error.hint
