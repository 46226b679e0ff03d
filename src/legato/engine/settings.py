"""What one run is told, and the rooms that it uses.

Rule: everything a run needs from outside is in here; it reaches for nothing itself.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from legato.domain.artifacts import Artifact
from legato.domain.events import RunStarted
from legato.domain.graph import Node, Struct
from legato.domain.progress import AnyProgress
from legato.engine.kinds import Kind
from legato.engine.logs import Logs
from legato.engine.results import Results
from legato.engine.schedule import Budget
from legato.ledger import Ledger
from legato.platforms import Platform


class Settings(Struct, frozen=True, kw_only=True):
    """What one run is told.

    Attributes:
        started: Returns the event that opens the run; asked only where there is something to record.
        environment: Where the run may have effects (`local`).
        owner: Who holds this run's leases.
        again: Steps to run whether or not a result serves.
        maker: Who makes results here (`laptop`, `untrusted`, `ci`).
        platform: Where results are made (`linux-x86_64-cpython-3.11`).
        may_leave: Steps marked `effect` may act.
        work: Folder for the private folders of executions, absolute.
        root: The repository, absolute.
    """

    started: Callable[[], RunStarted]
    owner: str
    budget: Budget
    work: str
    root: str
    environment: str = "local"
    again: frozenset[str] = frozenset()
    maker: str = "laptop"
    platform: str = ""
    may_leave: bool = False


class Coming(Protocol):
    """Bytes on their way to this machine."""

    def done(self) -> bool:
        """Say whether they are here, or cannot come."""
        ...

    def result(self) -> None:
        """Raise LegatoError where they cannot come."""
        ...


class Here:
    """Nothing has to come."""

    def done(self) -> bool:
        """Say so."""
        return True

    def result(self) -> None:
        """Raise nothing."""


HERE: Final = Here()


class Tools(Struct, frozen=True, kw_only=True):
    """The rooms that a run uses, handed in by `app`.

    `bring` fetches inputs that only others hold; it must not wait.
    """

    ledger: Ledger
    results: Results
    platform: Platform
    kinds: Mapping[str, Kind]
    logs: Logs
    environment: Callable[[Node], Mapping[str, str]]
    secrets: Callable[[Node], Iterable[str]]
    report: Callable[[AnyProgress], None]
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    bring: Callable[[Sequence[Artifact]], Coming] = lambda _: HERE
