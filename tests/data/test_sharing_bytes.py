"""A file of the work tree shares its bytes with the store where the disk and the rights allow."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from legato.data.sharing import is_written_to

SCRIPT = """
import json, os, sys, time
from pathlib import Path
from legato.data.adding import add
from legato.data.desk import Desk
from legato.data.standing import standings
from legato.store.directory import DirectoryStore
import legato.data.sharing, shutil, difflib, hashlib

root = Path(sys.argv[1])
if os.geteuid() == 0:  # whom no mode keeps from writing: be someone else
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)

def desk():
    store = DirectoryStore(root / ".legato/store")
    return Desk(root=root, state=root / ".legato", here=root, store=store, now_ns=time.time_ns() + 10**9)

(root / "data").mkdir()
(root / "data/a").write_text("a")
(root / "data/run").write_text("b")
(root / "data/run").chmod(0o755)
(root / "data/twice").write_text("c")
os.link(root / "data/twice", root / "other name")
(root / "kept").write_text("d")
writer = (root / "open").open("w")
writer.write("e")
writer.flush()
with desk() as one:
    shared = {found.name: found.shared for found in add(one, ["data", "open"])}
    shared |= {found.name: found.shared for found in add(one, ["kept"], copy=True)}
links = {name: (root / name).stat().st_nlink for name in ("data/a", "data/run", "data/twice", "kept", "open")}
modes = {name: oct((root / name).stat().st_mode & 0o777) for name in ("data/a", "kept")}
with desk() as two:
    states = [found.state for found in standings(two)]
print(json.dumps({"shared": shared, "links": links, "modes": modes, "states": states}))
"""


@pytest.fixture
def reachable():
    """A folder that every user may write to: the test's own belongs to root alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="leases are asked of Linux")
def test_a_file_with_one_name_that_nobody_writes_to_shares_its_bytes(reachable):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, reachable], capture_output=True, text=True, check=False, cwd=reachable
    )
    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout)
    if found["shared"]["data"] == 0:
        pytest.skip("this disk shares blocks by itself, or makes no hard links")
    assert found["shared"] == {"data": 1, "open": 0, "kept": 0}
    assert found["links"] == {"data/a": 2, "data/run": 1, "data/twice": 2, "kept": 1, "open": 1}
    assert found["modes"]["data/a"] == "0o444"
    assert found["states"] == ["unchanged"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="leases are asked of Linux")
def test_a_file_that_is_open_for_writing_is_known(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")

    with path.open("a"):
        during = is_written_to(path)

    assert during
    assert not is_written_to(path)
