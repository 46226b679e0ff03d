"""What importing Legato, and its help, may cost: law 8 in modules, which do not depend on the machine."""

import subprocess
import sys

import pytest

HEAVY = (
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "sklearn",
    "http",
    "socketserver",
    "asyncio",
    "granian",
    "onnxruntime",
)

COUNT = """
import sys
before = set(sys.modules)
{work}
sys.stderr.write("\\n" + "\\n".join(sorted(set(sys.modules) - before)))
"""

HELP = """
import contextlib, io
sys.argv = ["legato", "--help"]
from legato.__main__ import main
with contextlib.redirect_stdout(io.StringIO()):
    code = main()
assert code == 0, code
"""


def modules_loaded_by(work: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", COUNT.format(work=work)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        pytest.fail(done.stderr)
    return done.stderr.split()


def heavy_among(loaded: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in loaded} & set(HEAVY)


def test_importing_legato_loads_fewer_than_80_modules_and_nothing_heavy() -> None:
    loaded = modules_loaded_by("import legato")

    assert len(loaded) < 80
    assert heavy_among(loaded) == set()


def test_using_the_words_of_a_pipeline_loads_nothing_heavy() -> None:
    loaded = modules_loaded_by(
        "import legato as lg\nlg.step, lg.check, lg.model, lg.endpoint, lg.at_least, lg.Evaluation"
    )

    assert heavy_among(loaded) == set()


def test_the_help_loads_fewer_than_250_modules_and_nothing_heavy() -> None:
    loaded = modules_loaded_by(HELP)

    assert len(loaded) < 250
    assert heavy_among(loaded) == set()


def test_the_version_is_told_without_click_or_msgspec() -> None:
    work = HELP.replace("--help", "--version")

    loaded = modules_loaded_by(work)

    assert {name.partition(".")[0] for name in loaded} & {
        "click",
        "msgspec",
        "rich",
        "json",
        "dataclasses",
    } == set()


def test_what_a_run_needs_here_is_nothing_heavy_and_no_network() -> None:
    loaded = modules_loaded_by("import legato.cli.running")

    assert heavy_among(loaded) == set()
    assert {"subprocess", "socket", "sqlite3"} & set(loaded) == set()
