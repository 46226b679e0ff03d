"""The same small pipelines, written for each tool in the way its own tutorial would.

Rule: a step adds 1 to what came before, notes its name at its end, and does nothing else, whatever the tool.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

NOTED: Final = """\
import time


def note(name):
    time.sleep({nap_s})
    with open({log!r}, "a") as log:
        log.write(name + "\\n")
"""
MORE: Final = """\
def more(value):
    return value + 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One pipeline to write: `count` steps in a `chain`, or side by side when it is none.

    Attributes:
        folder: Where it is written; empty before.
        log: A file outside the folder, to which each step adds its name when it is done.
        nap_s: How long each step takes besides.
    """

    folder: Path
    log: Path
    count: int
    chain: bool = True
    nap_s: float = 0.0

    @property
    def edited(self) -> int:
        """The number of the step that the edits change; it alone uses the helper module."""
        return min(6, self.count)

    def names(self) -> list[str]:
        """Return the steps' names, in order."""
        return [f"s{number:04d}" for number in range(1, self.count + 1)]

    def before(self, number: int) -> str:
        """Return the name of the step that step `number` needs, or an empty text."""
        return f"s{number - 1:04d}" if self.chain and number > 1 else ""

    def value(self, number: int, given: str) -> str:
        """Return the expression that step `number` computes from `given`."""
        return f"more({given}) + 1" if number == self.edited else f"{given} + 1"

    def write(self, name: str, text: str) -> None:
        """Write one file of the pipeline."""
        (self.folder / name).write_text(text, "utf-8")

    def write_modules(self) -> None:
        """Write what the steps of every tool import."""
        self.write("noted.py", NOTED.format(nap_s=self.nap_s, log=str(self.log)))
        self.write("more.py", MORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool: how its pipeline is written, run and asked for its version.

    Attributes:
        requirement: What pip installs for it; empty for Legato, which is here.
        write: Writes the pipeline.
        prepare: Commands to type once in a new folder.
        run: Returns the command that runs the pipeline, again and again.
        edited: Returns the file that holds the step that the edits change.
        environment: Variables it gets besides the few that all get.
        most_steps: The largest pipeline it is asked for; beyond that it takes minutes.
    """

    name: str
    requirement: str
    write: Callable[[Work], None]
    run: Callable[[Work], list[str]]
    version: list[str]
    edited: Callable[[Work], str] = lambda _: "pipeline.py"
    prepare: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    most_steps: int = 1000

    def bin(self, root: Path) -> Path:
        """Return the folder with its programs; `root` is the repository's."""
        if not self.requirement:
            return Path(sys.executable).parent
        return root / ".bench" / "peers" / self.requirement / "bin"

    def variables(self, root: Path, home: Path) -> dict[str, str]:
        """Return its whole environment: a home of its own, its programs first."""
        path = f"{self.bin(root)}{os.pathsep}{os.environ.get('PATH', os.defpath)}"  # noqa: TID251 - a script
        return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "PYTHONPATH": ".", **self.environment}


def write_legato(work: Work) -> None:
    """Steps are functions wired by name."""
    lines = ["import legato as lg", "from more import more", "from noted import note", ""]
    for number, name in enumerate(work.names(), start=1):
        before = work.before(number)
        lines += [
            "",
            "@lg.step",
            f"def {name}({f'{before}: int' if before else ''}) -> int:",
            f"    value = {work.value(number, before or '0')}",
            f'    note("{name}")',
            "    return value",
            "",
        ]
    work.write("legato.toml", "")
    work.write("pipeline.py", "\n".join(lines))


def write_luigi(work: Work) -> None:
    """Steps are tasks with a file each as target; one more wraps them all."""
    lines = [
        "from pathlib import Path",
        "import luigi",
        "from more import more",
        "from noted import note",
        "",
    ]
    for number, name in enumerate(work.names(), start=1):
        before = work.before(number)
        given = "int(Path(self.input().path).read_text())" if before else "0"
        lines += [
            "",
            f"class {name.upper()}(luigi.Task):",
            *([f"    def requires(self): return {before.upper()}()"] if before else []),
            f'    def output(self): return luigi.LocalTarget("out/{name}")',
            "    def run(self):",
            f"        value = {work.value(number, given)}",
            '        with self.output().open("w") as file:',
            "            file.write(str(value))",
            f'        note("{name}")',
        ]
    wanted = work.names()[-1:] if work.chain else work.names()
    tasks = ", ".join(f"{name.upper()}()" for name in wanted)
    lines += ["", "class All(luigi.WrapperTask):", f"    def requires(self): return [{tasks}]", ""]
    work.write("pipeline.py", "\n".join(lines))


def write_zenml(work: Work) -> None:
    """Steps are functions that a pipeline function calls."""
    lines = ["from more import more", "from noted import note", "from zenml import pipeline, step", ""]
    calls = []
    for number, name in enumerate(work.names(), start=1):
        before = work.before(number)
        lines += [
            "",
            "@step",
            f"def {name}({f'{before}: int' if before else ''}) -> int:",
            f"    value = {work.value(number, before or '0')}",
            f'    note("{name}")',
            "    return value",
            "",
        ]
        calls.append(f"    v{name} = {name}({f'v{before}' if before else ''})")
    lines += [
        "",
        "@pipeline",
        "def all_of_it():",
        *calls,
        "",
        'if __name__ == "__main__":',
        "    all_of_it()",
        "",
    ]
    work.write("pipeline.py", "\n".join(lines))


def write_scripts(work: Work) -> None:
    """Steps are scripts that read a file and write one, for the tools that run commands."""
    (work.folder / "out").mkdir()
    for number, name in enumerate(work.names(), start=1):
        before = work.before(number)
        given = f'int(Path("out/{before}").read_text())' if before else "0"
        text = (
            "from pathlib import Path\nfrom more import more\nfrom noted import note\n"
            f"value = {work.value(number, given)}\n"
            f'Path("out/{name}").write_text(str(value))\nnote("{name}")\n'
        )
        work.write(f"{name}.py", text)


def write_doit(work: Work) -> None:
    """One task a script: it depends on the script and on the file before."""
    write_scripts(work)
    lines = ["def task_all():"]
    for number, name in enumerate(work.names(), start=1):
        before = work.before(number)
        needs = [f"{name}.py", *([f"out/{before}"] if before else [])]
        lines.append(
            f'    yield {{"name": "{name}", "actions": ["python {name}.py"], '
            f'"file_dep": {needs!r}, "targets": ["out/{name}"]}}'
        )
    work.write("dodo.py", "\n".join(lines) + "\n")


def write_dvc(work: Work) -> None:
    """One stage a script: it depends on the script and on the file before."""
    write_scripts(work)
    lines = ["stages:"]
    for number, name in enumerate(work.names(), start=1):
        before = work.before(number)
        lines += [f"  {name}:", f"    cmd: python {name}.py", "    deps:", f"    - {name}.py"]
        lines += [f"    - out/{before}"] if before else []
        lines += ["    outs:", f"    - out/{name}"]
    work.write("dvc.yaml", "\n".join(lines) + "\n")


def script_of_edited(work: Work) -> str:
    """Return the script of the step that the edits change."""
    return f"s{work.edited:04d}.py"


LEGATO: Final = Tool(
    name="legato",
    requirement="",
    write=write_legato,
    run=lambda _: ["legato", "run"],
    version=["legato", "--version"],
)
PEERS: Final = (
    Tool(
        name="luigi",
        requirement="luigi==3.8.1",
        write=write_luigi,
        run=lambda _: ["python", "-m", "luigi", "--module", "pipeline", "All", "--local-scheduler"],
        version=["python", "-c", "import luigi; print(luigi.__version__)"],
    ),
    Tool(
        name="doit",
        requirement="doit==0.37.0",
        write=write_doit,
        run=lambda _: ["doit"],
        version=["doit", "--version"],
        edited=script_of_edited,
    ),
    Tool(
        name="dvc",
        requirement="dvc==3.67.1",
        write=write_dvc,
        prepare=(("dvc", "init", "--no-scm", "--quiet"), ("dvc", "config", "core.analytics", "false")),
        run=lambda _: ["dvc", "repro"],
        version=["dvc", "--version"],
        edited=script_of_edited,
        environment={"DVC_NO_ANALYTICS": "1"},
        most_steps=100,
    ),
    Tool(
        name="zenml",
        requirement="zenml[local]==0.98.0",
        write=write_zenml,
        prepare=(("zenml", "init"),),
        run=lambda _: ["python", "pipeline.py"],
        version=["zenml", "--version"],
        environment={"ZENML_ANALYTICS_OPT_IN": "false", "ZENML_LOGGING_VERBOSITY": "WARN", "NO_COLOR": "1"},
        most_steps=100,
    ),
)
