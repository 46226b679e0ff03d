"""What a project has done so far: reads the ledger and the store, changes nothing.

Rule: no user code is imported and nothing is created; a project without state gets an answer, not a crash.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from legato.app.config import Project, find_project, find_root
from legato.app.processes import alive
from legato.app.wiring import open_ledger, open_store
from legato.domain.artifacts import Artifact
from legato.domain.digests import Digest, is_digest
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Struct
from legato.engine import read
from legato.engine.read import ExecutionRow, RunRow
from legato.formats import FILE, suffix_of
from legato.ledger import Ledger


class ShownRun(Struct, frozen=True, kw_only=True):
    """A run with its steps."""

    run: RunRow
    steps: tuple[ExecutionRow, ...]


class ShownArtifact(Struct, frozen=True, kw_only=True):
    """An artifact, and which step of which run made or reused it last."""

    name: str
    step: str
    run: int
    artifact: Artifact


def project_at(folder: Path) -> Project:
    """Return the project that a folder belongs to, also where its pipeline file is gone."""
    try:
        return find_project(folder)
    except MissingError:
        root = find_root(folder)
        if not (root / ".legato").is_dir():
            raise
        return Project(root, "", {})


@contextmanager
def ledger_of(folder: Path) -> Iterator[tuple[Project, Ledger]]:
    """Open the ledger of the project at `folder`.

    Raises:
        MissingError: Nothing has run here yet.
    """
    project = project_at(folder)
    if not (project.state / "ledger.db").is_file():
        raise MissingError(f"nothing has run in {project.root} yet", hint="`legato run` makes the first run")
    ledger = open_ledger(project.state)
    try:
        yield project, ledger
    finally:
        ledger.close()


def runs(folder: Path, limit: int) -> tuple[RunRow, ...]:
    """Return the newest runs; one whose process died without a word is `lost`."""
    if limit < 1:
        raise ConfigurationError(f"-n {limit} is less than one run", hint="write for example -n 20")
    if not (project_at(folder).state / "ledger.db").is_file():
        return ()
    with ledger_of(folder) as (_, ledger):
        return tuple(living(run) for run in read.runs(ledger, limit))


def living(run: RunRow) -> RunRow:
    """Return the run as it is: one that never ended and whose process died is `lost`."""
    if run.state != "running" or alive(run.owner):
        return run
    return msgspec.structs.replace(run, state="lost")


def show(folder: Path, what: str) -> ShownRun | ShownArtifact:
    """Return the run, step or artifact that `what` names."""
    with ledger_of(folder) as (_, ledger):
        number = run_number(ledger, what)
        if number is None:
            return find_artifact(ledger, what)
        run = read.run(ledger, number)
        if run is None:
            raise MissingError(f"there is no run {number}", hint="`legato runs` lists them")
        return ShownRun(run=living(run), steps=read.executions(ledger, number))


def run_number(ledger: Ledger, what: str) -> int | None:
    """Return the number of the run that `17`, `run:17` or `latest` names; None for anything else."""
    if what == "latest":
        found = read.runs(ledger, 1)
        if not found:
            raise MissingError("there are no runs yet", hint="`legato run` makes the first")
        return found[0].number
    digits = what.removeprefix("run:")
    return int(digits) if digits.isdecimal() else None


def find_artifact(ledger: Ledger, name: str, *, number: int | None = None) -> ShownArtifact:
    """Return an artifact by name or digest: as one run had it, else as the newest run that has it.

    One field of a step with several is found by its own name and by `step.field`, as the graph names it where the step
    is a variant of another.

    Raises:
        MissingError: No run here has it.
    """
    numbers = [number] if number is not None else [run.number for run in read.runs(ledger, 200)]
    names: set[str] = set()
    for run in numbers:
        for step, field, artifact in read.artifacts(ledger, run):
            known = {field or step, f"{step}.{field}" if field else step}
            names |= known
            if name in known or (is_digest(name) and artifact.digest == name):
                return ShownArtifact(name=field or step, step=step, run=run, artifact=artifact)
    import difflib

    near = difflib.get_close_matches(name, names, n=1)
    where = f"run {number}" if number is not None else "any run here"
    hint = (
        f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(names)[:20]) or 'nothing yet'}"
    )
    raise MissingError(f"no artifact {name!r} in {where}", hint=hint)


def log(folder: Path, step: str, number: int | None) -> Iterator[bytes]:
    """Yield what a step wrote, in blocks."""
    with ledger_of(folder) as (project, ledger):
        numbers = [number] if number is not None else [run.number for run in read.runs(ledger, 200)]
        path = next((path for run in numbers if (path := _log_of(project, ledger, run, step))), None)
    if path is None:
        where = f"in run {number}" if number is not None else "in any run here"
        raise MissingError(
            f"step {step!r} wrote nothing {where}", hint="`legato show` lists the steps of a run"
        )
    with path.open("rb") as source:
        while block := source.read(1 << 16):
            yield block


def _log_of(project: Project, ledger: Ledger, run: int, step: str) -> Path | None:
    if not any(row.step == step for row in read.executions(ledger, run)) and read.run(ledger, run) is None:
        return None
    path = project.state / "logs" / str(run) / f"{Path(step).name}.log"
    return path if path.is_file() else None


def get(folder: Path, name: str, output: str, *, number: int | None, force: bool) -> Path:
    """Copy an artifact's bytes to `output` and return where they lie now.

    A folder as `output`, or a text that ends with `/`, gets a file or folder of the artifact's name in it.

    Raises:
        ConfigurationError: Something is there already and `force` is not given, or is not to be replaced.
    """
    with ledger_of(folder) as (project, ledger):
        found = find_artifact(ledger, name, number=number)
    target = folder / output
    if output.endswith("/") or (target.is_dir() and not found.artifact.tree):
        target /= _name_of(found)
    if target.exists():
        if not force:
            raise ConfigurationError(
                f"{target} is there already", hint="--force replaces it, or choose another -o"
            )
        _refuse_precious(target, folder, project.root)
        _remove(target)
    _copy(project, found.artifact, target)
    return target


def _name_of(found: ShownArtifact) -> str:
    """Return the name that the bytes came with, else the artifact's own with the suffix of its format."""
    came_with = Path(str(found.artifact.about.get("name", ""))).name if found.artifact.format == FILE else ""
    suffix = "" if found.artifact.tree else suffix_of(found.artifact.format)
    return came_with or Path(found.name).name.replace(":", "-") + suffix


def _refuse_precious(target: Path, *inside: Path) -> None:
    """Refuse to replace a folder that the person stands in, or that holds the project."""
    for folder in inside:
        if folder.resolve().is_relative_to(target.resolve()):
            raise ConfigurationError(
                f"{target} holds {folder}, and --force would remove it",
                hint=f"write into it: -o {str(target).rstrip('/')}/",
            )


def _remove(target: Path) -> None:
    import shutil

    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink()


def _copy(project: Project, artifact: Artifact, target: Path) -> None:
    """Write a copy of one's own: a placed file may share its bytes with the store."""
    import shutil

    store = open_store(project.state)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not artifact.tree:
        shutil.copyfile(store.path(Digest(artifact.digest)), target)
        return
    placed = target.with_name(f".{target.name}.placing")
    try:
        store.place(artifact.digest, True, placed)  # noqa: FBT003 - the port reads as Artifact.tree does
        shutil.copytree(placed, target, copy_function=_copy_file)
    finally:
        shutil.rmtree(placed, ignore_errors=True)


def _copy_file(source: str, target: str) -> None:
    """Copy one file; of its rights only that it is a program is kept, since the store's own are read-only."""
    import shutil

    shutil.copyfile(source, target)
    if Path(source).stat().st_mode & 0o100:
        Path(target).chmod(0o755)
