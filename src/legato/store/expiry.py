"""Sweeps a directory store: removes the objects that nobody wants and nobody put lately.

Rule: age is by the clock of the disk that dates the files; an object that was put again is as young as a new one.
"""

# Several calls for each object: a Path for each would double their cost.
# ruff: noqa: PTH108

import os
from collections.abc import Collection, Iterator

from legato.store.objects import TREE, Objects
from legato.store.port import Swept
from legato.store.temporary import disk_clock
from legato.store.trouble import outside


def sweep_objects(objects: Objects, live: Collection[str], *, grace_s: float, dry_run: bool) -> Swept:
    """Remove the objects whose digits are not in `live` and whose files are older than `grace_s`.

    Raises:
        OutsideError: The disk refuses; what is gone stays gone, the next sweep goes on.
    """
    gone, freed_bytes, kept_bytes = 0, 0, 0
    try:
        before_s = disk_clock(objects.folder) - grace_s
        for entry, hexadecimal in _entries(objects.folder):
            found = entry.stat(follow_symlinks=False)
            if hexadecimal in live or max(found.st_mtime, found.st_ctime) > before_s:
                kept_bytes += found.st_size
                continue
            gone, freed_bytes = gone + 1, freed_bytes + found.st_size
            if not dry_run:
                os.unlink(entry.path)
    except OSError as error:
        raise outside(error, "sweep the store", objects.root) from None
    return Swept(freed_bytes=freed_bytes, kept_bytes=kept_bytes, objects=gone)


def _entries(folder: str) -> "Iterator[tuple[os.DirEntry[str], str]]":
    try:
        shards = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for shard in shards:
        for entry in list(os.scandir(shard.path)):
            yield entry, shard.name + entry.name.removesuffix(TREE)
