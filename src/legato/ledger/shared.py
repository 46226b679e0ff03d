"""Opens a ledger that several machines share, by its address.

Rule: who only looks writes nothing but the mirror on this machine.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from legato.ledger import Workshop
from legato.ledger.log import Log
from legato.ledger.mirrored import MirroredLedger
from legato.ledger.mirroring import MirroredReader, Mirroring

if TYPE_CHECKING:
    from legato.ledger.objects import Objects

FOLDER: Final = "ledger"
"""Below an address: what a ledger's objects begin with, so that a store can have the same address."""


class Means(NamedTuple):
    """What a ledger is told from outside.

    Attributes:
        clock: Seconds since 1970 as this machine thinks; a bucket's or a database's own clock is trusted instead.
        steady: Seconds since whenever, never set back or forth.
        salt: Fresh random bytes.
        alive: Says whether the owner of a lease may still be at work; True for those on other machines.
        connect: Returns the objects of a ledger in the bucket or folder at an address.
    """

    clock: Callable[[], float]
    steady: Callable[[], float]
    salt: Callable[[], bytes]
    alive: Callable[[str], bool]
    connect: "Callable[[str], Objects]"


def open_shared(
    address: str, mirroring: Mirroring, workshops: Sequence[Workshop], means: Means
) -> MirroredLedger:
    """Return the ledger at `postgresql://…`, `s3://…`, `gs://…`, `az://…` or in a shared folder.

    Raises:
        ConfigurationError: The address cannot be followed, or a newer Legato wrote there.
        OutsideError: It cannot be reached, or refuses.
    """
    log = _log(address, means, writes=True)
    return MirroredLedger(log, mirroring, workshops, salt=means.salt, alive=means.alive)


def open_shared_for_reading(
    address: str, mirroring: Mirroring, workshops: Sequence[Workshop], means: Means
) -> MirroredReader:
    """Return a reader that needs no right to write there; else as `open_shared`."""
    log = _log(address, means, writes=False)
    return MirroredReader(log, mirroring, workshops, salt=means.salt, alive=means.alive)


def _log(address: str, means: Means, *, writes: bool) -> Log:
    if address.startswith(("postgresql://", "postgres://")):
        from legato.ledger.postgres import PostgresLog

        return PostgresLog(address, means.alive, writes=writes)
    from legato.ledger.bucket import BucketClock, BucketLog

    objects = means.connect(address)
    measured = writes and objects.is_remote
    clock = BucketClock(objects, means.clock, means.steady) if measured else means.clock
    return BucketLog(objects, clock, means.salt)
