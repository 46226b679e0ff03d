"""Measures fan-out: a thousand elements beside a thousand steps, the schedule alone, and a large table on its way.

Rule: each figure stands beside the one it should be near: as many independent steps, a plain process.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "bench" / "results" / "fan_out.json"
SIZES: Final = (10, 100, 1_000, 10_000)

FANNED: Final = """
import legato as lg

@lg.step
def numbers() -> list[int]:
    return list(range({count}))

@lg.step(each={{"number": numbers}})
def more(number: int) -> int:
    return number + 1

@lg.step
def total(more: lg.Gathered[int]) -> int:
    return sum(more.values())
"""
MATRIX: Final = """
import legato as lg

@lg.step(matrix={{"number": list(range({count}))}})
def more(*, number: int) -> int:
    return number + 1

@lg.step
def total(more: lg.Gathered[int]) -> int:
    return sum(more.values())
"""
TABLE: Final = """
import legato as lg
import numpy as np
import polars as pl

@lg.step
def made() -> pl.DataFrame:
    numbers = np.random.default_rng(1)
    return pl.DataFrame({f"c{at}": numbers.standard_normal(1_310_000) for at in range(10)})

@lg.step
def scaled(made: pl.DataFrame) -> pl.DataFrame:
    return made.with_columns(pl.all() * 2)

@lg.step
def summed(scaled: pl.DataFrame) -> float:
    return float(scaled.sum().sum_horizontal()[0])
"""
PLAIN: Final = """
import numpy as np
import polars as pl

numbers = np.random.default_rng(1)
made = pl.DataFrame({f"c{at}": numbers.standard_normal(1_310_000) for at in range(10)})
made.write_parquet("made.parquet")
scaled = pl.read_parquet("made.parquet").with_columns(pl.all() * 2)
scaled.write_parquet("scaled.parquet")
print(pl.read_parquet("scaled.parquet").sum().sum_horizontal()[0])
"""


def independent(count: int) -> str:
    """Return a pipeline of as many steps that need nothing of each other."""
    steps = (f"@lg.step\ndef s{at}() -> int:\n    return {at} + 1\n" for at in range(count))
    return "import legato as lg\n\n" + "\n".join(steps)


def run(command: list[str], folder: Path) -> dict[str, float]:
    """Return wall and CPU seconds of a command and of all that it started, and its largest process in MB."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall_s, 3), "cpu_s": round(cpu_s, 3), "peak_mb": round(after.ru_maxrss / 1024, 1)}


def pipeline(text: str) -> dict[str, Any]:
    """Return what a first run of a pipeline took, another with nothing changed, and a third that looks at every key."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        (at / "pipeline.py").write_text(textwrap.dedent(text), encoding="utf-8")
        legato = [sys.executable, "-m", "legato"]
        first = run([*legato, "run", "-q"], at)
        time.sleep(0.1)  # what was written in this very moment is not trusted yet
        run([*legato, "run", "-q"], at)
        again = run([*legato, "run", "-q"], at)
        looked = run([*legato, "run", "-q", "--json"], at)
    return {"first": first, "again": again, "every key": looked}


def plain() -> dict[str, float]:
    """Return what the table takes in one process that writes and reads the same files."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "plain.py").write_text(PLAIN, encoding="utf-8")
        return run([sys.executable, "plain.py"], Path(folder))


def schedule(count: int, *, fanned: bool) -> dict[str, float]:
    """Return microseconds a step of the engine alone: everything in memory, steps that do nothing, in this process."""
    sys.path.insert(0, str(ROOT / "tests" / "engine"))
    from engine_world import World, each, elements, gather, node

    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.functions |= {"numbers": lambda: list(range(count)), "total": lambda more: len(more)}  # noqa: PLW0108
        nodes = (
            (node("numbers"), elements("numbers"), each("more", "numbers"), gather("total", "more"))
            if fanned
            else tuple(node(f"s{at}", settings={"at": at}) for at in range(count))
        )
        found = {}
        for turn in ("first", "again"):
            began = time.perf_counter()
            world.run(*nodes)
            found[f"{turn}_us"] = round((time.perf_counter() - began) / count * 1e6, 1)
        world.ledger.close()
    return found


def alone(function: str) -> Any:  # noqa: ANN401 - what the function returns
    """Return what a function of this file returns in a process of its own, so that memory is its own too."""
    code = f"import json, fan_out; print(json.dumps(fan_out.{function}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def measure(count: int, say: Callable[[str], None]) -> Mapping[str, Any]:
    """Return all figures."""
    found: dict[str, Any] = {"machine": platform.machine(), "cpus": os.cpu_count(), "count": count}
    for name, text in {
        "independent": independent(count),
        "matrix": MATRIX.format(count=count),
        "each": FANNED.format(count=count),
        "table of 100 MB": TABLE,
    }.items():
        found[name] = pipeline(text)
        say(f"{name}: {found[name]}")
    found["table of 100 MB, plain process"] = plain()
    say(f"table, plain process: {found['table of 100 MB, plain process']}")
    for size in SIZES:
        for fanned in (False, True):
            name = f"schedule of {size:,}{', fanned out' if fanned else ''}"
            found[name] = alone(f"schedule({size}, fanned={fanned})")
            say(f"{name}: {found[name]}")
    found["ratio of a matrix to independent steps"] = _ratio(found, "matrix")
    found["ratio of each to independent steps"] = _ratio(found, "each")
    return found


def _ratio(found: Mapping[str, Any], name: str) -> float:
    return round(found[name]["first"]["wall_s"] / found["independent"]["first"]["wall_s"], 2)


def main() -> None:
    """Measure, print, and write the results where asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--write", action="store_true", help="write bench/results/fan_out.json")
    asked = parser.parse_args()
    found = measure(asked.count, lambda line: print(line, flush=True))  # noqa: T201 - it is what it is for
    if asked.write:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in found.items() if name.startswith("ratio")}))  # noqa: T201


if __name__ == "__main__":
    main()
