"""`legato data push` and `pull`: datasets between this machine and the remote.

Rule: bytes go first, then the fact that they are there; what is there already does not travel.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from legato.app.dataset_deeds import desk_at, from_runs, lock_names
from legato.app.looking import project_at
from legato.app.origin import origin
from legato.app.processes import actor
from legato.app.publishing import Told
from legato.app.sharing import Sharing
from legato.app.wiring import open_ledger, open_store
from legato.data import checking_out
from legato.data.checking_out import CheckedOut
from legato.data.lock import Entry, Lock
from legato.domain.digests import is_digest
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.events import DataPushed, kinds
from legato.domain.graph import Struct
from legato.ledger import Ledger
from legato.scm import describe
from legato.store import Moved, push

Telling = Callable[[int, int], None]
"""Called with the bytes that have moved, and with all that are to."""


class Pushed(Struct, frozen=True, kw_only=True):
    """What a push sent.

    Attributes:
        remote: Where to, without secrets.
        datasets: How many, whether or not bytes had to travel.
        moved: Objects and bytes.
        results: Of steps, where they were asked for.
    """

    remote: str
    datasets: int
    moved: Moved
    results: int = 0


class Pulled(Struct, frozen=True, kw_only=True):
    """What a pull brought, and what became of the work tree."""

    remote: str
    size_bytes: int
    placed: tuple[CheckedOut, ...]


@contextmanager
def _shared(folder: Path, told: Callable[[str], None]) -> Iterator[Sharing]:
    project = project_at(folder)
    if not project.remote:
        raise ConfigurationError(
            "no remote is configured", hint='write [store] remote = "s3://bucket/prefix" into legato.toml'
        )
    maker = origin(os.environ, project.trusted_branches).maker
    sharing = Sharing(project, maker, os.environ, told)
    try:
        yield sharing
    finally:
        sharing.close()


def push_data(
    folder: Path, names: Sequence[str], telling: Telling, told: Callable[[str], None], *, results: bool
) -> Pushed:
    """Send datasets, and with `results` what steps made.

    Args:
        folder: Where it was typed.
        names: As typed; none means all that `legato.lock` holds.
        telling: Hears of progress in bytes.
        told: Hears what a person should know.
        results: Send results of runs that others do not know yet, too.

    Raises:
        MissingError: A dataset's bytes are neither here nor there.
        OutsideError: The remote does not answer, or refuses; what arrived need not be sent again.
    """
    with _shared(folder, told) as sharing, desk_at(folder) as desk:
        lock = desk.lock()
        chosen = [
            _settled(lock, name) for name in (lock_names(desk, names) if names else sorted(lock.entries))
        ]
        for name in () if names else sorted(lock.torn):
            told(f"{name} is in conflict after a merge and was not sent: legato data update {quote(name)}")
        zone, store = sharing.own, open_store(desk.state)
        moved = push(store, zone.store, [entry.digest for entry in chosen], telling)
        known = _known(zone.ledger)
        fresh = {entry.name: entry.digest for entry in chosen if (entry.name, entry.digest) not in known}
        if fresh:
            zone.ledger.append([DataPushed(datasets=fresh, actor=actor(), commit=describe(desk.root).id)])
        sent = Told()
        if results:
            ledger = open_ledger(desk.state)
            try:
                sent = sharing.tell(ledger, store, telling)
            finally:
                ledger.close()
        return Pushed(remote=sharing.name, datasets=len(chosen), moved=moved, results=sent.results)


def _known(ledger: Ledger) -> set[tuple[str, str]]:
    """Return the names and digests of datasets that the ledger says were pushed."""
    pushed = (stored.event for stored in ledger.events(0, kinds(DataPushed)))
    return {pair for event in pushed if isinstance(event, DataPushed) for pair in event.datasets.items()}


def _settled(lock: Lock, name: str) -> Entry:
    return lock.whole().entries[name] if name in lock.torn else lock.entries[name]


def pull_data(
    folder: Path, names: Sequence[str], telling: Telling, told: Callable[[str], None], *, revision: str = ""
) -> Pulled:
    """Fetch datasets that `legato.lock` holds, and place those that are not in the work tree.

    Of what a merge left in conflict both sides are fetched, and nothing is placed: a person decides.

    Args:
        folder: Where it was typed.
        names: As typed; none means all.
        telling: Hears of progress in bytes.
        told: Hears what a person should know.
        revision: A commit whose lock is meant, or `run:17`; nothing is placed then.

    Raises:
        MissingError: Nobody has one, whole.
        OutsideError: The remote does not answer; what arrived need not be fetched again.
    """
    with _shared(folder, told) as sharing, desk_at(folder) as desk:
        lock = checking_out.lock_at(desk, revision) if _is_commit(revision) else desk.lock()
        chosen = lock_names(desk, names, lock) if names else sorted({*lock.entries, *lock.torn})
        entries = (
            [from_runs(desk, name, revision) for name in chosen]
            if revision and not _is_commit(revision)
            else [entry for name in chosen for entry in _sides(lock, name)]
        )
        store = open_store(desk.state)
        wanted = {entry.digest: entry for entry in entries}
        missing = frozenset(wanted) - store.has(wanted)
        try:
            sharing.fetch(store, missing, telling)
        except MissingError as error:
            lost = [wanted[digest].name for digest in missing - store.has(missing)]
            raise MissingError(
                f"{', '.join(sorted(lost))}: neither here nor, whole, in {sharing.name}",
                hint="on the machine that has it: legato data push (which also sends again what was damaged)",
            ) from error
        size_bytes = sum(wanted[digest].size_bytes for digest in missing)
        whole = [] if revision else [name for name in chosen if name not in lock.torn]
        placed = checking_out.checkout(desk, whole) if whole else []
        for name in () if revision else sorted(lock.torn.keys() & set(chosen)):
            told(_to_settle(name))
        return Pulled(remote=sharing.name, size_bytes=size_bytes, placed=tuple(placed))


def _is_commit(revision: str) -> bool:
    return bool(revision) and not revision.startswith("run:") and not is_digest(revision)


def _sides(lock: Lock, name: str) -> list[Entry]:
    """Return what is locked under a name: one version, or both sides of a conflict."""
    if name in lock.torn:
        return [side for side in lock.torn[name] if side is not None]
    return [lock.entries[name]]


def _to_settle(name: str) -> str:
    return (
        f"{name} is in conflict after a merge; both versions are in the store now: "
        f"legato data checkout {quote(name)} --rev MERGE_HEAD places theirs, "
        f"legato data update {quote(name)} locks what is in the work tree"
    )
