"""Artifacts that lie inside another without a manifest that names them: elements of a list, what was gathered.

Rule: an artifact is whole only with its parts; whoever keeps or sends it asks here.
"""

from collections.abc import Iterator
from typing import Final

from legato.domain.artifacts import Artifact
from legato.domain.digests import Digest
from legato.domain.elements import ELEMENTS, GATHERED, unpack
from legato.store import Store

_FAMILIES: Final = frozenset({ELEMENTS, GATHERED})


def parts_of(artifact: Artifact, store: Store) -> Iterator[Digest]:
    """Yield the digests of what lies inside an artifact and is an object of its own.

    An artifact that is not in `store` cannot be used, so nothing inside it is needed for its sake.
    """
    if artifact.format in _FAMILIES and store.has((artifact.digest,)):
        with store.open(artifact.digest) as source:
            family = unpack(source.read())
        for item in family.items.values():
            yield item.digest
            yield from parts_of(item, store)
