"""The contract of `legato.store.Store`, over every back end that ships."""

import contextlib
import io
import os
import random
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest
from bucket_servers import SERVERS, Server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from legato.domain.artifacts import ManifestEntry
from legato.domain.digests import Digest, digest_of
from legato.domain.errors import ConfigurationError, ConflictError, MissingError
from legato.store import Depot, Placed, Store, pull, push, read_manifest, write_manifest
from legato.store.bucket import BucketStore
from legato.store.bucket_address import open_bucket
from legato.store.bucket_requests import Patience
from legato.store.directory import DirectoryStore
from legato.store.memory import MemoryStore

FOLDERS = count()
NOWHERE = digest_of(b"never stored")

PATIENCE = Patience(sleep=time.sleep, jitter=random.Random(7), first_wait_s=0.05)  # noqa: S311 - spreads waits, hides nothing


def bucket_in(address: str, folder: Path, environment: Mapping[str, str] = {}) -> BucketStore:
    return BucketStore(open_bucket(address, environment, PATIENCE), folder / "cache")


BACK_ENDS: dict[str, Callable[[Path], Depot]] = {
    "memory": lambda folder: MemoryStore(folder / "files"),
    "directory": lambda folder: DirectoryStore(folder / "store"),
    "bucket: memory": lambda folder: bucket_in("memory:", folder),
    "bucket: folder": lambda folder: bucket_in(str(folder / "bucket"), folder),
}


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Server]]:
    started: dict[str, Server] = {}
    with contextlib.ExitStack() as stack:

        def server(name: str) -> Server:
            if name not in started:
                started[name] = stack.enter_context(SERVERS[name]())
            return started[name]

        yield server


@pytest.fixture(params=[*BACK_ENDS, *(f"bucket: {name}" for name in SERVERS)])
def store(request, tmp_path, servers) -> Depot:
    if request.param in BACK_ENDS:
        return BACK_ENDS[request.param](tmp_path / "own")
    server = servers(request.param.removeprefix("bucket: "))
    folder = f"/{next(FOLDERS)}?endpoint="
    return bucket_in(server.address.replace("?endpoint=", folder), tmp_path / "own", server.environment)


@pytest.fixture(params=BACK_ENDS)
def offline_store(request, tmp_path) -> Depot:
    """For what is decided before any server is asked."""
    return BACK_ENDS[request.param](tmp_path / "own")


@pytest.fixture
def folder(tmp_path) -> Path:
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "a.txt").write_bytes(b"a")
    (source / "deep" / "er" / "b.bin").write_bytes(bytes(range(256)) * 5000)
    (source / "deep" / "tool").write_bytes(b"#!/bin/sh\n")
    (source / "deep" / "tool").chmod(0o755)
    return source


def put(store: Store, data: bytes) -> Digest:
    return store.put(io.BytesIO(data))


def read(store: Store, digest: Digest) -> bytes:
    with store.open(digest) as source:
        return source.read()


def contents(folder: Path) -> dict[str, tuple[bytes, bool]]:
    return {
        str(file.relative_to(folder)): (file.read_bytes(), os.access(file, os.X_OK))
        for file in folder.rglob("*")
        if file.is_file()
    }


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=5000))
def test_what_is_put_comes_back_under_its_own_digest(store, data):
    digest = put(store, data)

    assert digest == digest_of(data)
    assert read(store, digest) == data
    assert store.path(digest).read_bytes() == data


def test_bytes_of_many_blocks_come_back(store):
    data = os.urandom(1 << 20) * 3 + b"tail"

    digest = put(store, data)

    assert digest == digest_of(data)
    assert read(store, digest) == data


def test_a_source_that_gives_a_little_at_a_time_is_read_to_its_end(store):
    class Trickle(io.RawIOBase):
        left = 2500

        def read(self, size=-1):
            count = min(self.left, 1000, size)
            self.left -= count
            return b"x" * count

    digest = store.put(Trickle())

    assert digest == digest_of(b"x" * 2500)


def test_putting_known_bytes_again_changes_nothing(store):
    first = put(store, b"same")

    second = put(store, b"same")

    assert (first, list(store.list())) == (second, [first])


def test_a_source_that_fails_leaves_nothing(store):
    class Broken(io.RawIOBase):
        reads = 0

        def read(self, size=-1):
            self.reads += 1
            if self.reads > 3:
                raise ZeroDivisionError
            return b"x" * size

    with pytest.raises(ZeroDivisionError):
        store.put(Broken())

    assert list(store.list()) == []


def test_has_says_which_are_there(store):
    digest = put(store, b"here")

    found = store.has([digest, NOWHERE])

    assert found == {digest}
    assert store.verify([digest, NOWHERE]) == {digest}


@pytest.mark.parametrize("look", ["open", "path"])
def test_what_is_not_there_is_named(store, look):
    with pytest.raises(MissingError, match=NOWHERE) as caught:
        getattr(store, look)(NOWHERE)

    assert caught.value.hint


@pytest.mark.parametrize(
    "bad", ["sha256:../../../../etc/passwd", "", "sha256:" + "A" * 64, "md5:" + "0" * 32]
)
@pytest.mark.parametrize("deed", ["open", "path", "delete"])
def test_what_is_no_digest_never_becomes_a_path(offline_store, bad, deed):
    with pytest.raises(ConfigurationError, match="no digest"):
        getattr(offline_store, deed)(bad)


def test_delete_forgets_one_object_and_may_be_repeated(store):
    kept, gone = put(store, b"kept"), put(store, b"gone")

    store.delete(gone)
    store.delete(gone)

    assert list(store.list()) == [kept]
    assert store.has([kept, gone]) == {kept}


def test_a_file_is_stored_and_left_alone(store, tmp_path):
    source = tmp_path / "data.csv"
    source.write_bytes(b"x,y\n" * 400_000)

    placed = store.put_path(source)

    assert placed == Placed(digest=digest_of(source.read_bytes()), size_bytes=1_600_000, tree=False)
    assert read(store, placed.digest) == source.read_bytes()


def test_a_folder_comes_back_as_it_was(store, folder, tmp_path):
    before = contents(folder)

    placed = store.put_path(folder)
    store.place(placed.digest, placed.tree, tmp_path / "out" / "copy")

    assert placed.tree
    assert placed.size_bytes == sum(len(data) for data, _ in before.values())
    assert contents(tmp_path / "out" / "copy") == before == contents(folder)


def test_two_folders_with_equal_files_have_one_digest(store, folder, tmp_path):
    again = tmp_path / "again"
    for path in sorted(contents(folder), reverse=True):
        (again / path).parent.mkdir(parents=True, exist_ok=True)
        (again / path).write_bytes((folder / path).read_bytes())
        (again / path).chmod((folder / path).stat().st_mode)
    (again / "empty").mkdir()

    digests = {store.put_path(folder).digest, store.put_path(again).digest}

    assert len(digests) == 1


def test_a_folder_that_was_given_up_may_be_gone_but_is_stored(store, folder, tmp_path):
    before = contents(folder)

    placed = store.put_path(folder, move=True)
    store.place(placed.digest, placed.tree, tmp_path / "copy")

    assert contents(tmp_path / "copy") == before


def test_a_moved_file_gives_the_same_digest_as_a_copied_one(store, tmp_path):
    data = os.urandom(3 << 20)
    (tmp_path / "moved").write_bytes(data)

    placed = store.put_path(tmp_path / "moved", move=True)

    assert placed.digest == digest_of(data)
    assert read(store, placed.digest) == data


def test_moving_a_symlink_leaves_what_it_points_to(store, folder, tmp_path):
    (tmp_path / "file_link").symlink_to(folder / "a.txt")
    (tmp_path / "folder_link").symlink_to(folder)
    before = contents(folder)

    store.put_path(tmp_path / "file_link", move=True)
    store.put_path(tmp_path / "folder_link", move=True)

    assert contents(folder) == before


def test_moving_a_file_of_two_names_leaves_the_other_one_writable(store, tmp_path):
    (tmp_path / "one").write_bytes(b"shared")
    os.link(tmp_path / "one", tmp_path / "two")

    placed = store.put_path(tmp_path / "one", move=True)
    (tmp_path / "two").write_bytes(b"changed later")

    assert read(store, placed.digest) == b"shared"


def test_a_tree_is_there_only_with_all_its_files(store, folder):
    placed = store.put_path(folder)
    whole = store.has([placed.digest])

    store.delete(digest_of(b"a"))

    assert whole == {placed.digest}
    assert store.has([placed.digest]) == frozenset()
    assert store.verify([placed.digest]) == frozenset()


def test_a_manifest_that_came_as_bytes_is_a_tree_all_the_same(store):
    file = put(store, b"only")
    manifest = put(store, write_manifest([ManifestEntry("x", file, 4)]))

    store.delete(file)

    assert store.has([manifest]) == frozenset()


def test_a_long_manifest_that_came_as_a_stream_is_a_tree_too(store):
    entries = [ManifestEntry(f"file{number:06}", NOWHERE, 1) for number in range(15_000)]

    manifest = put(store, write_manifest(entries))

    assert store.has([manifest]) == frozenset()
    assert read_manifest(read(store, manifest)).files == tuple(entries)


def test_a_file_that_only_begins_like_a_manifest_is_a_file(store):
    digest = put(store, b'{"files":[["../up","sha256:0",1,false]]}')

    assert store.has([digest]) == {digest}


def test_what_is_placed_is_read_only_and_private(store, tmp_path):
    digest = put(store, b"input")

    store.place(digest, tree=False, target=tmp_path / "input")
    store.delete(digest)

    assert (tmp_path / "input").read_bytes() == b"input"
    assert stat.S_IMODE((tmp_path / "input").stat().st_mode) & 0o222 == 0


def test_placing_never_overwrites(store, tmp_path):
    digest = put(store, b"new")
    (tmp_path / "taken").write_bytes(b"old")

    with pytest.raises(ConflictError, match="taken"):
        store.place(digest, tree=False, target=tmp_path / "taken")

    assert (tmp_path / "taken").read_bytes() == b"old"


def test_a_tree_that_lacks_a_file_is_not_placed_at_all(store, folder, tmp_path):
    placed = store.put_path(folder)
    store.delete(digest_of(b"a"))
    before = sorted(tmp_path.iterdir())

    with pytest.raises(MissingError):
        store.place(placed.digest, tree=True, target=tmp_path / "copy")

    assert sorted(tmp_path.iterdir()) == before


def test_placing_a_file_as_a_tree_is_refused(store, tmp_path):
    digest = put(store, b"no manifest")

    with pytest.raises(ConfigurationError, match="not a manifest"):
        store.place(digest, tree=True, target=tmp_path / "copy")

    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    "path", ["../up", "/etc/passwd", "a/../../b", "a//b", "./a", "a/", "", "a\0b", "..\\up"]
)
def test_a_manifest_that_reaches_outside_is_never_followed(offline_store, tmp_path, path):
    file = put(offline_store, b"payload")
    hostile = b'{"files":[' + write_entry(path, file) + b"]}"
    digest = put(offline_store, hostile)
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(ConfigurationError):
        offline_store.place(digest, tree=True, target=tmp_path / "root" / "copy")

    assert [item for item in sorted(tmp_path.rglob("*")) if item not in before] in ([], [tmp_path / "root"])


def write_entry(path: str, digest: Digest) -> bytes:
    import msgspec

    return msgspec.json.encode([path, digest, 7, False])


def test_a_symlink_inside_the_folder_counts_as_what_it_points_to(store, folder, tmp_path):
    (folder / "again").symlink_to("deep")
    (folder / "copy.txt").symlink_to("a.txt")

    placed = store.put_path(folder, move=True)
    store.place(placed.digest, tree=True, target=tmp_path / "out")

    assert (tmp_path / "out" / "copy.txt").read_bytes() == b"a"
    assert (tmp_path / "out" / "again" / "tool").read_bytes() == (
        tmp_path / "out" / "deep" / "tool"
    ).read_bytes()
    assert not any(item.is_symlink() for item in (tmp_path / "out").rglob("*"))


def _link_out(folder: Path) -> None:
    (folder / "bad").symlink_to("/etc/hostname")


def _link_above(folder: Path) -> None:
    (folder / "deep" / "bad").symlink_to("..")


def _link_nowhere(folder: Path) -> None:
    (folder / "bad").symlink_to("nothing")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "bad")


def _backslash(folder: Path) -> None:
    (folder / "bad\\name").touch()


def _not_utf8(folder: Path) -> None:
    (Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff"))).touch()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_link_out, "leaves the folder"),
        (_link_above, "a folder that it is in"),
        (_link_nowhere, "to nothing"),
        (_pipe, "a pipe"),
        (_backslash, "backslash"),
        (_not_utf8, "UTF-8"),
    ],
)
def test_a_folder_that_no_manifest_can_hold_is_refused_by_name(offline_store, folder, make, reason):
    make(folder)

    with pytest.raises(ConfigurationError, match=reason) as caught:
        offline_store.put_path(folder)

    assert "bad" in caught.value.message
    assert caught.value.hint


def test_a_pipe_is_refused_without_waiting_for_a_writer(store, tmp_path):
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigurationError, match="neither a file nor a folder"):
        store.put_path(tmp_path / "pipe")


def test_a_path_with_nothing_at_it_is_missing(store, tmp_path):
    with pytest.raises(MissingError, match="nowhere"):
        store.put_path(tmp_path / "nowhere")


def test_many_threads_may_put_and_read_the_same_bytes(store, request):
    if "rclone" in request.node.name:
        pytest.skip("rclone serves objects while they are being overwritten; other servers run this")
    data = [os.urandom(2000) for _ in range(20)]
    wrong: list[bytes] = []

    def work() -> None:
        for item in data:
            wrong.extend([item] if read(store, put(store, item)) != item else [])

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert set(store.list()) == {digest_of(item) for item in data}


def test_sync_may_be_called_at_any_time(store):
    store.sync()
    digest = put(store, b"synced")
    store.sync()

    assert store.has([digest]) == {digest}


def sources(*items: bytes) -> list[tuple[Digest, Callable[[], io.BytesIO]]]:
    return [(digest_of(data), lambda data=data: io.BytesIO(data)) for data in items]


def test_many_objects_go_in_and_come_out(store):
    items = [b"", b"small", os.urandom(300_000), b"zeros" + bytes(2 << 20), os.urandom(3 << 20)]
    told: list[int] = []

    store.put_many(sources(*items), told.append)
    found = {digest: stream.read() for digest, stream in store.open_many(map(digest_of, items))}

    assert found == {digest_of(data): data for data in items}
    assert sum(told) == sum(map(len, items))


def test_known_objects_are_not_opened_again(store):
    store.put_many(sources(b"known"), lambda _: None)

    store.put_many([(digest_of(b"known"), lambda: pytest.fail("opened"))], lambda _: None)

    assert store.has([digest_of(b"known")])


def test_bytes_that_are_not_what_they_are_called_are_refused(store):
    with pytest.raises(MissingError, match="damaged"):
        store.put_many([(NOWHERE, lambda: io.BytesIO(b"something else"))], lambda _: None)

    assert list(store.list()) == []


def test_long_bytes_that_are_not_what_they_are_called_are_refused(store):
    with pytest.raises(MissingError, match="damaged"):
        store.put_many([(NOWHERE, lambda: io.BytesIO(os.urandom(3 << 20)))], lambda _: None)

    assert list(store.list()) == []


def test_objects_of_many_that_are_not_read_are_passed_over(store):
    items = [os.urandom(400_000) for _ in range(3)]
    store.put_many(sources(*items), lambda _: None)

    found = {digest: stream.read(3) for digest, stream in store.open_many(map(digest_of, items))}

    assert found == {digest_of(data): data[:3] for data in items}


def test_opening_many_names_the_one_that_is_not_there(store):
    here = put(store, b"here")

    with pytest.raises(MissingError, match=NOWHERE):
        [stream.read() for _, stream in store.open_many([here, NOWHERE])]


def test_about_says_size_and_kind_of_what_is_there(store, folder):
    placed = store.put_path(folder)

    found = store.about([placed.digest, digest_of(b"a"), NOWHERE])

    assert {digest: held.tree for digest, held in found.items()} == {
        placed.digest: True,
        digest_of(b"a"): False,
    }
    assert found[digest_of(b"a")].size_bytes == 1


def test_a_sweep_leaves_what_is_wanted_and_the_files_of_its_trees(store, folder, tmp_path):
    wanted = store.put_path(folder)
    loose, unwanted = put(store, os.urandom(200_000)), put(store, os.urandom(200_001))
    before = contents(folder)

    dry = store.sweep([wanted.digest, loose], grace_s=0, dry_run=True)
    still = store.has([unwanted])
    done = store.sweep([wanted.digest, loose], grace_s=0)
    store.place(wanted.digest, tree=True, target=tmp_path / "out")

    assert dry == done
    assert dry.freed_bytes >= 200_001
    assert still == {unwanted}
    assert store.verify([wanted.digest, loose, unwanted]) == {wanted.digest, loose}
    assert unwanted not in set(store.list())
    assert contents(tmp_path / "out") == before


def test_a_sweep_spares_what_was_put_within_the_grace(store):
    young = put(store, b"young")

    swept = store.sweep([])

    assert swept.freed_bytes == 0
    assert read(store, young) == b"young"


def test_what_was_swept_can_be_put_again(store):
    data = os.urandom(100_000)
    put(store, data)
    store.sweep([], grace_s=0)

    digest = put(store, data)

    assert read(store, digest) == data
    assert store.verify([digest]) == {digest}


def test_a_tree_is_pushed_and_pulled_whole_and_only_once(store, folder, tmp_path):
    here, there = DirectoryStore(tmp_path / "here"), DirectoryStore(tmp_path / "there")
    placed = here.put_path(folder)
    told: list[tuple[int, int]] = []

    first = push(here, store, [placed.digest], lambda done, total: told.append((done, total)))
    second = push(here, store, [placed.digest])
    pulled = pull(store, there, [placed.digest])

    assert (first.moved_objects, second.moved_objects, pulled.moved_objects) == (4, 0, 4)
    assert told[0][0] == 0
    assert told[-1] == (first.moved_bytes, first.moved_bytes)
    assert there.verify([placed.digest]) == {placed.digest}


def test_pushing_what_is_not_here_names_it(store, tmp_path):
    with pytest.raises(MissingError, match=NOWHERE):
        push(DirectoryStore(tmp_path / "empty"), store, [NOWHERE])
