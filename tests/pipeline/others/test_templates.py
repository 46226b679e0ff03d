"""`${}`: what it is filled in with, and what is said where that cannot be."""

import pytest

from legato.pipeline.others.templating import TemplateError, Values, as_text, fill

VALUES = Values(
    {
        "lr": 0.1,
        "on": True,
        "none": None,
        "train": {"lr": 1, "name": "a b", "deep": {"x": [1, "y z"]}},
        "list": [3, 4],
    }
)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${lr}", 0.1),
        ("${ train.lr }", 1),
        ("x ${on} ${train.deep.x[1]}", "x true y z"),
        ("${list[0]}-${list[1]}", "3-4"),
        (r"\${lr} ${lr}", "${lr} 0.1"),
        ("$HOME ${lr}", "$HOME 0.1"),
        (["${lr}", {"${train.lr}": "${on}"}, 5], [0.1, {1: True}, 5]),
        ("${none}", None),
    ],
)
def test_a_template_is_filled_in(text, filled):
    assert fill(text, VALUES) == filled


def test_a_command_takes_a_mapping_as_options():
    assert fill("t ${train}", VALUES, key="cmd") == "t --lr 1 --name 'a b' --deep.x 1 'y z'"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${gone}", "${gone} has no value"),
        ("${train.gone}", "has no value"),
        ("${list[9]}", "has no value"),
        ("${lr.x}", "has no value"),
        ("a ${train}", "is a mapping, not one value"),
        ("${list}", "is a list, not one value"),
        ("${${lr}}", "is no ${name}"),
        ("${}", "is no ${name}"),
    ],
)
def test_what_has_no_value_is_named(text, told):
    with pytest.raises(TemplateError) as caught:
        fill(text, VALUES)

    assert told in caught.value.message


def test_a_template_that_multiplies_itself_stays_small():
    values = Values({"a": "x" * 2**16})

    with pytest.raises(TemplateError):
        fill("${a}" * 32, values)


def test_a_nested_list_is_no_option():
    with pytest.raises(TemplateError):
        as_text({"a": [[1]]})


def test_values_of_several_files_are_joined_but_never_replaced():
    values = Values()
    values.add({"a": {"x": 1}}, "one.yaml")
    values.add({"a": {"y": 2}, "b": 3}, "two.yaml", keys=["a"])
    values.add({"a": {"x": 1}}, "one.yaml")

    assert values.data == {"a": {"x": 1, "y": 2}}
    with pytest.raises(TemplateError):
        values.add({"a": {"x": 9}}, "three.yaml")
    with pytest.raises(TemplateError):
        values.add({"c": 1}, "four.yaml", keys=["gone"])
    with pytest.raises(TemplateError):
        values.add({"a": {"y": 2}, "b": 3}, "two.yaml")
