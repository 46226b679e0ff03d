"""Runs what another tool's file describes: a stage of a `dvc.yaml`, an entry point of an `MLproject`.

Rule: it runs in a private checkout of what it declares and of what git tracks; a tracked file that it reads without
declaring it is recorded as a read, so nothing reaches the result that the key does not hold.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

from legato.app.access import Access, are_kept
from legato.app.metric_files import metrics_of, tracked_metrics
from legato.app.placing import placed_files
from legato.app.work import Work
from legato.domain.artifacts import Artifact
from legato.domain.digests import canonical, digest_of
from legato.domain.errors import ConfigurationError, MissingError, UserCodeError
from legato.domain.graph import Node, Setting
from legato.domain.keys import Ingredient, Read
from legato.domain.messages import Fingerprint
from legato.engine.files import file_digest, signature
from legato.pipeline.fingerprint import Fingerprints
from legato.pipeline.others.kinds_of_paths import is_called_code
from legato.pipeline.others.param_files import rewritten
from legato.pipeline.others.reader import joined, leaves
from legato.pipeline.others.stages import Program
from legato.pipeline.programs import as_argument, from_wire_untyped
from legato.scm import tracked_files

CODE_HINT: Final = (
    "it runs in a checkout of its deps and of the files that git tracks; "
    "name other files that it reads under deps:"
)
_PRIVATE: Final = (".legato", ".git", "mlruns")
MOST_COPIED: Final = 200
"""Where git tracks more files than these, undeclared data files are left out of a checkout."""
_MADE: Final = frozenset({"__pycache__", ".git", ".legato"})
TRACKING: Final = "MLFLOW_TRACKING_URI"


def fingerprint(fingerprints: Fingerprints, root: Path, node: Node, program: Program) -> Fingerprint:
    """Return what the code of a stage adds to its recipe: programs followed, files that its deps name."""
    parts = [*_followed(fingerprints, program)]
    parts = parts or [fingerprints.of_command(["sh"])]
    modules = {module for part in parts for module in part.modules}
    files = [*program.code, *_given_files(root, node)]
    used = fingerprints.of_command(["sh"], [path for path in files if (root / path).exists()])
    closures = sorted(item.digest for part in parts for item in part.ingredients if item.kind == "closure")
    found = {(item.kind, item.name): item for part in parts for item in part.ingredients}
    found[("closure", "code")] = Ingredient("closure", "code", digest_of(canonical(closures)))
    uses = [item for item in used.ingredients if item.kind == "uses" and item.name not in modules]
    line = " && ".join(node.detail.get("shell", [node.detail.get("line", "")]))
    told = Ingredient("code", "cmd", digest_of(line.encode()), line)
    return Fingerprint(
        ingredients=(*found.values(), *uses, told), warnings=program.notes, modules=tuple(sorted(modules))
    )


def _followed(fingerprints: Fingerprints, program: Program) -> Iterator[Fingerprint]:
    for argv in program.followed:
        try:
            yield fingerprints.of_command(argv)
        except ConfigurationError:  # no such module: the program itself will say so, in its own words
            continue


def _given_files(root: Path, node: Node) -> Iterator[str]:
    """Yield the files that parameters of the type `path` or `uri` name in the repository."""
    for setting in node.settings:
        if setting.name in node.detail.get("paths", ()) and setting.wire:
            path = _inside(root, str(node.detail["wdir"]), as_argument(from_wire_untyped(setting.wire)))
            if path:
                yield path


def _inside(root: Path, wdir: str, value: str) -> str:
    """Return a parameter's path relative to the repository; empty where it names nothing in it."""
    if not value or "://" in value:
        return ""
    path = joined(wdir, os.path.relpath(value, root) if value.startswith("/") else value)
    return path if path and not leaves(path) and (root / path).exists() else ""


def run_stage(work: Work, program: Program) -> dict[str, Artifact]:
    """Run the stage of an order and store what it wrote.

    Raises:
        UserCodeError: A line of it ended with another exit code than 0.
        MissingError: It did not write an output.
    """
    return _Execution(work, program).results()


class _Execution:
    """One execution of a stage, in a folder whose content moves into the store."""

    def __init__(self, work: Work, program: Program) -> None:
        self._work = work
        self._program = program
        self._order = work.order
        self._detail: Mapping[str, Any] = work.order.detail
        self._root = work.bench.root
        self._checkout = work.folder / "out" / "checkout"
        self._folder = self._checkout / str(self._detail["wdir"])
        self._signatures: dict[str, Any] = {}
        self._folders: set[Path] = set()

    def results(self) -> dict[str, Artifact]:
        """Check out, run, record what was read, and store what was written."""
        for note in self._program.notes:
            sys.stderr.write(f"note: {note}\n")
        self._checkout.mkdir(parents=True)
        watched = Access(self._checkout, self._check_out())
        before = self._state() if self._program.entry else {}
        for arguments in self._lines():
            self._call(arguments)
        self._work.seen = tuple(self._read(file) for file in watched.seen())
        return self._written(before) if self._program.entry else self._outputs()

    # -- before ----------------------------------------------------------------------------------------------

    def _check_out(self) -> list[str]:
        """Put everything in place; return the files that are there though the stage does not declare them."""
        node = self._work.bench.collected.graph.node(self._order.node)
        found = fingerprint(self._work.bench.fingerprints, self._root, node, self._program)
        used = (item.name for item in found.ingredients if item.kind == "uses")
        declared = dict.fromkeys([*found.modules, *used, *self._program.params])
        inputs = {given.parameter: given.artifact for given in self._order.inputs}
        away = {*self._program.left_out, *inputs, *_PRIVATE}
        made = placed_files(self._work.bench.state) if self._program.entry else frozenset()
        tracked = tracked_files(self._root) if are_kept(self._work.folder) else ()
        known = declared.keys() | made
        others = _affordable([f for f in tracked if f not in known and not _below(f, away)])
        for file in (*declared, *others):
            self._copy(file)
        for path, artifact in inputs.items():
            target = self._checkout / path
            target.parent.mkdir(parents=True, exist_ok=True)
            self._work.store.place(artifact.digest, artifact.tree, target)
        for output in self._order.outputs:
            (self._checkout / output.path).parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        return [file for file in others if file in self._signatures]

    def _copy(self, file: str) -> None:
        source, target = self._root / file, self._checkout / file
        if not source.is_file():
            return
        if target.parent not in self._folders:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(target.parent)
        self._signatures[file] = signature(str(source))
        changes = self._program.params.get(file)
        if changes:
            target.write_bytes(rewritten(source.read_bytes(), file, changes))
        else:
            shutil.copyfile(source, target)
        if os.access(source, os.X_OK):
            target.chmod(0o755)

    def _read(self, file: str) -> Read:
        """Return a file that the program read, as it was when it was checked out."""
        absolute = str(self._root / file)
        digest = file_digest(absolute)
        if signature(absolute) != self._signatures[file]:
            return Read(file, "changed while the step ran")
        return Read(file, digest)

    # -- running ---------------------------------------------------------------------------------------------

    def _lines(self) -> Iterator[list[str]]:
        shell = shutil.which("bash")
        start = [shell, "--noprofile", "--norc", "-c"] if shell else ["/bin/sh", "-c"]
        if self._program.entry:
            values = {setting.name: self._value(setting) for setting in self._order.settings}
            yield [
                *start,
                str(self._detail["entry"]),
                "entry",
                *(values[name] for name in self._detail["order"]),
            ]
        for line in self._detail.get("shell", ()):
            yield [*start, line]

    def _value(self, setting: Setting) -> str:
        value = as_argument(from_wire_untyped(setting.wire))
        if "\0" in value:
            raise ConfigurationError(
                f"{setting.name}={value!r} holds a NUL", hint="leave it out of the value"
            )
        if setting.name not in self._detail["paths"]:
            return value
        path = _inside(self._root, str(self._detail["wdir"]), value)
        if path:
            return str(self._checkout / path)
        if "://" not in value:
            raise MissingError(
                f"{setting.name}={value!r} names no file of the repository",
                hint=f"-p {self._order.node}.{setting.name}=PATH, below {self._root}",
            )
        return value

    def _call(self, arguments: list[str]) -> None:
        ended = subprocess.run(
            arguments, cwd=self._folder, env=self._environment(), stdin=subprocess.DEVNULL, check=False
        )
        if ended.returncode:
            shown = self._detail.get("line") or arguments[-1]
            raise UserCodeError(
                f"{self._order.node!r} exited with code {ended.returncode}: {shown}", hint=CODE_HINT
            )

    def _environment(self) -> dict[str, str]:
        """Return the variables of the job, with the Python that Legato runs in first, and those the tool sets."""
        found = own_python_first()
        if self._program.entry:
            if (
                TRACKING not in found
            ):  # in files, which are this entry point's output; MLflow wants that said twice
                found |= {TRACKING: f"file://{self._folder}/mlruns", "MLFLOW_ALLOW_FILE_STORE": "true"}
        else:
            found |= {"DVC_STAGE": self._order.node, "DVC_ROOT": str(self._checkout)}
        return found

    # -- after -----------------------------------------------------------------------------------------------

    def _outputs(self) -> dict[str, Artifact]:
        paths: dict[str, object] = {}
        for output in self._order.outputs:
            path = self._checkout / output.path
            if not path.exists():
                raise MissingError(
                    f"{self._order.node!r} did not write its output {output.path!r}",
                    hint="let it write there, or take it out of outs:",
                )
            paths[output.field.replace("/", "|")] = path  # becomes the name of a file
        values = metrics_of({metric: self._checkout / metric for metric in self._program.metrics})
        if values:
            self._work.tell(values)
        return {
            name.replace("|", "/"): self._work.keep(name, path, beside=paths) for name, path in paths.items()
        }

    def _state(self) -> dict[str, Any]:
        return {str(path): signature(str(path)) for path in _files(self._checkout)}

    def _written(self, before: Mapping[str, Any]) -> dict[str, Artifact]:
        """Return everything that an entry point wrote, as one folder."""
        target = self._work.folder / "out" / "written"
        target.mkdir()
        for path in list(_files(self._checkout)):
            if before.get(str(path)) == signature(str(path)):
                continue
            place = target / path.relative_to(self._checkout)
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.name == "meta.yaml":  # MLflow writes where it lies, which will be in the repository
                text = path.read_bytes().replace(str(self._checkout).encode(), str(self._root).encode())
                path.write_bytes(text)
            path.rename(place)
        values = tracked_metrics(target)
        if values:
            self._work.tell(values)
        (output,) = self._order.outputs
        return {output.field: self._work.keep("written", target)}


def _affordable(files: Sequence[str]) -> Sequence[str]:
    """Return the undeclared files that a checkout holds: where there are many, code, settings and those of the root."""
    if len(files) <= MOST_COPIED:
        return files
    return [file for file in files if "/" not in file or is_called_code(file)]


def own_python_first() -> dict[str, str]:
    """Return the variables of this job, in which `python` is the one that Legato runs in."""
    path = os.environ.get("PATH") or os.defpath
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{path}"}


def _below(file: str, paths: AbstractSet[str]) -> bool:
    """Say whether a file is one of some paths, or lies below one."""
    while file:
        if file in paths:
            return True
        file = file.rpartition("/")[0]
    return False


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _MADE]
        yield from (path for name in names if (path := Path(place, name)).is_file() and not path.is_symlink())
