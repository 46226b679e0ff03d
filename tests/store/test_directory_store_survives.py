"""A directory store whose writers are killed, or who write the same at once, is whole afterwards."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from legato.domain.digests import Digest, digest_of
from legato.store.directory import DirectoryStore

WRITER = """
import io, os, sys
from pathlib import Path
from legato.store.directory import DirectoryStore
root = Path(sys.argv[1])
store = DirectoryStore(root / "store")
number = int(sys.argv[2]) * 1_000_000
print("ready", flush=True)
while True:
    number += 1
    size = (10, 70_000, 1_500_000)[number % 3]
    sys.stdout.write(store.put(io.BytesIO(b"%d " % number * (size // 8))) + "\\n")
    folder = root / f"made{number}"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_bytes(b"a%d" % number)
    (folder / "sub" / "b").write_bytes(b"b%d" % number * 5000)
    placed = store.put_path(folder, move=True)
    sys.stdout.write(placed.digest + "\\n")
    store.place(placed.digest, True, root / f"placed{number}")
    sys.stdout.flush()
"""


def writer(root: Path, number: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, root, str(number)], stdout=subprocess.PIPE, text=True
    )


def test_a_writer_killed_anywhere_leaves_nothing_half_there(tmp_path):
    known: list[Digest] = []
    for number in range(8):
        with writer(tmp_path, number) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.013 * number)
            process.send_signal(signal.SIGKILL)
            known += [Digest(line.strip()) for line in process.stdout if line.endswith("\n")]

    store = DirectoryStore(tmp_path / "store")
    objects = list(store.list())

    assert known
    assert store.verify(known) == set(known)
    assert [digest for digest in objects if digest_of(store.path(digest).read_bytes()) != digest] == []
    assert not (tmp_path / "store" / "damaged").exists()
    assert list((tmp_path / "store" / "tmp").iterdir()) == []
    for placed in tmp_path.glob("placed*"):
        assert sorted(item.name for item in placed.rglob("*")) == ["a", "b", "sub"]


KILLED_INSIDE = """
import io, os, signal, sys
from pathlib import Path
from legato.store.directory import DirectoryStore
class Deadly(io.RawIOBase):
    left = int(sys.argv[2])
    def read(self, size=-1):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return b"x" * size
DirectoryStore(Path(sys.argv[1])).put(Deadly())
"""


@pytest.mark.parametrize("blocks", [1, 2, 3, 5])
def test_a_writer_killed_in_the_middle_of_an_object_leaves_what_the_next_one_sweeps(tmp_path, blocks):
    process = subprocess.run([sys.executable, "-c", KILLED_INSIDE, tmp_path, str(blocks)], check=False)

    store = DirectoryStore(tmp_path)

    assert process.returncode == -signal.SIGKILL
    assert list(store.list()) == []
    assert not (tmp_path / "tmp").exists() or list((tmp_path / "tmp").iterdir()) == []


SAME = """
import io, sys
from pathlib import Path
from legato.store.directory import DirectoryStore
sys.stdin.readline()
store = DirectoryStore(Path(sys.argv[1]))
for number in range(200):
    digest = store.put(io.BytesIO(b"same %d" % number * 50))
    assert store.open(digest).read() == b"same %d" % number * 50
"""


def test_processes_that_put_the_same_bytes_at_once_do_not_disturb_each_other(tmp_path):
    command = [sys.executable, "-c", SAME, tmp_path]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.close()

    codes = [process.wait(timeout=60) for process in processes]

    store = DirectoryStore(tmp_path)
    expected = {digest_of(b"same %d" % number * 50) for number in range(200)}
    assert codes == [0, 0, 0, 0]
    assert store.verify(expected) == expected == set(store.list())
    assert list((tmp_path / "tmp").iterdir()) == []
