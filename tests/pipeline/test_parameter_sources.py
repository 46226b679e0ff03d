import pytest

STEPS = """
import datetime
as_of = lg.parameter(datetime.date, default=datetime.date(2026, 1, 1))
limit = lg.parameter(int)

@lg.step
def a(*, as_of: datetime.date, trees: int = 100) -> int: ...

@lg.step
def b(*, as_of: datetime.date = datetime.date(1999, 1, 1), trees: int = 200) -> int: ...

c = b.using(trees=300)
d = b.using(as_of=datetime.date(2020, 2, 2))

@lg.step
def e(*, day: datetime.date = as_of, bound: float) -> int: ...

f = e.using(bound=limit)
"""


def shown(collected, name):
    return {s.name: (s.shown, s.origin, s.shared) for s in collected.graph.node(name).settings}


def test_a_shared_parameter_is_one_value_for_all_that_name_it(studio, override):
    collected = studio.collect(STEPS, override("e.bound=1"), override("limit=5"))

    day = ("2026-01-01", "default", "as_of")
    assert shown(collected, "a") == {"as_of": day, "trees": ("100", "default", "")}
    assert shown(collected, "b")["as_of"] == day
    assert shown(collected, "e") == {"day": day, "bound": ("1.0", "option", "")}
    assert shown(collected, "f")["bound"] == ("5.0", "option", "limit")


def test_using_beats_a_default_and_a_shared_value(studio):
    collected = studio.collect(STEPS)

    assert shown(collected, "c")["trees"] == ("300", "using", "")
    assert shown(collected, "d")["as_of"] == ("2020-02-02", "using", "")


def test_a_value_from_outside_beats_using(studio, override):
    collected = studio.collect(STEPS, override("c.trees=7"), override("as_of=2026-05-05"))

    assert shown(collected, "c")["trees"] == ("7", "option", "")
    assert shown(collected, "b")["trees"] == ("200", "default", "")
    for name in "abcd":
        assert shown(collected, name)["as_of"][0] == "2026-05-05"


def test_a_later_value_wins_over_an_earlier_one(studio, override):
    values = [
        override("trees=1", "config"),
        override("a.trees=2", "file", wire=True),
        override("trees=3", "option"),
    ]

    assert shown(studio.collect(STEPS, *values), "a")["trees"][:2] == ("3", "option")
    assert shown(studio.collect(STEPS, *values[:2]), "a")["trees"][:2] == ("2", "file")
    assert shown(studio.collect(STEPS, *values[:2]), "b")["trees"][:2] == ("1", "config")


def test_a_parameter_given_to_one_step_no_longer_follows_the_shared_one(studio, override):
    collected = studio.collect(STEPS, override("a.as_of=2026-05-05"))

    assert shown(collected, "a")["as_of"] == ("2026-05-05", "option", "")
    assert shown(collected, "b")["as_of"][2] == "as_of"


def test_a_parameter_without_value_has_an_empty_wire(studio):
    text = (
        "limit = lg.parameter(float)\n@lg.step\ndef e(*, day: str = 'a', limit: float, n: int) -> int: ...\n"
    )
    (day, limit, n) = studio.collect(text).graph.node("e").settings

    assert day.wire == '"a"'
    assert (limit.wire, limit.type, limit.shared) == ("", "float", "limit")
    assert (n.wire, n.type, n.shared) == ("", "int", "")


@pytest.mark.parametrize(
    ("definition", "text", "wire"),
    [
        ("n=3", "n=4", "4"),
        ("n=0.5", "n=1", "1.0"),
        ("n='a'", "n=4", '"4"'),
        ("n=(1, 2)", "n=3,x", '{"tuple":[3,"x"]}'),
        ("n=True", "n=off", "false"),
        ("n=None", "n=4", "4"),
        ("n: int = None", "n=None", "null"),
    ],
)
def test_without_annotation_the_default_says_the_type(studio, override, definition, text, wire):
    collected = studio.collect(f"@lg.step\ndef a(*, {definition}) -> int: ...\n", override(text))

    assert collected.graph.node("a").settings[0].wire == wire


def test_a_template_may_lack_a_value(studio):
    graph = studio.collect("@lg.step\ndef a(*, n: int) -> int: ...\nb = a.using(n=1)\n").graph

    assert [node.name for node in graph.nodes] == ["b"]


def test_checks_and_commands_have_parameters_too(studio, override):
    graph = studio.collect(
        "@lg.step\ndef rows() -> list: ...\n@lg.check\n"
        "def enough(rows: list, *, least: int = 3) -> None: ...\n"
        'fit = lg.command("fit", "fit {rows} {out.m} {rate}", params={"rate": 0.1})\n',
        override("enough.least=5"),
        override("fit.rate=1"),
    ).graph

    assert graph.node("enough").settings[0].wire == "5"
    assert graph.node("fit").settings[0].wire == "1.0"
