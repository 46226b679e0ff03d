"""A process that begins children on order, watches them, ends them, and reports each end.

Rule: it waits for children and its client in one `select` only, and when its client is gone it ends
everything below it and itself.
"""

import os
import resource  # noqa: F401 - `os.wait4` would import it, and every job forked from then on would meet a new module
import selectors
import signal
from collections.abc import Callable, Sequence
from typing import Final

from legato.domain.artifacts import Usage
from legato.domain.units import show_bytes
from legato.platforms import Reason
from legato.platforms.channel import Channel
from legato.platforms.host import Begins, Family
from legato.platforms.orders import Answer, Ask, Begin, Cancel, Gone, decode_order, encode

_FIRST_LOOK_S: Final = 0.1
_RAREST_LOOK_S: Final = 1.0
"""How a child without a limit is measured: soon, then ever more rarely, so that short ones cost nothing."""
_LIMITED_S: Final = (0.005, 0.1)
_FASTEST_BYTES_S: Final = 8 * 2**30
"""A child with a limit is measured as soon as it could have reached it: so fast can a process take memory."""
_LOOK_S: Final = 0.02
_BREATH_S: Final = 0.001
"""How long what can be done ahead waits, so that what was just begun gets its core first."""

Answering = Callable[[bytes], bytes]


class _Child:
    """A child that has begun and is not yet reaped."""

    __slots__ = (
        "began_at",
        "deadline",
        "id",
        "look_at",
        "looked_s",
        "memory_bytes",
        "note",
        "peak_bytes",
        "pid",
        "reason",
        "watch",
    )

    def __init__(self, order: Begin, pid: int, watch: int, began_at: float) -> None:
        self.id = order.id
        self.pid = pid
        self.watch = watch
        self.began_at = began_at
        self.deadline = began_at + order.timeout_s if order.timeout_s > 0 else float("inf")
        self.memory_bytes = order.memory_bytes
        self.peak_bytes = 0
        self.looked_s = _LIMITED_S[0] if order.memory_bytes else _FIRST_LOOK_S
        self.look_at = began_at + self.looked_s
        self.reason: Reason | None = None
        self.note = ""


class Supervisor:
    """Serves one channel until it ends. The caller is the only thread of its process that it knows of.

    `measures` says whether it looks now and then at what its children hold in memory.
    """

    def __init__(
        self,
        channel: Channel,
        begins: Begins,
        family: Family,
        clock: Callable[[], float],
        answering: Answering,
        *,
        measures: bool = True,
    ) -> None:
        self._channel = channel
        self._begins = begins
        self._family = family
        self._clock = clock
        self._answering = answering
        self._children: dict[str, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._wanted = selectors.EVENT_READ
        self._selector.register(channel, self._wanted)
        self._measures = measures
        self._cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

    def serve(self) -> None:
        """Follow orders until the channel ends; then end everything below."""
        self._family.adopt()
        self._watch_channel()  # of a long answer, some may be unsent still
        while not self._channel.ended:
            ready = [key.data for key, _mask in self._select()]
            for child in ready:
                if child is not None:
                    self._reap(child)
            self._look()
            if None in ready:
                for frame, fds in self._channel.receive():
                    self._follow(frame, fds)
            self._watch_channel()
        self._family.end_all([*self._begins.waiting, *(child.pid for child in self._children.values())])

    def _select(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until there is something to do; what can be done ahead is done when there is nothing yet."""
        if self._begins.lacks:
            ready = self._selector.select(_BREATH_S)
            if ready:
                return ready
            self._begins.get_ready(self._leave, rehearsed=len(self._children) < self._cores)
        return self._selector.select(self._wait_s())

    def _watch_channel(self) -> None:
        """Wake up when the client reads again, where it has not read all."""
        wanted = selectors.EVENT_READ | (0 if self._channel.flush() else selectors.EVENT_WRITE)
        if wanted != self._wanted:
            self._wanted = wanted
            self._selector.modify(self._channel, wanted)

    def _follow(self, frame: bytes, fds: list[int]) -> None:
        match decode_order(frame):
            case Begin() as order:
                self._begin(order, fds)
            case Cancel(id=name):
                if name in self._children:
                    self._end(self._children[name], "cancelled")
            case Ask() as question:
                self._channel.send(encode(self._answer(question)))

    def _begin(self, order: Begin, fds: list[int]) -> None:
        began_at = self._clock()
        try:
            pid = self._begins.begin(order.order, fds, self._leave)
        except OSError as error:
            note = (
                f"no process could be begun: {error}; fewer cpus for this run, or a larger machine, may help"
            )
            self._channel.send(encode(Gone(id=order.id, reason="lost", code=0, note=note)))
            return
        finally:
            _close(fds)
        child = _Child(order, pid, self._family.watch(pid), began_at)
        self._children[order.id] = child
        if child.watch >= 0:
            self._selector.register(child.watch, selectors.EVENT_READ, child)

    def _leave(self) -> None:
        """In a forked child: let go of what is the supervisor's."""
        self._channel.close()
        self._selector.close()
        _close([child.watch for child in self._children.values() if child.watch >= 0])

    def _end(self, child: _Child, reason: Reason) -> None:
        if child.reason is None:
            child.reason = reason
            child.deadline = float("inf")
            self._family.end(child.pid)

    def _look(self) -> None:
        """Look after what no descriptor tells: deadlines, memory, and ends on systems that cannot watch."""
        now = self._clock()
        for child in [*self._children.values()]:
            if child.watch < 0:
                self._reap(child)
            if child.deadline <= now:
                self._end(child, "timeout")
            elif child.look_at <= now and self._measures:
                self._measure(child, now)

    def _measure(self, child: _Child, now: float) -> None:
        """See what a child and all below it hold, end it where that is too much, and say when to look again."""
        limit = child.memory_bytes
        held = self._family.resident_bytes(child.pid, limit)
        child.peak_bytes = max(child.peak_bytes, held)
        if limit:
            child.looked_s = min(max((limit - held) / _FASTEST_BYTES_S, _LIMITED_S[0]), _LIMITED_S[1])
        else:
            child.looked_s = min(2 * child.looked_s, _RAREST_LOOK_S)
        child.look_at = now + child.looked_s
        if limit and held > limit and child.reason is None:
            child.note = (
                f"it held {show_bytes(held)}, and its memory= is {show_bytes(limit)}: "
                "raise that on the step, or let it hold less at once"
            )
            self._end(child, "memory")

    def _wait_s(self) -> float | None:
        children = self._children.values()
        if not children:
            return None
        until = min(child.deadline for child in children)
        if self._measures:
            until = min(until, *(child.look_at for child in children))
        wait_s = max(0.0, until - self._clock())
        if any(child.watch < 0 for child in children):
            wait_s = min(wait_s, _LOOK_S)
        return None if wait_s == float("inf") else wait_s

    def _reap(self, child: _Child) -> None:
        pid, status, used = os.wait4(child.pid, os.WNOHANG)
        if not pid:
            return
        wall_s = self._clock() - child.began_at
        del self._children[child.id]
        if child.watch >= 0:
            self._selector.unregister(child.watch)
            os.close(child.watch)
        known = [*self._begins.waiting, *(one.pid for one in self._children.values())]
        strays_s = self._family.end_strays(known, child.pid)
        code = os.waitstatus_to_exitcode(status)
        reason = self._reason(child, code)
        usage = Usage(
            wall_s=wall_s,
            cpu_s=used.ru_utime + used.ru_stime + strays_s,
            peak_bytes=max(child.peak_bytes, used.ru_maxrss * 1024),
        )
        self._channel.send(
            encode(Gone(id=child.id, reason=reason, code=abs(code), usage=usage, note=child.note))
        )

    def _reason(self, child: _Child, code: int) -> Reason:
        if child.reason is not None:
            return child.reason
        if code >= 0:
            return "exited"
        if code == -signal.SIGKILL and self._family.killed_for_memory():
            child.note = child.note or (
                "the machine had no memory left, and the system chose this step: say memory=… on the steps that "
                "need much, so that fewer of them run at once"
            )
            return "memory"
        return "signalled"

    def _answer(self, question: Ask) -> Answer:
        try:
            return Answer(number=question.number, reply=self._answering(question.request))
        except BaseException as error:  # noqa: BLE001 - the user's code may raise anything, and the jobs live on
            return Answer(number=question.number, problem=f"{type(error).__name__}: {error}")


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
