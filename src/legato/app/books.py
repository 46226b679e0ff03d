"""Where a run's registry is: on this machine for `local`, in the shared ledger for any other environment.

Rule: a shared version names a run that the shared ledger knows, so the run is told there before the version is made.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from legato.app.config import Project
from legato.domain.errors import ConfigurationError
from legato.ledger import Ledger, Reader
from legato.store import Depot

if TYPE_CHECKING:
    from legato.app.sharing import Sharing, Zone

LOCAL = "local"


class Books:
    """The registry's ledger as one run reads and writes it.

    Args:
        ledger: This machine's.
        store: This machine's.
        sharing: None where nothing is shared: then every environment's registry is on this machine.
        project: Says who may act in an environment, at least: there its registry lies.
        environment: Where the run acts.

    Attributes:
        unknown: Why nothing can be said where no champion is found; empty where that means that there is none yet.
    """

    def __init__(
        self, ledger: Ledger, store: Depot, sharing: "Sharing | None", project: Project, environment: str
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._sharing = sharing
        self._project = project
        self.unknown = ""
        self._zone: Zone | None = None
        if sharing is not None and environment != LOCAL:
            self._zone = sharing.zones[project.built_by(environment)]
        self.environment = environment

    @property
    def reader(self) -> Reader:
        """The environment's registry, for reading; this machine's while nobody has written a shared one."""
        if self._zone is None or not self._zone.is_there:
            return self._ledger
        return self._zone.facts

    @property
    def writer(self) -> Ledger:
        """The environment's registry, for writing.

        Raises:
            OutsideError: The shared ledger does not answer, or refuses: nothing is registered elsewhere instead.
        """
        return self._ledger if self._zone is None else self._zone.ledger

    def others(self) -> Iterator[tuple[str, Reader]]:
        """Yield, for `local`, the environments whose registry is shared, production first, as far as it answers."""
        if self._sharing is None or self.environment != LOCAL:
            return
        names = self._project.config.get("environments", {})
        for name in sorted(
            names, key=lambda name: (self._project.built_by(name) != "ci", name != "production")
        ):
            reader = self._sharing.reader(self._project.built_by(name))
            if reader is not None:
                yield name, reader

    def run_number(self, number: int) -> int:
        """Return the number by which the registry's readers know a run of this machine."""
        if self._zone is None or self._sharing is None:
            return number
        self._sharing.tell(self._ledger, self._store)
        found = self._sharing.number(self._ledger, number)
        if not found:
            raise ConfigurationError(
                f"run {number} is not known in the shared ledger",
                hint="legato data push --results, then run again",
            )
        return found
