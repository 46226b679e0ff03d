import dataclasses
import datetime as dt
import enum
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError
from legato.pipeline.values import comes_back, fitted, from_json, from_text, from_wire, typed, wire_of


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass(frozen=True)
class Window:
    days: int
    share: float = 0.5
    colour: Colour = Colour.RED


class Pair(NamedTuple):
    left: int
    right: str = "x"


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (bool, "true", True),
        (bool, "No", False),
        (int, "3", 3),
        (int, "-1", -1),
        (float, "1", 1.0),
        (float, "1e-3", 0.001),
        (str, "3", "3"),
        (str, "", ""),
        (int | None, "None", None),
        (int | None, "4", 4),
        (int | str, "4", 4),
        (str | int, "four", "four"),
        (bool | int, "1", 1),
        (Colour, "RED", Colour.RED),
        (Colour, "b", Colour.BLUE),
        (Literal["a", 3], "3", 3),
        (dt.date, "2026-11-01", dt.date(2026, 11, 1)),
        (dt.datetime, "2026-11-01T09:30", dt.datetime(2026, 11, 1, 9, 30)),  # noqa: DTZ001 - as typed
        (tuple[int, ...], "1,2", (1, 2)),
        (tuple[int, ...], "(1,)", (1,)),
        (tuple[int, ...], "", ()),
        (tuple[int, str], '[1, "a,b"]', (1, "a,b")),
        (list[int], "1,2", [1, 2]),
        (dict[str, float], '{"a": 1}', {"a": 1.0}),
        (Window, '{"days": 3, "colour": "BLUE"}', Window(3, colour=Colour.BLUE)),
        (Pair, '{"left": 1}', Pair(1)),
        (Any, "3", 3),
        (Any, "x", "x"),
        (Any, "true", True),
        (Any, "[1]", "[1]"),
    ],
)
def test_a_typed_text_is_read_by_the_parameters_type(annotation, text, value):
    read = from_text(annotation, text)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text", "message", "hint"),
    [
        (int, "many", "'many' is not a whole number", "300"),
        (int, "1.5", "not a whole number", "300"),
        (float, "x", "not a number", "0.05"),
        (bool, "maybe", "neither true nor false", "true or false"),
        (Colour, "REDD", "is no Colour", "`RED`"),
        (Literal["gini", "entropy"], "ginni", "is none of 'gini'", "`gini`"),
        (dt.date, "yesterday", "is not a date", "2026-11-01"),
        (tuple[int, int], "1", "has 1 values where 2", "commas"),
        (tuple[int, ...], "1,x", "'1,x' is not a whole number", "300"),
        (Window, '{"day": 1}', "field `day`", "`days`"),
        (Window, '{"days": "x"}', "field `days` = 'x'", "300"),
        (Window, "{}", "makes no Window", "every field"),
        (Window, "3", "not a mapping", "JSON|for example"),
        (int | None, "x", "is no int | None", "int | None"),
        (object, "\ud800", "half a character", "UTF-8"),
        (print, "x", "cannot be a parameter", "an input"),
    ],
)
def test_a_text_that_says_no_such_value_is_refused_with_it(annotation, text, message, hint):
    with pytest.raises(ConfigurationError) as caught:
        wire_of(from_text(annotation, text))
    assert message in caught.value.message
    assert any(part in caught.value.hint for part in hint.split("|"))


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (tuple[int, int], "[1, 2]", (1, 2)),
        (Colour, '"BLUE"', Colour.BLUE),
        (dt.date, '"2026-11-01"', dt.date(2026, 11, 1)),
        (float, "1", 1.0),
        (int | str, '"3"', "3"),
        (str, '"3"', "3"),
        (Any, '{"float": "x"}', {"float": "x"}),
    ],
)
def test_plain_json_is_read_by_the_parameters_type(annotation, text, value):
    assert from_json(annotation, text) == value


def test_plain_json_is_not_guessed_at():
    with pytest.raises(ConfigurationError, match="not a whole number"):
        from_json(int, '"3"')
    with pytest.raises(ConfigurationError, match="is not JSON"):
        from_json(int, "{")


@pytest.mark.parametrize(
    "value", [None, True, 1, 1.0, "1", dt.date(2026, 1, 1), (1,), [1], {"1": 1}, Colour.RED]
)
def test_different_values_have_different_wires(value):
    others = [None, True, 1, 1.0, "1", dt.date(2026, 1, 1), (1,), [1], {"1": 1}, Colour.RED]

    assert sum(wire_of(value) == wire_of(other) for other in others) == 1


def test_an_int_is_a_float_where_a_float_is_asked_for():
    assert wire_of(fitted(float, 1)) == wire_of(fitted(float, 1.0)) == "1.0"
    assert wire_of(fitted(int | float, 1)) == "1"
    assert fitted(float | None, None) is None


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, True),
        (int, 1.5),
        (str, 1),
        (bool, 1),
        (list[int], (1,)),
        (dict, {1: 2}),
        (Colour, "GREEN"),
        (int, Level.LOW),
    ],
)
def test_a_python_value_of_another_type_is_refused(annotation, value):
    with pytest.raises(ConfigurationError):
        fitted(annotation, value)


def test_a_mapping_that_looks_like_a_tag_stays_a_mapping():
    value = {"float": "nan", "inner": {"tuple": [1]}}

    assert from_wire(dict, wire_of(fitted(dict, value))) == value


@pytest.mark.parametrize(
    "wire", ["", "{", '{"unknown": 1}', '{"date": "x"}', '{"a": 1, "b": 2}', '{"data": "Window"}']
)
def test_a_damaged_wire_is_refused(wire):
    with pytest.raises(ConfigurationError, match="wire form"):
        from_wire(Any, wire)


def test_a_value_that_would_lose_its_class_does_not_come_back():
    with pytest.raises(ConfigurationError, match="needs its class"):
        comes_back(Any, Colour.RED, wire_of(Colour.RED))


def test_nesting_has_an_end():
    value: list = []
    for _ in range(100):
        value = [value]

    with pytest.raises(ConfigurationError, match="nested too deeply"):
        wire_of(value)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.dates()
    | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_every_plain_value_comes_back_equal_without_a_type(value):
    wire = wire_of(value)

    back = from_wire(Any, wire)

    assert wire_of(back) == wire
    assert type(back) is type(value)


@given(
    st.builds(Window, days=st.integers(), share=st.floats(allow_nan=False), colour=st.sampled_from(Colour))
)
def test_every_record_comes_back_equal(value):
    assert from_wire(Window, wire_of(value)) == value
    assert from_wire(Window | None, wire_of(value)) == value
    assert from_wire(tuple[Window, ...], wire_of((value,))) == (value,)


@pytest.mark.parametrize(
    ("annotation", "value", "shown"),
    [
        (dt.date, dt.date(2026, 11, 1), "2026-11-01"),
        (Colour, Colour.BLUE, "BLUE"),
        (Level, Level.LOW, "LOW"),
        (tuple[int, ...], (1, 2), "[1,2]"),
        (tuple[dt.date, str], (dt.date(2026, 11, 1), "a,b"), '["2026-11-01","a,b"]'),
        (Window, Window(days=3), '{"colour":"RED","days":3,"share":0.5}'),
        (Pair, Pair(left=1), '{"left":1,"right":"x"}'),
        (str, "eu west", "eu west"),
        (float, float("inf"), "inf"),
        (int | None, None, "None"),
        (bool, True, "True"),
    ],
)
def test_a_value_is_shown_as_it_can_be_typed(annotation, value, shown):
    assert typed(value) == shown
    assert from_text(annotation, shown) == value
