"""What only the directory store can get wrong: its files, stamps, leftovers, rights."""

import io
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from legato.domain.digests import Digest, digest_of
from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.store.directory import DirectoryStore
from legato.store.temporary import boot_name, space_name


def put(store: DirectoryStore, data: bytes) -> Digest:
    return store.put(io.BytesIO(data))


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python in another process."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def alter(path: Path, at: int = 0) -> None:
    """Flip one bit of a file, whatever its mode."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o644)
    with path.open("r+b") as target:
        target.write(data)
    path.chmod(0o444)


def left(root: Path) -> list[str]:
    return sorted(item.name for item in (root / "tmp").iterdir()) if (root / "tmp").is_dir() else []


def test_opening_makes_nothing(tmp_path):
    store = DirectoryStore(tmp_path / "store")

    assert list(store.list()) == []
    assert store.has([digest_of(b"")]) == frozenset()
    assert not (tmp_path / "store").exists()


def test_an_object_lies_where_the_format_says_and_is_read_only(tmp_path):
    digest = put(DirectoryStore(tmp_path), b"object")

    path = tmp_path / "objects" / digest[7:9] / digest[9:]
    assert path.read_bytes() == b"object"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert (tmp_path / "format").read_text() == "1\n"
    assert left(tmp_path) == []


def test_a_newer_store_is_refused(tmp_path):
    (tmp_path / "format").write_text("2\n")

    with pytest.raises(ConfigurationError, match="format '2'") as caught:
        DirectoryStore(tmp_path)

    assert "upgrade" in caught.value.hint


@pytest.mark.parametrize("size", [1, 5000, (1 << 20) + 1])
def test_a_flipped_bit_is_found_and_set_aside(tmp_path, size):
    store = DirectoryStore(tmp_path)
    digest = put(store, b"x" * size)
    alter(store.path(digest), size // 2)

    for look in (store.open, store.path):
        with pytest.raises(MissingError, match=digest):
            look(digest)

    assert store.has([digest]) == frozenset()
    assert (tmp_path / "damaged" / digest[7:]).is_file()


def test_a_flipped_bit_is_found_by_has_and_by_another_process(tmp_path):
    digest = put(DirectoryStore(tmp_path), b"payload")
    alter(DirectoryStore(tmp_path).path(digest))

    assert DirectoryStore(tmp_path).has([digest]) == frozenset()


@pytest.mark.parametrize("size", [0, 3])
def test_a_truncated_object_is_never_handed_out(tmp_path, size):
    store = DirectoryStore(tmp_path)
    digest = put(store, b"payload")
    os.truncate(store.path(digest), size)

    with pytest.raises(MissingError, match="damaged"):
        store.open(digest)


def test_verify_reads_again_what_looks_unchanged(tmp_path):
    store = DirectoryStore(tmp_path)
    digest = put(store, b"payload")
    path = store.path(digest)
    before = path.stat()
    alter(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert store.verify([digest]) == frozenset()
    assert store.has([digest]) == frozenset()


def test_a_damaged_object_heals_when_its_bytes_come_again(tmp_path):
    store = DirectoryStore(tmp_path)
    digest = put(store, b"payload")
    alter(store.path(digest))

    put(store, b"payload")

    assert store.path(digest).read_bytes() == b"payload"


def test_a_symlink_in_place_of_an_object_counts_as_absent(tmp_path):
    store = DirectoryStore(tmp_path / "store")
    digest = put(store, b"payload")
    path = store.path(digest)
    (tmp_path / "elsewhere").write_bytes(b"payload")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")

    assert store.has([digest]) == frozenset()
    with pytest.raises(MissingError):
        store.open(digest)


def test_a_damaged_file_of_a_tree_makes_the_tree_absent(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"content")
    store = DirectoryStore(tmp_path / "store")
    placed = store.put_path(tmp_path / "folder")
    alter(store.path(digest_of(b"content")))

    assert store.has([placed.digest]) == frozenset()
    with pytest.raises(MissingError):
        store.place(placed.digest, tree=True, target=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_reading_again_costs_no_second_check(tmp_path):
    digest = put(DirectoryStore(tmp_path), b"payload")
    stamps = (tmp_path / "stamps").read_bytes()

    DirectoryStore(tmp_path).open(digest).close()
    DirectoryStore(tmp_path).has([digest])

    assert (tmp_path / "stamps").read_bytes() == stamps


def test_a_store_without_its_stamps_is_checked_and_stamped_again(tmp_path):
    digest = put(DirectoryStore(tmp_path), b"payload")
    stamps = (tmp_path / "stamps").read_bytes()
    (tmp_path / "stamps").unlink()

    found = DirectoryStore(tmp_path).has([digest])

    assert found == {digest}
    assert (tmp_path / "stamps").read_bytes() == stamps


def of_another_boot(tmp_path: Path) -> None:
    """Make the stamps look as if the machine had lost its power since."""
    stamps = tmp_path / "stamps"
    stamps.write_bytes(stamps.read_bytes().replace(boot_name(), b"0123456789abcdef"))


def forge(store: DirectoryStore, digest: Digest) -> None:
    """Alter an object in a way that its stamp does not show, as a loss of power can."""
    path = store.path(digest)
    before = path.stat()
    alter(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_stamp_from_before_a_loss_of_power_is_not_believed(tmp_path):
    store = DirectoryStore(tmp_path)
    digest = put(store, b"payload")
    forge(store, digest)
    of_another_boot(tmp_path)

    assert DirectoryStore(tmp_path).has([digest]) == frozenset()


def test_a_stamp_that_was_synced_outlives_a_loss_of_power(tmp_path):
    store = DirectoryStore(tmp_path)
    synced = put(store, b"synced")
    store.sync()
    later = put(store, b"later")
    of_another_boot(tmp_path)
    stamps = (tmp_path / "stamps").read_bytes()

    found = DirectoryStore(tmp_path).has([synced])
    unchanged = (tmp_path / "stamps").read_bytes()
    DirectoryStore(tmp_path).has([later])

    assert found == {synced}
    assert unchanged == stamps
    assert (tmp_path / "stamps").read_bytes() != stamps


@pytest.mark.parametrize(
    "garbage", [b"", b"x", b"\n\n\n", b"synced\n", b"synced a b c\n", b"0" * 200, b"\xff" * 90 + b"\n"]
)
def test_spoiled_stamps_only_cost_a_check(tmp_path, garbage):
    digest = put(DirectoryStore(tmp_path), b"payload")
    stamps = (tmp_path / "stamps").read_bytes()
    (tmp_path / "stamps").write_bytes(garbage + stamps[:40] + stamps)

    store = DirectoryStore(tmp_path)

    assert store.has([digest]) == {digest}
    alter(store.path(digest))
    assert DirectoryStore(tmp_path).has([digest]) == frozenset()


def test_stamps_that_grew_long_are_written_anew(tmp_path):
    digest = put(DirectoryStore(tmp_path), b"payload")
    line = (tmp_path / "stamps").read_bytes()
    (tmp_path / "stamps").write_bytes(line * 10_000)

    store = DirectoryStore(tmp_path)
    store.sync()

    assert (tmp_path / "stamps").read_bytes() == line
    assert store.has([digest]) == {digest}


def test_leftovers_of_dead_processes_are_swept(tmp_path):
    put(DirectoryStore(tmp_path), b"payload")
    dead = run("import os; print(os.getpid())").stdout.strip()
    (tmp_path / "tmp" / f"{space_name()}-{dead}-0").touch()
    (tmp_path / "tmp" / f"{space_name()}-{os.getpid()}-0").touch()
    (tmp_path / "tmp" / f"another-machine-{dead}-0").touch()
    old = tmp_path / "tmp" / f"another-machine-{dead}-1"
    old.touch()
    os.utime(old, (1, 1))

    DirectoryStore(tmp_path)

    assert left(tmp_path) == sorted([f"{space_name()}-{os.getpid()}-0", f"another-machine-{dead}-0"])


def test_a_temporary_file_that_someone_removes_is_named(tmp_path):
    class Cleaner(io.RawIOBase):
        blocks = 3

        def read(self, size=-1):
            self.blocks -= 1
            if not self.blocks:
                shutil.rmtree(tmp_path / "tmp")
            return b"x" * size if self.blocks > 0 else b""

    with pytest.raises(OutsideError, match="vanished while it was stored") as caught:
        DirectoryStore(tmp_path).put(Cleaner())

    assert "tmp" in caught.value.hint


FULL = """
import io, resource, signal, sys
from pathlib import Path
from legato.domain.errors import OutsideError
from legato.store.directory import DirectoryStore
store = DirectoryStore(Path(sys.argv[1]))
known = store.put(io.BytesIO(b"known"))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
big = Path(sys.argv[2])
for deed in (lambda: store.put(io.BytesIO(b"x" * 9000)), lambda: store.put(io.BytesIO(b"x" * 3_000_000)),
             lambda: store.put_path(big), lambda: store.place(known, False, Path(sys.argv[3]) / "ok")):
    try:
        deed()
        print("done")
    except OutsideError as error:
        print(error.message, "|", error.hint)
"""


def test_a_disk_that_takes_no_more_is_said_and_nothing_stays(tmp_path):
    (tmp_path / "big").write_bytes(b"y" * 3_000_000)

    lines = run(FULL, tmp_path / "store", tmp_path / "big", tmp_path / "out").stdout.splitlines()

    assert len(lines) == 4
    assert all("file too large" in line and "ulimit" in line for line in lines[:3])
    assert lines[3] == "done"
    assert left(tmp_path / "store") == []
    assert list(DirectoryStore(tmp_path / "store").list()) == [digest_of(b"known")]


@pytest.fixture
def tiny_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False
    )
    if not made or made.returncode:
        pytest.skip("a file system of 256 KiB cannot be mounted here")
    yield disk
    subprocess.run([shutil.which("umount") or "umount", disk], check=True)


def test_a_full_disk_is_said_and_nothing_stays(tiny_disk, tmp_path):
    store = DirectoryStore(tiny_disk / "store")
    digest = put(store, b"z" * 150_000)
    (tmp_path / "big").write_bytes(os.urandom(200_000))

    with pytest.raises(OutsideError, match="no space left") as caught:
        put(store, os.urandom(400_000))
    with pytest.raises(OutsideError, match="no space left"):
        store.put_path(tmp_path / "big")
    with pytest.raises(OutsideError, match="no space left"):
        store.place(digest, tree=False, target=tiny_disk / "copy")

    assert "free some space" in caught.value.hint
    assert left(tiny_disk / "store") == []
    assert sorted(item.name for item in tiny_disk.iterdir()) == ["store"]
    assert list(store.list()) == [digest]


AS_NOBODY = """
import io, os, sys, fcntl, errno
from pathlib import Path
from legato.domain.digests import digest_of
from legato.domain.errors import LegatoError
from legato.store.directory import DirectoryStore
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
"""

READ_ONLY = (
    AS_NOBODY
    + """
store = DirectoryStore(Path(sys.argv[1]))
good, bad = digest_of(b"good"), digest_of(b"bad")
print(store.open(good).read(), sorted(store.has([good, bad])) == [good])
for deed in (lambda: store.put(io.BytesIO(b"new")), lambda: store.open(bad), lambda: store.delete(good)):
    try:
        deed()
    except LegatoError as error:
        print(type(error).__name__, error.message, "|", error.hint)
"""
)


@pytest.fixture
def open_folder():
    """A folder that any user may enter."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_store_that_may_not_be_written_can_be_read(open_folder):
    root = open_folder / "store"
    store = DirectoryStore(root)
    put(store, b"good")
    alter(store.path(put(store, b"bad")))
    folders = [root, *(item for item in root.rglob("*") if item.is_dir())]
    for folder in folders:
        folder.chmod(0o555)

    done = run(READ_ONLY, root)
    for folder in folders:
        folder.chmod(0o755)

    lines = done.stdout.splitlines()
    assert lines[0] == "b'good' True", done.stderr
    assert lines[1].startswith("OutsideError cannot write to the store")
    assert "writable" in lines[1]
    assert lines[2].startswith("MissingError")
    assert lines[3].startswith("OutsideError cannot delete")


LINKING = (
    AS_NOBODY
    + """
root = Path(sys.argv[1])
store = DirectoryStore(root / "store")
digest = store.put(io.BytesIO(b"data"))
store.place(digest, False, root / "copy")
(root / "tool").mkdir(); (root / "tool" / "run").write_bytes(b"data"); (root / "tool" / "run").chmod(0o755)
tree = store.put_path(root / "tool")
store.place(tree.digest, True, root / "placed")
print((root / "copy").stat().st_nlink, oct((root / "placed" / "run").stat().st_mode & 0o777))
try:
    (root / "copy").write_bytes(b"changed")
except PermissionError:
    print("refused")
print(store.open(digest).read())
"""
)


def test_a_user_gets_a_link_that_cannot_be_written_and_a_tool_of_its_own(open_folder):
    open_folder.chmod(0o777)

    done = run(LINKING, open_folder)

    first, *rest = done.stdout.splitlines()
    assert first in {"2 0o555", "1 0o555"}, done.stderr  # 1: the file system has reflinks
    assert rest == ["refused", "b'data'"]


@pytest.mark.skipif(os.geteuid() != 0, reason="asks what root gets")
def test_root_never_gets_a_hard_link(tmp_path):
    store = DirectoryStore(tmp_path / "store")
    digest = put(store, b"data")

    store.place(digest, tree=False, target=tmp_path / "copy")
    (tmp_path / "copy").write_bytes(b"changed")

    assert store.path(digest).read_bytes() == b"data"


def test_a_moved_file_is_renamed_not_copied(tmp_path):
    source = tmp_path / "big"
    source.write_bytes(os.urandom(2 << 20))
    inode = source.stat().st_ino
    store = DirectoryStore(tmp_path / "store")

    placed = store.put_path(source, move=True)

    assert store.path(placed.digest).stat().st_ino == inode
    assert not source.exists()


def test_a_store_serves_both_sides_of_a_fork(tmp_path):
    script = """
import io, os, sys
from pathlib import Path
from legato.store.directory import DirectoryStore
store = DirectoryStore(Path(sys.argv[1]))
before = store.put(io.BytesIO(b"before"))
child = os.fork()
if not child:
    store.put(io.BytesIO(b"child"))
    store.open(before).close()
    os._exit(0)
store.put(io.BytesIO(b"parent"))
os.waitpid(child, 0)
print(len(store.verify(list(store.list()))))
"""

    assert run(script, tmp_path / "store").stdout == "3\n"
