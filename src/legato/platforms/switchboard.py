"""Waits on channels and pipes at once, and hands on what arrives.

Rule: one turn reads a bounded number of bytes, and those who were not heard in one turn are heard first in a
later one; what supervisors say comes before what jobs print.
"""

import selectors
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from legato.platforms import Report
from legato.platforms.channel import Channel
from legato.platforms.orders import Notice, decode_notice
from legato.platforms.outlets import Outlet

_TURN_BYTES: Final = 4 * 2**20
_DRAIN_BYTES: Final = 16 * 2**20


class _Line(NamedTuple):
    """Who is told what comes over a channel."""

    channel: Channel
    heard: Callable[[Notice], None]
    ended: Callable[[], None]


class Switchboard:
    """Channels are heard whole, outlets a piece a turn. One thread calls it.

    Args:
        report: Gets every report of a job.
        babbled: Gets the id of a job that has begun a line which is too long to be one.
    """

    def __init__(self, report: Callable[[Report], None], babbled: Callable[[str], None]) -> None:
        self._report = report
        self._babbled = babbled
        self._lines: list[_Line] = []
        self._blocked: set[int] = set()
        self._turns = 0
        self._selector = selectors.DefaultSelector()

    def connect(self, channel: Channel, heard: Callable[[Notice], None], ended: Callable[[], None]) -> None:
        """Hear a channel; `ended` is called once, and the channel closed, when the other side has gone."""
        line = _Line(channel, heard, ended)
        self._lines.append(line)
        self._selector.register(channel, selectors.EVENT_READ, line)

    def disconnect(self, channel: Channel) -> None:
        """Hear a channel no more, and close it."""
        self._lines = [line for line in self._lines if line.channel is not channel]
        self._blocked.discard(channel.fileno())
        self._selector.unregister(channel)
        channel.close()

    def listen(self, outlet: Outlet) -> None:
        """Hear a pipe."""
        self._selector.register(outlet, selectors.EVENT_READ, outlet)

    def drain(self, outlets: Iterable[Outlet]) -> None:
        """Report what is left in pipes whose writers are gone, and close them.

        A process that could not be killed may still write: then this stops after a while.
        """
        for outlet in outlets:
            heard = 0
            while not outlet.done and heard < _DRAIN_BYTES:
                count = self._hear(outlet)
                if not count:
                    break
                heard += count
            self.drop([outlet])

    def drop(self, outlets: Iterable[Outlet]) -> None:
        """Hear pipes no more, and close them."""
        for outlet in outlets:
            if not outlet.closed:
                self._selector.unregister(outlet)
                outlet.close()

    def turn(self, timeout_s: float | None) -> None:
        """Wait until something arrives, and hand it on."""
        self._watch_for_writing()
        ready = [key.data for key, _mask in self._selector.select(timeout_s)]
        for line in ready:
            if isinstance(line, _Line) and line in self._lines:
                self._answer(line)
        outlets = [outlet for outlet in ready if isinstance(outlet, Outlet)]
        self._turns += 1
        first = self._turns % len(outlets) if outlets else 0
        heard = 0
        for outlet in (*outlets[first:], *outlets[:first]):
            if heard < _TURN_BYTES and not outlet.closed:
                heard += self._hear(outlet)
                if outlet.done:
                    self.drop([outlet])

    def close(self) -> None:
        """Hear nothing any more. Channels and pipes remain their owners' to close."""
        self._selector.close()

    def _answer(self, line: _Line) -> None:
        for frame, _fds in line.channel.receive():
            line.heard(decode_notice(frame))
        if line.channel.ended and line in self._lines:
            self.disconnect(line.channel)
            line.ended()

    def _hear(self, outlet: Outlet) -> int:
        count, reports = outlet.read()
        for report in reports:
            self._report(report)
        if outlet.babbles:
            outlet.done = True
            self._babbled(outlet.job)
        return count

    def _watch_for_writing(self) -> None:
        """Wake up when a side that has not read all reads again."""
        for line in self._lines:
            fd = line.channel.fileno()
            blocked = not line.channel.flush()
            if blocked != (fd in self._blocked):
                self._blocked ^= {fd}
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if blocked else 0)
                self._selector.modify(line.channel, events, line)
