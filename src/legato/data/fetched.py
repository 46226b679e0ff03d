"""What every reader of a source elsewhere gives: an answer to "which version?", and the bytes in a folder.

Rule: whatever a reader raises is Legato's own error, without the secrets of the address.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from legato.data.addresses import masked
from legato.domain.errors import OutsideError
from legato.domain.graph import Struct


class Fetched(Struct, frozen=True, kw_only=True):
    """What was read.

    Attributes:
        path: The file or folder.
        format: How it is read (`file/1`, `folder/1`, `arrow/1`).
        version: What the source said of its version when it was read.
        file: The name that the bytes came with.
    """

    path: Path
    format: str
    version: str
    file: str


class Reader(Protocol):
    """One kind of source."""

    def version(self) -> str:
        """Return what names the state of the source, cheaply; empty where it does not say."""

    def fetch(self, folder: Path, told: Callable[[int], None]) -> Fetched:
        """Read it into `folder`, which is empty; `told` gets the bytes done."""


def refused(address: str, said: object, hint: str) -> OutsideError:
    """Return the error for what a source answered; `address` may hold secrets, the error does not."""
    words = " ".join(masked(str(said), address).split())
    return OutsideError(f"cannot read {masked(address, address)}: {words[:300]}", hint=hint)
