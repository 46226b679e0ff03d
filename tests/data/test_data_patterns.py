"""Patterns mean what they mean in a shell."""

import glob

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legato.data.globs import fixed_folder, is_glob, matcher

names = st.text(alphabet="ab.[]!-^", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
parts = st.one_of(
    st.text(alphabet="ab.*?", min_size=1, max_size=3),
    st.sampled_from(["**", "[ab]*", "[!a]", "[a-b]?", "*.a"]),
).filter(lambda part: part not in {".", "..", "***"} and ("**" not in part or part == "**"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tree")


@settings(max_examples=150, deadline=None)
@given(
    files=st.lists(st.lists(names, min_size=1, max_size=3), max_size=6),
    pattern=st.lists(parts, min_size=1, max_size=3),
)
def test_a_pattern_matches_what_the_shells_would(folder, files, pattern):
    root = folder / str(len(list(folder.iterdir())))
    root.mkdir()
    made = set()
    for path in ("/".join(file) for file in files):
        try:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        except OSError:  # a file where a folder is wanted
            continue
        made.add(path)
    text = "/".join(pattern)

    expected = {path for path in glob.glob(text, root_dir=root, recursive=True) if (root / path).is_file()}  # noqa: PTH207 - what is compared with

    assert {path for path in made if matcher(text).fullmatch(path) and (root / path).is_file()} == expected


def test_the_folder_above_all_matches_has_no_pattern_in_it():
    assert fixed_folder("data/2026-*/x/*.csv") == "data"
    assert fixed_folder("data/a.csv") == "data"
    assert not is_glob(fixed_folder("a/b/[c]/**/d"))
