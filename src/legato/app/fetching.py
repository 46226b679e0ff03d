"""Brings bytes to this machine that only others hold, for those who look at one artifact.

Rule: what is here is never asked for elsewhere.
"""

import os
from collections.abc import Callable, Iterable

from legato.app.config import Project
from legato.domain.digests import Digest
from legato.store import Depot


def ensure_here(
    project: Project,
    store: Depot,
    digests: Iterable[Digest],
    moved: Callable[[int, int], None] | None = None,
) -> None:
    """Fetch what is not in the store of this machine, where a remote is configured.

    Args:
        project: Says where the remote is.
        store: This machine's.
        digests: Of objects and trees.
        moved: Called with the bytes that have arrived, and with all that are to.

    Raises:
        MissingError: Nobody has one of them, whole.
        OutsideError: The remote does not answer.
    """
    wanted = frozenset(digests)
    missing = wanted - store.has(wanted)
    if not missing or not project.remote:
        return
    from legato.app.origin import origin
    from legato.app.sharing import Sharing  # starts threads: only where something is fetched

    maker = origin(os.environ, project.trusted_branches).maker
    sharing = Sharing(project, maker, os.environ, lambda _: None)
    try:
        sharing.fetch(store, missing, moved)
    finally:
        sharing.close()
