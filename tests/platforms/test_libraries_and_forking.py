"""Libraries that start threads: whatever a pipeline's module does with them, its jobs must finish.

Rule: each case uses a library at module level and again in a job, where a wrong fork would hang.
"""

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from legato.platforms import Ended, Entry, Job, Prepared, Printed, Said, Say
from legato.platforms.process import launch

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks"),
]

ROWS = "import numpy as np; x = np.random.default_rng(0).normal(size=(3000, 8)); y = x[:, 0] > 0; "

USES = {
    "numpy": "import numpy as np; a = np.random.default_rng(0).normal(size=(300, 300)); out = len(a @ a)",
    "pandas": "import pandas as pd; out = pd.DataFrame({'a': range(1000)}).groupby('a').size().sum()",
    "pyarrow": "import pyarrow as pa, pyarrow.compute as pc; out = pc.sum(pa.array(range(100_000))).as_py()",
    "polars": "import polars as pl; out = pl.LazyFrame({'a': range(9)}).group_by('a').len().collect().height",
    "sklearn": ROWS + "from sklearn.ensemble import HistGradientBoostingClassifier as H; "
    "out = len(H(max_iter=3).fit(x, y).predict(x))",
    "xgboost": ROWS + "import xgboost; out = len(xgboost.XGBClassifier(n_estimators=3).fit(x, y).predict(x))",
    "lightgbm": ROWS + "import lightgbm; d = lightgbm.Dataset(x, y); "
    "out = len(lightgbm.train({'verbosity': -1}, d, 3).predict(x))",
    "torch": "import torch; out = len(torch.ones(300, 300) @ torch.ones(300, 300))",
    "obstore": "import obstore; from obstore.store import MemoryStore; s = MemoryStore(); "
    "obstore.put(s, 'a', b'x'); out = len(obstore.get(s, 'a').bytes())",
}
OUTCOMES = {
    "numpy": "300", "pandas": "1000", "pyarrow": "4999950000", "polars": "9", "sklearn": "3000",
    "xgboost": "3000", "lightgbm": "3000", "torch": "300", "obstore": "1",
}  # fmt: skip


def use(library: str) -> str:
    names: dict[str, object] = {}
    exec(USES[library], names)  # noqa: S102 - the text above
    return str(names["out"])


def execute(payload: bytes, say: Say) -> None:
    say(use(payload.decode()).encode())


def prepare(request: bytes) -> Prepared:
    how, _, library = request.decode().partition(" ")
    if how == "use":
        use(library)
    else:
        importlib.import_module(library)
    return Prepared(reply=b"", execute=execute, answer=bytes.upper, packages=(library,))


def prepare_job(request: bytes) -> Callable[[bytes, Say], None]:
    return prepare(request).execute


def prepare_packages(request: bytes, packages: tuple[str, ...]) -> None:
    for package in packages:
        importlib.import_module(package)
    if request.startswith(b"use twice"):
        use(packages[0])


ENTRY = Entry(
    prepare=f"{__name__}:prepare",
    prepare_job=f"{__name__}:prepare_job",
    prepare_packages=f"{__name__}:prepare_packages",
    clock="time:monotonic",
)


def skip_without(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


@pytest.fixture(params=sorted(USES))
def library(request) -> str:
    skip_without(request.param)
    return request.param


@pytest.fixture
def run() -> Iterator[Callable]:
    platforms = []

    def run(request: str, library: str, cpus: float, folder):
        platform = launch(ENTRY, request.encode(), environment={})
        platforms.append(platform)
        for name in ("first", "second"):
            platform.start(
                Job(id=name, payload=library.encode(), folder=str(folder), cpus=cpus, timeout_s=40)
            )
        reports = []
        while sum(isinstance(one, Ended) for one in reports) < 2:
            reports += platform.poll(None)
        said = [one.line.decode() for one in reports if isinstance(one, Said)]
        ends = [(one.reason, one.code) for one in reports if isinstance(one, Ended)]
        printed = b"".join(one.data for one in reports if isinstance(one, Printed))
        return said, ends, platform, printed

    yield run
    for platform in platforms:
        platform.close()


def test_jobs_finish_when_the_library_was_only_imported(run, library, tmp_path):
    said, ends, platform, printed = run(f"import {library}", library, 1, tmp_path)

    assert ends == [("exited", 0)] * 2, printed
    assert said == [OUTCOMES[library]] * 2
    assert platform.mode == "pipeline", platform.note


def test_jobs_finish_when_the_library_was_used_at_module_level(run, library, tmp_path):
    said, ends, platform, printed = run(f"use {library}", library, 1, tmp_path)

    assert ends == [("exited", 0)] * 2, (platform.mode, platform.note, printed)
    assert said == [OUTCOMES[library]] * 2


@pytest.mark.parametrize("library", ["sklearn", "xgboost"])
def test_jobs_with_several_cpus_finish_when_openmp_was_used_at_module_level(run, library, tmp_path):
    skip_without(library)

    said, ends, platform, printed = run(f"use {library}", library, 2, tmp_path)

    assert ends == [("exited", 0)] * 2, (platform.mode, platform.note, printed)
    assert said == [OUTCOMES[library]] * 2
    assert platform.mode == "packages"
    assert library in platform.note


@pytest.mark.parametrize("library", ["polars"])
def test_a_library_whose_threads_forbid_forking_is_named(run, library, tmp_path):
    skip_without(library)

    _said, _ends, platform, _printed = run(f"use {library}", library, 1, tmp_path)

    assert platform.mode == "packages"
    assert f"threads of {library} are running (" in platform.note
    assert f"{library}-0" in platform.note


@pytest.mark.parametrize(
    ("before", "forked"),
    [("import numpy", True), ("import threading; threading.Timer(5, int).start()", False)],
)
def test_an_owner_is_forked_itself_unless_its_threads_would_be_missed(before, forked, tmp_path):
    skip_without("numpy")
    script = tmp_path / "script.py"
    script.write_text(
        f"{before}\n"
        "import os, sys, pathlib\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_libraries_and_forking as t\n"
        "platform = t.launch(t.ENTRY, b'import json', environment={})\n"
        "platform.reply()\n"
        "lines = [pathlib.Path(f'/proc/{pid}/cmdline').read_bytes() for pid in (os.getpid(), platform._stem_pid)]\n"
        "platform.close()\n"
        "print(lines[0] == lines[1], flush=True)\n"
        "os._exit(0)\n"
    )

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)

    assert done.stdout == f"{forked}\n", done.stderr
