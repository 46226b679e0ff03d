"""Runs an `lg.command`: a program in a private checkout, its inputs as paths, its outputs taken from where it wrote.

Rule: the checkout holds only files that are part of the command's key, so nothing else can reach the result.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from legato.app.stages import own_python_first, run_stage
from legato.app.work import Work
from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError, MissingError, UserCodeError
from legato.domain.evaluation import Evaluation
from legato.domain.graph import Node, Output
from legato.domain.messages import Fingerprint, Given
from legato.pipeline.fingerprint import Fingerprints
from legato.pipeline.programs import argv
from legato.scm import tracked_files


def fingerprint(fingerprints: Fingerprints, root: Path, node: Node) -> Fingerprint:
    """Return what the code of a command adds to its recipe."""
    return fingerprints.of_command(_program(node), _declared(root, node))


def _program(node: Node) -> list[str]:
    if "script" in node.detail:
        return ["python", str(node.detail["script"])]
    if "module" in node.detail:
        return ["python", "-m", str(node.detail["module"])]
    return [str(argument) for argument in node.detail["arguments"]]


def _declared(root: Path, node: Node) -> tuple[str, ...]:
    """Return the files that count besides the followed ones: `code=`, or all files where nothing else is known."""
    if "code" in node.detail:
        return tuple(node.detail["code"])
    return () if {"script", "module"} & node.detail.keys() else tracked_files(root)


def files_of(found: Fingerprint) -> tuple[str, ...]:
    """Return the files of a command's checkout, relative to the repository."""
    used = (item.name for item in found.ingredients if item.kind == "uses")
    return tuple(dict.fromkeys([*found.modules, *used]))


def _files(work: Work) -> tuple[str, ...]:
    node = work.bench.collected.graph.node(work.order.node)
    return files_of(fingerprint(work.bench.fingerprints, work.bench.root, node))


def run_command(work: Work) -> dict[str, Artifact]:
    """Run the command of an order and store what it wrote.

    Raises:
        UserCodeError: The program ended with another exit code than 0.
        MissingError: It did not write an output, or there is no such program.
    """
    order = work.order
    program = work.bench.collected.described.programs.get(order.node)
    if program is not None:
        return run_stage(work, program)
    work.seen = ()  # it sees only what its key holds
    checkout = work.folder / "checkout"
    _check_out(work.bench.root, checkout, _files(work))
    paths = {given.parameter: str(_placed(work, checkout, given)) for given in order.inputs}
    outs = {output.field: _path_of(work, checkout, output) for output in order.outputs}
    for path in outs.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    arguments = argv(order.detail, paths, {field: str(path) for field, path in outs.items()}, order.settings)
    if arguments[0] in {"python", "python3"}:
        arguments[0] = sys.executable
    _call(order.node, arguments, checkout)
    return {output.field: _take(work, output, outs[output.field]) for output in order.outputs}


def _placed(work: Work, checkout: Path, given: Given) -> Path:
    """Return where an input lies: at its fixed path in the checkout, or beside it."""
    fixed = work.order.detail.get("inputs", {}).get(given.parameter)
    if fixed is None:
        return work.place_named(given)
    target = checkout / str(fixed)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file():
        target.unlink()  # git tracks it too; what the step was given counts
    work.store.place(given.artifact.digest, given.artifact.tree, target)
    return target


def _path_of(work: Work, checkout: Path, output: Output) -> Path:
    return checkout / output.path if output.path else work.folder / "outputs" / output.field


def _check_out(root: Path, checkout: Path, files: Iterable[str]) -> None:
    checkout.mkdir()
    for file in files:
        source, target = root / file, checkout / file
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _call(node: str, arguments: list[str], folder: Path) -> None:
    try:
        ended = subprocess.run(
            arguments, cwd=folder, env=own_python_first(), stdin=subprocess.DEVNULL, check=False
        )
    except OSError as error:
        raise MissingError(
            f"command {node!r} could not start {arguments[0]!r}: {error.strerror}",
            hint="install it, or mend the line",
        ) from error
    if ended.returncode:
        raise UserCodeError(
            f"command {node!r} exited with code {ended.returncode}: {' '.join(arguments)}",
            hint="it runs in a checkout of its code alone; name other files that it reads in code=[...]",
        )


def _take(work: Work, output: Output, path: Path) -> Artifact:
    if not path.exists():
        where = output.path or f"{{out.{output.field}}}"
        raise MissingError(
            f"the command did not write its output {output.field!r} at {where}", hint="let it write there"
        )
    if output.type.endswith("Evaluation"):
        return work.keep(output.field, read_evaluation(path))
    return work.keep(output.field, path)


_COLUMNS = ("ids", "labels", "predictions", "scores")
_ONE_EACH = {name.removesuffix("s"): name for name in _COLUMNS}


def read_evaluation(path: Path) -> Evaluation:
    """Return the evaluation that a program wrote: columns as JSON, CSV or Parquet.

    Columns other than `ids`, `labels`, `predictions` and `scores` (or `id`, `label`, `prediction` and `score`) are
    `rows` where they are numbers, else `slices`.
    """
    found = _columns(path)
    columns = {
        plural if (plural := _ONE_EACH.get(name, name)) not in found else name: values
        for name, values in found.items()
    }
    rest = {name: values for name, values in columns.items() if name not in _COLUMNS}
    rows = {name: values for name, values in rest.items() if all(_is_number(value) for value in values)}
    slices = {name: [str(value) for value in values] for name, values in rest.items() if name not in rows}
    return Evaluation(
        ids=columns.get("ids"),
        labels=columns.get("labels"),
        predictions=columns.get("predictions"),
        scores=columns.get("scores"),
        rows=rows or None,
        slices=slices or None,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _columns(path: Path) -> Mapping[str, list[Any]]:
    start = path.read_bytes()[:4]
    if start == b"PAR1":
        from pyarrow import parquet  # type: ignore[import-untyped]  # only where a program wrote Parquet

        found: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
        return found
    text = path.read_text(encoding="utf-8")
    if text.lstrip()[:1] not in {"{", "["}:
        return _csv(text)
    data = json.loads(text)
    if isinstance(data, list):
        return {name: [row.get(name) for row in data] for name in data[0]} if data else {}
    if not isinstance(data, dict) or not all(isinstance(values, list) for values in data.values()):
        raise ConfigurationError(
            f"{path.name} holds no columns",
            hint='write {"ids": [...], "labels": [...], "predictions": [...]}',
        )
    return data


def _csv(text: str) -> Mapping[str, list[Any]]:
    import csv

    rows = list(csv.DictReader(text.splitlines()))
    names = rows[0].keys() if rows else ()
    return {name: [_number(row[name]) for row in rows] for name in names}


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
