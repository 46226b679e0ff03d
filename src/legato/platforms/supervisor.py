"""A process that begins children on order, watches them, ends them, and reports each end.

Rule: it waits for children and its client in one `select` only, and when its client is gone it ends
everything below it and itself.
"""

import os
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

_SAMPLE_S: Final = 0.1
_LOOK_S: Final = 0.02
_BREATH_S: Final = 0.001
"""How long what can be done ahead waits, so that what was just begun gets its core first."""

Answering = Callable[[bytes], bytes]


class _Child:
    """A child that has begun and is not yet reaped."""

    __slots__ = ("began_at", "deadline", "id", "memory_bytes", "note", "pid", "reason", "watch")

    def __init__(self, order: Begin, pid: int, watch: int, began_at: float) -> None:
        self.id = order.id
        self.pid = pid
        self.watch = watch
        self.began_at = began_at
        self.deadline = began_at + order.timeout_s if order.timeout_s > 0 else float("inf")
        self.memory_bytes = order.memory_bytes
        self.reason: Reason | None = None
        self.note = ""


class Supervisor:
    """Serves one channel until it ends. The caller is the only thread of its process that it knows of."""

    def __init__(
        self,
        channel: Channel,
        begins: Begins,
        family: Family,
        clock: Callable[[], float],
        answering: Answering,
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
        self._sample_at = 0.0

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
            self._begins.get_ready(self._leave)
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
        if now >= self._sample_at:
            self._sample_at = now + _SAMPLE_S
            for child in [one for one in self._children.values() if one.memory_bytes]:
                held = self._family.resident_bytes(child.pid, child.memory_bytes)
                if held > child.memory_bytes:
                    child.note = f"it held {show_bytes(held)} of its {show_bytes(child.memory_bytes)}"
                    self._end(child, "memory")

    def _wait_s(self) -> float | None:
        children = self._children.values()
        if not children:
            return None
        until = min(child.deadline for child in children)
        if any(child.memory_bytes for child in children):
            until = min(until, self._sample_at)
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
        self._family.end_strays(known, child.pid)
        code = os.waitstatus_to_exitcode(status)
        usage = Usage(wall_s=wall_s, cpu_s=used.ru_utime + used.ru_stime, peak_bytes=used.ru_maxrss * 1024)
        gone = Gone(
            id=child.id, reason=self._reason(child, code), code=abs(code), usage=usage, note=child.note
        )
        self._channel.send(encode(gone))

    def _reason(self, child: _Child, code: int) -> Reason:
        if child.reason is not None:
            return child.reason
        if code >= 0:
            return "exited"
        if code == -signal.SIGKILL and self._family.killed_for_memory():
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
