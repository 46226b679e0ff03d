"""What a project has done so far: reads the ledger and the store, changes nothing.

Rule: no user code is imported and nothing is created; a project without state gets an answer, not a crash.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from legato.app.config import FILE, STATE, Project, find_project, find_root, read_config
from legato.app.processes import alive
from legato.app.wiring import open_ledger, workshops
from legato.data.lock import FILE as LOCK
from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Struct
from legato.engine import read
from legato.engine.read import ExecutionRow, RunRow
from legato.ledger import Ledger, Reader

LOOKED_BACK: Final = 200
"""So many runs are searched for a name."""
NAMED_BACK: Final = 3
"""So many runs say which names a shell offers."""
SHORTEST_DIGEST: Final = 8
MOST: Final = 2**53
"""No ledger counts further."""


class ShownRun(Struct, frozen=True, kw_only=True):
    """A run with its steps."""

    run: RunRow
    steps: tuple[ExecutionRow, ...]


class ShownStep(Struct, frozen=True, kw_only=True):
    """What became of a step when it was last part of a run, and what it made there by output field."""

    name: str
    run: int
    execution: ExecutionRow
    artifacts: Mapping[str, Artifact] = {}


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
        if not any((root / name).exists() for name in (STATE, FILE, LOCK)):
            raise
        return Project(root, "", read_config(root))


@contextmanager
def ledger_of(folder: Path) -> Iterator[tuple[Project, Ledger]]:
    """Open the ledger of the project at `folder`, to write to it too.

    Raises:
        MissingError: Nothing has run here yet.
    """
    project = _begun(folder)
    ledger = open_ledger(project.state)
    try:
        yield project, ledger
    finally:
        ledger.close()


@contextmanager
def reading(folder: Path) -> Iterator[tuple[Project, Reader]]:
    """Open the ledger of the project at `folder` only to read it, also where nothing may be written.

    Raises:
        MissingError: Nothing has run here yet.
    """
    project = _begun(folder)
    ledger = _open_to_read(project)
    try:
        yield project, ledger
    finally:
        ledger.close()


def _begun(folder: Path) -> Project:
    project = project_at(folder)
    if not (project.state / "ledger.db").is_file():
        raise MissingError(f"nothing has run in {project.root} yet", hint="`legato run` makes the first run")
    return project


def _open_to_read(project: Project) -> Reader:
    from legato.ledger.sqlite import open_existing

    try:
        return open_existing(project.state / "ledger.db", workshops())
    except (
        ConfigurationError
    ):  # its tables are older: to write to it makes them anew; newer ones are refused again
        return open_ledger(project.state)


def runs(folder: Path, limit: int) -> tuple[RunRow, ...]:
    """Return the newest runs; one whose process died without a word is `lost`."""
    if limit < 1:
        raise ConfigurationError(f"-n {limit} is less than one run", hint="write for example -n 20")
    if not (project_at(folder).state / "ledger.db").is_file():
        return ()
    with reading(folder) as (_, ledger):
        return tuple(as_far(ledger, run) for run in read.runs(ledger, min(limit, MOST)))


def living(run: RunRow) -> RunRow:
    """Return the run as it is: one that never ended and whose process died is `lost`."""
    if run.state != "running" or alive(run.owner):
        return run
    return msgspec.structs.replace(run, state="lost")


def as_far(ledger: Reader, run: RunRow) -> RunRow:
    """Return the run as it is, one that never ended with what it has done so far."""
    if run.finished_at is not None:
        return run
    states = Counter(row.state for row in read.executions(ledger, run.number))
    return msgspec.structs.replace(
        living(run), computed=states["computed"], reused=states["reused"], failed=states["failed"]
    )


def show(folder: Path, what: str) -> ShownRun | ShownStep | ShownArtifact:
    """Return the run, step or artifact that `what` names; a step that makes one artifact is shown as that."""
    with reading(folder) as (_, ledger):
        number = run_number(ledger, what)
        if number is None:
            return _find(ledger, what)
        run = run_of(ledger, number)
        return ShownRun(run=as_far(ledger, run), steps=read.executions(ledger, number))


def run_of(ledger: Reader, number: int) -> RunRow:
    """Return the run of a number.

    Raises:
        MissingError: There is none.
    """
    run = read.run(ledger, number) if number <= MOST else None
    if run is None:
        raise MissingError(f"there is no run {number}", hint="`legato runs` lists them")
    return run


def _find(ledger: Reader, name: str) -> ShownStep | ShownArtifact:
    try:
        return find_artifact(ledger, name)
    except MissingError as error:
        found = _find_step(ledger, name)
        if found is None:
            raise MissingError(
                f"no run here had a step or artifact {name!r}",
                hint=error.hint
                if "did you mean" in error.hint
                else f"{error.hint}; or a run: run:17, latest",
            ) from None
        return found


def _find_step(ledger: Reader, name: str) -> ShownStep | None:
    for run in read.runs(ledger, LOOKED_BACK):
        rows = [row for row in read.executions(ledger, run.number) if row.step == name]
        if rows:
            made = {field: a for step, field, a in read.artifacts(ledger, run.number) if step == name}
            return ShownStep(name=name, run=run.number, execution=rows[-1], artifacts=made)
    return None


def names(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of steps, and those of artifacts, that the last runs had."""
    with reading(folder) as (_, ledger):
        numbers = [run.number for run in read.runs(ledger, NAMED_BACK)]
        steps = {row.step: None for number in numbers for row in read.executions(ledger, number)}
        made = [
            f"{step}.{field}" if field else step
            for number in numbers
            for step, field, _artifact in read.artifacts(ledger, number)
        ]
        return tuple(steps), tuple(dict.fromkeys(made))


def run_number(ledger: Reader, what: str) -> int | None:
    """Return the number of the run that `17`, `run:17` or `latest` names; None for anything else."""
    if what in {"latest", "last"}:
        found = read.runs(ledger, 1)
        if not found:
            raise MissingError("there are no runs yet", hint="`legato run` makes the first")
        return found[0].number
    digits = what.removeprefix("run:")
    return int(digits) if digits.isdecimal() else None


def find_artifact(ledger: Reader, name: str, *, number: int | None = None) -> ShownArtifact:
    """Return an artifact by name or digest: as one run had it, else as the newest run that has it.

    One field of a step with several is found by its own name and by `step.field`; a digest may be cut short.

    Raises:
        MissingError: No run here has it, or there is no such run.
        ConfigurationError: Steps of one run made different artifacts of this name.
    """
    names: dict[str, None] = {}
    for run in _numbers(ledger, number):
        made = [
            ShownArtifact(name=field or step, step=step, run=run, artifact=artifact)
            for step, field, artifact in read.artifacts(ledger, run)
        ]
        found = [one for one in made if name in (_full_name(one), _name_in_graph(one))] or [
            one for one in made if name == one.name or _names_digest(name, one.artifact.digest)
        ]
        if found:
            return _the_one(name, found)
        names |= dict.fromkeys(name for one in made for name in (one.name, _full_name(one)))
    where = f"run {number}" if number is not None else "any run here"
    raise MissingError(f"no artifact {name!r} in {where}", hint=_near(name, names))


def _numbers(ledger: Reader, number: int | None) -> tuple[int, ...]:
    """Return the runs to look at, newest first: all lately, or the one that is asked for."""
    if number is None:
        return tuple(run.number for run in read.runs(ledger, LOOKED_BACK))
    return (run_of(ledger, number).number,)


def _full_name(found: ShownArtifact) -> str:
    """Return `step.field` where a step makes several artifacts, as the graph names those of a variant."""
    return found.step if found.name == found.step else f"{found.step}.{found.name}"


def _name_in_graph(found: ShownArtifact) -> str:
    """Return `field[store=berlin]` for what one element of a fanned-out step made."""
    _, bracket, rest = found.step.partition("[")
    return f"{found.name}{bracket}{rest}" if found.name != found.step else found.step


def _names_digest(name: str, digest: str) -> bool:
    digits = name.removeprefix("sha256:")
    return len(digits) >= SHORTEST_DIGEST and digest.removeprefix("sha256:").startswith(digits)


def _the_one(name: str, found: list[ShownArtifact]) -> ShownArtifact:
    if len({one.artifact.digest for one in found}) > 1:
        fulls = [_full_name(one) for one in found]
        raise ConfigurationError(
            f"{name!r} is the name of {len(found)} artifacts of run {found[0].run}: {', '.join(fulls)}",
            hint=f"name the step too: {fulls[0]}",
        )
    return found[0]


def _near(name: str, names: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, names, n=1)
    return (
        f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(names)[:20]) or 'nothing yet'}"
    )


def log(folder: Path, step: str, number: int | None) -> Iterator[bytes]:
    """Yield what a step wrote, in blocks.

    Raises:
        MissingError: No run had such a step, or it wrote nothing.
    """
    with reading(folder) as (project, ledger):
        numbers = _numbers(ledger, number)
        paths = (project.state / "logs" / str(run) / f"{Path(step).name}.log" for run in numbers)
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise _no_log(
                ledger, step, numbers, f"in run {number}" if number is not None else "in any run here"
            )
    with path.open("rb") as source:
        while block := source.read(1 << 16):
            yield block


def _no_log(ledger: Reader, step: str, numbers: Iterable[int], where: str) -> MissingError:
    steps = {row.step: run for run in reversed(tuple(numbers)) for row in read.executions(ledger, run)}
    if step in steps:
        return MissingError(
            f"step {step!r} wrote nothing {where}", hint=f"legato show {steps[step]} tells what became of it"
        )
    return MissingError(f"there was no step {step!r} {where}", hint=_near(step, steps))


def lost(found: ShownArtifact) -> MissingError:
    """Return the error for an artifact whose bytes are not, or not wholly, in the store any more."""
    return MissingError(
        f"{found.name!r} of run {found.run} is no longer whole in the store", hint=f"legato run {found.step}"
    )
