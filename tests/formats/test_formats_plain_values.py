"""Plain values come back as exactly what they were."""

import datetime as dt
import decimal
import fractions
import json
import math
import tempfile
import uuid
import zoneinfo
from collections import Counter, OrderedDict
from pathlib import Path

import formats_bench
import numpy as np
import pytest
from formats_bench import Color, Level, Pair, Point, Right, artifact_of, new_shelf, there_and_back
from hypothesis import given, settings
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError, MissingError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=20)
    | st.complex_numbers()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC) | st.just(zoneinfo.ZoneInfo("Europe/Berlin")))
    | st.times()
    | st.timedeltas()
)
HASHABLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.tuples(st.integers(), st.text(max_size=3))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4) | st.just("$"), inner, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.frozensets(HASHABLE, max_size=4)
        | st.sets(HASHABLE, max_size=4)
    ),
    max_leaves=12,
)


def _same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return list(map(repr, one)) == list(map(repr, other)) and all(
            _same(a, b) for a, b in zip(one.values(), other.values(), strict=True)
        )
    if isinstance(one, (float, complex)):
        return repr(one) == repr(other)
    return one == other


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_any_plain_value_comes_back_with_its_types(value):
    with tempfile.TemporaryDirectory() as folder:
        back = there_and_back(value, Path(folder))

    assert _same(value, back)


@pytest.mark.parametrize(
    "value",
    [
        10**40,
        -0.0,
        math.inf,
        "lone \ud800 surrogate",
        OrderedDict([("b", 1), ("a", 2)]),
        Counter("abca"),
        range(1, 9, 2),
        slice(1, None, 2),
        bytearray(b"x"),
        Color.RED,
        Level.LOW,
        Right.READ | Right.WRITE,
        Point(3, ("a",)),
        Pair(1, Color.RED),
        dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        dt.time(1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-3))),
        decimal.Decimal("1.10"),
        fractions.Fraction(1, 3),
        uuid.UUID(int=7),
        np.float64(0.1),
        {"f1": np.float64(0.5), "n": np.int32(3), "ok": np.bool_(1), "name": np.str_("x")},
    ],
    ids=repr,
)
def test_rarer_values_come_back_with_their_types(value, tmp_path):
    back = there_and_back(value, tmp_path)

    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_a_dataclass_comes_back_without_running_its_init_again(tmp_path):
    changed = Point(3)
    object.__setattr__(changed, "doubled", 99)

    back = there_and_back(changed, tmp_path)

    assert back.doubled == 99


def test_the_classes_inside_a_value_are_declared(tmp_path):
    saved = new_shelf().save([Point(1), {"c": Color.RED}], tmp_path)

    assert saved.classes == ("formats_bench:Color", "formats_bench:Point")


def test_sets_are_written_sorted_and_dictionaries_in_their_order(tmp_path):
    saved = new_shelf().save({"z": {"c", "a", "b"}, "a": 1}, tmp_path)

    assert saved.path.read_text() == '{"z":{"$":"set","v":["a","b","c"]},"a":1}\n'


def test_figures_of_numpy_stay_readable_in_one_file(tmp_path):
    saved = new_shelf().save({"f1": np.float64(0.5)}, tmp_path)

    assert not saved.tree
    assert json.loads(saved.path.read_text()) == {"f1": {"$": "numpy", "d": "<f8", "v": 0.5}}


def test_tables_and_arrays_inside_a_value_are_saved_beside_it(tmp_path):
    saved = new_shelf().save({"weights": np.eye(2), "note": "x"}, tmp_path)
    back = new_shelf().load(saved.path, artifact_of(saved))

    assert saved.tree
    assert sorted(file.name for file in saved.path.iterdir()) == ["part1.npy", "value.json"]
    np.testing.assert_array_equal(back["weights"], np.eye(2))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"deep": [object()]}, r"the value\['deep'\]\[0\]: no format fits a value of type object"),
        ({"path": Path("x")}, r"inside a value \(the value\['path'\]\) cannot be saved"),
        ([type("Inner", (), {})()], r"no format fits"),
        ([lambda: 1], r"no format fits a value of type function"),
        (pytest.param, r"no format fits a value of type function"),
    ],
)
def test_what_does_not_come_back_is_refused_by_its_place(value, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message) as caught:
        new_shelf().save(value, tmp_path)

    assert caught.value.hint


def test_a_value_that_holds_itself_is_refused(tmp_path):
    value: list = []
    value.append(value)

    with pytest.raises(ConfigurationError, match="holds itself"):
        new_shelf().save(value, tmp_path)


def test_an_enum_of_a_library_is_refused_with_its_name(tmp_path):
    from http import HTTPStatus

    with pytest.raises(
        ConfigurationError, match="HTTPStatus is neither plain data nor a class of this repository"
    ):
        new_shelf().save(HTTPStatus.OK, tmp_path)


def test_a_class_that_the_artifact_does_not_declare_is_not_imported(tmp_path):
    saved = new_shelf().save(Point(1), tmp_path)

    with pytest.raises(ConfigurationError, match="not among the first-party classes"):
        new_shelf().load(saved.path, artifact_of(saved, classes=()))


def test_a_class_that_is_gone_is_named(tmp_path):
    saved = new_shelf().save(Point(1), tmp_path)
    saved.path.write_text(saved.path.read_text().replace("formats_bench:Point", "formats_bench:Gone"))

    with pytest.raises(MissingError, match="formats_bench:Gone, which is gone"):
        new_shelf().load(saved.path, artifact_of(saved, classes=("formats_bench:Gone",)))


def test_a_name_that_is_another_kind_of_class_now_is_refused(tmp_path):
    saved = new_shelf().save(Point(1), tmp_path)
    saved.path.write_text(saved.path.read_text().replace("formats_bench:Point", "formats_bench:Thing"))

    with pytest.raises(ConfigurationError, match="another kind of class"):
        new_shelf().load(saved.path, artifact_of(saved, classes=("formats_bench:Thing",)))


def test_a_part_outside_the_artifact_is_refused(tmp_path):
    saved = new_shelf().save({"weights": np.eye(2)}, tmp_path)
    index = saved.path / "value.json"
    index.write_text(index.read_text().replace("part1.npy", "../canary.npy"))

    with pytest.raises(ConfigurationError, match="outside itself"):
        new_shelf().load(saved.path, artifact_of(saved))


def test_modules_of_the_tests_count_as_first_party():
    assert Point.__module__ == formats_bench.__name__
