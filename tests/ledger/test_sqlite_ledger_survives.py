"""A SQLite ledger whose writers are many, or are killed, is whole afterwards."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

WORKSHOP = """
import os, signal, sys, time
from legato.domain.events import RunFinished, RunStarted
from legato.ledger import Workshop
from legato.ledger.sqlite import SqliteLedger
DEADLY = -1
def project(execute, stored):
    if isinstance(stored.event, RunStarted):
        execute("INSERT INTO seen (number, seq) VALUES (?, ?)", (stored.event.number, stored.seq))
    if stored.seq == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
SEEN = Workshop(
    name="seen",
    migrations=("CREATE TABLE seen (number INTEGER PRIMARY KEY, seq INTEGER);",),
    queries={"next": "SELECT coalesce(max(number), 0) + 1 AS number FROM seen", "seen": "SELECT * FROM seen"},
    project=project,
)
def started(number):
    return RunStarted(number=number, targets=(), pipeline="pipeline.py")
def open_ledger(path):
    return SqliteLedger(path, [SEEN], clock=time.time, salt=lambda: os.urandom(16), alive=lambda _: False)
"""

RACING = """
sys.stdin.readline()
ledger = open_ledger(sys.argv[1])
for _ in range(40):
    ledger.transact(lambda query: [started(query("next")[0]["number"])])
    (lease,) = ledger.acquire([sys.argv[2]], sys.argv[2], 60)
    ledger.append([RunFinished(number=1, state="succeeded")], release=[lease])
ledger.close()
"""

ENDLESS = """
ledger = open_ledger(sys.argv[1])
print("ready", flush=True)
while True:
    lost = RunFinished(number=1, state="lost")
    stored = ledger.transact(lambda query: [started(query("next")[0]["number"]), lost])
    print(stored[-1].seq, flush=True)
"""

DEADLY = """
DEADLY = int(sys.argv[2])
ledger = open_ledger(sys.argv[1])
for number in range(1, 10):
    ledger.append([started(number), RunFinished(number=number, state="succeeded")])
"""

CHECKING = """
ledger = open_ledger(sys.argv[1])
live = ledger.query("seen")
ledger.rebuild()
assert ledger.query("seen") == live, "rebuilt tables differ"
print(ledger.head().seq, len(live), [problem.message for problem in ledger.verify()])
ledger.close()
"""


def run(script: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WORKSHOP + script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def checked(path: Path) -> str:
    """Return head, rows and problems, as another process finds them."""
    return run(CHECKING, path).communicate(timeout=60)[0].strip()


def test_many_processes_make_and_fill_one_ledger_at_once(tmp_path):
    path = tmp_path / "ledger.db"
    processes = [run(RACING, path, name) for name in "abcde"]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    for process in processes:
        process.communicate(timeout=60)

    assert [process.returncode for process in processes] == [0] * 5
    assert checked(path) == "400 200 []"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*), max(number) FROM seen").fetchone() == (200, 200)


def test_what_was_appended_before_a_kill_is_there_and_nothing_by_halves(tmp_path):
    path = tmp_path / "ledger.db"
    known = 0
    for number in range(8):
        with run(ENDLESS, path) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.011 * number)
            process.send_signal(signal.SIGKILL)
            known = max([known, *(int(line) for line in process.stdout if line.endswith("\n"))])

    head, rows, problems = checked(path).split(maxsplit=2)

    assert known > 0
    assert int(head) >= known
    assert int(head) == 2 * int(rows)
    assert problems == "[]"


@pytest.mark.parametrize("deadly", [1, 2, 3, 6])
def test_a_writer_killed_inside_a_transaction_leaves_all_before_it(tmp_path, deadly):
    path = tmp_path / "ledger.db"

    process = run(DEADLY, path, deadly)
    process.communicate(timeout=60)

    whole = (deadly - 1) // 2
    assert process.returncode == -signal.SIGKILL
    assert checked(path) == f"{2 * whole} {whole} []"
