"""Names to back ends: the only place that knows which concrete room serves a project.

Rule: everything is opened late and only once; nothing here decides anything.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from legato.app.early import take
from legato.app.processes import alive
from legato.formats import Formats
from legato.ledger import Workshop
from legato.platforms import Entry
from legato.store import Depot

if TYPE_CHECKING:
    from legato.ledger.sqlite import SqliteLedger
    from legato.platforms.process import ProcessPlatform


_ALWAYS: Final = frozenset({"*", "builtins"})
_OURS: Final = "legato.domain.evaluation"
"""Always imported, which says nothing of whether the pipeline has one; its format brings numpy."""


def open_store(state: Path) -> Depot:
    """Return the store below a state folder, made when it is not there."""
    from legato.store.directory import DirectoryStore

    return DirectoryStore(state / "store")


def open_ledger(state: Path) -> "SqliteLedger":
    """Return the ledger of a state folder, made when it is not there. Open it after every fork."""
    from legato.ledger.sqlite import SqliteLedger

    state.mkdir(parents=True, exist_ok=True)
    return SqliteLedger(
        state / "ledger.db", workshops(), clock=time.time, salt=lambda: os.urandom(16), alive=alive
    )


def open_shelf(first_party: Callable[[str], bool], own: Iterable[tuple[type, object]] = ()) -> Formats:
    """Return all formats, the user's own among them."""
    import importlib

    from legato.formats.catalogue import CATALOGUE
    from legato.formats.shelf import Shelf

    for (
        entry
    ) in CATALOGUE:  # what is imported here is not imported again by every job that is forked from here
        if _ALWAYS.intersection(entry.roots) or any(
            root in sys.modules for root in entry.roots if root != _OURS or "numpy" in sys.modules
        ):
            with contextlib.suppress(ImportError):  # said with a hint when a value needs it
                importlib.import_module(entry.module)
    shelf = Shelf(first_party)
    for type_, format_ in own:
        shelf.register(type_, format_)
    return shelf


def current_format(name: str) -> bool:
    """Say whether artifacts are still written in this format."""
    from legato.app.kinds import OWN_FORMATS
    from legato.formats.catalogue import CATALOGUE

    if name in OWN_FORMATS:
        return True
    base, _, number = name.partition("/")
    known = {format_: newest for entry in CATALOGUE for format_, newest in entry.formats.items()}
    return base not in known or str(known[base]) == number


def launch_platform(request: bytes, environment: Mapping[str, str]) -> "ProcessPlatform":
    """Return the platform of this machine, its loader already at work on the request."""
    from legato.platforms.process import launch

    entry = Entry(
        prepare="legato.app.loader:prepare",
        prepare_job="legato.app.loader:prepare_job",
        prepare_packages="legato.app.loader:prepare_packages",
        clock="time:monotonic",
    )
    return launch(entry, request, environment=environment, begun=take())


def workshops() -> tuple[Workshop, ...]:
    """Return the workshops whose tables the ledger keeps."""
    from legato.app.publishing import WORKSHOP as SHARING
    from legato.engine.workshop import WORKSHOP as ENGINE
    from legato.registry import WORKSHOP as REGISTRY

    return (ENGINE, REGISTRY, SHARING)
