"""The deeds behind `legato data`: opens a project's rooms and asks the data workshop.

Rule: no printing; progress goes to the callable that was handed in. The pipeline is loaded only where an address or
a dataset's name has to be found in it, and each part of the workshop only where it is asked.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from legato.app.config import STATE, find_project, find_root, make_state
from legato.app.remotes import data_buckets
from legato.app.wiring import open_store
from legato.data.desk import Desk
from legato.data.lock import FILE as LOCK_FILE
from legato.data.snapshots import Meter, silent
from legato.domain.digests import is_digest
from legato.domain.errors import LegatoError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from legato.data.adding import Added
    from legato.data.addresses import Address
    from legato.data.checking_out import CheckedOut
    from legato.data.differing import Difference, Side
    from legato.data.lock import Entry, Lock
    from legato.data.standing import Standing
    from legato.data.versions import Version
    from legato.domain.artifacts import Artifact
    from legato.engine import read

_ENCODER = msgspec.json.Encoder()


def encode_json(value: object) -> bytes:
    """Return a structure as one line of JSON."""
    return _ENCODER.encode(value)


@contextmanager
def desk_at(folder: Path, *, dotenv: bool = False, looks: bool = False) -> Iterator[Desk]:
    """Open the data of the project that `folder` belongs to.

    Args:
        folder: Where a command was typed.
        dotenv: `.env` has variables too.
        looks: The command only looks: where no data is locked, it makes nothing.
    """
    root = find_root(folder)
    state = root / STATE
    if not looks or (root / LOCK_FILE).is_file():
        make_state(state)
    variables: dict[str, str] = dict(os.environ)
    if dotenv:
        from legato.app.opening import read_dotenv

        variables = {**read_dotenv(root / ".env"), **variables}
    with Desk(
        root=root,
        state=state,
        here=folder,
        store=open_store(state),
        now_ns=time.time_ns(),
        variables=variables,
        connect=data_buckets(variables),
    ) as desk:
        yield desk


def add(folder: Path, paths: Sequence[str], *, copy: bool = False, meter: Meter = silent) -> list[Added]:
    """Put paths under version control."""
    from legato.data import adding

    with desk_at(folder) as desk:
        return adding.add(desk, paths, copy=copy, meter=meter)


def status(folder: Path, names: Sequence[str] = ()) -> list[Standing]:
    """Return where the locked datasets stand."""
    from legato.data import standing

    with desk_at(folder, looks=True) as desk:
        return standing.standings(desk, lock_names(desk, names) if names else ())


def checkout(
    folder: Path, names: Sequence[str] = (), *, revision: str = "", force: bool = False, meter: Meter = silent
) -> list[CheckedOut]:
    """Make the work tree hold what the lock says, or what it said in a commit."""
    from legato.data import checking_out

    with desk_at(folder) as desk:
        lock = checking_out.lock_at(desk, revision) if revision else desk.lock()
        chosen = lock_names(desk, names, lock) if names else ()
        with _fetched_by(revision, names):
            return checking_out.checkout(desk, chosen, lock=lock, force=force, meter=meter)


@contextmanager
def _fetched_by(revision: str, names: Sequence[str]) -> Iterator[None]:
    """Name the command that fetches what a commit's lock says, where bytes are missing."""
    import shlex

    try:
        yield
    except MissingError as error:
        if not revision:
            raise
        words = " ".join(map(shlex.quote, (revision, *names)))
        raise MissingError(error.message, hint=f"legato data pull --rev {words}") from None


def follow(folder: Path, before: str) -> list[CheckedOut]:
    """Bring data in step with the commit that git just checked out; `before` is where it came from."""
    from legato.data import checking_out

    with desk_at(folder) as desk:
        return checking_out.follow(desk, before)


def forget(folder: Path, names: Sequence[str]) -> list[str]:
    """Take datasets off the lock; their files stay where they are."""
    from legato.data import updating

    with desk_at(folder) as desk:
        return updating.forget(desk, lock_names(desk, names))


def update(
    folder: Path, names: Sequence[str] = (), *, copy: bool = False, meter: Meter = silent
) -> list[Added]:
    """Look at datasets again, sources elsewhere too, and lock what is there now."""
    from legato.data import updating  # what reads networks and databases is imported only here

    with desk_at(folder, dotenv=True) as desk:
        chosen, addresses = _chosen(desk, folder, names)
        return updating.update(desk, chosen, addresses, copy=copy, meter=meter)


def install_hooks(folder: Path) -> list[str]:
    """Install the git hooks that keep data in step; return what was done, a line each."""
    from legato.scm.hooks import install_hooks as install

    return install(find_root(folder), sys.executable)


def diff(
    folder: Path, name: str, what: Sequence[str] = (), *, keys: Sequence[str] = (), as_bytes: bool = False
) -> Difference:
    """Return how two versions of a dataset differ.

    Args:
        folder: Where it was typed.
        name: The dataset.
        what: None: the lock against the work tree. One: that against the work tree. Two: these. Each is `lock`,
            `now`, `run:17`, a digest, or a commit.
        keys: Columns that tell rows apart.
        as_bytes: Do not read tables.

    Raises:
        MissingError: There is no such dataset or version, or its bytes are not here.
    """
    from legato.data.differing import difference

    with desk_at(folder, looks=True) as desk:
        known = _name_for_versions(desk, name)
        entry = desk.lock().entries.get(known)
        second = "lock" if entry is not None and entry.source else "now"
        words = (*what, second)[:2] if what else (_before(desk, known, second), second)
        sides = [_side(desk, known, word) for word in words]
        return difference(known, sides[0], sides[1], keys=keys, as_bytes=as_bytes)


def log(folder: Path, name: str) -> list[Version]:
    """Return the versions of a dataset, newest first: commits that locked it, runs that used it."""
    from legato.data.standing import unknown
    from legato.data.versions import locked_versions, newest_first

    with desk_at(folder, looks=True) as desk:
        known = _name_for_versions(desk, name)
        found = newest_first([*locked_versions(desk, known), *_run_versions(desk, folder, known)])
        if not found and known not in desk.lock().entries:
            raise unknown(name, set(desk.lock().entries))
        return found


def _before(desk: Desk, name: str, second: str) -> str:
    """Return what is compared with where nothing is said: the lock, or for the lock the version before it."""
    from legato.data.versions import locked_versions

    if second != "lock":
        return "lock"
    now = desk.lock().entries[name].digest
    older = (one.name for one in locked_versions(desk, name) if one.digest not in {"", now})
    found = next(older, None)
    if found is None:
        raise MissingError(
            f"{name!r} has one version in the history of legato.lock",
            hint=f"name two versions: legato data diff {name} A B; legato data log {name} lists those of runs",
        )
    return found


def _name_for_versions(desk: Desk, typed: str) -> str:
    """Return the lock's name for what was typed; a path that was never locked may still be known to runs."""
    try:
        return lock_names(desk, [typed])[0]
    except MissingError:
        try:
            return desk.name_of(typed)
        except LegatoError:
            return typed


def _side(desk: Desk, name: str, word: str) -> Side:
    from legato.data.checking_out import lock_at
    from legato.data.standing import unknown
    from legato.data.versions import side_now, side_of

    if word == "now":
        return side_now(desk, name)
    if word.startswith("run:") or is_digest(word):
        found = from_runs(desk, name, word)
        return side_of(desk.store, found, word.replace(":", " ", 1) if word.startswith("run:") else word[:19])
    lock = desk.lock() if word == "lock" else lock_at(desk, word)
    entry = lock.get(name)
    if entry is None and name not in desk.lock().entries:
        raise unknown(name, set(desk.lock().entries))
    if entry is None:
        raise MissingError(
            f"legato.lock of {word} has no dataset {name!r}",
            hint=f"legato data log {name} lists its versions",
        )
    with _fetched_by("" if word == "lock" else word, [name]):
        return side_of(desk.store, entry, word[:9] if len(word) == 40 else word)  # noqa: PLR2004 - a full hash


def from_runs(desk: Desk, name: str, word: str) -> Entry:
    """Return a version of a dataset that a run of this machine took.

    Args:
        desk: The project.
        name: The dataset, as the lock names it.
        word: `run:17`, or a digest.

    Raises:
        MissingError: No run took that.
    """
    from legato.data.lock import Entry

    for version, artifact in _run_artifacts(desk.root, name):
        if word in {f"run:{version.name}", artifact.digest}:
            return Entry(
                name=name,
                digest=artifact.digest,
                size_bytes=artifact.size_bytes,
                tree=artifact.tree,
                file=str(artifact.about.get("name", "")),
            )
    raise MissingError(f"no run has {name!r} as {word}", hint=f"legato data log {name} lists its versions")


def _run_versions(desk: Desk, folder: Path, name: str) -> list[Version]:
    """Return the runs in which a dataset was another than in the run before."""
    found = [
        msgspec.structs.replace(version, held=artifact.digest in desk.store.has([artifact.digest]))
        for version, artifact in _run_artifacts(folder, name)
    ]
    return [one for at, one in enumerate(found) if at + 1 == len(found) or found[at + 1].digest != one.digest]


def _run_artifacts(folder: Path, name: str) -> list[tuple[Version, Artifact]]:
    from legato.app.looking import ledger_of
    from legato.engine import read

    found = []
    try:
        with ledger_of(folder) as (_, ledger):
            for run in read.runs(ledger, 500):
                for row in read.executions(ledger, run.number):
                    result = read.result(ledger, row.key) if row.kind == "dataset" and row.key else None
                    artifact = result.outputs.get("") if result else None
                    if artifact is not None and name in {artifact.about.get("dataset"), row.step}:
                        found.append((_version_of(run, artifact), artifact))
    except MissingError:  # nothing has run here yet
        return []
    return found


def _version_of(run: read.RunRow, artifact: Artifact) -> Version:
    from legato.data.versions import Version

    return Version(
        where="run",
        name=str(run.number),
        at=run.started_at,
        who=run.actor,
        digest=artifact.digest,
        size_bytes=artifact.size_bytes,
        version=str(artifact.about.get("version", "")),
    )


def lock_names(desk: Desk, typed: Sequence[str], lock: Lock | None = None) -> list[str]:
    """Return the names that the lock has for what was typed: its own names, paths, names in the pipeline.

    Raises:
        MissingError: There is no such dataset.
    """
    lock = lock or desk.lock()
    known = {*lock.entries, *lock.torn}
    found = [_known_name(desk, name, known) for name in typed]
    if all(found):
        return [name for name in found if name]
    try:
        declared = _declared(desk.here, "")
    except LegatoError:
        declared = {}
    return [name or _by_node(word, declared, known) for name, word in zip(found, typed, strict=True)]


def _known_name(desk: Desk, typed: str, known: set[str]) -> str:
    if typed in known:
        return typed
    try:
        name = desk.name_of(typed)
    except LegatoError:
        return ""
    return name if name in known else ""


def _by_node(typed: str, declared: dict[str, str | Address], known: set[str]) -> str:
    from legato.data.standing import unknown

    found = declared.get(typed)
    name = found if found is None or isinstance(found, str) else found.name
    if name is None or name not in known:
        raise unknown(typed, known)
    return name


def _declared(folder: Path, member: str) -> dict[str, str | Address]:
    """Return the datasets of a pipeline by node: a path, or an address."""
    from legato.app.datasets import address_of, prefix_of
    from legato.app.opening import Opened

    project = find_project(folder, member)
    with Opened(project, (), "local") as opened:
        nodes = [node for node in opened.graph.nodes if node.kind == "dataset"]
    prefix = prefix_of(project.pipeline)
    return {
        node.name: address_of(node, prefix) if "address" in node.detail else str(node.detail["path"])
        for node in nodes
    }


def _chosen(desk: Desk, folder: Path, typed: Sequence[str]) -> tuple[list[str], dict[str, Address]]:
    """Return the names to update, and the addresses of those that come from elsewhere."""
    lock = desk.lock()
    local = {name for name, entry in lock.entries.items() if not entry.source} | {
        name
        for name, sides in lock.torn.items()
        if not any(side is not None and side.source for side in sides)
    }
    chosen = [_known_name(desk, name, local) for name in typed]
    if typed and all(chosen):
        return chosen, {}
    members = {
        name.rpartition(":")[0] for name in (typed or [*lock.entries, *lock.torn]) if name not in local
    }
    declared: dict[str, str | Address] = {}
    for member in sorted(members | ({""} if not typed else set())):
        try:
            declared |= {_full(member, name): told for name, told in _declared(folder, member).items()}
        except MissingError:
            if typed or member:
                raise
    addresses = {told.name: told for told in declared.values() if not isinstance(told, str)}
    if not typed:
        return [], addresses
    return [
        name or _declared_name(word, declared, desk) for name, word in zip(chosen, typed, strict=True)
    ], addresses


def _full(member: str, name: str) -> str:
    return f"{member}:{name}" if member else name


def _declared_name(typed: str, declared: dict[str, str | Address], desk: Desk) -> str:
    told = declared.get(typed)
    if told is not None:
        return told if isinstance(told, str) else told.name
    if (desk.here / typed).exists():
        return desk.name_of(typed)
    import difflib

    known = [*declared, *desk.lock().entries]
    near = difflib.get_close_matches(typed, known, n=1)
    hint = (
        f"did you mean {near[0]!r}?" if near else f"datasets here: {', '.join(sorted(known)[:20]) or 'none'}"
    )
    raise MissingError(f"there is no dataset {typed!r}", hint=hint)
