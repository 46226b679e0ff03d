"""The store's door: bytes by digest, and the deeds that move many of them from one store to another.

Rule: only plain types, Protocols and pure helpers stand here; back ends are opened by `legato.app` alone.
"""

from legato.store.manifest import read_manifest, write_manifest
from legato.store.port import Depot, Held, Placed, Source, Store, Swept, Traits
from legato.store.transfer import Moved, pull, push

__all__ = [
    "Depot",
    "Held",
    "Moved",
    "Placed",
    "Source",
    "Store",
    "Swept",
    "Traits",
    "pull",
    "push",
    "read_manifest",
    "write_manifest",
]
