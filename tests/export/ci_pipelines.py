"""Pipelines that are exported to every service, and what lies around them; run it to write the golden files anew.

Rule: a golden file is what `legato ci export` would write; tests only compare.
"""

import importlib.util
import itertools
import sys
import tempfile
from pathlib import Path

from legato.export import SERVICES, Repository, export
from legato.pipeline.collect import collect

GOLDEN = Path(__file__).parent / "golden"
_COUNT = itertools.count()
INSTALL = (
    "uv venv --quiet --clear --python 3.12 .legato-ci/venv",
    "uv pip install --quiet --python .legato-ci/venv --require-hashes -r requirements.txt",
)

MINIMAL = """
import legato as lg

@lg.step
def greeting(*, name: str = "world") -> str: ...

triggers = [lg.on_push("main", run=greeting)]
"""

FLIGHTS = """
import datetime
import legato as lg

flights = lg.dataset("data/flights.parquet")
as_of = lg.parameter(datetime.date, default=datetime.date(2026, 1, 1))

@lg.step
def departures(flights: str, *, as_of: datetime.date) -> str: ...
@lg.check
def flights_are_unique(departures: str) -> None: ...
@lg.step(cpus=2)
def classifier(departures: str, *, trees: int = 100) -> str: ...
@lg.step
def evaluation(classifier: str, departures: str) -> lg.Evaluation: ...

late_model = lg.model("late-flights", classifier, evaluation, gates=[lg.at_least("roc_auc", 0.66)])
late_endpoint = lg.endpoint("late-flights", late_model)

triggers = [
    lg.on_pull_request(run=evaluation, params={"classifier.trees": 20}),
    lg.on_push("main", "release/*", run=late_endpoint),
    lg.on_tag("v*", run=late_endpoint),
    lg.on_schedule("0 3 * * MON", run=late_endpoint, tz="Europe/Berlin", refresh=[flights],
                   params={"as_of": lg.scheduled}, name="weekly"),
    lg.on_schedule("*/20 6-9 * * *", run=departures, name="often"),
    lg.on_schedule("30 0 1 * *", run=departures, tz="Asia/Kolkata", name="monthly"),
    lg.on_new_data(flights, run=late_model),
    lg.on_drift(late_endpoint, run=late_model, at_most="1 a day"),
]
"""

STORES = """
import legato as lg

rows = lg.dataset("data/rows.csv")

@lg.step
def clean(rows: str) -> str: ...
@lg.step(matrix={"depth": [4, 8], "kind": ["a/b", "c"]}, secrets=["TOKEN"], env=["REGION"])
def training(clean: str, *, depth: int = 2, kind: str = "c") -> str: ...
@lg.step
def best(training: lg.Gathered[str]) -> str: ...
@lg.step
def holdout(rows: str) -> str: ...
@lg.step(gpus=1)
def evaluation(best: str, holdout: str) -> lg.Evaluation: ...
@lg.check
def parts_differ(clean: str, holdout: str) -> None: ...

model = lg.model("stores", best, evaluation, gates=[lg.at_least("accuracy", 0.1)])
endpoint = lg.endpoint("stores", model, environments=["staging", "production"])

triggers = [
    lg.on_pull_request(run=evaluation),
    lg.on_push("main", run=endpoint, environment="staging", name="deliver"),
    lg.on_push("production", run=endpoint, environment="production"),
]
"""

CASES = {
    "minimal": (MINIMAL, Repository(install=INSTALL, command="", locks=("requirements.txt",)), "job"),
    "flights": (
        FLIGHTS,
        Repository(
            install=INSTALL,
            command="",
            locks=("requirements.txt",),
            offsets={"Europe/Berlin": (60, True), "Asia/Kolkata": (330, False)},
        ),
        "job",
    ),
    "stores": (
        STORES,
        Repository(
            install=INSTALL,
            command="",
            folder="models/stores",
            locks=("requirements.txt",),
            remote="s3",
            approvals={"production": 2},
        ),
        "job",
    ),
}
CASES["stages"] = (CASES["stores"][0], CASES["stores"][1], "stages")


def graph_of(text, folder):
    """Return the graph of a pipeline that is written into a folder."""
    name = f"exported_pipeline_{next(_COUNT)}"
    path = Path(folder) / "pipeline.py"
    path.write_text(text, encoding="utf-8")
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
        return collect(module, root=folder).graph
    finally:
        del sys.modules[name]


def exported(case, service, folder):
    """Return what one service's file says of one of the pipelines."""
    text, repository, layout = CASES[case]
    command = f"legato ci export {service}{' --layout stages' if layout == 'stages' else ''}"
    told = Repository(
        **{name: getattr(repository, name) for name in repository.__struct_fields__} | {"command": command}
    )
    return export(service, graph_of(text, folder), told, layout)


def golden(case, service):
    """Return where the file is kept: under the service's own path, as its linters want it."""
    return GOLDEN / case / SERVICES[service]


if __name__ == "__main__":
    for one, other in itertools.product(CASES, SERVICES):
        with tempfile.TemporaryDirectory() as place:
            found = exported(one, other, place)
        golden(one, other).parent.mkdir(parents=True, exist_ok=True)
        golden(one, other).write_text(found.text, encoding="utf-8")
