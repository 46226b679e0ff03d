"""What a shared ledger says of addresses, credentials and servers that will not do."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from shared_cases import SEEN, alive, started

from ledger_servers import S3, free_port, running_careless_s3, running_s3
from legato.app.remotes import means_of
from legato.domain.errors import ConfigurationError, LegatoError, OutsideError
from legato.ledger.mirrored import MirroredLedger
from legato.ledger.mirroring import Mirroring
from legato.ledger.shared import Means, open_shared, open_shared_for_reading

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-word"}


def means(environment: Mapping[str, str]) -> Means:
    return means_of(environment)._replace(alive=alive)


def opened(address: str, environment: Mapping[str, str] = KEYS) -> MirroredLedger:
    return open_shared(address, Mirroring(":memory:"), [SEEN], means(environment))


@pytest.fixture(scope="module")
def careless(tmp_path_factory) -> Iterator[str]:
    with running_careless_s3(tmp_path_factory.mktemp("careless")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with running_s3() as server:
        yield server


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ftp://host/x", "kind or bucket is not understood"),
        ("s3:///prefix", "kind or bucket is not understood"),
        ("s3://user:hunter2@bucket", "it holds a name or password"),
        ("s3://bucket?color=blue", "unknown option 'color'"),
        ("s3://bucket?timeout_s=soon", "timeout_s is 'soon'"),
        ("gs://bucket?region=eu", "unknown option 'region'"),
        ("az://container", "Account must be specified"),
    ],
)
def test_an_address_that_cannot_be_followed_is_the_users_to_mend(address, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        opened(address)

    assert "s3://bucket/prefix" in caught.value.hint
    assert "hunter2" not in caught.value.message


def test_variables_that_only_other_programs_know_do_no_harm():
    environment = KEYS | {
        "AWS_PROFILE": "x",
        "AWS_EXECUTION_ENV": "y",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }

    objects = means(environment).connect("s3://bucket/a%20b/?endpoint=http://127.0.0.1:2")

    assert objects.name == "s3://bucket/a b"
    assert objects.is_remote


def test_keys_may_be_in_the_files_of_amazons_own_tools(s3, tmp_path: Path):
    s3.store("from-files")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[team]\naws_access_key_id = test\naws_secret_access_key = test\n"
    )
    (tmp_path / ".aws" / "config").write_text("[profile team]\nregion = eu-west-1\n")
    environment = {"HOME": str(tmp_path), "AWS_PROFILE": "team", "AWS_ENDPOINT_URL": s3.endpoint}

    with closing(opened("s3://from-files/x?timeout_s=30", environment)) as ledger:
        ledger.append([started(1)])

        assert ledger.verify() == []


def test_files_that_cannot_be_read_are_named(tmp_path: Path):
    file = tmp_path / "credentials"
    file.write_text("these are my notes\n")

    with pytest.raises(ConfigurationError, match="credentials cannot be read"):
        opened("s3://bucket", {"AWS_SHARED_CREDENTIALS_FILE": str(file)})


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")

    with pytest.raises(OutsideError, match="cannot make the folder"):
        opened(str(tmp_path / "file" / "ledger"))


def test_a_shared_folder_is_a_ledger(tmp_path: Path):
    with closing(opened(f"file://{tmp_path}/a%20b")) as ledger:
        ledger.append([started(1)])

    with closing(opened(str(tmp_path / "a b"))) as ledger:
        assert ledger.query("seen") == [{"number": 1, "actor": "ann"}]


def test_a_real_server_that_ignores_conditions_is_refused(careless):
    with closing(opened(f"s3://team/x?endpoint={careless}")) as ledger:
        with pytest.raises(ConfigurationError, match=r"s3://team/x cannot hold a ledger") as caught:
            ledger.append([started(1)])

        assert ledger.head().seq == 0
    assert "PostgreSQL" in caught.value.hint


def test_wrong_keys_are_said_and_not_shown(careless):
    keys = KEYS | {"AWS_SECRET_ACCESS_KEY": "another-word"}

    with pytest.raises(OutsideError, match="s3://team") as caught:
        opened(f"s3://team/x?endpoint={careless}", keys)

    assert "credentials" in caught.value.hint
    assert "another-word" not in caught.value.message


@pytest.mark.parametrize("reading", [True, False])
def test_a_bucket_that_is_not_there_is_said_not_taken_for_an_empty_ledger(s3, reading):
    address = f"s3://nowhere/x?endpoint={s3.endpoint}"

    opening = open_shared_for_reading if reading else open_shared

    with pytest.raises(OutsideError) as caught:
        opening(address, Mirroring(":memory:"), [SEEN], means(KEYS))

    assert "make the bucket first" in caught.value.hint


def test_a_server_that_is_not_there_is_said():
    with pytest.raises(LegatoError) as caught:
        opened(f"s3://team/x?endpoint=http://127.0.0.1:{free_port()}")

    assert isinstance(caught.value, OutsideError)
    assert "can be reached" in caught.value.hint


def test_events_of_a_bucket_are_stamped_by_its_own_clock(s3):
    s3.store("stamped")
    address = f"s3://stamped/x?endpoint={s3.endpoint}"
    late = means(KEYS)._replace(clock=lambda: time.time() + 86400)
    with closing(open_shared(address, Mirroring(":memory:"), [SEEN], late)) as ledger:
        (stored,) = ledger.append([started(1)])

        assert abs(stored.at - time.time()) < 60


LATE = """
import sys
import legato.app.remotes, legato.ledger.shared, legato.ledger.bucket, legato.ledger.postgres
print(sorted({"obstore", "psycopg"} & set(sys.modules)))
"""


def test_nothing_of_a_bucket_or_a_database_is_loaded_before_one_is_opened():
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


WITHOUT = """
import sys
sys.modules["psycopg"] = None
from legato.app.remotes import means_of
from legato.domain.errors import ConfigurationError
from legato.ledger.postgres import PostgresLog
try:
    PostgresLog("postgresql://db/x", lambda _: True)
except ConfigurationError as error:
    print(error.message, "|", error.hint)
"""


def test_a_client_that_is_not_installed_is_said():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)

    assert "needs the package psycopg" in done.stdout
    assert "pip install 'legato[postgres]'" in done.stdout
