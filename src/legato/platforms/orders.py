"""What a platform of processes and its supervisors tell each other: orders down, notices up.

Rule: every order that begins a child is followed by exactly one `Gone` of it. Format: docs/formats/worker.md.
"""

from typing import Final

import msgspec

from legato.domain.artifacts import Usage
from legato.domain.graph import Struct
from legato.platforms import Entry, Job, Reason


class Begin(Struct, frozen=True, kw_only=True, tag="begin"):
    """Begin a child. With it come the descriptors that it gets.

    Attributes:
        id: How the child is called from now on.
        order: What the child itself reads.
        timeout_s: Wall seconds until it is ended; 0 for no limit.
        memory_bytes: What it and all its descendants may hold; 0 for no limit.
    """

    id: str
    order: bytes
    timeout_s: float = 0.0
    memory_bytes: int = 0


class Cancel(Struct, frozen=True, kw_only=True, tag="cancel"):
    """End a child with all its descendants."""

    id: str


class Ask(Struct, frozen=True, kw_only=True, tag="ask"):
    """Answer a question about what was loaded."""

    number: int
    request: bytes


class Gone(Struct, frozen=True, kw_only=True, tag="gone"):
    """A child and all its descendants are no more."""

    id: str
    reason: Reason
    code: int
    usage: Usage = Usage()
    note: str = ""


class Ready(Struct, frozen=True, kw_only=True, tag="ready"):
    """A zygote has imported what it was to import.

    Attributes:
        reply: The loader's reply; empty from others.
        unfit: Why no job may be forked from here; empty when it may.
        packages: Other people's packages that were imported.
    """

    reply: bytes = b""
    unfit: str = ""
    packages: tuple[str, ...] = ()


class Broken(Struct, frozen=True, kw_only=True, tag="broken"):
    """A zygote could not import what it was to import; `details` is the traceback."""

    message: str
    details: str


class Answer(Struct, frozen=True, kw_only=True, tag="answer"):
    """The answer to a question; `problem` is a traceback where answering raised."""

    number: int
    reply: bytes = b""
    problem: str = ""


class Stem(Struct, frozen=True, kw_only=True):
    """What a process needs that zygotes are begun from.

    Attributes:
        host: As in `Role`.
        clock: As in `Entry`.
        imports: Modules without any of the user's code that it imports first, so that zygotes find them imported.
    """

    host: str
    clock: str
    imports: tuple[str, ...] = ()


BE_STEM: Final = "legato.platforms.zygote:be_stem"
"""Who follows it."""


class Role(Struct, frozen=True, kw_only=True):
    """What a zygote becomes.

    Attributes:
        kind: `loader`, `pipeline` (imports all, says nothing of it), `packages`, `fresh` (imports nothing).
        threads: What libraries are told to limit themselves to.
        environment: All variables while it imports.
        host: `linux` or `posix`: how it begins children.
    """

    kind: str
    threads: int
    entry: Entry
    request: bytes
    environment: dict[str, str]
    host: str
    packages: tuple[str, ...] = ()


class FreshJob(Struct, frozen=True, kw_only=True):
    """What a process without memory needs before it can run a job."""

    entry: Entry
    request: bytes
    job: bytes


Order = Begin | Cancel | Ask
Notice = Gone | Ready | Broken | Answer

_ENCODER: Final = msgspec.msgpack.Encoder()
_ORDERS: Final[msgspec.msgpack.Decoder[Order]] = msgspec.msgpack.Decoder(Order)
_NOTICES: Final[msgspec.msgpack.Decoder[Notice]] = msgspec.msgpack.Decoder(Notice)
JOBS: Final = msgspec.msgpack.Decoder(Job)
"""Made before any fork: making it costs a child more than all the rest."""


def encode(message: Struct) -> bytes:
    """Return any structure as bytes."""
    return _ENCODER.encode(message)


def decode_order(frame: bytes) -> Order:
    """Return the order in a frame."""
    return _ORDERS.decode(frame)


def decode_notice(frame: bytes) -> Notice:
    """Return the notice in a frame."""
    return _NOTICES.decode(frame)
