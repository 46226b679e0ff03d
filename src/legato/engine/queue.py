"""The steps that could start, kept by what they need of the machine.

Rule: where a step does not fit, none with the same needs does, so the rest of them is not looked at.
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from legato.domain.graph import Node

if TYPE_CHECKING:
    from legato.engine.steps import Step

_Needs = tuple[float, int, int, str, bool]


class Queue:
    """Steps in the order in which they became ready, among those with the same needs."""

    def __init__(self) -> None:
        self._lines: dict[_Needs, deque[Step]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many steps wait."""
        return self._count

    def put(self, step: "Step") -> None:
        """Let a step wait for its turn."""
        words = step.node.words
        acts = step.call is not None and step.call.act is not None
        needs = (words.cpus, words.memory_bytes, words.gpus, words.pool, acts)
        self._lines.setdefault(needs, deque()).append(step)
        self._count += 1

    def next(self, depth: int) -> Iterator["Step"]:
        """Yield the first steps of each line, without taking them."""
        for line in self._lines.values():
            yield from islice(line, depth)

    def take(self, fits: Callable[[Node], bool], here: Callable[["Step"], bool]) -> Iterator["Step"]:
        """Yield, and take away, each step that fits when its turn comes.

        One whose inputs are not `here` lets a few behind it pass.
        """
        for line in list(self._lines.values()):
            late: list[Step] = []
            while line and len(late) < _PASSED:
                first = line[0]
                acts = first.call is not None and first.call.act is not None
                if not acts and not fits(first.node):
                    break
                line.popleft()
                if not here(first):
                    late.append(first)
                    continue
                self._count -= 1
                yield first
            line.extendleft(reversed(late))


_PASSED = 32
"""So many steps whose inputs are on their way are looked at in one go."""
