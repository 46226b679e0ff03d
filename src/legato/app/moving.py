"""`legato ledger move`: a whole history from one place to another, seal for seal.

Rule: the target is verified after it; the source stays as it is.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from legato.app.config import Project
from legato.app.looking import project_at
from legato.app.remotes import ledger_address, means_of, shown, with_zone
from legato.app.wiring import open_ledger, workshops
from legato.domain.artifacts import MAKERS
from legato.domain.errors import ConfigurationError, OutsideError
from legato.domain.graph import Struct
from legato.ledger.mirrored import Mirroring
from legato.ledger.moving import History, move
from legato.ledger.shared import open_shared

LOCAL: Final = "local"


class MovedLedger(Struct, frozen=True, kw_only=True):
    """One history that was moved: from where, to where, and how long it is."""

    source: str
    target: str
    events: int


def move_ledgers(
    folder: Path, source: str, target: str, variables: Mapping[str, str], telling: Callable[[int, int], None]
) -> Iterator[MovedLedger]:
    """Move this machine's ledger, or all zones of the shared one, and yield each as it is done.

    Args:
        folder: Where it was typed.
        source: `local`, an address, or empty for what is configured.
        target: `local` (only from an address of one ledger), or an address.
        variables: The environment, for credentials.
        telling: Hears how many events have arrived, of how many.

    Raises:
        ConfigurationError: Source and target are one, or nothing is configured.
        ConflictError: The target has another history.
        OutsideError: One of them cannot be reached, or does not hold.
    """
    project = project_at(folder)
    pairs = list(_pairs(project, source, target))
    for from_, to in pairs:
        if from_ == to:
            raise ConfigurationError(f"{shown(from_)} is where the ledger is", hint="name another place")
        with _opened(project, from_, variables) as old, _opened(project, to, variables) as new:
            if source != LOCAL and not old.head().seq:
                continue
            head = move(old, new, telling)
            problems = new.verify(head)
            if problems:
                raise OutsideError(
                    f"{shown(to)} does not hold after the move: {problems[0].message}",
                    hint="the source is as it was; move to another place",
                )
        yield MovedLedger(source=shown(from_), target=shown(to), events=head.seq)


def _pairs(project: Project, source: str, target: str) -> Iterator[tuple[str, str]]:
    """Yield addresses from and to: one pair for a ledger of its own, one a zone for the shared one."""
    if source:
        yield source, target
        return
    for zone in reversed(MAKERS):
        yield ledger_address(project, zone), with_zone(target, zone, project.root)


@contextmanager
def _opened(project: Project, address: str, variables: Mapping[str, str]) -> Iterator[History]:
    if address == LOCAL:
        ledger = open_ledger(project.state)
        try:
            yield ledger
        finally:
            ledger.close()
        return
    with tempfile.TemporaryDirectory(dir=project.state) as work:
        mirroring = Mirroring(path=Path(work) / "mirror.db")
        shared = open_shared(address, mirroring, workshops(), means_of(variables))
        try:
            yield shared
        finally:
            shared.close()
