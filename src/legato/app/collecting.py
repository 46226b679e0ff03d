"""`legato gc`: takes away what nothing needs any more, here or on the remote.

Rule: what cannot be read to the end counts as needed, so a doubt stops the collection and frees nothing.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from legato.app import environments
from legato.app.config import Project
from legato.app.keeping import old_logs, retention, wanted
from legato.app.looking import project_at
from legato.app.origin import origin
from legato.app.parts import parts_of
from legato.app.sharing import Sharing
from legato.app.wiring import open_ledger, open_store
from legato.data.lock import FILE, parse, read_lock
from legato.domain.digests import Digest
from legato.domain.errors import ConfigurationError
from legato.domain.events import RunStarted, kinds
from legato.domain.graph import Struct
from legato.scm.history import versions_of
from legato.store import Swept


class Collected(Struct, frozen=True, kw_only=True):
    """What a collection took, or would take.

    Attributes:
        place: `here`, or the remote's address.
        swept: What became of the store's objects.
        logs_bytes: Of logs of runs that are older than what is kept.
        environments_bytes: Of packages that no step has used for as long.
    """

    place: str
    swept: Swept
    logs_bytes: int = 0
    environments_bytes: int = 0
    dry_run: bool = False


def collect(folder: Path, *, dry_run: bool, grace_s: float) -> Collected:
    """Sweep the store of this machine.

    Args:
        folder: Where the command was typed.
        dry_run: Change nothing.
        grace_s: What is younger stays, since a run may be about to make it known.

    Raises:
        ConfigurationError: A version of `legato.lock` cannot be read.
    """
    project = project_at(folder)
    since = time.time() - retention(project).results_s
    store, ledger = open_store(project.state), open_ledger(project.state)
    try:
        keep = wanted([ledger], locked(project), kept_since=since, parts=lambda found: parts_of(found, store))
        started = {
            stored.event.number: stored.at
            for stored in ledger.events(0, kinds(RunStarted))
            if isinstance(stored.event, RunStarted)
        }
    finally:
        ledger.close()
    swept = store.sweep(keep, grace_s=grace_s, dry_run=dry_run)
    logs = list(old_logs(project.state, started, since))
    logs_bytes = sum(file.stat().st_size for log in logs for file in log.rglob("*") if file.is_file())
    for log in () if dry_run else logs:
        shutil.rmtree(log, ignore_errors=True)
    unused = [made.digest for made in environments.listed(project.state) if made.used_at < since]
    freed = sum(environments.size_bytes(project.state, digest) for digest in unused)
    environments.remove(project.state, () if dry_run else unused)
    return Collected(
        place="here", swept=swept, logs_bytes=logs_bytes, environments_bytes=freed, dry_run=dry_run
    )


def collect_remote(
    folder: Path, variables: Mapping[str, str], told: Callable[[str], None], *, dry_run: bool
) -> Collected:
    """Sweep this maker's zone of the remote: condemn what nothing needs, delete what was condemned 48 hours ago.

    Args:
        folder: Where the command was typed.
        variables: The environment.
        told: Hears what a person should know.
        dry_run: Change nothing.

    Raises:
        ConfigurationError: No remote is configured.
        OutsideError: It does not answer, or refuses.
    """
    project = project_at(folder)
    if not project.remote:
        raise ConfigurationError(
            "no remote is configured", hint='write [store] remote = "s3://bucket/prefix" into legato.toml'
        )
    since = time.time() - retention(project).results_s
    maker = origin(variables, project.trusted_branches).maker
    sharing = Sharing(project, maker, variables, told)
    try:
        place, store = sharing.name, sharing.own.store
        ledgers = [zone.facts for zone in sharing.zones.values() if zone.is_there]
        keep = wanted(ledgers, locked(project), kept_since=since, parts=lambda found: parts_of(found, store))
        swept = store.sweep(keep, dry_run=dry_run)
    finally:
        sharing.close()
    return Collected(place=place, swept=swept, dry_run=dry_run)


def locked(project: Project) -> Iterator[Digest]:
    """Yield the datasets of `legato.lock`, as it is and as git still holds it; both sides of a torn one.

    Raises:
        ConfigurationError: One version cannot be read: what it names would be lost.
    """
    locks = [read_lock(project.root)]
    for number, data in enumerate(versions_of(project.root, FILE)):
        try:
            locks.append(parse(data))
        except ConfigurationError as error:
            raise ConfigurationError(
                f"version {number + 1} of {FILE} in git's history cannot be read: {error.message}",
                hint="nothing was removed; a newer Legato may have written it: upgrade",
            ) from error
    for lock in locks:
        yield from (entry.digest for entry in lock.entries.values())
        for sides in lock.torn.values():
            yield from (entry.digest for entry in sides if entry is not None)
