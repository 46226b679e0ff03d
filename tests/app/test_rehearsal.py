"""What a worker does before its order comes leaves nothing behind, and what it draws depends on its order alone."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from legato.domain.messages import LoadRequest, WorkOrder
from legato.platforms import Ended, Entry, Job, Said
from legato.platforms.process import launch

LOADER = Entry(
    prepare="legato.app.loader:prepare",
    prepare_job="legato.app.loader:prepare_job",
    prepare_packages="legato.app.loader:prepare_packages",
    clock="time:monotonic",
)

PIPELINE = """
import random

import legato as lg
import numpy as np


@lg.step
def drawn() -> list[float]:
    return [random.random(), float(np.random.rand())]


@lg.step
def drawn_too() -> list[float]:
    return [random.random(), float(np.random.rand())]
"""

START = """
import json, os, random, sys
from pathlib import Path
import msgspec
from legato.app.loader import Pipeline
from legato.domain.messages import LoadRequest, WorkOrder

root = os.getcwd()
pipeline = Pipeline(LoadRequest(root=root, pipeline="drawing.py", state=root + "/.legato"))
pipeline.settle()

def run(node, key):
    os.makedirs(root + "/.legato/work", exist_ok=True)
    order = WorkOrder(node=node, kind="step", run=1, key=key, attempt=1, folder=root + "/.legato/work", root=root)
    lines = []
    pipeline.execute(msgspec.json.encode(order), lines.append)
    return json.loads(lines[0])["outputs"][""]["digest"]

def traces():
    return {
        "files": sorted((str(path), path.stat().st_mtime_ns) for path in Path(root).rglob("*")),
        "modules": sorted(sys.modules),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "folder": os.getcwd(),
        "variables": dict(os.environ),
        "drawn": random.getstate(),
    }
"""

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="rehearses where processes are forked"),
]


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[str], str]:
    """Return what code prints in a process that has loaded the pipeline."""
    (tmp_path / "drawing.py").write_text(PIPELINE)
    (tmp_path / ".legato").mkdir()

    def loaded(code: str) -> str:
        line = [sys.executable, "-c", START + code]
        done = subprocess.run(
            line, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=True
        )
        return done.stdout + done.stderr

    return loaded


def test_a_rehearsal_leaves_no_file_no_module_no_descriptor_and_no_word(loaded):
    found = loaded(
        "before = traces()\npipeline.rehearse()\nafter = traces()\n"
        "print([name for name in before if before[name] != after[name]])\n"
    )

    assert found == "[]\n"


def test_a_step_draws_the_same_in_every_process_for_the_same_key(loaded):
    first = loaded("print(run('drawn', 'a'))")
    second = loaded("pipeline.rehearse()\nrandom.random()\nprint(run('drawn', 'a'))")

    assert first == second
    assert first.startswith("sha256:")


def test_another_key_draws_something_else_and_an_equal_key_the_same(loaded):
    found = loaded(
        "print(run('drawn', 'a') == run('drawn_too', 'a'), run('drawn', 'a') == run('drawn', 'b'))"
    )

    assert found == "True False\n"


@pytest.mark.parametrize("forks", [True, False])
def test_a_forked_job_draws_what_a_new_interpreter_draws(loaded, tmp_path, forks):
    expected = loaded("print(run('drawn', 'a'))").strip()
    root = str(tmp_path)
    request = LoadRequest(root=root, pipeline="drawing.py", state=f"{root}/.legato")
    order = WorkOrder(
        node="drawn", kind="step", run=1, key="a", attempt=1, folder=f"{root}/.legato/work", root=root
    )
    platform = launch(LOADER, msgspec.json.encode(request), environment=dict(os.environ), forks=forks)
    platform.start(Job(id="1", payload=msgspec.json.encode(order), folder=root, environment=dict(os.environ)))
    reports = []
    while not any(isinstance(one, Ended) for one in reports):
        reports += platform.poll(None)
    platform.close()
    (line,) = (one.line for one in reports if isinstance(one, Said))

    assert msgspec.json.decode(line)["outputs"][""]["digest"] == expected
