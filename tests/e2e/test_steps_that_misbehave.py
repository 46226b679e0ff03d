"""Steps that crash, exit, hang, flood and fork: they fail alone, and nothing of them is left.

Rule: what ran beside them is untouched, and what they started is dead when the run has ended.
"""

import time
from pathlib import Path

import pytest
from project_folder import alive, wait_for


def beside(project, body, words=""):
    """Write a pipeline with a step that does `body`, and one that has nothing to do with it."""
    indented = body.replace("\n", "\n            ")
    project.pipeline(
        f"""
        import ctypes
        import os
        import subprocess
        import sys
        import threading
        import time
        from pathlib import Path

        @lg.step{words}
        def bad() -> int:
            {indented}

        @lg.step
        def good() -> int:
            return 7
        """
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("os._exit(3)", "exited with code 3"),
        ("os._exit(0)", "exited with code 0 before it returned"),
        ("sys.exit(4)", "exited with code 4"),
        ("ctypes.string_at(0)", "signal 11"),
        ("os.kill(os.getpid(), 9)", "signal 9"),
        ("os.kill(os.getppid(), 0)\nraise KeyboardInterrupt", ""),
        ("raise BaseException('odd')", ""),
    ],
)
def test_a_step_that_ends_its_process_fails_alone(project, body, told):
    beside(project, body)

    ran = project.legato("run", code=1, ours="string_at" in body)

    assert told in ran.err
    assert project.run(code=1) == {"bad": "failed", "good": "reused"}


def test_a_step_that_never_ends_is_ended_with_all_it_started(project, tmp_path):
    body = f"""for n in range(3):
    child = subprocess.Popen(["sleep", "600"], start_new_session=n == 1)
    with open({str(tmp_path / "pids")!r}, "a") as target:
        target.write(f"{{child.pid}}\\n")
while True:
    time.sleep(1)"""
    beside(project, body, '(timeout="1s")')

    ran = project.legato("run", code=1)

    assert "did not end within its timeout" in ran.err
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 3
    assert wait_for(lambda: not any(alive(pid) for pid in pids))
    assert project.run("good") == {"good": "reused"}


def test_a_daemon_that_a_step_forks_does_not_outlive_it(project, tmp_path):
    body = f"""if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
while not Path({str(tmp_path / "pid")!r}).exists():
    time.sleep(0.01)
return 5"""
    beside(project, body)

    assert project.run() == {"bad": "computed", "good": "computed"}
    pid = int(wait_for((tmp_path / "pid").read_text))
    assert wait_for(lambda: not alive(pid))


def test_a_thread_that_does_not_end_does_not_hold_the_run(project):
    beside(project, "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\nreturn 1")

    assert project.run()["bad"] == "computed"


def peak_bytes(pid):
    """Return the largest resident size that a process has had, or 0 when it is gone."""
    try:
        with Path(f"/proc/{pid}/status").open(encoding="ascii") as source:
            return next((int(line.split()[1]) * 1024 for line in source if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


def watched(project, tmp_path):
    """Run the pipeline; return its exit code, the peak of the command line's own memory, and its stderr."""
    peak = 0
    said = tmp_path / "stderr"
    with said.open("wb") as target, project.begin("run", stderr=target, stdout=target) as process:
        while process.poll() is None:
            peak = max(peak, peak_bytes(process.pid))
            time.sleep(0.01)
    return process.returncode, peak, said.read_bytes()


def test_a_flood_of_output_is_bounded(project, tmp_path):
    beside(
        project, "block = b'x' * 99 + b'\\n'\nfor _ in range(100):\n    os.write(1, block * 10_000)\nreturn 1"
    )

    code, peak, said = watched(project, tmp_path)

    logs = [path.stat().st_size for path in (project.state / "logs").rglob("*.log")]
    assert code == 0
    assert 0 < peak < 300 * 2**20
    assert len(said) < 2**20
    assert max(logs) < 80 * 2**20
    assert b"more in its log" in said


def test_one_endless_line_is_bounded(project, tmp_path):
    beside(project, "for _ in range(40):\n    os.write(1, b'y' * 1_000_000)\nreturn 1")

    code, peak, said = watched(project, tmp_path)

    assert code == 0
    assert 0 < peak < 300 * 2**20
    assert len(said) < 2**20


def test_a_big_array_is_kept(project):
    project.pipeline(
        """
        import numpy as np

        @lg.step
        def big() -> np.ndarray:
            return np.arange(25_000_000, dtype="float64")

        @lg.step
        def last(big: np.ndarray) -> float:
            return float(big[-1])
        """
    )

    assert project.computed() == ["big", "last"]
    assert project.got("last") == "24999999.0"
    assert project.computed() == []


def test_a_step_that_leaves_its_folder_or_changes_the_environment_harms_nobody(project):
    beside(
        project,
        "os.chdir('/')\nos.environ.clear()\nsys.path.clear()\nsys.modules.pop('pipeline', None)\nreturn 1",
    )

    assert project.run() == {"bad": "computed", "good": "computed"}


def test_a_step_that_closes_what_is_not_its_own_fails_alone(project):
    beside(
        project,
        "for n in range(3, 64):\n    try:\n        os.close(n)\n    except OSError:\n        pass\nreturn 1",
    )

    project.legato("run", code=1, ours=True)

    assert project.run("good") == {"good": "reused"}


def test_a_step_that_takes_too_much_memory_is_told_so(project):
    beside(
        project,
        'x = [b"x" * 1_000_000 + bytes([n % 255]) for n in range(1000)]\nreturn len(x)',
        '(memory="200MiB")',
    )

    ran = project.legato("run", code=1)

    assert "memory" in ran.err
    assert project.run("good") == {"good": "reused"}


def test_steps_run_side_by_side_as_far_as_their_cores_reach(project, tmp_path):
    project.pipeline(
        f"""
        import os
        import time
        from pathlib import Path

        folder = Path({str(tmp_path)!r})

        def meet(me: str, other: str) -> bool:
            (folder / me).touch()
            for _ in range(2000):
                if (folder / other).exists():
                    return True
                time.sleep(0.005)
            return False

        @lg.step
        def left() -> bool:
            return meet("left", "right")

        @lg.step
        def right() -> bool:
            return meet("right", "left")

        @lg.step(cpus=2)
        def alone() -> int:
            return 1
        """
    )
    project.write("legato.toml", "[run]\ncpus = 2\n")

    project.run()

    assert project.got("left") == project.got("right") == "true"


@pytest.mark.parametrize(
    ("says", "does", "told"),
    [
        ("int", "'three'", "returned 'three' of type str, not the int"),
        ("int", "None", "returned None, not the int"),
        ("Path", "'out.txt'", "of type str, not the pathlib.Path"),
        ("list", "(1, 2)", "of type tuple, not the list"),
        ("Literal['a', 'b']", "'c'", "not the Literal['a', 'b']"),
    ],
)
def test_a_step_that_returns_something_else_than_it_says_is_refused(project, says, does, told):
    project.pipeline(
        f"""
        from pathlib import Path
        from typing import Literal

        @lg.step
        def bad() -> {says}:
            return {does}
        """
    )

    assert told in project.legato("run", code=1).err


def test_a_step_may_return_what_stands_for_the_type_it_says(project):
    project.pipeline(
        """
        from collections.abc import Mapping
        from typing import Any, NamedTuple
        import numpy as np

        class Found(NamedTuple):
            share: float
            rows: int
            names: Mapping[str, int]
            rest: Any

        @lg.step
        def found() -> Found:
            return Found(share=np.float32(0.5), rows=np.int64(3), names={"a": 1}, rest=None)

        @lg.step
        def maybe() -> "int | None":
            return None
        """
    )

    assert project.computed() == ["found", "maybe"]


def test_a_step_that_closes_our_descriptors_is_told_so(project):
    beside(project, "os.closerange(3, 64)\nreturn 1")

    ran = project.legato("run", code=1)

    assert "closed file descriptors that it had not opened" in ran.err


def test_a_step_that_closes_its_stdout_still_returns(project):
    beside(project, "print('last words')\nsys.stdout.close()\nreturn 1")

    assert project.run()["bad"] == "computed"
