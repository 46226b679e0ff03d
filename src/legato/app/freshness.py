"""Remembers what an up-to-date run rested on, for the fast path to look at.

Rule: only what was at rest before loading began is remembered; anything younger may have changed unseen.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from legato.app.fresh import listing, variable_digest, write
from legato.app.opening import Opened
from legato.domain.graph import Graph, Node
from legato.domain.progress import State, Summary
from legato.domain.units import counted
from legato.engine.files import at_rest, signature
from legato.store import read_manifest

if TYPE_CHECKING:
    from legato.domain.digests import Digest

_SEARCH: Final = ("PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONSAFEPATH", "PYTHONUSERBASE")
_SERVES: Final = frozenset({State.COMPUTED, State.REUSED})


def remember(opened: Opened, graph: Graph, name: str, summary: Summary, placed: Iterable[str] = ()) -> None:
    """Keep a record for the fast path, where this run allows one.

    Steps that always run, or whose results age, allow none, nor do results whose bytes only others hold.
    """
    lasting = all(node.words.cache and not node.words.cache_age_s for node in graph.nodes)
    stable = all(step.state in _SERVES for step in summary.steps)
    if not lasting or not stable or any(_is_all_tracked(node) for node in graph.nodes):
        return
    if opened.registrar.looked_elsewhere or not _all_here(opened, summary):
        return
    rest = _Rest(opened)
    files = [*opened.loaded.watched.files, *_configuration(opened.project.root), *_used(opened)]
    folders = dict.fromkeys(
        parent for path in _used(opened) for parent in _between(opened.project.root, path)
    )
    found = [rest.file(path) for path in dict.fromkeys([*files, *opened.files.touched])]
    written = [rest.object(path) for path in (*_objects(opened, summary), *placed)]
    names = [str(node.detail["endpoint"]) for node in graph.nodes if node.kind == "deploy"]
    alive = _processes(opened, rest, names) if names else []
    written += [rest.object(path) for path in rest.states]
    ledger = str(opened.project.state / "ledger.db")
    found.append(rest.object(ledger))
    listings = {**opened.listings, **{folder: rest.folder(folder) for folder in folders}}
    if not rest.whole:
        return
    write(
        str(opened.project.state),
        name,
        {
            "files": [item for item in (*found, *written) if item],
            "folders": list(listings.items()),
            "absent": [*rest.absent, f"{ledger}-wal"],
            "alive": alive,
            "variables": _variables(opened, graph),
            "said": f"up to date: {counted(len(summary.steps), 'step')} reused\n",
        },
    )


def _is_all_tracked(node: Node) -> bool:
    """Say whether a node depends on all that git tracks, which no look at file stats can tell."""
    return node.kind == "command" and not {"code", "script", "module", "shell", "entry"} & node.detail.keys()


def _used(opened: Opened) -> list[str]:
    """Return the files of `uses=` and `code=`."""
    ingredients = (item for found in opened.loaded.fingerprints.values() for item in found.ingredients)
    paths = (opened.project.root / item.name for item in ingredients if item.kind == "uses")
    return [str(path) for path in paths if path.is_file()]


def _between(root: Path, path: str) -> Iterator[str]:
    """Yield the folders from a file up to the root: a new file in one of them may match its pattern too."""
    for parent in Path(path).parents:
        yield str(parent)
        if parent == root:
            return


def _variables(opened: Opened, graph: Graph) -> dict[str, str]:
    """Return digests of the variables that loading read, that steps declare, or that say where modules are found."""
    declared = {name for node in graph.nodes for name in node.words.env}
    found = {name: variable_digest(opened.variables.get(name)) for name in (*declared, *_SEARCH)}
    return {**found, **opened.loaded.watched.variables}


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

    def folder(self, path: str) -> list[str] | int:
        """Return what lies in a folder; one that changed too lately spoils the record."""
        current = signature(path)
        if current is None or not at_rest(current, self._began_ns):
            self.whole = False
            return 0
        return listing(path)

    def object(self, path: str) -> tuple[str, int, int, int, int] | None:
        """Return the stat of what this run itself wrote."""
        current = signature(path)
        if current is None:
            self.whole = False
            return None
        return (path, *current)


def _configuration(root: Path) -> list[str]:
    return [str(root / "legato.toml"), str(root / "pyproject.toml")]


def _all_here(opened: Opened, summary: Summary) -> bool:
    wanted = {artifact.digest for step in summary.steps for artifact in step.outputs.values()}
    return opened.store.has(wanted) >= wanted


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
