"""YAML as plain data with lines: what it means, and what is refused before it can do harm."""

import math

import pytest

from legato.domain.errors import ConfigurationError
from legato.pipeline.others.located import read_yaml, shown


def data(text):
    return read_yaml(text.encode(), "f.yaml").data


def refused(text):
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("yes", "yes"),
        ("on", "on"),
        ("True", True),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-.inf", -math.inf),
        ("null", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("1.2.3", "1.2.3"),
        ("2026-13-01", "2026-13-01"),
        ("", None),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text, value):
    found = data(f"a: {text}")["a"]

    assert found == value
    assert type(found) is type(value)


def test_aliases_and_merges_are_followed():
    assert data("a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, p: 3}\nd: {<<: [{p: 5}, *x]}\n") == {
        "a": {"p": 1, "q": 2},
        "b": {"p": 1, "q": 2},
        "c": {"p": 3, "q": 2},
        "d": {"p": 5, "q": 2},
    }


def test_each_value_knows_its_line():
    found = read_yaml(b"a:\n  - x\n  - y:\n      z: 1\n", "f.yaml")

    assert [
        found.line(path) for path in [("a",), ("a", 0), ("a", 1, "y", "z"), ("a", 1, "gone"), ("gone",)]
    ] == [*(1, 2, 4, 3, 1)]
    assert shown(("a", 1, "y")) == "a[1].y"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "x: 1\na: !!python/object/apply:os.system [id]",
            "f.yaml:2: the tag !!python/object/apply:os.system",
        ),
        ("a: !custom x", "the tag !custom is refused"),
        ("a: 1\na: 2", "f.yaml:2: the key 'a' is there twice"),
        ("[" * 100_000, "nested more than 64 deep"),
        ("a: *gone", "nothing above is called &gone"),
        ("a: &x [*x]", "nothing above is called &x"),
        ("a: [", "f.yaml:2: it is not YAML"),
        ("{[1]: 2}", "a key is no plain text"),
        ("--- 1\n--- 2\n", "second document"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"a: " + b"x" * (9 * 2**20), "bytes, more than"),
        ("a: !!int x", "'x' is no int"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_line(text, told):
    assert told in refused(text)


def test_an_alias_bomb_stays_small():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]

    assert "more than 200000 values" in refused("\n".join(lines))
