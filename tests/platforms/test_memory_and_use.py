"""What a step's processes held and used, and how soon one that holds too much is ended."""

import os
import subprocess
import sys
import time

import pytest

from legato.domain.artifacts import Usage
from legato.platforms import Ended, Entry, Job, Prepared
from legato.platforms.keeping import how_limits_are_kept
from legato.platforms.process import launch

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a family of processes holds"),
]
MIB = 2**20
BUSY = (
    "kept = bytearray({}); import time; end = time.process_time() + {}\nwhile time.process_time() < end: pass"
)


def prepare(request):
    return Prepared(reply=request, execute=execute, answer=bytes)


def prepare_job(_request):
    return execute


def prepare_packages(_request, _packages):
    return None


def execute(payload, _say):
    name, _, argument = payload.decode().partition(" ")
    globals()["job_" + name](argument)


def job_grow(_argument):
    """Take memory as fast as this machine can."""
    kept = [bytearray(MIB) for _ in range(4000)]
    assert kept


def job_children(argument):
    """Begin programs that hold and use, and wait for them."""
    line = [sys.executable, "-c", BUSY.format(80 * MIB, 0.3)]
    programs = [subprocess.Popen(line) for _ in range(int(argument))]
    for program in programs:
        program.wait()


def job_orphan(_argument):
    """Leave a program behind whose parent has ended."""
    line = [sys.executable, "-c", BUSY.format(1, 0.5) + "\ntime.sleep(60)"]
    if not os.fork():
        subprocess.Popen(line)
        os._exit(0)
    os.wait()
    time.sleep(1.5)


def job_start_programs(_argument):
    """Hold much and begin one program after the other, each of which shares all of it for a moment."""
    kept = bytearray(120 * MIB)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        subprocess.run(["true"], check=True)
    assert kept


ENTRY = Entry(
    prepare=f"{__name__}:prepare",
    prepare_job=f"{__name__}:prepare_job",
    prepare_packages=f"{__name__}:prepare_packages",
    clock="time:monotonic",
)


@pytest.fixture(scope="module")
def platform():
    found = launch(ENTRY, b"", environment=dict(os.environ))
    yield found
    found.close()


def ended(platform, payload, tmp_path, *, memory_bytes=0, timeout_s=50.0):
    job = Job(
        id=payload + tmp_path.name,
        payload=payload.encode(),
        folder=str(tmp_path),
        environment=dict(os.environ),
        memory_bytes=memory_bytes,
        timeout_s=timeout_s,
    )
    platform.start(job)
    while True:
        for report in platform.poll(None):
            if isinstance(report, Ended):
                return report


def test_a_job_that_takes_memory_fast_is_ended_close_to_its_limit(platform, tmp_path):
    end = ended(platform, "grow", tmp_path, memory_bytes=300 * MIB)

    assert end.reason == "memory"
    assert 300 * MIB < end.usage.peak_bytes < 900 * MIB
    assert "its memory= is 300.0 MiB" in end.note


def test_what_its_programs_hold_together_is_its_peak(platform, tmp_path):
    end = ended(platform, "children 3", tmp_path)

    assert end.reason == "exited"
    assert end.usage.peak_bytes > 240 * MIB
    assert end.usage.cpu_s > 0.9


def test_what_its_programs_hold_together_is_what_its_limit_is_about(platform, tmp_path):
    end = ended(platform, "children 3", tmp_path, memory_bytes=200 * MIB)

    assert end.reason == "memory"


def test_what_orphans_used_counts_whatever_the_ending(platform, tmp_path):
    whole = ended(platform, "orphan", tmp_path)
    cut = ended(platform, "orphan ", tmp_path, timeout_s=1.2)

    assert (whole.reason, cut.reason) == ("exited", "timeout")
    assert min(whole.usage.cpu_s, cut.usage.cpu_s) > 0.2
    assert cut.usage != Usage()


def test_starting_programs_does_not_count_as_holding_twice(platform, tmp_path):
    end = ended(platform, "start_programs", tmp_path, memory_bytes=200 * MIB)

    assert (end.reason, end.code) == ("exited", 0)


def test_how_limits_are_kept_can_be_told():
    told = dict(how_limits_are_kept())

    assert {"memory", "cpus", "timeout"} == told.keys()
    assert "measured together" in told["memory"]
