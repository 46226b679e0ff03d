"""Digests of files and folders, and when a remembered one may be believed."""

import os

import pytest

from legato.domain.digests import digest_of
from legato.engine.files import Files, at_rest, file_digest, listing_digest, signature

LATER_NS = 10**19


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "sub").mkdir()
    return tmp_path


def test_a_file_has_the_digest_of_its_bytes(folder):
    assert Files(str(folder), {}, LATER_NS).digest("a.txt") == digest_of(b"one")


def test_what_is_not_there_has_an_empty_digest(folder):
    files = Files(str(folder), {}, LATER_NS)

    assert files.digest("missing.txt") == ""
    assert files.digest("missing/") == ""
    assert files.digest("a.txt/") == ""
    assert files.digest("odd\0name") == ""


def test_a_folder_is_the_names_in_it(folder):
    files = Files(str(folder), {}, LATER_NS)
    empty = files.digest("sub/")
    (folder / "sub" / "b.txt").write_text("x")
    full = files.digest("sub/")
    (folder / "sub" / "b.txt").write_text("other content")

    assert empty != full
    assert files.digest("sub/") == full


def test_a_listing_leaves_out_what_changes_by_itself(folder):
    before = listing_digest(str(folder))
    for name in (".git", ".legato", "__pycache__"):
        (folder / name).mkdir()

    assert listing_digest(str(folder)) == before


def test_a_remembered_digest_is_believed_while_the_file_is_untouched(folder):
    known = {"a.txt": (signature(str(folder / "a.txt")), "sha256:remembered")}

    assert Files(str(folder), known, LATER_NS).digest("a.txt") == "sha256:remembered"


@pytest.mark.parametrize("touch", ["content", "replaced", "time"])
def test_a_remembered_digest_is_not_believed_after_a_change(folder, touch):
    path = folder / "a.txt"
    known = {"a.txt": (signature(str(path)), "sha256:remembered")}
    if touch == "content":
        path.write_text("two")
    elif touch == "replaced":
        (folder / "new").write_text("one")
        (folder / "new").rename(path)
    else:
        os.utime(path, ns=(1, 1))

    assert Files(str(folder), known, LATER_NS).digest("a.txt") == file_digest(str(path))


def test_a_young_file_is_not_remembered(folder):
    now_ns = (folder / "a.txt").stat().st_mtime_ns
    files = Files(str(folder), {}, now_ns)

    files.digest("a.txt")

    assert files.known == {}


def test_a_file_at_rest_is_remembered(folder):
    files = Files(str(folder), {}, LATER_NS)

    files.digest("a.txt")

    assert files.known == {"a.txt": (signature(str(folder / "a.txt")), digest_of(b"one"))}


def test_all_that_was_asked_for_is_touched(folder):
    files = Files(str(folder), {}, LATER_NS)

    files.digest("a.txt")
    files.digest("missing.txt")
    files.touch("sub/")

    assert files.touched == {
        str(folder / "a.txt"): signature(str(folder / "a.txt")),
        str(folder / "missing.txt"): None,
        f"{folder}/sub/": signature(str(folder / "sub")),
    }


def test_rest_is_judged_by_the_later_of_both_times():
    second = 10**9

    assert at_rest((1, 0, 0, 1), second)
    assert not at_rest((1, 0, second, 1), second)
    assert not at_rest((1, second, 0, 1), second)
    assert not at_rest((1, 2 * second, 0, 1), second)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_has_an_empty_digest(folder):
    (folder / "a.txt").chmod(0)

    assert Files(str(folder), {}, LATER_NS).digest("a.txt") == ""
