"""The block of `.gitignore` is Legato's, every other line the user's; git agrees with what it says."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError
from legato.scm.ignoring import END, START, with_ignored

lines = st.text(alphabet="abc*#!/ .", max_size=8)
paths = st.text(alphabet="abc */[#!?\\", min_size=1, max_size=8).filter(lambda path: path.strip("/"))


@given(st.lists(lines), st.lists(paths), st.lists(paths))
def test_the_users_lines_stay_whatever_the_block_says(user, first, second):
    text = "\n".join(user) + "\n"

    once = with_ignored(text, first)
    twice = with_ignored(with_ignored(once, second), first)

    assert [line for line in once.split("\n") if line and not line.startswith(("/", START, END))] == [
        line for line in text.split("\n") if line and not line.startswith(("/", START, END))
    ]
    assert twice == once


def test_the_block_is_sorted_and_goes_away_with_its_last_path():
    text = with_ignored("*.pyc\n", ["b", "a/"])

    assert text.splitlines() == ["*.pyc", START, "/a/", "/b", END]
    assert with_ignored(text, []).split() == ["*.pyc"]


def test_lines_below_the_block_stay_below_it():
    text = with_ignored("one\n", ["a"]) + "two\n"

    assert with_ignored(text, ["a", "b"]).splitlines() == ["one", START, "/a", "/b", END, "two"]


def test_a_block_without_end_is_refused_and_not_guessed():
    with pytest.raises(ConfigurationError, match="not its end"):
        with_ignored(f"{START}\n/a\n", ["a"])


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "#hash",
        "!bang",
        "a b",
        "trailing ",
        "st*r",
        "br[a]cket",
        "que?y",
        "new\nline",
        "ünï",
        "back\\slash",
    ],
)
def test_git_ignores_exactly_the_file_that_was_meant(tmp_path, name):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_text("x")
    (tmp_path / ".gitignore").write_text(with_ignored("", [f"data/{name}"]))

    found = subprocess.run(
        ["git", "status", "--porcelain", "-uall", "-z"], cwd=tmp_path, check=True, capture_output=True
    )

    assert found.stdout == b"?? .gitignore\0"
