"""A bucket that fails in every way a network and a server can: nothing wrong is handed out, nothing is lost."""

# ruff: noqa: S311 - seeded, so that every run has the same bytes; no secrets

import io
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bucket_servers import Server, Spoiler, moto, proxied, rclone

from legato.domain.digests import digest_of
from legato.domain.errors import MissingError, OutsideError
from legato.store import pull, push
from legato.store.bucket import BucketStore
from legato.store.bucket_address import open_bucket
from legato.store.bucket_requests import Patience
from legato.store.directory import DirectoryStore

PACK_BYTES = 1 << 20


@pytest.fixture(scope="module")
def server():
    with moto() as started:
        yield started


@pytest.fixture
def place(server, tmp_path) -> Server:
    """A prefix of this test's own."""
    return Server(server.address.replace("/team?", f"/{tmp_path.name}?"), server.environment, server.port)


@pytest.fixture
def here(tmp_path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "here")


def bucket_at(place: Server, folder: Path, waits: list[float] | None = None, tries: int = 4) -> BucketStore:
    sleep = (lambda _: None) if waits is None else waits.append
    patience = Patience(sleep=sleep, jitter=random.Random(7), tries=tries)
    return BucketStore(open_bucket(place.address, place.environment, patience), folder, pack_bytes=PACK_BYTES)


def made(folder: Path, count: int = 30, size: int = 100_000, seed: int = 1) -> Path:
    generator = random.Random(seed)
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03}").write_bytes(generator.randbytes(size))
    return folder


PUTS = ("PUT", "/packs/")
GETS = ("GET", "/packs/")


def only(method: str, part: str):
    return lambda asked, path: asked == method and part in path


@pytest.mark.parametrize(
    ("method", "part", "fault"),
    [
        *(("PUT", part, fault) for part in ("/packs/", "/indexes/") for fault in ("503", "die", "lost")),
        *(
            ("GET", part, fault)
            for part in ("/packs/", "/indexes/")
            for fault in ("503", "die", "lost", "short")
        ),
        *(("GET", "list-type", fault) for fault in ("503", "die", "short")),
    ],
)
def test_a_request_that_fails_is_made_again(place, here, tmp_path, fault, part, method):
    placed = here.put_path(made(tmp_path / "data", count=3))
    spoiler = Spoiler([fault, fault], only(method, part))
    waits: list[float] = []
    with proxied(place, spoiler) as spoiled:
        push(here, bucket_at(spoiled, tmp_path / "one", waits), [placed.digest])
        there = DirectoryStore(tmp_path / "there")
        pull(bucket_at(spoiled, tmp_path / "two", waits), there, [placed.digest])

    assert there.verify([placed.digest]) == {placed.digest}
    assert spoiler.faults == []
    assert all(0 < wait_s <= 2 for wait_s in waits)


def test_waits_grow_and_are_spread_by_the_generator_given(place, tmp_path):
    waits: list[float] = []
    with (
        proxied(place, Spoiler(forever="503")) as spoiled,
        pytest.raises(OutsideError, match="slow down") as caught,
    ):
        bucket_at(spoiled, tmp_path, waits, tries=5).has([digest_of(b"x")])

    generator = random.Random(7)
    assert waits == [generator.uniform(wait / 2, wait) for wait in (0.2, 0.4, 0.8, 1.6)]
    assert "try again" in caught.value.hint


@pytest.mark.parametrize("fault", ["flip", "cut"])
def test_a_pack_that_comes_wrong_once_is_fetched_again(place, here, tmp_path, fault):
    placed = here.put_path(made(tmp_path / "data", count=3))
    push(here, bucket_at(place, tmp_path / "one"), [placed.digest])
    spoiler = Spoiler([fault], only(*GETS))
    with proxied(place, spoiler) as spoiled:
        there = DirectoryStore(tmp_path / "there")
        pull(bucket_at(spoiled, tmp_path / "two"), there, [placed.digest])

    assert spoiler.faults == []
    assert there.verify([placed.digest]) == {placed.digest}
    assert bucket_at(place, tmp_path / "one").has([placed.digest]) == {placed.digest}


@pytest.mark.parametrize("fault", ["flip", "cut"])
def test_an_index_that_comes_wrong_once_is_fetched_again(place, here, tmp_path, fault):
    placed = here.put_path(made(tmp_path / "data", count=3))
    push(here, bucket_at(place, tmp_path / "one"), [placed.digest])
    with proxied(place, Spoiler([fault], only("GET", "/indexes/"))) as spoiled:
        found = bucket_at(spoiled, tmp_path / "two").has([placed.digest])

    assert found == {placed.digest}


@pytest.mark.parametrize("fault", ["flip", "cut"])
def test_bytes_that_always_come_wrong_are_never_handed_out(place, here, tmp_path, fault):
    placed = here.put_path(made(tmp_path / "data", count=3))
    push(here, bucket_at(place, tmp_path / "one"), [placed.digest])
    there = DirectoryStore(tmp_path / "there")
    with (
        proxied(place, Spoiler(fits=only(*GETS), forever=fault)) as spoiled,
        pytest.raises(MissingError, match="sha256:"),
    ):
        pull(bucket_at(spoiled, tmp_path / "two"), there, [placed.digest])

    assert there.verify(there.list()) == set(there.list())
    assert there.has([placed.digest]) == frozenset()


def test_what_was_condemned_for_damage_heals_with_the_next_push(place, here, tmp_path):
    placed = here.put_path(made(tmp_path / "data", count=3))
    push(here, bucket_at(place, tmp_path / "one"), [placed.digest])
    with proxied(place, Spoiler(fits=only(*GETS), forever="flip")) as spoiled, pytest.raises(MissingError):
        pull(bucket_at(spoiled, tmp_path / "two"), DirectoryStore(tmp_path / "there"), [placed.digest])

    lacking = bucket_at(place, tmp_path / "one").has([placed.digest])
    moved = push(here, bucket_at(place, tmp_path / "one"), [placed.digest])
    healed = bucket_at(place, tmp_path / "one").verify([placed.digest])

    assert lacking == frozenset()
    assert moved.moved_objects > 0
    assert healed == {placed.digest}


def test_who_is_denied_is_told_where_credentials_are_looked_for(place, tmp_path):
    waits: list[float] = []
    with (
        proxied(place, Spoiler(forever="403")) as spoiled,
        pytest.raises(OutsideError, match="access is denied") as caught,
    ):
        bucket_at(spoiled, tmp_path, waits).has([digest_of(b"x")])

    assert "AWS_ACCESS_KEY_ID" in caught.value.hint
    assert waits == []


def test_a_real_server_that_refuses_a_key_is_understood(tmp_path):
    with rclone() as strict:
        wrong = Server(strict.address, {**strict.environment, "AWS_SECRET_ACCESS_KEY": "wrong"}, strict.port)

        with pytest.raises(OutsideError, match="access is denied") as caught:
            bucket_at(wrong, tmp_path).has([digest_of(b"x")])

    assert "wrong" not in str(caught.value)


def test_a_reader_without_the_right_to_write_reads_on_beside_damage(place, here, tmp_path):
    placed = here.put_path(made(tmp_path / "data", count=3))
    push(here, bucket_at(place, tmp_path / "one"), [placed.digest])
    with proxied(place, Spoiler(fits=lambda method, _: method == "PUT", forever="403")) as spoiled:
        reader = bucket_at(spoiled, tmp_path / "two")
        pull(reader, DirectoryStore(tmp_path / "there"), [placed.digest])

        with pytest.raises(OutsideError, match="access is denied"):
            push(DirectoryStore(tmp_path / "more"), reader, [_one_more(tmp_path / "more")])


def _one_more(root: Path):
    return DirectoryStore(root).put(io.BytesIO(b"one more"))


def test_a_server_that_does_not_answer_is_given_up(place, tmp_path):
    with proxied(place, Spoiler(forever="slow")) as spoiled:
        slow = Server(spoiled.address + "&timeout_s=0.1", spoiled.environment, spoiled.port)

        with pytest.raises(OutsideError, match="did not answer in time"):
            bucket_at(slow, tmp_path, tries=2).has([digest_of(b"x")])


def test_a_server_that_is_not_there_is_named(place, tmp_path):
    nowhere = Server(place.address.replace(str(place.port), "9"), place.environment, 9)

    with pytest.raises(OutsideError, match="cannot be reached") as caught:
        bucket_at(nowhere, tmp_path, tries=2).has([digest_of(b"x")])

    assert "endpoint" in caught.value.hint


def test_a_bucket_that_is_not_there_is_named(place, here, tmp_path):
    nowhere = Server(place.address.replace("s3://bucket", "s3://other"), place.environment, place.port)
    placed = here.put_path(made(tmp_path / "data", count=1))

    with pytest.raises(OutsideError, match="no such bucket"):
        push(here, bucket_at(nowhere, tmp_path / "one"), [placed.digest])


def test_a_push_that_dies_half_way_is_taken_up_where_it_stopped(place, here, tmp_path):
    placed = here.put_path(made(tmp_path / "data", count=60))
    packs = 0

    def fits(method: str, path: str) -> bool:
        nonlocal packs
        packs += method == "PUT" and "/packs/" in path
        return packs > 3

    with proxied(place, Spoiler(fits=fits, forever="die")) as spoiled, pytest.raises(OutsideError):
        push(here, bucket_at(spoiled, tmp_path / "one"), [placed.digest])
    again = bucket_at(place, tmp_path / "two")
    push(here, again, [placed.digest])

    assert again.verify([placed.digest]) == {placed.digest}
    assert again.traffic.sent_bytes < 60 * 100_000 - 2 * PACK_BYTES


PUSHER = """
import random, sys, time
from pathlib import Path
from legato.store import push
from legato.store.bucket import BucketStore
from legato.store.bucket_address import open_bucket
from legato.store.bucket_requests import Patience
from legato.store.directory import DirectoryStore
address, here, cache, digest, key, secret = sys.argv[1:]
environment = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
bucket = open_bucket(address, environment, Patience(time.sleep, random.Random(1)))
push(DirectoryStore(Path(here)), BucketStore(bucket, Path(cache), pack_bytes=1 << 18), [digest])
"""


def started_push(place: Server, root: Path, digest: str) -> subprocess.Popen:
    keys = [place.environment["AWS_ACCESS_KEY_ID"], place.environment["AWS_SECRET_ACCESS_KEY"]]
    words = [place.address, str(root / "here"), str(root / "cache"), digest, *keys]
    return subprocess.Popen([sys.executable, "-c", PUSHER, *words], stderr=subprocess.DEVNULL)


def test_a_push_killed_at_any_moment_leaves_nothing_that_is_wrong(place, here, tmp_path):
    placed = here.put_path(made(tmp_path / "data", count=100))
    generator = random.Random(3)
    for _ in range(3):
        process = started_push(place, tmp_path, placed.digest)
        time.sleep(generator.uniform(0.3, 1.2))
        process.kill()
        process.wait()
        seen = bucket_at(place, tmp_path / "reader")
        objects = set(seen.list())
        assert seen.verify(objects) == objects

    finished = started_push(place, tmp_path, placed.digest).wait()
    reader = bucket_at(place, tmp_path / "reader")
    there = DirectoryStore(tmp_path / "there")
    pull(reader, there, [placed.digest])

    assert finished == 0
    assert there.verify([placed.digest]) == {placed.digest}
    assert reader.sweep([placed.digest], grace_s=0).kept_bytes < 100 * 100_000 + (1 << 18)


def test_two_who_push_at_once_lose_nothing(place, here, tmp_path):
    one = here.put_path(made(tmp_path / "first", count=40, seed=1))
    two = here.put_path(made(tmp_path / "second", count=40, seed=2))
    for name in ("first", "second"):
        os.link(tmp_path / "first" / "000", tmp_path / name / "shared")
    both = here.put_path(tmp_path / "second")

    processes = [started_push(place, tmp_path, placed.digest) for placed in (one, two, both, one)]
    codes = [process.wait() for process in processes]
    reader = bucket_at(place, tmp_path / "reader")
    wanted = {placed.digest for placed in (one, two, both)}

    assert codes == [0, 0, 0, 0]
    assert reader.verify(wanted) == wanted
