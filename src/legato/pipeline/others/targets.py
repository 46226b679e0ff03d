"""What a person means by a target, where another tool's file has a say in it.

Rule: a stage's name without its key means all of them; entry points are alternatives, so that nothing runs them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from legato.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from legato.domain.graph import Graph

MAIN = "main"


def asked_for(graph: Graph, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the targets in the graph's own names.

    Args:
        graph: A whole pipeline.
        targets: As typed; none: everything, or the entry point `main`.

    Raises:
        ConfigurationError: There are several entry points, none is `main`, and none was asked for.
    """
    if not targets:
        return _entry_point(graph)
    makers = graph.makers()
    names = {node.name for node in graph.nodes}
    found: list[str] = []
    for target in targets:
        group = [name for name in names if name.startswith(f"{target}@")]
        alone = target in names or target in makers
        found += [target] if alone or not group else sorted(group)
    return tuple(found)


def _entry_point(graph: Graph) -> tuple[str, ...]:
    entries = [node.name for node in graph.nodes if "entry" in node.detail]
    if not entries:
        return ()
    if MAIN in entries or len(entries) == 1:
        return (MAIN if MAIN in entries else entries[0],)
    raise ConfigurationError(
        f"none of the entry points {', '.join(entries)} is called {MAIN}",
        hint=f"name one: legato run {entries[0]}",
    )
