"""References and addresses: what is written of them, and what may be asked of them."""

from pathlib import Path

import pytest

from legato.domain.artifacts import Artifact
from legato.domain.digests import digest_of
from legato.domain.elsewhere import Reference, Remote
from legato.domain.errors import ConfigurationError
from legato.formats import form_of
from legato.formats.elsewhere import has_address, not_held, remote
from legato.formats.shelf import Shelf


@pytest.fixture
def shelf():
    return Shelf(lambda _module: False)


def kept(shelf, folder, value):
    saved = shelf.save(value, folder)
    data = saved.path.read_bytes()
    artifact = Artifact(
        digest=digest_of(data), size_bytes=len(data), format=saved.format, type=saved.type, about=saved.about
    )
    return saved.path, artifact


def test_a_reference_comes_back_with_its_address(shelf, tmp_path):
    reference = Reference("warehouse.features", version=7, address="s3://a/b")

    found = shelf.load(*kept(shelf, tmp_path, reference))

    assert (found.name, found.version, found.address) == ("warehouse.features", "7", "s3://a/b")
    assert found == reference


def test_the_address_of_a_reference_is_not_in_its_digest(shelf, tmp_path):
    first = kept(shelf, tmp_path / "a", Reference("x", version="1", address="s3://a"))[1]
    moved = kept(shelf, tmp_path / "b", Reference("x", version="1", address="s3://b"))[1]
    newer = kept(shelf, tmp_path / "c", Reference("x", version="2", address="s3://a"))[1]

    assert first.digest == moved.digest
    assert first.digest != newer.digest


@pytest.mark.parametrize("form", [Path, dict, "pl.DataFrame"])
def test_a_reference_cannot_be_had_as_anything_else(shelf, tmp_path, form):
    path, artifact = kept(shelf, tmp_path, Reference("x", version="1"))

    with pytest.raises(ConfigurationError, match=r"x \(version 1\) is not held here") as refused:
        shelf.load(path, artifact, form=form)

    assert "lg.Reference" in refused.value.hint
    assert not_held(artifact)


def test_a_reference_without_an_address_is_no_remote(shelf, tmp_path):
    path, artifact = kept(shelf, tmp_path, Reference("x", version="1"))

    with pytest.raises(ConfigurationError, match=r"cannot be had as an lg\.Remote"):
        shelf.load(path, artifact, form=Remote)


def test_an_artifact_on_this_machine_is_a_file_address(shelf, tmp_path):
    path, artifact = kept(shelf, tmp_path, [1, 2])

    found = shelf.load(path, artifact, form="lg.Remote")

    assert found == Remote(path.as_uri())
    assert (found.digest, found.size_bytes) == (artifact.digest, artifact.size_bytes)


def test_an_artifact_that_says_where_it_is_needs_no_file_here():
    artifact = Artifact(
        digest=digest_of(b"far"), size_bytes=9, format="file/1", about={"address": "s3://bucket/rows.parquet"}
    )

    assert has_address(artifact)
    assert str(remote(None, artifact)) == "s3://bucket/rows.parquet"


def test_a_remote_cannot_be_returned(shelf, tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be returned") as refused:
        shelf.save(Remote("s3://a/b"), tmp_path)

    assert "lg.Reference(NAME, version=…, address='s3://a/b')" in refused.value.hint


@pytest.mark.parametrize(("name", "version"), [("", 1), ("x", None), ("x", ""), ("x", True)])
def test_a_reference_needs_a_name_and_a_version(name, version):
    with pytest.raises(ConfigurationError, match=r"lg.Reference\("):
        Reference(name, version=version)


def test_both_are_named_alike_in_every_process():
    assert [form_of(kind) for kind in (Remote, Reference)] == ["legato.Remote", "legato.Reference"]
    assert form_of("lg.Remote") == "legato.Remote"
