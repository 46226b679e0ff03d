"""Frames of bytes, with file descriptors, over a connected Unix socket.

Rule: neither side ever blocks in here, so two sides that both have much to say cannot wait for each other.
Format: docs/formats/worker.md.
"""

import os
import select
import socket
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

_HEADER_BYTES: Final = 8
_LENGTH_BYTES: Final = 7
_MOST_FDS: Final = 16
_READ_BYTES: Final = 2**16
_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Channel:
    """One end of a connection. `fileno` is for a selector; one thread calls it."""

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(0)
        self._end = end
        self._unsent: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._received = bytearray()
        self._fds: deque[int] = deque()
        self.ended = False

    def fileno(self) -> int:
        """Return the socket's descriptor, or -1 once closed."""
        return self._end.fileno()

    def send(self, frame: bytes, fds: Sequence[int] = ()) -> None:
        """Queue a frame and send what goes out at once. Descriptors are taken over, and closed once sent."""
        header = len(frame).to_bytes(_LENGTH_BYTES) + bytes([len(fds)])
        self._unsent.append((memoryview(header + frame), tuple(fds)))
        self.flush()

    def flush(self) -> bool:
        """Send what goes out without waiting; return whether nothing is left."""
        while self._unsent:
            data, fds = self._unsent[0]
            try:
                sent = self._send_some(data, fds)
            except BlockingIOError:
                return False
            except OSError:  # the other side is gone: whoever reads finds out
                self._drop()
                return True
            _close_all(fds)
            self._unsent[0] = (data[sent:], ())
            if sent == len(data):
                self._unsent.popleft()
        return True

    def flush_all(self, timeout_s: float) -> bool:
        """Send what is queued, waiting up to `timeout_s` whenever the other side does not read."""
        poll = select.poll()
        poll.register(self._end, select.POLLOUT)
        while not self.flush():
            if not poll.poll(timeout_s * 1000):
                return False
        return True

    def receive(self) -> Iterator[tuple[bytes, list[int]]]:
        """Yield the frames that have arrived, each with its descriptors; `ended` is set at the end of all.

        Descriptors belong to whoever takes the frame; they are closed on exec.
        """
        self._read()
        while len(self._received) >= _HEADER_BYTES:
            end = _HEADER_BYTES + int.from_bytes(self._received[:_LENGTH_BYTES])
            if len(self._received) < end:
                return
            frame, count = bytes(self._received[_HEADER_BYTES:end]), self._received[_LENGTH_BYTES]
            del self._received[:end]
            yield frame, [self._fds.popleft() for _ in range(count)]

    def finish_sending(self) -> None:
        """Tell the other side that nothing more comes; it may still be read."""
        self._drop()
        with suppress(OSError):  # it is gone
            self._end.shutdown(socket.SHUT_WR)

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until something can be received, or the other side has ended; return whether it can."""
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))

    def close(self) -> None:
        """Close the socket and every descriptor that is still on its way."""
        self._drop()
        _close_all(self._fds)
        self._fds.clear()
        self._end.close()

    def _send_some(self, data: memoryview, fds: tuple[int, ...]) -> int:
        if not fds:
            return self._end.send(data)
        return self._end.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))])

    def _read(self) -> None:
        space = socket.CMSG_SPACE(_MOST_FDS * array("i").itemsize)
        while not self.ended:
            try:
                data, extras, _flags, _address = self._end.recvmsg(_READ_BYTES, space, _CLOSE_ON_EXEC)
            except BlockingIOError:
                return
            except OSError:
                data, extras = b"", []
            for level, kind, content in extras:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds = array("i")
                    fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
                    self._fds.extend(fds)
            self._received += data
            self.ended = not data

    def _drop(self) -> None:
        for _data, fds in self._unsent:
            _close_all(fds)
        self._unsent.clear()


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


def _close_all(fds: Sequence[int] | deque[int]) -> None:
    for fd in fds:
        os.close(fd)
