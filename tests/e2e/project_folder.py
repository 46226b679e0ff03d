"""A project in a folder of its own, worked on as a person would: files are written, commands are typed.

Rule: commands run as processes with a time limit, and none may show a traceback of Legato's own.
"""

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

TIMEOUT_S = 60
OURS = re.compile(r'File "[^"]*(?:src/legato|site-packages/legato)/')
COLOURS = {"NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"}
SERVICES = {"CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "CIRCLECI", "TF_BUILD"}
"""Set where these tests themselves run on a CI service; the person who types here is on a laptop."""


class Ran:
    """One command that has ended."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    @property
    def text(self):
        return self.out + self.err

    def json(self):
        return json.loads(self.out)

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


class Project:
    """A folder with a pipeline, and the words that a person types in it."""

    def __init__(self, root):
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)

    @property
    def state(self):
        return self.root / ".legato"

    def write(self, name, text):
        """Write a file; the indentation of `text` does not count."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def pipeline(self, text):
        return self.write("pipeline.py", "import legato as lg\n" + textwrap.dedent(text))

    def edit(self, name, old, new):
        """Replace a text that must be there once."""
        path = self.root / name
        before = path.read_text(encoding="utf-8")
        assert before.count(old) == 1, f"{old!r} is there {before.count(old)} times"
        path.write_text(before.replace(old, new), encoding="utf-8")

    def environment(self, extra=None):
        return {name: value for name, value in os.environ.items() if name not in COLOURS | SERVICES} | (
            extra or {}
        )

    def begin(self, *words, env=None, at=".", **more):
        """Start a command and return its process."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-m", "legato", *words]
        return subprocess.Popen(command, cwd=self.root / at, env=self.environment(env), **(streams | more))

    def legato(self, *words, code=0, ours=False, timeout_s=TIMEOUT_S, **more):
        """Run a command to its end; its exit code is the one expected, or any where that is None.

        `ours` lets frames of Legato's own through, where Python itself dumps the stack of a crash.
        """
        with self.begin(*words, **more) as process:
            try:
                out, err = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        ran = Ran(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
        assert code is None or ran.code == code, f"legato {words} exited with {ran.code}:\n{ran.text[-4000:]}"
        assert ours or not OURS.search(ran.text), (
            f"legato {words} showed a traceback of its own:\n{ran.text[-4000:]}"
        )
        return ran

    def run(self, *words, code=0, **more):
        """Run the pipeline and return how each step ended."""
        summary = self.legato("run", "--json", *words, code=code, **more).lines()[-1]
        return {step["name"]: step["state"] for step in summary["steps"]}

    def computed(self, *words, **more):
        """Run the pipeline and return the names of the steps that were computed, in their order."""
        return [name for name, state in self.run(*words, **more).items() if state == "computed"]

    def plan(self, *words, **more):
        """Return the planned steps by name."""
        return {step["name"]: step for step in self.legato("plan", "--json", *words, **more).json()["steps"]}

    def got(self, artifact, *words):
        """Return the text of an artifact."""
        target = self.root.parent / f"{artifact}.got"
        self.legato("get", artifact, "-o", str(target), "--force", *words)
        return target.read_text(encoding="utf-8").strip()

    def processes(self):
        """Return the ids of the processes that work in this folder."""
        entries = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [int(entry.name) for entry in entries if _works_in(entry, self.root)]

    def wait_until_quiet(self):
        """Return the processes that still work here after a while; the system reaps the killed ones in its time."""
        return wait_for(lambda: not self.processes(), else_=self.processes)

    def chain(self, length=10):
        """Write a chain of steps `s0` to `s9`, each one more than the one before."""
        steps = ["@lg.step\ndef s0() -> int:\n    return 0\n"]
        steps += [
            f"@lg.step\ndef s{n}(s{n - 1}: int) -> int:\n    return s{n - 1} + 1\n" for n in range(1, length)
        ]
        return self.write("pipeline.py", "import legato as lg\n\n" + "\n".join(steps))


def _works_in(entry, root):
    try:
        return (entry / "cwd").resolve().is_relative_to(root) and b"\nState:\tZ" not in (
            entry / "status"
        ).read_bytes()
    except OSError:
        return False


def wait_for(condition, *, else_=None, timeout_s=20):
    """Wait until `condition()` is true and return what it said, or what `else_()` says when it never is."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return [] if else_ else found
        time.sleep(0.02)
    return else_() if else_ else found


def alive(pid):
    """Say whether a process lives; one that only waits to be reaped does not."""
    try:
        return b"\nState:\tZ" not in Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return False
