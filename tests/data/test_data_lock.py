"""`legato.lock` survives git, people and newer versions: what it cannot be sure of, it says."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.data.lock import Entry, Lock, parse, render
from legato.domain.errors import ConfigurationError, ConflictError

A, B, C = ("sha256:" + letter * 64 for letter in "abc")


def lock_of(**digests):
    return Lock({name: Entry(name=name, digest=digest) for name, digest in digests.items()})


names = st.text(min_size=1, max_size=20).filter(
    lambda name: "\0" not in name and not name.startswith("/") and ".." not in name.split("/")
)


@given(st.lists(names, unique=True, max_size=5))
def test_what_is_written_is_read_back_whatever_the_names(found):
    try:
        data = render(Lock({name: Entry(name=name, digest=A, version="\u2028x\n") for name in found}))
    except UnicodeEncodeError:  # a lone surrogate, which `check_name` keeps out
        return

    assert sorted(parse(data).entries) == sorted(found)


def test_equal_locks_are_equal_bytes_in_whatever_order_they_came():
    one, other = lock_of(b=B, a=A), lock_of(a=A, b=B)

    assert render(one) == render(other)


def git_merge(folder, base, ours, theirs):
    for name, lock in (("base", base), ("ours", ours), ("theirs", theirs)):
        (folder / name).write_bytes(render(lock))
    command = ["git", "merge-file", "-p", "ours", "base", "theirs"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).stdout


def test_git_merges_changes_to_neighbouring_datasets(tmp_path):
    merged = git_merge(tmp_path, lock_of(a=A, b=A), lock_of(a=B, b=A), lock_of(a=A, b=C))

    found = parse(merged).whole()

    assert {name: entry.digest for name, entry in found.entries.items()} == {"a": B, "b": C}


def test_a_conflict_is_named_with_the_command_that_mends_it(tmp_path):
    merged = git_merge(tmp_path, lock_of(a=A, x=A), lock_of(a=A, x=B), lock_of(a=A, x=C))

    lock = parse(merged)
    with pytest.raises(ConflictError, match="merge conflict at 'x'") as caught:
        lock.whole()

    assert caught.value.hint.endswith("legato data update x")
    assert lock.get("a").digest == A
    with pytest.raises(ConflictError):
        lock.get("x")


def test_a_conflict_is_over_when_its_name_is_set(tmp_path):
    lock = parse(git_merge(tmp_path, lock_of(x=A), lock_of(x=B), lock_of(x=C)))

    lock.put(Entry(name="x", digest=C))

    assert parse(render(lock)).whole().entries["x"].digest == C


def test_conflicts_are_mended_one_after_the_other(tmp_path):
    base, ours, theirs = ({"a": A, "b": digest, "c": A, "d": digest} for digest in (A, B, C))
    lock = parse(git_merge(tmp_path, lock_of(**base), lock_of(**ours), lock_of(**theirs)))

    lock.put(Entry(name="b", digest=C))
    between = parse(render(lock))
    between.drop("d")

    assert set(between.torn) == set()
    assert set(parse(render(lock)).torn) == {"d"}
    assert set(parse(render(between)).whole().entries) == {"a", "b", "c"}


def test_what_both_sides_added_alike_is_no_conflict():
    line = render(lock_of(a=A)).split(b"\n")[2].decode()
    text = f'{{"legato.lock":1}}\n<<<<<<< ours\n{line}\n||||||| base\n=======\n{line}\n>>>>>>> theirs\n'

    assert parse(text.encode()).whole().entries["a"].digest == A


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        (b"\xff\xfe", ConfigurationError, "line 1 .* not UTF-8"),
        (b'{"legato.lock":2}\n', ConfigurationError, "this Legato reads 1"),
        (b'{"legato.lock":1}\n\n{"name":"a"}\n', ConfigurationError, "line 3 cannot be read"),
        (b'{"name":"a","digest":"sha256:0"}', ConfigurationError, "no digest"),
        (f'{{"name":"../a","digest":"{A}"}}'.encode(), ConfigurationError, "leaves the repository"),
        (f'{{"name":"/etc/passwd","digest":"{A}"}}'.encode(), ConfigurationError, "leaves the repository"),
        (
            f'{{"name":"w","digest":"{A}","source":"s3://b","file":"../x"}}'.encode(),
            ConfigurationError,
            "no file",
        ),
        (f"<<<<<<< a\n{{}}\n{A}".encode(), ConfigurationError, "cannot be read"),
        (b"<<<<<<< a\n=======\n", ConfigurationError, "no end"),
        (
            f'{{"name":"a","digest":"{A}"}}\n{{"name":"a","digest":"{B}"}}'.encode(),
            ConflictError,
            "line 2: 'a' is there twice",
        ),
    ],
)
def test_a_lock_that_cannot_be_read_says_where(text, kind, why):
    with pytest.raises(kind, match=why) as caught:
        parse(text)

    assert caught.value.hint
