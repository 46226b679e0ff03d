"""Follows imports through files that are not loaded: functions' own imports, and scripts that are commands.

Rule: runs none of the user's code; a file that may be imported later counts in full, with all that
it imports.
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import resolve_name

from legato.pipeline.fingerprint.nodes import CODE, Node
from legato.pipeline.fingerprint.scopes import Reference
from legato.pipeline.fingerprint.sources import Sources

ONLY_LOADED = ("*",)
"""The path of a reference to a module that is imported for its effects alone."""


def absolute(reference: Reference, package: str) -> str:
    """Return the absolute name of the module of an import, or an empty text when it leaves its package."""
    if reference.level == 0:
        return reference.module
    try:
        return resolve_name("." * reference.level + reference.module, package)
    except ImportError:
        return ""


class Files:
    """Nodes of first-party files by what is written in them.

    Args:
        sources: Reads and indexes them.
        package_node: Gives the node of an import name that is not first-party.
    """

    def __init__(self, sources: Sources, package_node: Callable[[str], Node]) -> None:
        """Begin without nodes."""
        self._sources = sources
        self._package_node = package_node
        self._nodes: dict[tuple[str, tuple[str, ...] | None], Node] = {}

    def node(self, module: str, file: str, search: Sequence[str] | None = None) -> Node:
        """Return the node of a file and all that it imports.

        Args:
            module: The name that it is imported by.
            file: Its path, absolute.
            search: Where its imports are looked for; `sys.path` when None.
        """
        folders = None if search is None else tuple(search)
        pending: list[tuple[str, str]] = []

        def node_of(name: str, path: str) -> Node:
            found = self._nodes.get((path, folders))
            if found is None:
                found = self._nodes[path, folders] = self._empty(path)
                pending.append((name, path))
            return found

        root = node_of(module, file)
        while pending:
            name, path = pending.pop()
            self._fill(self._nodes[path, folders], name, path, folders, node_of)
        return root

    def _empty(self, path: str) -> Node:
        relative = self._sources.relative(path)
        node = Node(CODE, b"file " + self._sources.module_digest(path).encode(), name=relative)
        node.file = relative
        return node

    def _fill(
        self,
        node: Node,
        name: str,
        path: str,
        folders: Sequence[str] | None,
        node_of: Callable[[str, str], Node],
    ) -> None:
        is_package = os.path.basename(path) == "__init__.py"  # noqa: PTH119 - text
        package = name if is_package else name.rpartition(".")[0]
        try:
            imports = self._sources.index(path).imports
        except (SyntaxError, ValueError):
            return
        for reference in imports:
            for target in self._modules(reference, package):
                at = self._sources.locate(target, folders)
                if at and self._sources.is_first_party_file(at):
                    node.add(target, node_of(target, at))
                elif target == absolute(reference, package) and target not in sys.stdlib_module_names:
                    node.add(target, self._package_node(target))

    def _modules(self, reference: Reference, package: str) -> list[str]:
        """Return the modules that an import loads: the packages on the way, and a name that may be one."""
        whole = absolute(reference, package)
        if not whole:
            return []
        parts = whole.split(".")
        found = [".".join(parts[: position + 1]) for position in range(len(parts))]
        if reference.path and reference.path != ONLY_LOADED:
            found.append(f"{whole}.{reference.path[0]}")
        return found
