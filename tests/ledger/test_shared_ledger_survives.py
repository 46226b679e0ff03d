"""A shared ledger whose writers are many processes with a mirror each, or are killed, is whole afterwards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from obstore.store import LocalStore
from shared_cases import PREFIX, SEEN, alive, log_in, machine, started

from ledger_servers import S3, Postgres, running_postgres, running_s3
from legato.app.remotes import means_of
from legato.domain.events import Redacted
from legato.ledger.batches import SEGMENT
from legato.ledger.mirroring import MirroredReader, Mirroring
from legato.ledger.segments import segment_name
from legato.ledger.shared import open_shared_for_reading

COMMON = """
import itertools, os, sys, time
from shared_cases import SEEN, alive, salt, started
from legato.ledger import Expect
from legato.domain.events import Redacted
from legato.ledger.batches import SEGMENT
from legato.ledger.mirroring import Mirroring
from legato.app.remotes import means_of
from legato.ledger.shared import open_shared
means = means_of(os.environ)._replace(alive=alive)
def open_ledger():
    return open_shared(sys.argv[1], Mirroring(sys.argv[2]), [SEEN], means)
def next_run(query):
    return [started(query("next")[0]["number"], sys.argv[3])]
"""

RACING = """
ledger = open_ledger()
for count in range(12):
    (said,) = ledger.transact(next_run)
    (lease,) = ledger.acquire([sys.argv[3]], sys.argv[3], 60)
    ledger.append([], expect=Expect(leases=(lease,)), release=[lease])
ledger.close()
"""

ENDLESS = """
ledger = open_ledger()
print("ready", flush=True)
while True:
    print(ledger.transact(next_run)[-1].seq, flush=True)
"""

ONE_AT_A_TIME = """
ledger = open_ledger()
work = sys.argv[4]
for _ in range(6):
    while not (leases := ledger.acquire(["the work"], sys.argv[3], 60)):
        time.sleep(0.005)
    with open(work, "a") as file:
        file.write(f"begin {sys.argv[3]}\\n")
        file.flush()
        time.sleep(0.002)
        file.write(f"end {sys.argv[3]}\\n")
    ledger.append([], expect=Expect(leases=tuple(leases)), release=leases)
ledger.close()
"""

DEADLY = """
import signal
from obstore.store import LocalStore
from shared_cases import PREFIX, clock, machine
from legato.domain.events import PayloadRedacted
from legato.ledger.batches import SEGMENT
from legato.ledger.bucket import BucketLog
from legato.ledger.objects import Objects
deed, folder, when = sys.argv[4:]
class Deadly(Objects):
    def die(self, at, name):
        if [at, name.partition("/")[0]] == [when, folder]:
            os.kill(os.getpid(), signal.SIGKILL)
    def create(self, name, data):
        self.die("before", name)
        made = super().create(name, data)
        self.die("after", name)
        return made
    def change(self, name, data, tag):
        self.die("before", name)
        super().change(name, data, tag)
        self.die("after", name)
        return True
log = BucketLog(Deadly(LocalStore(sys.argv[1], mkdir=True), PREFIX, "here"), clock, salt)
ledger = machine(log, sys.argv[2])
said = [PayloadRedacted(seq=7)] if deed == "redact" else [started(SEGMENT)]
ledger.append(said)
"""

FILLING = """
from obstore.store import LocalStore
from shared_cases import log_in, machine
ledger = machine(log_in(LocalStore(sys.argv[1], mkdir=True)), sys.argv[2])
for number in range(1, int(sys.argv[4]) + 1):
    ledger.append([started(number, f"actor {number}")])
ledger.close()
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with running_s3() as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["folder", "s3", "postgresql"])
def address(request, tmp_path) -> str:
    name = f"t{uuid4().hex}"
    match request.param:
        case "folder":
            return str(tmp_path / "bucket")
        case "s3":
            server = request.getfixturevalue("s3")
            server.store(name)
            return f"s3://{name}/team?endpoint={server.endpoint}"
        case _:
            return request.getfixturevalue("postgres").address(name)


@pytest.fixture
def begin(address, tmp_path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a script as a machine of that name."""
    paths = [str(Path(__file__).parent), *sys.path]
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    environment = os.environ | keys | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    processes = []

    def start(script: str, name: str, *more: object) -> "subprocess.Popen[str]":
        words = [address, tmp_path / f"{name}.db", name, *more]
        command = [sys.executable, "-c", COMMON + script, *map(str, words)]
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def looked_at(address) -> Iterator[Callable[[], MirroredReader]]:
    """Open the ledger with a mirror that knows nothing."""
    environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    means = means_of(environment)._replace(alive=alive)
    opened = []

    def look() -> MirroredReader:
        opened.append(open_shared_for_reading(address, Mirroring(":memory:"), [SEEN], means))
        return opened[-1]

    yield look
    for reader in opened:
        reader.close()


def test_processes_that_write_at_once_lose_nothing(begin, looked_at):
    processes = [begin(RACING, name) for name in "abcd"]
    for process in processes:
        process.communicate(timeout=60)

    with closing(looked_at()) as ledger:
        rows = ledger.query("seen")

        assert [process.returncode for process in processes] == [0] * 4
        assert [row["number"] for row in rows] == list(range(1, 49))
        assert sorted(row["actor"] for row in rows) == sorted("abcd" * 12)
        assert ledger.verify() == []


def test_two_machines_killed_in_turn_lose_nothing_and_leave_nothing_to_clean_up(begin, looked_at):
    known = 0
    for number in range(6):
        process = begin(ENDLESS, "ab"[number % 2])
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.013 * number)
        process.send_signal(signal.SIGKILL)
        known = max([known, *(int(line) for line in process.stdout if line.endswith("\n"))])

    with closing(looked_at()) as ledger:
        head = ledger.head().seq

        assert head >= known > 0
        assert [row["number"] for row in ledger.query("seen")] == list(range(1, head + 1))
        assert ledger.verify() == []


def test_a_lease_is_never_held_by_two_processes(begin, tmp_path):
    work = tmp_path / "work"
    processes = [begin(ONE_AT_A_TIME, name, work) for name in "abc"]
    for process in processes:
        process.communicate(timeout=60)

    lines = work.read_text().splitlines()

    assert [process.returncode for process in processes] == [0] * 3
    assert len(lines) == 36
    pairs = zip(lines[::2], lines[1::2], strict=True)
    assert all(first.split() == ["begin", second.split()[1]] for first, second in pairs)


@pytest.mark.parametrize("address", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("deed", "folder", "when"),
    [
        ("append", "log", "before"),
        ("append", "log", "after"),
        ("append", "segments", "before"),
        ("append", "segments", "after"),
        ("redact", "log", "after"),
    ],
)
def test_a_writer_killed_at_any_point_leaves_a_whole_ledger(begin, address, tmp_path, deed, folder, when):
    begin(FILLING, "a", SEGMENT - 1).communicate(timeout=60)
    killed = begin(DEADLY, "a", deed, folder, when)
    killed.communicate(timeout=60)

    with closing(machine(log_in(LocalStore(address)), tmp_path / "a.db")) as ledger:
        head = ledger.head().seq
        problems = ledger.verify()
        ledger.append([started(1000)])
        for number in range(1001, 1001 + SEGMENT):
            ledger.append([started(number)])

        assert killed.returncode == -signal.SIGKILL
        assert head == SEGMENT - (when == "before" and folder == "log")
        assert problems == ledger.verify() == []
        assert (Path(address) / PREFIX / segment_name(0)).is_file()


@pytest.mark.parametrize("address", ["folder"], indirect=True)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_redaction_killed_at_any_point_is_finished_by_the_next_writer(begin, address, tmp_path, when):
    begin(FILLING, "a", SEGMENT).communicate(timeout=60)
    killed = begin(DEADLY, "a", "redact", "segments", when)
    killed.communicate(timeout=60)

    with closing(machine(log_in(LocalStore(address)), tmp_path / "a.db")) as ledger:
        assert killed.returncode == -signal.SIGKILL
        assert ledger.verify() == []
        assert list(ledger.events())[6].event == Redacted(kind="run.started", by=SEGMENT + 1)
