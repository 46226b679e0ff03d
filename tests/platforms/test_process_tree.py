"""Finding and ending whole families of processes on Linux."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from legato.platforms import fork_safety, process_tree
from legato.platforms.linux import same_memory
from legato.platforms.thread_limits import VARIABLES, limited, threads_for

pytestmark = [
    pytest.mark.timeout(30),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


def descend(pid, count):
    until = time.perf_counter() + 10
    while len(found := process_tree.descendants(pid)) < count:
        assert time.perf_counter() < until
    return found


def test_descendants_are_found_at_every_depth_and_killed_with_their_root():
    script = "sleep 63 & (sleep 63 & sleep 63) & wait"
    root = subprocess.Popen(["setsid", "sh", "-c", script])
    below = descend(root.pid, 3)

    process_tree.stop_all(root.pid)

    assert root.wait(10) == -9
    assert root.pid not in below
    until = time.perf_counter() + 10
    while any(_state(pid) != "Z" for pid in below):
        assert time.perf_counter() < until


def test_a_family_that_keeps_forking_is_ended_too():
    script = "import os, time\nfor _ in range(200):\n  if os.fork() == 0: time.sleep(0.01)\ntime.sleep(60)"
    root = subprocess.Popen([sys.executable, "-c", "import os\n" + script.replace("200", "4")])
    descend(root.pid, 8)

    process_tree.stop_all(root.pid)

    assert root.wait(10) == -9


def test_threads_are_not_taken_for_children():
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(3)]
    for thread in threads:
        thread.start()

    found = {one.pid for members in process_tree.children_by_parent().values() for one in members}
    ids = {thread.native_id for thread in threads}

    stop.set()
    for thread in threads:
        thread.join()
    assert os.getpid() in found
    assert not found & ids


def test_what_a_family_holds_counts_its_children():
    script = "import subprocess, sys; kept = bytearray(60_000_000); {}; input()"
    child = f"subprocess.Popen([sys.executable, '-c', {script.format('0')!r}])"
    root = subprocess.Popen([sys.executable, "-c", script.format(child)], stdin=subprocess.PIPE)

    until = time.perf_counter() + 10
    while process_tree.resident_bytes(root.pid, 0, same_memory) < 120_000_000:
        assert time.perf_counter() < until
    held = process_tree.resident_bytes(root.pid, 10**12)

    process_tree.stop_all(root.pid)
    root.communicate()
    assert 120_000_000 < held < 250_000_000


def test_a_program_that_is_being_started_is_not_counted_as_a_second_copy_of_its_parent():
    child = "import ctypes, time; pid = ctypes.CDLL(None).vfork(); time.sleep(60)"
    root = subprocess.Popen([sys.executable, "-c", f"kept = bytearray(80_000_000); {child}"])
    descend(root.pid, 1)

    once = process_tree.resident_bytes(root.pid, 1, same_memory)

    twice = process_tree.resident_bytes(root.pid, 1)
    process_tree.stop_all(root.pid)
    root.wait()
    assert once < 120_000_000
    assert twice > 160_000_000


def test_a_process_that_has_ended_holds_nothing():
    gone = subprocess.Popen(["true"])
    gone.wait()

    assert process_tree.descendants(gone.pid) == []
    assert process_tree.resident_bytes(gone.pid, 0) == 0


def test_threads_of_python_forbid_forking_and_are_named():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="poller")
    thread.start()
    names = fork_safety.forbidding_threads()
    owner = fork_safety.owner_of("python")

    stop.set()
    thread.join()
    assert names
    assert "poller" in owner


def test_a_name_whose_libraries_are_not_loaded_is_an_unknown_librarys():
    assert "grpc" not in sys.modules
    assert fork_safety.owner_of("grpc_global_tim") == "an unknown library"


def test_thread_limits_are_added_but_never_changed():
    assert limited({"OMP_NUM_THREADS": "9", "A": "b"}, 2) == {
        **dict.fromkeys(VARIABLES, "2"),
        "OMP_NUM_THREADS": "9",
        "A": "b",
    }
    cores = len(os.sched_getaffinity(0))
    assert [threads_for(cpus) for cpus in (0.1, 1, 1.01, 1000)] == [1, 1, min(2, cores), cores]


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
