"""What a supervisor needs of the operating system: to begin a child, notice its end, end it with its family.

Rule: a supervisor asks here and nowhere else, so that it is the same on every system.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

Leave = Callable[[], None]
"""Lets go of the supervisor's own descriptors, in a forked child."""


Follow = Callable[[bytes, Sequence[int]], int]
"""What a child does with its order and its descriptors; returns its exit code."""


class Begins(Protocol):
    """Begins children of one kind."""

    def begin(self, order: bytes, fds: Sequence[int], leave: Leave) -> int:
        """Begin a child that follows `order` with `fds`, and return its process number.

        The descriptors remain the caller's to close. Raises OSError when the system has no room.
        """

    @property
    def lacks(self) -> bool:
        """Whether `get_ready` would make the next start quicker."""

    def get_ready(self, leave: Leave, *, rehearsed: bool) -> None:
        """Do ahead what the next start needs; called when there is nothing else to do.

        `rehearsed` says whether a core is free, so that what only gains time and costs work is worth it.
        """

    @property
    def waiting(self) -> Sequence[int]:
        """Children that have been made ahead."""


class Family(Protocol):
    """Watches and ends the children of this process."""

    def adopt(self) -> None:
        """Become the parent of orphans below this process, where the system knows such a thing."""

    def watch(self, pid: int) -> int:
        """Return a descriptor that is readable once the child has ended, or -1 where there is none."""

    def end(self, pid: int) -> None:
        """Kill a child that is not yet reaped, and all its descendants."""

    def end_strays(self, known: Collection[int], above: int) -> float:
        """Kill and reap what ended children, begun from `above` on, have left behind.

        Returns the CPU seconds that those used, as far as the system tells.
        """

    def end_all(self, pids: Collection[int]) -> None:
        """Kill and reap the children, and whatever else is below this process."""

    def resident_bytes(self, pid: int, limit: int) -> int:
        """Return what a child and its descendants hold, in bytes; may be rough up to `limit` (0: none).

        It is 0 where the system does not tell.
        """

    def killed_for_memory(self) -> bool:
        """Say whether the system has killed something to free memory since it was last asked."""
