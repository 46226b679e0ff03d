"""`kill -9` at any moment, Ctrl-C, two runs at once: nothing is lost, nothing is doubled, nothing is left.

Rule: after each crash the ledger verifies, the store verifies, and no process is left.
"""

import random
import signal
import time

from project_folder import wait_for

LENGTH = 100


def marked_chain(project, tmp_path, length):
    """A chain whose steps each leave a line in a file when they begin to compute."""
    marks = tmp_path / "marks"
    steps = "\n".join(
        f"""
@lg.step
def s{n}({f"s{n - 1}: int" if n else ""}) -> int:
    mark({n})
    return {f"s{n - 1} + 1" if n else "0"}
"""
        for n in range(length)
    )
    text = f"""import os

def mark(n):
    descriptor = os.open({str(marks)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, b"%d\\n" % n)
    os.close(descriptor)
"""
    project.pipeline(text + steps)
    return lambda: marks.read_text().split() if marks.exists() else []


def is_whole(project):
    findings = project.legato("doctor", "--strict", "--json").json()
    texts = [finding["text"] for finding in findings]
    assert not [finding for finding in findings if finding["grade"] == "wrong"]
    assert any("events are whole" in text for text in texts)
    assert any("objects of the store are whole" in text for text in texts)


def kill(project, wait, pause_s):
    """Start a run, wait, and kill it without a word; nothing of it may be left."""
    process = project.begin("run", start_new_session=True)
    wait()
    time.sleep(pause_s)
    process.kill()
    process.communicate()
    assert project.wait_until_quiet() == []


def test_a_run_that_is_killed_at_any_moment_is_taken_up_where_it_was(project, tmp_path):
    marks = marked_chain(project, tmp_path, LENGTH)
    chance = random.Random(20)  # noqa: S311 - a test that can be repeated
    for pause_s in (0.05, 0.15, 0.3):  # while it is loaded
        kill(project, lambda: None, pause_s)
    for _ in range(6):  # while steps run
        enough = len(marks()) + chance.randrange(1, LENGTH // 8)
        kill(project, lambda enough=enough: wait_for(lambda: len(marks()) >= enough), 0.02 * chance.random())

    states = project.run()

    assert project.got(f"s{LENGTH - 1}") == str(LENGTH - 1)
    assert len(states) == LENGTH
    computed = marks()
    assert sorted(set(map(int, computed))) == list(range(LENGTH))
    assert len(computed) - LENGTH <= 9  # what was under way at a kill, and no more, is computed twice
    assert project.computed() == []
    is_whole(project)
    lost = [run for run in project.legato("runs", "--json").lines() if run["state"] == "lost"]
    assert lost
    assert sum(run["computed"] for run in lost) > 0  # what a lost run had done is counted


def test_an_interrupt_leaves_nothing_running_and_is_recorded(project, tmp_path):
    project.pipeline(
        f"""
        import subprocess
        import time
        from pathlib import Path

        @lg.step
        def quick() -> int:
            return 1

        @lg.step
        def slow(quick: int) -> int:
            subprocess.Popen(["sleep", "600"])
            Path({str(tmp_path / "begun")!r}).touch()
            time.sleep(600)
            return 2
        """
    )
    process = project.begin("run", start_new_session=True)
    assert wait_for((tmp_path / "begun").exists)

    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert b"Traceback" not in err
    assert project.wait_until_quiet() == []
    (run,) = project.legato("runs", "--json").lines()
    assert run["state"] == "cancelled"
    steps = project.legato("show", "latest", "--json").json()["steps"]
    assert {step["step"]: step["state"] for step in steps} == {"quick": "computed", "slow": "cancelled"}


def test_a_termination_leaves_nothing_running(project, tmp_path):
    project.pipeline(
        f"""
        import time
        from pathlib import Path

        @lg.step
        def slow() -> int:
            Path({str(tmp_path / "begun")!r}).touch()
            time.sleep(600)
            return 2
        """
    )
    process = project.begin("run", start_new_session=True)
    assert wait_for((tmp_path / "begun").exists)

    process.terminate()
    process.communicate(timeout=30)

    assert project.wait_until_quiet() == []


def test_an_interrupt_while_the_pipeline_is_imported_leaves_nothing(project, tmp_path):
    project.pipeline(
        f"import time\nfrom pathlib import Path\nPath({str(tmp_path / 'begun')!r}).touch()\ntime.sleep(600)\n"
    )
    process = project.begin("run", start_new_session=True)
    assert wait_for((tmp_path / "begun").exists)

    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert b"Traceback" not in err
    assert project.wait_until_quiet() == []


def test_two_runs_at_once_compute_a_shared_step_once(project, tmp_path):
    marks = marked_chain(project, tmp_path, 2)
    project.edit("pipeline.py", "    mark(0)\n", "    mark(0)\n    import time; time.sleep(1)\n")

    both = [project.begin("run") for _ in range(2)]
    said = [process.communicate(timeout=60)[0].decode() for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert sorted(marks()) == ["0", "1"]
    assert any("computed" in text for text in said)
    is_whole(project)


def test_a_step_that_another_run_was_killed_at_is_taken_over(project, tmp_path):
    project.pipeline(
        f"""
        import time
        from pathlib import Path

        begun = Path({str(tmp_path / "begun")!r})

        @lg.step
        def slow() -> int:
            if not begun.exists():
                begun.touch()
                time.sleep(600)
            return 2
        """
    )
    process = project.begin("run", start_new_session=True)
    assert wait_for((tmp_path / "begun").exists)
    process.kill()
    process.communicate()

    assert project.computed(timeout_s=20) == ["slow"]
