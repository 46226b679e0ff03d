"""The store in a bucket, on a local folder: what travels, what is left out, what a sweep does when."""

# ruff: noqa: S311 - seeded, so that every run has the same bytes; no secrets

import io
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from legato.domain.digests import digest_of
from legato.domain.errors import ConfigurationError, MissingError
from legato.store import pull, push
from legato.store.bucket import BucketStore
from legato.store.bucket_address import open_bucket
from legato.store.bucket_requests import Patience
from legato.store.directory import DirectoryStore

DAY_S = 24 * 3600.0


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "bucket"


def bucket_in(root: Path, folder: Path, *, pack_bytes: int = 1 << 20) -> BucketStore:
    patience = Patience(sleep=lambda _: None, jitter=random.Random(7))
    return BucketStore(open_bucket(str(root), {}, patience), folder, pack_bytes=pack_bytes)


@pytest.fixture
def bucket(root, tmp_path) -> BucketStore:
    return bucket_in(root, tmp_path / "cache")


@pytest.fixture
def here(tmp_path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "here")


def put(store, data: bytes):
    return store.put(io.BytesIO(data))


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def packs(root: Path) -> list[Path]:
    return sorted((root / "store" / "packs").glob("*/*"))


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY_S
    os.utime(path, (then, then))


def age_markers(root: Path, days: float) -> None:
    for marker in (root / "store" / "condemned").iterdir():
        age(marker, days)


def sent_by(deed, bucket: BucketStore) -> int:
    before = bucket.traffic.sent_bytes
    deed()
    return bucket.traffic.sent_bytes - before


def test_of_a_second_version_only_what_changed_travels(here, bucket):
    first = noise(20 << 20)
    at = len(first) // 2
    second = first[:1000] + b"a row near the top" + first[1000:at] + noise(200_000, 2) + first[at + 200_000 :]
    old, new = put(here, first), put(here, second)
    push(here, bucket, [old])

    sent = sent_by(lambda: push(here, bucket, [new]), bucket)

    assert sent < 200_000 + 5 * (256 << 10)
    assert bucket.verify([old, new]) == {old, new}


def test_what_is_compressible_travels_compressed(here, bucket):
    digest = put(here, b"a,b,c\n1,2,3\n" * 300_000)

    sent = sent_by(lambda: push(here, bucket, [digest]), bucket)

    assert sent < 300_000
    assert bucket.verify([digest]) == {digest}


def test_many_small_files_are_few_requests(here, bucket, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number:05}").write_bytes(noise(500, number))
    placed = here.put_path(folder)
    there = DirectoryStore(tmp_path / "there")

    push(here, bucket, [placed.digest])
    pushed = bucket.traffic.requests
    pull(bucket, there, [placed.digest])

    assert pushed < 20
    assert bucket.traffic.requests - pushed < 20
    assert there.verify([placed.digest]) == {placed.digest}


def test_a_file_equal_to_a_chunk_of_another_is_an_object_too(here, bucket):
    from legato.store.chunks import cut

    large = noise(3 << 20)
    part = bytes(next(cut(io.BytesIO(large))))
    push(here, bucket, [put(here, large)])

    sent = sent_by(lambda: push(here, bucket, [put(here, part)]), bucket)

    assert sent < 1000
    assert set(bucket.list()) == {digest_of(large), digest_of(part)}
    assert bucket.verify([digest_of(part)]) == {digest_of(part)}


def test_deleting_a_chunk_that_is_an_object_leaves_the_other_object(here, bucket):
    from legato.store.chunks import cut

    large = noise(3 << 20)
    part = bytes(next(cut(io.BytesIO(large))))
    push(here, bucket, [put(here, large), put(here, part)])

    bucket.delete(digest_of(part))

    assert set(bucket.list()) == {digest_of(large)}
    assert bucket.verify([digest_of(large), digest_of(part)]) == {digest_of(large)}


def test_lists_of_lists_of_chunks_are_followed(tmp_path, root, here):
    bucket = bucket_in(root, tmp_path / "cache", pack_bytes=8 << 20)
    data = b"".join(noise(1 << 20, seed) for seed in range(40))
    digest = put(here, data)

    push(here, bucket, [digest])
    with bucket_in(root, tmp_path / "other").open(digest) as opened:
        found = opened.read()

    assert digest_of(found) == digest
    assert bucket.verify([digest]) == {digest}


def test_a_second_process_knows_indexes_without_fetching_them(here, bucket, root, tmp_path):
    digest = put(here, noise(3 << 20))
    push(here, bucket, [digest])
    bucket_in(root, tmp_path / "shared").has([digest])

    again = bucket_in(root, tmp_path / "shared")
    found = again.has([digest])

    assert found == {digest}
    assert again.traffic.received_bytes < 10_000  # the list of chunks, and the format


def test_an_index_kept_here_that_was_altered_is_fetched_again(here, bucket, root, tmp_path):
    digest = put(here, noise(3 << 20))
    push(here, bucket, [digest])
    bucket_in(root, tmp_path / "shared").has([digest])
    for kept in (tmp_path / "shared" / "indexes").iterdir():
        kept.chmod(0o644)
        kept.write_bytes(kept.read_bytes()[:-1] + b"x")

    found = bucket_in(root, tmp_path / "shared").has([digest])

    assert found == {digest}


def test_one_flipped_byte_in_a_pack_is_never_handed_out_and_condemns_it(bucket, root, tmp_path):
    digest = put(bucket, noise(50_000))
    pack = packs(root)[0]
    data = bytearray(pack.read_bytes())
    data[1000] ^= 1
    pack.write_bytes(data)

    with pytest.raises(MissingError, match=digest):
        bucket_in(root, tmp_path / "fresh").open(digest)

    assert (root / "store" / "condemned" / pack.name).exists()
    assert bucket.has([digest]) == frozenset()


def test_a_truncated_pack_counts_as_absent_and_is_written_anew(bucket, root):
    digest = put(bucket, noise(50_000))
    pack = packs(root)[0]
    pack.write_bytes(pack.read_bytes()[:-1])

    lacking = bucket.has([digest])
    put(bucket, noise(50_000))

    assert lacking == frozenset()
    assert bucket.verify([digest]) == {digest}


def test_an_altered_index_counts_as_absent_and_is_written_anew(bucket, root, tmp_path):
    digest = put(bucket, noise(50_000))
    index = next((root / "store" / "indexes").iterdir())
    index.write_bytes(index.read_bytes()[:-1] + b"?")
    fresh = bucket_in(root, tmp_path / "fresh")

    lacking = fresh.has([digest])
    put(fresh, noise(50_000))

    assert lacking == frozenset()
    assert bucket_in(root, tmp_path / "third").verify([digest]) == {digest}


def test_who_still_has_a_good_copy_of_an_altered_index_sends_its_pack_again(bucket, root, tmp_path):
    digest = put(bucket, noise(50_000))
    index = next((root / "store" / "indexes").iterdir())
    index.write_bytes(index.read_bytes()[:-1] + b"?")

    lacking = bucket_in(root, tmp_path / "fresh").has([digest])  # which says so to others
    put(bucket_in(root, tmp_path / "cache"), noise(50_000))

    assert lacking == frozenset()
    assert bucket_in(root, tmp_path / "third").verify([digest]) == {digest}


@pytest.mark.parametrize("wanted", ["what it holds", "other things"])
def test_a_sweep_leaves_a_pack_of_which_it_cannot_tell_whether_it_is_wanted(bucket, root, tmp_path, wanted):
    lost = put(bucket, noise(50_000))
    index = next((root / "store" / "indexes").iterdir())
    good = index.read_bytes()
    index.write_bytes(b"")
    other = put(bucket_in(root, tmp_path / "fresh"), b"other")
    keep = [lost, other] if wanted == "what it holds" else [other]

    age_markers(root, days=3)
    bucket_in(root, tmp_path / "sweeping").sweep(keep)
    if index.exists():
        index.write_bytes(good)

    found = bucket_in(root, tmp_path / "third")
    assert found.verify([other]) == {other}
    assert index.exists() == (wanted == "what it holds")


@pytest.mark.parametrize("text", [b"", b"\x00\n"])
def test_an_altered_format_of_a_bucket_is_not_taken_for_a_newer_one(bucket, root, tmp_path, text):
    put(bucket, b"x")
    (root / "store" / "format").write_bytes(text)

    with pytest.raises(ConfigurationError, match="altered") as caught:
        bucket_in(root, tmp_path / "fresh").has([digest_of(b"x")])

    assert "upgrade" not in caught.value.hint


def test_a_pack_that_someone_deleted_counts_as_absent(bucket, root):
    digest = put(bucket, noise(50_000))
    packs(root)[0].unlink()

    found = bucket.has([digest])

    assert found == frozenset()
    with pytest.raises(MissingError, match=digest):
        bucket.open(digest)


def test_a_bucket_of_a_newer_legato_is_refused(bucket, root, tmp_path):
    put(bucket, b"x")
    (root / "store" / "format").write_bytes(b"2\n")

    with pytest.raises(ConfigurationError, match="format") as caught:
        bucket_in(root, tmp_path / "fresh").has([digest_of(b"x")])

    assert "upgrade" in caught.value.hint


def test_strange_objects_in_the_bucket_are_passed_over(bucket, root):
    digest = put(bucket, b"x")
    for name in ("indexes/zz-yy", "packs/zz/zz", "condemned/readme", "notes.txt"):
        (root / "store" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "store" / name).write_bytes(b"?")

    assert bucket.verify([digest]) == {digest}


def test_a_sweep_condemns_first_and_deletes_after_the_grace(bucket, root):
    kept, gone = put(bucket, noise(50_000, 1)), put(bucket, noise(60_000, 2))

    first = bucket.sweep([kept])
    readable = bucket.open(gone).read()
    age_markers(root, days=1)
    second = bucket.sweep([kept])
    age_markers(root, days=2.1)
    third = bucket.sweep([kept])

    assert (first.freed_bytes, second.freed_bytes) == (0, 0)
    assert first.condemned_bytes == third.freed_bytes > 60_000
    assert readable == noise(60_000, 2)
    assert bucket.verify([kept, gone]) == {kept}
    assert len(packs(root)) == 1
    assert list((root / "store" / "condemned").iterdir()) == []


def test_a_dry_run_writes_nothing(bucket, root):
    put(bucket, noise(50_000))
    before = sorted(root.rglob("*"))

    swept = bucket.sweep([], dry_run=True)

    assert swept.condemned_bytes > 50_000
    assert sorted(root.rglob("*")) == before


def test_a_writer_takes_a_condemned_pack_for_absent(bucket, root, tmp_path):
    digest = put(bucket, noise(50_000))
    bucket.sweep([])
    writer = bucket_in(root, tmp_path / "writer")

    put(writer, noise(50_000))
    age_markers(root, days=3)
    bucket.sweep([digest])

    assert bucket.verify([digest]) == {digest}
    assert len(packs(root)) == 1


def test_what_came_to_be_wanted_after_it_was_condemned_is_saved_before_its_pack_goes(bucket, root):
    wanted, other = put(bucket, noise(50_000)), put(bucket, noise(60_000, 2))
    bucket.sweep([])
    age_markers(root, days=3)

    swept = bucket.sweep([wanted])

    assert swept.rewritten_bytes >= 50_000
    assert bucket.verify([wanted, other]) == {wanted}


def test_a_pack_that_was_condemned_by_mistake_is_pardoned(bucket, root):
    digest = put(bucket, noise(50_000))
    bucket.sweep([])

    swept = bucket.sweep([digest])

    assert swept.rewritten_bytes == 0
    assert list((root / "store" / "condemned").iterdir()) == []
    assert bucket.verify([digest]) == {digest}


def test_a_pack_that_is_mostly_unwanted_is_written_anew(here, bucket, root):
    items = [noise(30_000, seed) for seed in range(10)]
    digests = [put(here, data) for data in items]
    push(here, bucket, digests)

    first = bucket.sweep(digests[:2])
    age_markers(root, days=3)
    second = bucket.sweep(digests[:2])

    assert 60_000 <= first.rewritten_bytes < 70_000
    assert second.freed_bytes > 300_000
    assert bucket.verify(digests) == set(digests[:2])
    assert sum(pack.stat().st_size for pack in packs(root)) < 70_000


def test_many_small_packs_are_written_as_one(bucket, root):
    digests = [put(bucket, noise(1000, seed)) for seed in range(40)]

    bucket.sweep(digests, grace_s=0)

    assert len(packs(root)) == 1
    assert bucket.verify(digests) == set(digests)


def test_a_young_pack_without_an_index_is_left_and_an_old_one_goes(bucket, root):
    put(bucket, noise(50_000))
    next((root / "store" / "indexes").iterdir()).unlink()

    young = bucket.sweep([])
    age(packs(root)[0], days=3)
    old = bucket.sweep([])
    age_markers(root, days=3)
    bucket.sweep([])

    assert (young.condemned_bytes, old.condemned_bytes > 0) == (0, True)
    assert packs(root) == []


def test_a_sweep_that_died_between_any_two_deletions_is_finished_by_the_next(bucket, root):
    put(bucket, noise(50_000))
    bucket.sweep([])
    age_markers(root, days=3)
    next((root / "store" / "indexes").iterdir()).unlink()
    packs(root)[0].unlink()

    bucket.sweep([])

    assert list((root / "store" / "condemned").iterdir()) == []


def test_of_a_damaged_pack_a_sweep_saves_what_is_left(here, bucket, root):
    digests = [put(here, noise(30_000, seed)) for seed in range(5)]
    push(here, bucket, digests)
    pack = packs(root)[0]
    data = bytearray(pack.read_bytes())
    data[100] ^= 1
    pack.write_bytes(data)
    right = bucket.verify(digests)
    age_markers(root, days=3)

    bucket.sweep(digests)

    assert len(right) == 0  # in a condemned pack nothing is to be relied on
    assert len(bucket.verify(digests)) == 4


def test_two_sweeps_and_a_push_at_once_lose_nothing(here, bucket, root, tmp_path):
    import threading

    kept = [put(here, noise(40_000, seed)) for seed in range(8)]
    fresh = [put(here, noise(40_000, seed)) for seed in range(100, 110)]
    push(here, bucket, [*kept, *fresh])
    bucket.sweep(kept)
    stores = [bucket_in(root, tmp_path / f"cache{number}") for number in range(3)]
    deeds = [
        lambda: stores[0].sweep(kept),
        lambda: stores[1].sweep(kept),
        lambda: push(here, stores[2], fresh),
    ]

    threads = [threading.Thread(target=deed) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    age_markers(root, days=3)
    bucket.sweep([*kept, *fresh])

    assert bucket.verify([*kept, *fresh]) == {*kept, *fresh}


def test_a_sweep_stops_where_it_cannot_tell_what_a_wanted_tree_needs(here, bucket, root, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "file").write_bytes(noise(50_000))
    placed = here.put_path(folder)
    push(here, bucket, [placed.digest])
    pack = packs(root)[0]
    data = bytearray(pack.read_bytes())
    data[-10] ^= 1  # in the manifest, which comes last
    pack.write_bytes(data)

    with pytest.raises(MissingError, match=placed.digest) as caught:
        bucket.sweep([placed.digest])

    assert "nothing is swept" in caught.value.hint


def test_a_sweep_clears_away_what_a_killed_writer_left_half_written(bucket, root):
    digest = put(bucket, noise(50_000))
    left, fresh = packs(root)[0].with_name("abc#1"), packs(root)[0].with_name("def#2")
    left.write_bytes(b"half")
    fresh.write_bytes(b"half")
    age(left, days=3)

    bucket.sweep([digest])

    assert (left.exists(), fresh.exists()) == (False, True)
    assert bucket.verify([digest]) == {digest}


def test_nothing_that_a_bucket_needs_is_imported_before_one_is_used():
    code = "import sys, legato.store, legato.store.bucket; print(*sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not {"obstore", "zstandard", "pyfastcdc"} & set(said.split())


def test_a_tiny_pack_all_of_which_is_wanted_stays_as_it_is(bucket, root):
    digest = put(bucket, b"a\n1\n2\n")

    swept = bucket.sweep([digest])

    assert (swept.condemned_bytes, swept.rewritten_bytes) == (0, 0)
    assert bucket.has([digest]) == {digest}
    assert not (root / "store" / "condemned").exists()
