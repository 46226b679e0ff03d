"""Puts the nodes of a graph in order, and makes checks stop what depends on what they judged.

Rule: each node follows what it needs; the author's order is kept where that allows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Needs = dict[str, list[str]]
"""For each node, the nodes it needs, in the order of the author."""


class CycleError(Exception):
    """Nodes that need each other; `path` begins and ends with the same one, each needing the next."""

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(" -> ".join(path))
        self.path = tuple(path)


def in_order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the nodes so that each follows what it needs.

    Raises:
        CycleError: There is no such order.

    >>> in_order({"b": ["a"], "a": [], "c": ["a", "b"]})
    ['a', 'b', 'c']
    """
    done: dict[str, bool] = {}
    ordered: list[str] = []
    for start in needs:
        if start in done:
            continue
        done[start] = False
        path, left = [start], [iter(needs[start])]
        while path:
            following = next((need for need in left[-1] if not done.get(need, False)), None)
            if following is None:
                left.pop()
                done[path[-1]] = True
                ordered.append(path.pop())
            elif following in done:
                raise CycleError([*path[path.index(following) :], following])
            else:
                done[following] = False
                path.append(following)
                left.append(iter(needs[following]))
    return ordered


def guard(needs: Mapping[str, Sequence[str]], judged: Mapping[str, Iterable[str]]) -> Needs:
    """Return, for each node, the checks that have to pass before it, in the order of `judged`.

    Args:
        needs: What each node needs for its inputs; free of cycles.
        judged: For each check, the other nodes that take an artifact it judges.
    """
    wanted = [(check, node) for check, nodes in judged.items() for node in nodes if node not in judged]
    if _has_order(needs, _added(wanted)):
        return _added(wanted)
    above = _ancestors(needs)
    wanted = [(check, node) for check, node in wanted if node not in above(check)]
    if _has_order(needs, _added(wanted)):
        return _added(wanted)
    return _guard_one_by_one(needs, wanted)


def _added(edges: Iterable[tuple[str, str]]) -> Needs:
    added: dict[str, dict[str, None]] = {}
    for check, node in edges:
        added.setdefault(node, {})[check] = None
    return {node: list(checks) for node, checks in added.items()}


def _has_order(needs: Mapping[str, Sequence[str]], added: Needs) -> bool:
    try:
        in_order({node: [*some, *added.get(node, [])] for node, some in needs.items()})
    except CycleError:
        return False
    return True


def _guard_one_by_one(needs: Mapping[str, Sequence[str]], wanted: Iterable[tuple[str, str]]) -> Needs:
    """Two checks can each be fine alone and wait for each other together; the later one then gives way."""
    kept: list[tuple[str, str]] = []
    for edge in wanted:
        if _has_order(needs, _added([*kept, edge])):
            kept.append(edge)
    return _added(kept)


def _ancestors(needs: Mapping[str, Sequence[str]]) -> Callable[[str], set[str]]:
    """Return a function from a node to all that it needs; each answer is kept."""
    known: dict[str, set[str]] = {}

    def above(node: str) -> set[str]:
        if node not in known:
            known[node] = closure(needs, [node]) - {node}
        return known[node]

    return above


def closure(needs: Mapping[str, Sequence[str]], starts: Iterable[str]) -> set[str]:
    """Return the given nodes and all that they need, directly or not.

    >>> sorted(closure({"a": [], "b": ["a"], "c": ["b"]}, ["b"]))
    ['a', 'b']
    """
    found = set(starts)
    left = list(found)
    while left:
        for need in needs[left.pop()]:
            if need not in found:
                found.add(need)
                left.append(need)
    return found
