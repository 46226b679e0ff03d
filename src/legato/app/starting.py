"""`legato init`: writes a first pipeline, or one that adopts what a repository already has.

Rule: nothing that is there is overwritten, and what was written is said.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Struct

DATA: Final = frozenset({".csv", ".parquet", ".tsv", ".json", ".jsonl", ".feather", ".arrow", ".npy", ".npz"})
SKIPPED: Final = frozenset({"tests", "test", "docs", "node_modules", "build", "dist", "site-packages"})
MANY: Final = 30

FIRST: Final = '''"""Wine: from a table to a model that answers requests. Start with: legato run"""

from typing import NamedTuple

import legato as lg
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


class Split(NamedTuple):
    """Two artifacts, named by their fields."""

    train_set: pd.DataFrame
    test_set: pd.DataFrame


@lg.step
def wine() -> pd.DataFrame:
    """178 wines, 13 measurements each, and which of three growers made them."""
    return load_wine(as_frame=True).frame


@lg.check
def every_wine_is_measured(wine: pd.DataFrame) -> None:
    """A failed check stops whatever depends on what it judged."""
    assert wine.notna().all(axis=None)


@lg.step
def split(wine: pd.DataFrame, *, test_share: float = 0.4, seed: int = 7) -> Split:
    """A parameter's name is the artifact it needs; keyword-only ones are the hyperparameters."""
    test_set = wine.sample(frac=test_share, random_state=seed)
    return Split(train_set=wine.drop(test_set.index), test_set=test_set)


@lg.step
def classifier(train_set: pd.DataFrame, *, strength: float = 1.0) -> Pipeline:
    """Change the default, a comment or a helper, and see with `legato plan` what would run again."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    return model.fit(train_set.drop(columns="target"), train_set["target"])


@lg.step
def evaluation(classifier: Pipeline, test_set: pd.DataFrame) -> lg.Evaluation:
    """What the gates judge."""
    predictions = classifier.predict(test_set.drop(columns="target"))
    return lg.Evaluation(ids=test_set.index, labels=test_set["target"], predictions=predictions)


wine_model = lg.model("wine", classifier, evaluation, gates=[
    lg.at_least("accuracy", 0.85),
    lg.no_worse_than_champion("accuracy", margin=0.1),
])  # fmt: skip
wine_endpoint = lg.endpoint("wine", wine_model)
'''


class Started(Struct, frozen=True, kw_only=True):
    """What `init` did: files written, and what to do next, a line each."""

    written: tuple[str, ...]
    advice: tuple[str, ...]


def init(folder: Path) -> Started:
    """Write a pipeline into `folder`.

    Raises:
        ConfigurationError: There is a pipeline already.
    """
    target = folder / "pipeline.py"
    if target.exists():
        raise ConfigurationError(f"{target} is there already", hint="`legato plan` says what it would do")
    scripts, data = sorted(find_scripts(folder)), sorted(find_data(folder))
    adopted = bool(scripts or data)
    target.write_text(adopt(scripts, data) if adopted else FIRST, encoding="utf-8")
    if adopted:
        advice = [
            f"pipeline.py runs {_counted(scripts, 'script')} and names {_counted(data, 'data file')} as they are",
            "say in outputs= what each script writes; then turn functions into steps one by one",
        ]
    else:
        advice = ["the example needs: pip install 'legato[sklearn,serve]' pandas"]
    return Started(written=(target.name,), advice=(*advice, "next: legato plan, then legato run"))


def _counted(found: list[str], noun: str) -> str:
    return f"{len(found)} {noun}{'' if len(found) == 1 else 's'}"


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part in SKIPPED for part in parts):
            yield path.relative_to(folder)


def find_scripts(folder: Path) -> Iterator[str]:
    """Yield the Python files that are meant to be run."""
    for path in _files(folder):
        if path.suffix == ".py" and _is_script(folder / path):
            yield path.as_posix()


def _is_script(path: Path) -> bool:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False
    return any(
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
        for node in tree.body
    )


def find_data(folder: Path) -> Iterator[str]:
    """Yield files that look like data: tables and arrays below a folder, not the repository's own settings."""
    for path in _files(folder):
        if path.suffix in DATA and len(path.parts) > 1:
            yield path.as_posix()


def adopt(scripts: list[str], data: list[str]) -> str:
    """Return a pipeline of what was found."""
    lines = ['"""What this repository does, step by step. See: legato plan"""', ""]
    lines += ["from pathlib import Path", ""] if scripts else []  # what outputs= is written with
    lines += ["import legato as lg", ""]
    taken: set[str] = set()
    lines += [f'{_name(path, taken)} = lg.dataset("{path}")' for path in data[:MANY]]
    if len(data) > MANY:
        lines.append(f"# and {len(data) - MANY} more files that look like data")
    lines.append("")
    for path in scripts[:MANY]:
        name = _name(path, taken)
        lines += [
            f"{name} = lg.command(",
            f'    "{name}",',
            f'    "python {path}",',
            '    outputs={},  # what it writes, for example {"model": Path("model.pkl")}',
            ")",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _name(path: str, taken: set[str]) -> str:
    """Return a name for what lies at `path` that is free: its stem, else with its folder before it.

    >>> _name("src/train-model.py", set()), _name("b/data.csv", {"data"})
    ('train_model', 'b_data')
    """
    parts = [re.sub(r"\W+", "_", part).strip("_") for part in Path(path).with_suffix("").parts]
    for length in range(1, len(parts) + 1):
        name = "_".join(parts[-length:])
        name = f"_{name}" if name[:1].isdigit() else name
        if name.isidentifier() and name not in taken:
            taken.add(name)
            return name
    return _name(f"x/{path}" if parts else "x", taken)
