"""`legato init`: writes a first pipeline, or one that adopts what a repository already has.

Rule: nothing that is there is overwritten, and what was written is said.
"""

import ast
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from keyword import iskeyword
from pathlib import Path
from typing import Final, NamedTuple

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Struct
from legato.domain.units import counted
from legato.pipeline.vocabulary import LATER

DATA: Final = frozenset({".csv", ".parquet", ".tsv", ".json", ".jsonl", ".feather", ".arrow", ".npy", ".npz"})
SETTINGS: Final = frozenset({".json", ".jsonl"})
"""What lies in the root of a repository with these suffixes is seldom data."""
SKIPPED: Final = frozenset(
    {"tests", "test", "docs", "node_modules", "build", "dist", "site-packages", "__pycache__"}
    | {"mlruns", "wandb", "lightning_logs", "env", "venv"}
)
NO_SCRIPTS: Final = frozenset({"setup.py", "conftest.py", "noxfile.py", "pipeline.py", "manage.py"})
STAGES: Final = "dvc.yaml"
MANY: Final = 30
A_FOLDER: Final = 8
"""So many data files side by side are named as one folder."""

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


class Script(NamedTuple):
    """A script of a repository: its path, and the other files of the repository that it names."""

    path: str
    reads: tuple[str, ...] = ()


class Started(Struct, frozen=True, kw_only=True):
    """What `init` did: files written, and what to do next, a line each."""

    written: tuple[str, ...]
    advice: tuple[str, ...]


def init(folder: Path, source: str = "") -> Started:
    """Write a pipeline into `folder`.

    Args:
        folder: Where it goes.
        source: `dvc`: turn the stages of its dvc.yaml into commands.

    Raises:
        ConfigurationError: There is a pipeline already.
    """
    target = folder / "pipeline.py"
    if target.exists():
        raise ConfigurationError(f"{target} is there already", hint="`legato plan` says what it would do")
    if source == "dvc":
        from legato.pipeline.others.writing import write_pipeline  # only where it is asked for

        text, stages = write_pipeline(str(folder))
        target.write_text(text, encoding="utf-8")
        told = f"pipeline.py runs {counted(stages, 'stage')} of {STAGES}; nothing reads that file any more"
        return Started(written=(target.name,), advice=(told, "next: legato plan, then legato run"))
    files = sorted(_files(folder))
    staged = STAGES in files and "dvc" not in LATER
    scripts = [] if staged else list(find_scripts(folder, files))
    data = [] if staged else list(find_data(files))  # stages name their own
    adopted = bool(scripts or data or staged)
    target.write_text(adopt(scripts, data, staged=staged) if adopted else FIRST, encoding="utf-8")
    advice = [*(_adopted(scripts, data, staged=staged) if adopted else _first()), *_left(files)]
    return Started(written=(target.name,), advice=(*advice, "next: legato plan, then legato run"))


def _adopted(scripts: list[Script], data: list[str], *, staged: bool) -> Iterator[str]:
    deeds = [f"takes the stages of {STAGES}"] if staged else []
    deeds += [f"runs {counted(len(scripts), 'script')}"] if scripts else []
    deeds += [f"names {counted(len(data), 'dataset')}"] if data else []
    yield f"pipeline.py {' and '.join(deeds)} as they are"
    if staged:
        yield "`legato init --from dvc` would write each stage as lg.command(...) instead"
    if scripts:
        yield "say in outputs= what each script writes; then turn functions into steps one by one"


def _first() -> Iterator[str]:
    yield "the example needs: pip install 'legato[sklearn,serve]' pandas"


def _left(files: list[str]) -> Iterator[str]:
    """Yield what was seen and is left to the person."""
    if STAGES in files and "dvc" in LATER:
        yield f"{STAGES} is not read: {LATER['dvc']}"
    kept = [file for file in files if file.endswith(".dvc") and file.removesuffix(".dvc") not in files]
    if kept:
        yield f"kept by DVC and not here: {kept[0].removesuffix('.dvc')}; dvc pull brings it"
    notebooks = [file for file in files if file.endswith(".ipynb")]
    if notebooks:
        told = f"{notebooks[0]} and {len(notebooks) - 1} more" if len(notebooks) > 1 else notebooks[0]
        yield f'notebooks are left as they are ({told}); lg.load("NAME") reads artifacts in them'


def _files(folder: Path) -> Iterator[str]:
    """Yield the files of a repository, relative to it; hidden, built and installed ones left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if _is_own(Path(place, name))]
        for name in names:
            if not name.startswith(".") and name.isprintable() and not {"{", "}"} & set(name):
                yield Path(place, name).relative_to(folder).as_posix()


def _is_own(folder: Path) -> bool:
    installed = (folder / "pyvenv.cfg").exists() or (folder / "conda-meta").is_dir()
    return not (folder.name.startswith(".") or folder.name in SKIPPED or installed)


def find_scripts(folder: Path, files: Sequence[str]) -> Iterator[Script]:
    """Yield the Python files that are meant to be run: they say so, or they do something and nobody imports them."""
    known = {file for file in files if not file.endswith(".py")}
    trees = {file: _tree(folder / file) for file in files if file.endswith(".py")}
    imported = {name for tree in trees.values() for name in _imports(tree)}
    for file, tree in trees.items():
        name = file.removesuffix(".py").replace("/", ".").removeprefix("src.")
        if Path(file).name in NO_SCRIPTS:
            continue
        if any(map(_asks_for_main, tree.body)) or (name not in imported and any(map(_acts, tree.body))):
            yield Script(file, tuple(sorted(known.intersection(_texts(tree)))))


def _texts(tree: ast.Module) -> Iterator[str]:
    """Yield the texts in a module, as paths are written: `./data/a.csv` is `data/a.csv`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.removeprefix("./")


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return ast.Module(body=[], type_ignores=[])


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield the modules that a module may import; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}".lstrip(".") for alias in node.names)


def _asks_for_main(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Compare)
        and isinstance(statement.test.left, ast.Name)
        and statement.test.left.id == "__name__"
    )


def _acts(statement: ast.stmt) -> bool:
    """Say whether a statement of a module does something by itself."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call)
    return isinstance(statement, ast.For | ast.While | ast.With)


def find_data(files: Iterable[str]) -> Iterator[str]:
    """Yield files that look like data, tables and arrays; a folder that is full of them ends with `/`."""
    found = sorted((file for file in files if _is_data(Path(file))), key=os.path.dirname)
    for parent, group in groupby(found, key=os.path.dirname):
        beside = list(group)
        if parent and len(beside) >= A_FOLDER:
            yield f"{parent}/"
        else:
            yield from beside


def _is_data(path: Path) -> bool:
    return path.suffix in DATA and (len(path.parts) > 1 or path.suffix not in SETTINGS)


def adopt(scripts: Sequence[Script], data: list[str], *, staged: bool = False) -> str:
    """Return a pipeline of what was found; `staged` where it has stages of its own."""
    lines = ['"""What this repository does, step by step. See: legato plan"""', ""]
    lines += ["from pathlib import Path", ""] if scripts else []  # what outputs= is written with
    lines += ["import legato as lg", ""]
    taken = {"lg", "Path"}
    if staged:
        lines += [f'stages = lg.dvc("{STAGES}")']
    lines += [f"{_name(path, taken)} = lg.dataset({_quoted(path)})" for path in data[:MANY]]
    if len(data) > MANY:
        lines.append(f"# and {len(data) - MANY} more files that look like data")
    lines.append("")
    for script in scripts[:MANY]:
        name = _name(script.path, taken)
        lines += [
            f"{name} = lg.command(",
            f'    "{name}",',
            f"    {_quoted(f'python {shlex.quote(script.path)}')},",
            '    outputs={},  # what it writes, for example {"model": Path("model.pkl")}',
        ]
        if script.reads:
            lines.append(
                f"    code=[{', '.join(map(_quoted, script.reads))}],  # what it reads besides modules"
            )
        lines.append(")")
    if len(scripts) > MANY:
        lines.append(f"# and {len(scripts) - MANY} more scripts")
    return "\n".join(lines).rstrip() + "\n"


def _quoted(text: str) -> str:
    """Return a text as Python writes it, in the quotes that this file uses."""
    return json.dumps(text, ensure_ascii=False)


def _name(path: str, taken: set[str]) -> str:
    """Return a name for what lies at `path` that is free: its stem, else with its folder before it.

    >>> _name("src/train-model.py", set()), _name("b/data.csv", {"data"})
    ('train_model', 'b_data')
    """
    parts = [re.sub(r"\W+", "_", part).strip("_") for part in Path(path).with_suffix("").parts]
    for length in range(1, len(parts) + 1):
        name = "_".join(parts[-length:])
        name = f"_{name}" if name[:1].isdigit() else name
        if name.isidentifier() and not iskeyword(name) and name not in taken:
            taken.add(name)
            return name
    return _name(f"x/{path}" if parts else "x", taken)
