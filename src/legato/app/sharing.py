"""What a project shares with other machines: results and their bytes, in one zone for each degree of trust.

Rule: a run writes only into the zone of its own maker, and reads facts only from zones that are trusted as much; bytes
are checked against their digest wherever they come from. Without an answer from the remote a run goes on alone, and
says so.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from legato.app.config import Project
from legato.app.parts import parts_of
from legato.app.publishing import Told, publish, shared_number
from legato.app.remotes import FRESH_S, open_remote, open_shared_ledger, open_shared_reader, shown
from legato.domain.artifacts import MAKERS, Artifact, trusts
from legato.domain.digests import Digest
from legato.domain.errors import LegatoError, MissingError
from legato.engine.results import ResultEvent, result_event
from legato.engine.settings import HERE, Coming
from legato.ledger import Ledger, Reader, Row
from legato.store import Depot, pull, push

if TYPE_CHECKING:
    from legato.store.bucket import BucketStore

Answer = TypeVar("Answer")
_NOTHING: Final[list[Row]] = []
Moved = Callable[[int, int], None]
"""Called with the bytes that have moved, and with all that are to."""


class Zone:
    """The store and ledger of one degree of trust; opened when first asked for, safe from many threads."""

    def __init__(
        self, project: Project, name: str, variables: Mapping[str, str], told: Callable[[str], None]
    ) -> None:
        self.name = name
        self._told = told
        self._project = project
        self._variables = variables
        self._lock = threading.RLock()
        self._store: BucketStore | None = None
        self._looked_at = -FRESH_S
        self._ledger: Ledger | None = None
        self._reader: Reader | None = None

    @property
    def store(self) -> "BucketStore":
        """The zone's bytes.

        Raises:
            ConfigurationError: No remote is configured, or its address cannot be followed.
        """
        with self._lock:
            if self._store is None:
                self._store = open_remote(self._project, self.name, self._variables)
            return self._store

    def holds(self, digests: frozenset[Digest]) -> frozenset[Digest]:
        """Return those of which the zone has all bytes, as it was some seconds ago at most."""
        with self._lock:  # the first look is waited for: until it is over nothing is known
            if time.monotonic() - self._looked_at >= FRESH_S:
                found = self.store.has(digests)
                self._looked_at = time.monotonic()
                return found
        return self.store.glance(digests)

    @property
    def ledger(self) -> Ledger:
        """The zone's facts, for writing.

        Raises:
            OutsideError: It cannot be reached.
        """
        with self._lock:
            if self._ledger is None:
                told = self._told
                self._ledger = open_shared_ledger(self._project, self.name, self._variables, told)
            return self._ledger

    @property
    def facts(self) -> Reader:
        """The zone's facts, for reading: needs no right to write there.

        Raises:
            OutsideError: It cannot be reached.
        """
        with self._lock:
            if self._ledger is not None:
                return self._ledger
            if self._reader is None:
                self._reader = open_shared_reader(self._project, self.name, self._variables, self._told)
            return self._reader

    @property
    def is_there(self) -> bool:
        """Whether anyone has written facts here yet."""
        try:
            return self.facts is not None
        except MissingError:
            return False

    def close(self) -> None:
        """Give back what is open."""
        with self._lock:
            for opened in (self._ledger, self._reader):
                if opened is not None:
                    opened.close()
            self._ledger = self._reader = None


class Sharing:
    """A project's zones, as a run by `maker` may use them. Close it.

    Args:
        told: Hears what a person should know, as a sentence: once when the remote does not answer, and why.
    """

    def __init__(
        self, project: Project, maker: str, variables: Mapping[str, str], told: Callable[[str], None]
    ) -> None:
        self._project = project
        self._maker = maker
        self._told = told
        self._silent = False
        self.zones = {name: Zone(project, name, variables, told) for name in reversed(MAKERS)}
        self._pool: ThreadPoolExecutor | None = None

    @property
    def name(self) -> str:
        """Where it is, for people; without secrets."""
        return shown(self._project.remote or self._project.ledger_url)

    @property
    def own(self) -> Zone:
        """Where this run writes."""
        return self.zones[self._maker]

    def readable(self) -> Iterator[Zone]:
        """Yield the zones that this maker may believe and that are there, the most trusted first.

        Raises:
            OutsideError: One cannot be reached.
        """
        for zone in self.zones.values():
            if trusts(self._maker, zone.name) and zone.is_there:
                yield zone

    def reader(self, name: str) -> Reader | None:
        """Return a zone's facts; None where it is trusted less, nobody wrote any, or the remote does not answer."""
        zone = self.zones[name]
        nothing: Reader | None = None
        if not trusts(self._maker, name):
            return nothing
        return self._asked(lambda: zone.facts if zone.is_there else None, nothing)

    def results(self, base: str) -> Iterator[tuple[str, ResultEvent]]:
        """Yield what trusted zones know of a base key, the most trusted first."""
        if not self._project.share_results:
            return
        for zone in self.zones.values():
            if trusts(self._maker, zone.name):
                for row in self._asked(partial(_rows, zone, base), _NOTHING):
                    yield zone.name, result_event(row["payload"])

    def holds(self, digests: frozenset[Digest]) -> bool:
        """Say whether the zones together have all of these."""
        return not self._missing(digests)

    def _missing(self, digests: frozenset[Digest]) -> frozenset[Digest]:
        for zone in self.zones.values():
            if digests and self._project.remote:
                nothing: frozenset[Digest] = frozenset()
                digests -= self._asked(partial(zone.holds, digests), nothing)
        return digests

    def _asked(self, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
        """Return an answer of the remote; once it could not be reached, it is not asked again by this run."""
        if self._silent:
            return otherwise
        try:
            return ask()
        except LegatoError as error:
            self._silent = True
            self._told(f"going on without what is shared: {error.message}")
            return otherwise

    def fetch(self, local: Depot, digests: Iterable[Digest], told: Moved | None = None) -> None:
        """Bring objects and trees to this machine, from whichever zone has them.

        Raises:
            MissingError: No zone has one of them, whole.
        """
        wanted = frozenset(digests)
        wanted -= local.has(wanted)
        for look in (Zone.holds, _has_now):  # others may have sent it since the last look
            for zone in self.zones.values():
                there = look(zone, wanted) if wanted else wanted
                if there:
                    pull(zone.store, local, there, told)
                    wanted -= there
        if wanted:
            raise MissingError(
                f"{min(wanted)} is neither here nor in {self._project.remote}",
                hint="run again: the step that makes it will be computed",
            )

    def bring(self, local: Depot, artifacts: Sequence[Artifact]) -> Coming:
        """Start to fetch what a step needs and is not here."""
        wanted = frozenset(artifact.digest for artifact in artifacts)
        missing = wanted - local.has(wanted)
        if not missing:
            return HERE
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="fetch")
        return self._pool.submit(self.fetch, local, missing)

    def tell(self, local: Ledger, store: Depot, told: Moved | None = None) -> Told:
        """Send what this machine made and others do not know yet.

        Raises:
            OutsideError: The remote cannot be reached, or refuses; what was told stays told.
        """
        return publish(
            local,
            self.own.ledger,
            maker=self._maker,
            push=lambda artifacts: self._push(store, artifacts, told),
        )

    def _push(self, store: Depot, artifacts: Sequence[Artifact], told: Moved | None) -> None:
        if not self._project.remote:
            return
        digests = {artifact.digest for artifact in artifacts}
        digests.update(part for artifact in artifacts for part in parts_of(artifact, store))
        there = store.has(digests)  # what was swept here since cannot be sent: it counts as absent for others
        if there:
            push(store, self.own.store, there, told)

    def number(self, local: Ledger, number: int) -> int:
        """Return the number that a run of this machine has in the shared ledger; 0 where it is not there."""
        return shared_number(self.own.facts, local, number)

    def close(self) -> None:
        """End what is on its way, and give back what is open."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        for zone in self.zones.values():
            zone.close()


def _rows(zone: Zone, base: str) -> list[Row]:
    return zone.facts.query("results_by_base", base=base) if zone.is_there else _NOTHING


def _has_now(zone: Zone, digests: frozenset[Digest]) -> frozenset[Digest]:
    return zone.store.has(digests)
