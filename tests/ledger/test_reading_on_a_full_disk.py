"""A ledger is read where not one byte more can be written, and with what was committed last."""

import subprocess
import sys

READS = """
import resource, sys
from legato.ledger.session import open_reading
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
print(open_reading(sys.argv[1]).rows("SELECT max(x) FROM t"))
"""
WRITES = """
import os, sys
from legato.ledger.session import open_writing, use_log
session = open_writing(sys.argv[1])
use_log(session)
session.rows("CREATE TABLE t (x)")
session.rows("INSERT INTO t VALUES (1), (7)")
os._exit(0)
"""


def test_what_a_killed_writer_committed_is_read_where_nothing_can_be_written(tmp_path):
    path = tmp_path / "ledger.db"
    subprocess.run([sys.executable, "-c", WRITES, str(path)], check=True)
    (tmp_path / "ledger.db-shm").unlink()

    read = subprocess.run(
        [sys.executable, "-c", READS, str(path)], capture_output=True, text=True, check=False
    )

    assert read.stdout == "[(7,)]\n", read.stderr
