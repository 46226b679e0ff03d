"""What is refused though nothing uses it, and what stays one artifact though it has fields."""

import pytest

from legato.domain.errors import ConfigurationError

STEP = "@lg.step\ndef a() -> int: ...\n"


def refused(studio, text):
    with pytest.raises(ConfigurationError) as raised:
        studio.collect(text)
    return raised.value


def test_an_unknown_output_is_refused_though_nothing_takes_it(studio):
    error = refused(studio, STEP + 'w = a.output("weights")\n')

    assert "`a` has no output 'weights'" in error.message
    assert error.where.endswith("pipeline.py:5")


def test_a_pickled_record_is_one_artifact(studio):
    found = studio.collect(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Pair:\n    x: int\n    y: int\n"
        "@lg.step\ndef both() -> lg.Pickled[Pair]: ...\n@lg.step\ndef apart() -> Pair: ...\n"
    )

    assert [output.artifact for output in found.graph.node("both").outputs] == ["both"]
    assert [output.artifact for output in found.graph.node("apart").outputs] == ["x", "y"]


@pytest.mark.parametrize("address", ["3", "None", r'"data/\udcff.csv"'])
def test_what_is_no_address_of_data_is_refused_with_its_place(studio, address):
    error = refused(studio, f"data = lg.dataset({address})\n")

    assert "names no data" in error.message
    assert error.where.endswith("pipeline.py:3")
    str(error).encode()


def test_a_name_in_both_env_and_secrets_is_refused(studio):
    error = refused(studio, '@lg.step(env=["A", "TOKEN"], secrets=["TOKEN"])\ndef a() -> int: ...\n')

    assert "TOKEN is in both env= and secrets=" in error.message


def test_a_result_of_the_wrong_type_has_the_right_article(studio):
    found = studio.collect("class Two(NamedTuple):\n    x: int\n@lg.step\ndef a() -> Two: ...\n")

    with pytest.raises(Exception, match="a returned an int, not the"):
        found.fields("a", 3)
