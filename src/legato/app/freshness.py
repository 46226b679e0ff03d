"""Remembers what an up-to-date run rested on, for the fast path to look at.

Rule: only what was at rest before loading began is remembered; anything younger may have changed unseen.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from legato.app.fresh import write
from legato.app.opening import Opened
from legato.domain.graph import Graph
from legato.domain.progress import State, Summary
from legato.engine.files import at_rest, signature
from legato.store import read_manifest

if TYPE_CHECKING:
    from legato.domain.digests import Digest

_SERVES: Final = frozenset({State.COMPUTED, State.REUSED})


def remember(opened: Opened, graph: Graph, name: str, summary: Summary) -> None:
    """Keep a record for the fast path, where this run allows one.

    Steps that always run, or whose results age, allow none.
    """
    lasting = all(node.words.cache and not node.words.cache_age_s for node in graph.nodes)
    stable = all(step.state in _SERVES for step in summary.steps)
    if not lasting or not stable:
        return
    rest = _Rest(opened)
    files = [*opened.loaded.watched.files, *_configuration(opened.project.root)]
    found = [rest.file(path) for path in dict.fromkeys([*files, *opened.files.touched])]
    written = [rest.object(path) for path in _objects(opened, summary)]
    names = [str(node.detail["endpoint"]) for node in graph.nodes if node.kind == "deploy"]
    alive = _processes(opened, rest, names) if names else []
    written += [rest.object(path) for path in rest.states]
    ledger = str(opened.project.state / "ledger.db")
    found.append(rest.object(ledger))
    if not rest.whole:
        return
    write(
        str(opened.project.state),
        name,
        {
            "files": [item for item in (*found, *written) if item],
            "folders": list(opened.listings.items()),
            "absent": [*rest.absent, f"{ledger}-wal"],
            "alive": alive,
            "variables": dict(opened.loaded.watched.variables),
            "said": f"up to date: {len(summary.steps)} steps reused\n",
        },
    )


def _processes(opened: Opened, rest: "_Rest", names: list[str]) -> list[tuple[int, str]]:
    """Return the processes behind local endpoints; what they serve is told by a file each."""
    from legato.app.deploying import folder_of
    from legato.app.endpoints import GENERATION_FILE, process_of

    folders = [folder for name in names if (folder := folder_of(opened.project, name)).is_dir()]
    rest.states += (str(folder / GENERATION_FILE) for folder in folders)
    return [found for folder in folders if (found := process_of(folder))]


class _Rest:
    """Collects stats, and notes whether all of them can be trusted."""

    def __init__(self, opened: Opened) -> None:
        self._began_ns = opened.began_ns
        self.whole = True
        self.absent: list[str] = []
        self.states: list[str] = []

    def file(self, path: str) -> tuple[str, int, int, int, int] | None:
        """Return the stat of what was read; one that is too young spoils the record."""
        current = signature(path)
        if current is None:
            self.absent.append(path)
            return None
        if not at_rest(current, self._began_ns):
            self.whole = False
        return (path, *current)

    def object(self, path: str) -> tuple[str, int, int, int, int] | None:
        """Return the stat of what this run itself wrote."""
        current = signature(path)
        if current is None:
            self.whole = False
            return None
        return (path, *current)


def _configuration(root: Path) -> list[str]:
    return [str(root / "legato.toml"), str(root / "pyproject.toml")]


def _objects(opened: Opened, summary: Summary) -> Iterator[str]:
    """Yield the files of the store that the run's results lie in."""
    digests: dict[Digest, None] = {}
    for step in summary.steps:
        for artifact in step.outputs.values():
            digests[artifact.digest] = None
            if artifact.tree:
                manifest = read_manifest(opened.store.path(artifact.digest).read_bytes())
                digests |= dict.fromkeys(entry.digest for entry in manifest.files)
    yield from (str(opened.store.path(digest)) for digest in digests)
