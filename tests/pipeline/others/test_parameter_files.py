"""Parameter files: the same keys in four languages, read and written with other values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError
from legato.pipeline.others.param_files import MISSING, converted, pick, read_values, rewritten, with_value

FILES = {
    "p.yaml": b"train:\n  lr: 0.1  # rate\n  layers: [8, 4]\nname: a\n",
    "p.json": b'{"train": {"lr": 0.1, "layers": [8, 4]}, "name": "a"}',
    "p.toml": b'name = "a"\n[train]\nlr = 0.1\nlayers = [8, 4]\n',
    "p.py": b'import os\nname = "a"\n\nclass train:\n    lr: float = 0.1\n    layers = [8, 4]\n    other = os.sep\n',
}


@pytest.mark.parametrize("file", FILES)
def test_values_are_found_by_dotted_key(file):
    found = read_values(FILES[file], file).data

    assert pick(found, "train.lr") == 0.1
    assert pick(found, "train.layers.1") == 4
    assert pick(found, "name") == "a"
    assert pick(found, "train.gone") is MISSING
    assert pick(found, "name.x") is MISSING


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_written_with_other_values(file):
    changes = {"train.lr": 0.5, "train.layers": [2, 3], "name": 'say "x"\\'}

    found = read_values(rewritten(FILES[file], file, changes), file).data

    assert {key: pick(found, key) for key in changes} == changes


PLAIN = st.recursive(
    st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_toml_and_json_come_back_as_they_were(value):
    for file, text in (("p.toml", b"a = 1"), ("p.json", b'{"a": 1}')):
        assert read_values(rewritten(text, file, {"a": value}), file).data == {"a": value}


def test_a_python_file_is_read_and_never_run():
    found = read_values(
        b"A = 1\nB = print('x')\nclass C:\n    def __init__(self):\n        self.d = 2\n", "p.py"
    )

    assert found.data == {"A": 1, "C": {"d": 2}}


@pytest.mark.parametrize(
    ("file", "text"), [("p.json", b"{"), ("p.toml", b"a ="), ("p.py", b"a ="), ("p.yaml", b"[")]
)
def test_a_damaged_file_is_named(file, text):
    with pytest.raises(ConfigurationError) as caught:
        read_values(text, file)

    assert file in str(caught.value)


def test_a_typed_value_keeps_the_kind_that_was_there():
    assert [
        converted(old, text)
        for old, text in [(0.1, "1"), ("1.0", "2.0"), (1, "2"), (True, "false"), (None, "x")]
    ] == [*(1.0, "2.0", 2, False, "x")]
    assert with_value({"a": [1, 2]}, "a.0", 9) == {"a": [9, 2]}
