"""The port of notifications: one message to one address, and what came of it.

Rule: sending has three ends and none of them raises for what the outside does: sent, worth another try, hopeless.

A channel is called from many threads; it neither waits between attempts nor remembers what it sent: `Post` does both.
A message that is sent again carries the same id, by which whoever receives it can tell.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Protocol

from legato.domain.graph import Struct

MOST_DATA_BYTES: Final = 256 * 2**10


class Topic(StrEnum):
    """What people can ask to be told of."""

    FAILED = "failed"
    RECOVERED = "recovered"
    SUCCEEDED = "succeeded"
    APPROVAL = "approval"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    DRIFT = "drift"


class Notice(Struct, frozen=True, kw_only=True):
    """Something that people should know.

    Attributes:
        id: Of the event that it tells; the same thing is not told twice to the same address.
        at: When that happened, seconds since 1970.
        source: Which project, as a path or address: `/projects/wine`.
        subject: What it is about: a run, a model, an endpoint.
        title: One line.
        text: A few lines, plain.
        link: Where to look; empty where there is nothing to look at.
        pipeline: Of which pipeline it tells; empty for none.
        data: More, for programs; plain data.
    """

    id: str
    topic: Topic
    at: float
    source: str
    subject: str = ""
    title: str
    text: str = ""
    link: str = ""
    pipeline: str = ""
    environment: str = ""
    branch: str = ""
    data: Mapping[str, Any] = {}


class End(StrEnum):
    """How sending ended."""

    SENT = "sent"
    AGAIN = "again"
    HOPELESS = "hopeless"


class Receipt(Struct, frozen=True, kw_only=True):
    """What came of sending once. `why` holds no secret; `wait_s` is what the receiver asked for, 0 for nothing."""

    end: End
    why: str = ""
    wait_s: float = 0.0


class Channel(Protocol):
    """One way to one address."""

    @property
    def name(self) -> str:
        """The address for people, without what would let them use it."""
        ...

    def send(self, notice: Notice, at: float) -> Receipt:
        """Send once; `at` is now, seconds since 1970."""
        ...
