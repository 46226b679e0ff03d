"""Manifests as data: one form, and no way out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.artifacts import ManifestEntry
from legato.domain.digests import digest_of
from legato.domain.errors import ConfigurationError
from legato.store import read_manifest, write_manifest
from legato.store.manifest import check_path, is_manifest

DIGEST = digest_of(b"")
parts = st.text(st.characters(exclude_characters="/\\\0", codec="utf-8"), min_size=1).filter(
    lambda part: part not in {".", ".."}
)
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)
entries = st.builds(ManifestEntry, paths, st.binary().map(digest_of), st.integers(0, 2**60), st.booleans())


def is_a_folder(files) -> bool:
    names = {file.path for file in files}
    return not any(other.startswith(name + "/") for name in names for other in names)


folders = st.lists(entries, max_size=8, unique_by=lambda entry: entry.path).filter(is_a_folder)


@given(folders)
def test_a_folder_is_read_as_it_was_written(files):
    data = write_manifest(files)

    assert read_manifest(data).files == tuple(sorted(files))
    assert is_manifest(data)


@given(folders, st.randoms(use_true_random=False))
def test_the_order_of_the_files_does_not_matter(files, generator):
    shuffled = list(files)
    generator.shuffle(shuffled)

    assert write_manifest(shuffled) == write_manifest(files)


@given(st.binary())
def test_any_bytes_are_read_or_refused_clearly(data):
    if is_manifest(data):
        assert write_manifest(read_manifest(data).files) == data
    else:
        with pytest.raises(ConfigurationError) as caught:
            read_manifest(data)
        assert caught.value.hint


@given(st.text())
def test_a_path_that_passes_stays_below_its_folder(path):
    try:
        check_path(path)
    except ConfigurationError:
        return

    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/"))


@pytest.mark.parametrize(
    "data",
    [
        b'{"files":[],"format":2}',
        b'{"files":[],"format":1}',
        b'{"files": []}',
        b'{"files":[["b","%b",0,false],["a","%b",0,false]]}' % (DIGEST.encode(), DIGEST.encode()),
        b'{"files":[["a","%b",0,false],["a","%b",0,false]]}' % (DIGEST.encode(), DIGEST.encode()),
        b'{"files":[["a","%b",-1,false]]}' % DIGEST.encode(),
        b'{"files":[["a","sha256:zz",1,false]]}',
        b'{"files":[["a","%b",0,false],["a/b","%b",0,false]]}' % (DIGEST.encode(), DIGEST.encode()),
        b"[" * 100_000,
    ],
)
def test_a_manifest_in_another_form_is_refused(data):
    assert not is_manifest(data)
    with pytest.raises(ConfigurationError):
        read_manifest(data)


def test_a_file_and_a_folder_of_one_name_are_refused():
    files = [
        ManifestEntry("a", DIGEST, 0),
        ManifestEntry("a.b", DIGEST, 0),
        ManifestEntry("a/b/c", DIGEST, 0),
    ]

    with pytest.raises(ConfigurationError, match="'a' both as a file and as a folder"):
        write_manifest(files)


def test_a_newer_manifest_says_to_upgrade():
    with pytest.raises(ConfigurationError, match="format 2") as caught:
        read_manifest(b'{"files":[],"format":2}')

    assert "upgrade" in caught.value.hint
