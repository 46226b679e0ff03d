"""Addresses of buckets: what is understood, what is refused, and that no secret is repeated."""

# ruff: noqa: S311 - seeded, so that every run has the same bytes; no secrets

import random

import pytest

from legato.domain.errors import ConfigurationError
from legato.store.bucket_address import open_bucket, read_address
from legato.store.bucket_requests import Patience

PATIENCE = Patience(sleep=lambda _: None, jitter=random.Random(7))


@pytest.mark.parametrize(
    ("text", "kind", "bucket", "prefix"),
    [
        ("s3://team/wine/data", "s3", "team", "wine/data"),
        ("gs://team", "gs", "team", ""),
        ("az://container/a b", "az", "container", "a b"),
        ("file:///srv/wine%20data", "file", "/srv/wine data", ""),
        ("/srv/wine", "file", "/srv/wine", ""),
        ("memory:", "memory", "", ""),
    ],
)
def test_addresses_are_read(text, kind, bucket, prefix):
    address = read_address(text)

    assert (address.kind, address.bucket, address.prefix) == (kind, bucket, prefix)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://host/x",
        "s3://",
        "s3://team/../other",
        "s3://team/a//b",
        "s3://te am/x",
        "s3://team/x?colour=red",
        "s3://[bad",
        "s3://team/x?timeout_s=soon",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(text):
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        open_bucket(text, {}, PATIENCE)

    assert "s3://bucket/prefix" in caught.value.hint


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(ConfigurationError) as caught:
        read_address("s3://user:hunter2@team/wine")

    assert "hunter2" not in str(caught.value)
    assert "environment" in caught.value.hint


def test_options_are_not_part_of_the_name():
    assert read_address("s3://team/wine?endpoint=http://127.0.0.1:1").name == "s3://team/wine"


def test_a_profile_is_read_from_the_files_of_the_cloud_s_own_tools(tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[team]\naws_access_key_id = a\naws_secret_access_key = b%c\n"
    )
    (tmp_path / ".aws" / "config").write_text("[profile team]\nregion = eu-west-1\n")

    bucket = open_bucket("s3://team", {"HOME": str(tmp_path), "AWS_PROFILE": "team"}, PATIENCE)

    assert bucket.name == "s3://team"


def test_a_broken_credentials_file_is_named_without_its_secrets(tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("hunter2\n")

    with pytest.raises(ConfigurationError, match="credentials") as caught:
        open_bucket("s3://team", {"HOME": str(tmp_path)}, PATIENCE)

    assert "hunter2" not in str(caught.value)
