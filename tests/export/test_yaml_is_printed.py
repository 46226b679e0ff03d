"""What is printed as YAML reads back as the same tree."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from legato.export.printing import Noted, to_yaml

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20) | st.sampled_from(
    [
        "yes",
        "on",
        "null",
        "1",
        "1.5",
        "0x1",
        "a: b",
        "- a",
        "# a",
        "a #b",
        "'",
        '"',
        "~",
        "",
        " a",
        "2026-01-01",
        "*",
        "&a",
        "!x",
        "1e3",
        "a\nb",
        " a\nb",
        "a\n",
        "\na",
        "a\n\n  b",
        "a \nb",
    ]
)
TREES = st.recursive(
    TEXT | st.booleans() | st.integers(-9, 9999),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXT.filter(lambda key: "\n" not in key), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(TEXT.filter(lambda key: key and "\n" not in key), TREES, min_size=1, max_size=4))
def test_any_tree_reads_back(tree):
    printed = to_yaml(tree, ["written by a test"])

    assert yaml.safe_load(printed) == tree


def test_a_comment_stands_behind_its_value():
    assert to_yaml({"uses": Noted("a/b@0", "v1")}) == "uses: a/b@0  # v1\n"
