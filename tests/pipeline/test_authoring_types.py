import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = '''"""Wine quality: from a CSV to an endpoint."""

import datetime
from pathlib import Path
from typing import NamedTuple

import legato as lg
import polars as pl
from sklearn.ensemble import RandomForestClassifier

wine = lg.dataset("data/wine.csv")
as_of = lg.parameter(datetime.date, default=datetime.date(2026, 1, 1))


class Split(NamedTuple):
    train_set: pl.DataFrame
    test_set: pl.DataFrame


@lg.step
def split(wine: pl.DataFrame, *, test_share: float = 0.2, seed: int = 7) -> Split:
    cut = round(len(wine) * test_share) + seed
    return Split(wine[cut:], wine[:cut])


@lg.step(cpus=2, memory="2GiB", timeout="10m", retries=1, uses=[Path("rules.json")], cache="7d")
def classifier(train_set: pl.DataFrame, *, trees: int = 200, depth: int = 12) -> RandomForestClassifier:
    lg.log(rows=len(train_set), step=1)
    forest = RandomForestClassifier(n_estimators=trees, max_depth=depth)
    return forest.fit(train_set.drop("id", "good"), train_set["good"])


@lg.step
def evaluation(classifier: RandomForestClassifier, test_set: pl.DataFrame) -> lg.Evaluation:
    predictions = classifier.predict(test_set.drop("id", "good"))
    return lg.Evaluation(
        ids=test_set["id"], labels=test_set["good"], predictions=predictions, slices=test_set.select("color")
    )


@lg.step
def report(test_set: pl.DataFrame, *, as_of: datetime.date) -> Path:
    folder = lg.out_folder()
    (folder / f"{as_of}-{lg.run().number}.txt").write_text(str(len(test_set)))
    return folder


@lg.check
def labels_are_complete(wine: pl.DataFrame) -> None:
    assert wine["quality"].null_count() == 0


@lg.format(dict)
class DictFormat:
    def save(self, value: dict[str, int], folder: Path) -> None: ...
    def load(self, folder: Path) -> dict[str, int]:
        return {folder.name: 1}


baseline = classifier.using(trees=1)
baseline_evaluation = evaluation.using(classifier=baseline)
plots = lg.command("plots", "Rscript plot.R {test_set} {out.plot} {dpi}", params={"dpi": 90})
wine_model = lg.model(
    "wine-quality",
    classifier,
    evaluation,
    gates=[
        lg.at_least("accuracy", 0.80),
        lg.no_worse_than_champion("f1", margin=0.01),
        lg.at_least("recall", 0.70, on_slice="color"),
        lg.at_most("log_loss", 0.9),
    ],
)
other_model = lg.model("other", split.output("train_set"), baseline_evaluation)
wine_endpoint = lg.endpoint("wine-quality", wine_model, environments=["staging", "production"])
frame: pl.DataFrame = split(pl.DataFrame()).train_set
again: pl.DataFrame = split.using(seed=3)(pl.DataFrame(), seed=4).test_set
'''

WRONG = """
split(3)
classifier(pl.DataFrame(), tres=3)
number: int = evaluation(RandomForestClassifier(), pl.DataFrame())
lg.step(cpu=2)
lg.model("m", classifier, split)
lg.model("m", classifier, evaluation, gate=[])
lg.endpoint("e", wine_model, rollout=3)


@lg.check
def returns(wine: pl.DataFrame) -> bool:
    return True
"""


@pytest.fixture(scope="module")
def findings(tmp_path_factory) -> list[str]:
    """Check both texts in one go: starting mypy is what costs."""
    folder = tmp_path_factory.mktemp("typed")
    (folder / "pipeline.py").write_text(EXAMPLE, encoding="utf-8")
    (folder / "wrong.py").write_text(EXAMPLE + WRONG, encoding="utf-8")
    (folder / "mypy.ini").write_text(
        "[mypy]\nstrict = true\n[mypy-sklearn.*]\nignore_missing_imports = true\n"
    )
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            "mypy.ini",
            "--no-error-summary",
            "pipeline.py",
            "wrong.py",
        ],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(source), "MYPY_CACHE_DIR": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.timeout(300)
def test_a_pipeline_is_clean_under_strict_types(findings):
    assert [line for line in findings if not line.startswith("wrong.py")] == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "part",
    [
        "split(3)",
        "tres=3",
        "number: int",
        "cpu=2",
        "classifier, split",
        "gate=[]",
        "rollout=3",
        "def returns",
    ],
)
def test_a_wrong_call_is_flagged(findings, part):
    text = (EXAMPLE + WRONG).splitlines()
    line = next(
        number for number, row in enumerate(text, 1) if part in row and number > len(EXAMPLE.splitlines())
    )
    lines = {line, line - 1} if part == "def returns" else {line}

    assert any(found.startswith(f"wrong.py:{number}: error") for found in findings for number in lines)
