"""Addresses of buckets: what is understood, what is refused, and that no secret is repeated."""

# ruff: noqa: S311 - seeded, so that every run has the same bytes; no secrets

import random

import pytest
from obstore.exceptions import GenericError

from legato.domain.errors import ConfigurationError
from legato.store.bucket_address import Manner, connect, open_bucket, read_address
from legato.store.bucket_requests import Patience, reason

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
        ("memory://", "memory", "", ""),
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
        "s3://team/x?account=me",
        "file:///srv?region=x",
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


def test_a_relative_folder_lies_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert read_address("shared").bucket == str(tmp_path / "shared")


def test_the_account_of_an_azure_container_may_be_in_its_address():
    key = {"AZURE_STORAGE_KEY": "aHVzaA=="}

    store = connect(read_address("az://container/x?account=team"), key, Manner())

    assert store.config["account_name"] == "team"
    with pytest.raises(ConfigurationError, match="Account must be specified"):
        connect(read_address("az://container/x"), key, Manner())


def test_what_an_address_says_comes_before_the_environment():
    environment = {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}

    store = connect(read_address("s3://team?region=eu-west-1&timeout_s=7"), environment, Manner(whole=3))

    assert store.config["region"] == "eu-west-1"
    assert store.config["endpoint"] == "http://127.0.0.1:1"
    assert store.client_options["timeout"] == "21s"


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


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "PUT http://h:40312/b/packs/ab/a403f503 in 1.403ms - HTTP error: error sending request",
            "broke off",
        ),
        ("PUT http://h:429/b/x in 503.2ms, after 6 retries - status code: 403 Forbidden", "access is denied"),
        ("PUT http://h/b/a401 - response error 503 Service Unavailable: SlowDown", "too busy"),
        ("GET http://169.254.169.254/latest/api/token: error sending request", "access is denied"),
    ],
)
def test_a_number_in_an_address_is_not_taken_for_what_a_bucket_answered(said, meant):
    why, hint = reason(GenericError(f"Generic S3 error: Error performing {said}"))

    assert meant in why
    assert hint
