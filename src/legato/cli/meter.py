"""Progress in bytes, on one line of a terminal that goes away when the work is done.

Rule: nothing is drawn before a second has passed, nor where nobody watches.
"""

import threading
import time
from types import TracebackType
from typing import Self, TextIO

from legato.cli.errors import clean
from legato.domain.units import show_bytes

FIRST_S = 1.0
EVERY_S = 0.2


class Meter:
    """A callable that is told of bytes done; use it in a `with`.

    Args:
        stream: Where to draw.
        what: What is done, until something more exact is told.
    """

    def __init__(self, stream: TextIO, what: str = "") -> None:
        self._stream = stream
        self._done = 0
        self._total = 0
        self._what = what
        self._drawn = False
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._read_before = 0

    def __call__(self, what: str, size_bytes: int) -> None:
        """Note that `size_bytes` more of `what` are done."""
        self._what = what
        self._done += size_bytes

    def of(self, done_bytes: int, total_bytes: int) -> None:
        """Note how far a transfer is."""
        self._done, self._total = done_bytes, total_bytes

    def __enter__(self) -> Self:
        """Start to draw, where someone watches."""
        if self._stream.isatty():
            self._read_before = _read_bytes()
            self._thread = threading.Thread(target=self._draw, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and clear the line."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _draw(self) -> None:
        begun = time.monotonic()
        pause = FIRST_S
        while not self._over.wait(pause):
            pause = EVERY_S
            read = 0 if self._total else _read_bytes() - self._read_before
            done = max(self._done, read)  # one large file tells only when it is over
            of = f" of {show_bytes(self._total)}" if self._total else ""
            rate = done / max(time.monotonic() - begun, 0.1)
            self._stream.write(
                f"\r\x1b[K{clean(self._what)}  {show_bytes(done)}{of}  {show_bytes(int(rate))}/s"
            )
            self._stream.flush()
            self._drawn = True


def _read_bytes() -> int:
    """Return how many bytes this process has read; 0 where the system does not say."""
    try:
        with open("/proc/self/io", "rb") as source:  # noqa: PTH123 - five times a second
            return int(source.readline().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
