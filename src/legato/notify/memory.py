"""A channel in memory: keeps what it was sent, and answers as it is told to.

Rule: what it was not told to refuse, it takes.
"""

from collections.abc import Iterable

from legato.notify.port import End, Notice, Receipt


class MemoryChannel:
    """Keeps notices in `sent`, in order.

    Args:
        name: As which it is known.
        receipts: What it answers first, one each; then it takes everything.
    """

    def __init__(self, name: str = "memory", receipts: Iterable[Receipt] = ()) -> None:
        self.sent: list[Notice] = []
        self._name = name
        self._receipts = list(receipts)

    @property
    def name(self) -> str:
        """The address for people."""
        return self._name

    def send(self, notice: Notice, at: float) -> Receipt:  # noqa: ARG002 - nothing here is signed with the time
        """Send once."""
        receipt = self._receipts.pop(0) if self._receipts else Receipt(end=End.SENT)
        if receipt.end is End.SENT:
            self.sent.append(notice)
        return receipt
