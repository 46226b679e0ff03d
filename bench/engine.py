"""Measures the engine beside its peers in one run; writes bench/results/engine.json and docs/performance.md.

Rule: a figure that could not be had is told, with the reason; nothing is left out because it looks bad.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final

from peers import LEGATO, PEERS, Tool
from run import ROOT, FailedError, Place, install, place
from table import page
from write_page import write

RESULTS: Final = ROOT / "bench" / "results" / "engine.json"
SLOW: Final = 100
"""A tool that is asked for no more steps than this runs each large pipeline once."""
EDITS: Final = ("comment", "same output", "real change", "helper")


@dataclass(slots=True, kw_only=True)
class Figures:
    """What was found for one tool: figures by name, and in words why others are missing."""

    tool: str
    version: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def edit(at: Place, kind: str) -> None:
    """Change step 6: a comment, code with the same output, code with another, or the helper it calls."""
    file = at.work.folder / ("more.py" if kind == "helper" else at.tool.edited(at.work))
    text = file.read_text("utf-8")
    if kind == "helper":
        file.write_text(text.replace("value + 1", "value + 2"), "utf-8")
        return
    line = next(line for line in text.splitlines() if " = more(" in line)
    indent = line[: len(line) - len(line.lstrip())]
    changed = {
        "comment": f"{indent}# more of it\n{line}",
        "same output": line.removesuffix("+ 1") + "+ 3 - 2",
        "real change": line.removesuffix("+ 1") + "+ 2",
    }[kind]
    file.write_text(text.replace(line, changed), "utf-8")


def start_up(tool: Tool, repeats: int) -> dict[str, float]:
    """Return wall seconds of `--version`, the median."""
    with place(tool, 1) as at:
        at.take(tool.version)
        return {"version": statistics.median(at.take(tool.version).wall_s for _ in range(repeats))}


def twice(tool: Tool, repeats: int, *, count: int, chain: bool) -> dict[str, float]:
    """Return wall seconds of a first run and of another with nothing changed, medians; and peak memory."""
    first, again = [], []
    for _ in range(repeats):
        with place(tool, count, chain=chain) as at:
            first.append(at.run())
            _expect(at, count)
            again.append(at.run())
            _expect(at, 0)
    return {
        "first": statistics.median(took.wall_s for took in first),
        "again": statistics.median(took.wall_s for took in again),
        "peak_mb": max(took.peak_bytes for took in first) / 2**20,
    }


def edits(tool: Tool) -> dict[str, float]:
    """Return how many of ten steps run again after each kind of edit of step 6."""
    ran = {}
    for kind in EDITS:
        with place(tool, 10) as at:
            at.run()
            _expect(at, 10)
            edit(at, kind)
            at.run()
            ran[f"after {kind}"] = float(len(at.ran()))
    return ran


def killed(tool: Tool) -> dict[str, float]:
    """Return, of a hundred steps and a SIGKILL half-way: steps done before, run after, and done twice."""
    with place(tool, 100, chain=False, nap_s=0.02) as at:
        at.kill_half_way()
        before = at.ran()
        at.run()
        after = at.ran()
    return {"before": len(before), "after": len(after), "twice": len(set(before) & set(after))}


def _expect(at: Place, steps: int) -> None:
    ran = len(at.ran())
    if ran != steps:
        raise FailedError(f"{ran} steps ran where {steps} should")


def measure(tool: Tool, repeats: int, say: Callable[[str], None]) -> Figures:
    """Return all figures of a tool; what fails is told in words."""
    found = Figures(tool=tool.name, version=tool.requirement.partition("==")[2])
    why = install(tool)
    if why:
        found.missing["all"] = f"could not be installed: {why}"
        return found
    large = 1 if tool.most_steps <= SLOW else repeats
    parts: list[tuple[str, int, Callable[[], dict[str, float]]]] = [
        ("start", 1, lambda: start_up(tool, 7)),
        ("chain 10", 10, lambda: twice(tool, repeats, count=10, chain=True)),
        ("wide 100", 100, lambda: twice(tool, large, count=100, chain=False)),
        ("chain 1000", 1000, lambda: twice(tool, 1, count=1000, chain=True)),
        ("edit", 10, lambda: edits(tool)),
        ("kill", 100, lambda: killed(tool)),
    ]
    for name, steps, part in parts:
        if steps > tool.most_steps:
            found.missing[name] = "not tried: would take minutes"
            continue
        try:
            figures = part()
        except (FailedError, OSError, StopIteration) as error:
            found.missing[name] = str(error)[:400]
            say(f"{tool.name}: {name}: {found.missing[name]}")
            continue
        found.figures |= {f"{name}: {key}": round(value, 4) for key, value in figures.items()}
        say(f"{tool.name}: {name}: " + ", ".join(f"{key} {value:.3g}" for key, value in figures.items()))
    return found


def python_figures() -> dict[str, float]:
    """Return wall seconds of a bare interpreter, and of one that imports Legato; medians of 9."""
    bare = Tool(name="python", requirement="", write=lambda _: None, run=lambda _: [], version=[])
    with place(bare, 1) as at:
        words = {"bare": ["python", "-c", "pass"], "import legato": ["python", "-c", "import legato"]}
        return {
            name: round(statistics.median(at.take(command).wall_s for _ in range(9)), 4)
            for name, command in words.items()
        }


def tell(text: str) -> None:
    """Say on stderr what was found, while the rest is measured."""
    sys.stderr.write(text + "\n")


def main() -> None:
    """Measure the tools that are named, or all; write the results unless only some were."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("tools", nargs="*", help="legato, luigi, doit, dvc, zenml; all without any")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    chosen = [tool for tool in (LEGATO, *PEERS) if not options.tools or tool.name in options.tools]
    machine = {
        "cpus": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    report = {
        "machine": machine,
        "python": python_figures(),
        "tools": [asdict(measure(tool, options.repeats, tell)) for tool in chosen],
    }
    text = page(report)
    sys.stdout.write(text)
    if not options.tools:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        write()


if __name__ == "__main__":
    main()
