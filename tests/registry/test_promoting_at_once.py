"""Two processes that promote at once: one wins, the other is told so."""

import subprocess
import sys
from pathlib import Path

from models_in import PASS, candidate, open_ledger

from legato.registry import deeds, read

HERE = str(Path(__file__).parent)

PROMOTE = """
import sys
sys.path.insert(0, sys.argv[1])
from models_in import open_ledger
from legato.domain.errors import ConflictError
from legato.registry import deeds
from legato.registry.moves import Request

ledger = open_ledger(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
try:
    deeds.promote(ledger, Request(reference=sys.argv[3], actor=sys.argv[3], expect=4))
except ConflictError:
    print("conflict")
else:
    print("won")
"""

REGISTER = """
import sys
sys.path.insert(0, sys.argv[1])
from models_in import PASS, candidate, open_ledger
from legato.registry import deeds

ledger = open_ledger(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    deeds.register(ledger, candidate(f"{sys.argv[3]} {number}", PASS))
"""


def at_once(script, path, names):
    """Start a process for each name, let all go together and return what each printed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, HERE, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=30)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return printed


def test_of_two_that_promote_at_once_one_wins(tmp_path):
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path)
    for text in "abcd":
        deeds.register(ledger, candidate(text, PASS))
    ledger.close()

    printed = at_once(PROMOTE, path, ["wine:1", "wine:2"])

    ledger = open_ledger(path)
    moves = read.history(ledger, "wine")
    ledger.close()
    assert sorted(printed) == ["conflict", "won"]
    assert len(moves) == 5
    assert moves[-1].actor == f"wine:{moves[-1].after}"


def test_candidates_registered_at_once_each_get_a_number_and_aliases_move_in_one_line(tmp_path):
    path = tmp_path / "ledger.db"
    open_ledger(path).close()

    at_once(REGISTER, path, ["left", "right"])

    ledger = open_ledger(path)
    numbers = [found.number for found in read.candidates(ledger, "wine")]
    moves = read.history(ledger, "wine")
    ledger.close()
    assert numbers == list(range(1, 21))
    assert [move.before for move in moves] == [0, *(move.after for move in moves[:-1])]
