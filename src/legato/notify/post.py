"""Sends notices: to every address that a rule names, again after bad luck, the same thing once.

Rule: an address that fails holds up no other and no run; what could not be sent is returned and said, never raised.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from legato.domain.errors import LegatoError
from legato.domain.graph import Struct
from legato.notify.port import Channel, End, Notice
from legato.notify.rules import Rule, chosen

ATTEMPTS: Final = 5
_BACKOFF_S: Final = 1.0
_LONGEST_WAIT_S: Final = 300.0


class Sent(Struct, frozen=True, kw_only=True):
    """What became of one notice at one address."""

    to: str
    name: str
    notice: str
    ok: bool
    attempts: int
    why: str = ""


class Memory(Protocol):
    """What was sent already; lives as long as a notice may be told again. Safe from many threads."""

    def claim(self, key: str) -> bool:
        """Return whether this key is new, and remember it."""
        ...

    def release(self, key: str) -> None:
        """Forget a key: what it stands for was not sent."""
        ...


class Forgetful:
    """A memory that ends with the process; keeps the newest keys."""

    def __init__(self, most: int = 10_000) -> None:
        import threading

        self._keys: dict[str, None] = {}
        self._most = most
        self._lock = threading.Lock()

    def claim(self, key: str) -> bool:
        """Return whether this key is new, and remember it."""
        with self._lock:
            if key in self._keys:
                return False
            self._keys[key] = None
            while len(self._keys) > self._most:
                del self._keys[next(iter(self._keys))]
            return True

    def release(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._keys.pop(key, None)


class Post:
    """Sends what rules ask for.

    Args:
        rules: Who is told of what.
        open_channel: Opens the address of a rule; raises `LegatoError` where it cannot.
        memory: What was sent already.
        now: Seconds since 1970.
        sleep: Lets time pass.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        open_channel: Callable[[Rule], Channel],
        memory: Memory,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._rules = tuple(rules)
        self._open = open_channel
        self._memory = memory
        self._now, self._sleep = now, sleep

    def tell(self, notice: Notice) -> Sequence[Sent]:
        """Send a notice to whom the rules name and who does not have it yet; return what became of it."""
        done = []
        for rule in chosen(self._rules, notice):
            key = f"{notice.id} {rule.to}"
            if not self._memory.claim(key):
                continue
            sent = self._tell(rule, notice)
            if not sent.ok:
                self._memory.release(key)
            done.append(sent)
        return tuple(done)

    def _tell(self, rule: Rule, notice: Notice) -> Sent:
        try:
            channel = self._open(rule)
        except LegatoError as error:
            return Sent(to=rule.to, name=rule.to, notice=notice.id, ok=False, attempts=0, why=error.message)
        attempt, receipt = 1, channel.send(notice, self._now())
        while receipt.end is End.AGAIN and attempt < ATTEMPTS:
            backoff_s = _BACKOFF_S * 4 ** (attempt - 1)
            self._sleep(min(max(receipt.wait_s, backoff_s), _LONGEST_WAIT_S))
            attempt, receipt = attempt + 1, channel.send(notice, self._now())
        ok = receipt.end is End.SENT
        return Sent(to=rule.to, name=channel.name, notice=notice.id, ok=ok, attempts=attempt, why=receipt.why)
