"""Does one deed of Legato's store, as a process of its own: what bench/data.py measures until the commands do it.

Rule: it does what the commands do with the store, and nothing that they would not.
"""

# ruff: noqa: S311 - seeded, so that every run has the same bytes; no secrets

import os
import random
import sys
import time
from pathlib import Path

from legato.domain.digests import Digest
from legato.store import pull, push
from legato.store.bucket import BucketStore
from legato.store.bucket_address import open_bucket
from legato.store.bucket_requests import Patience
from legato.store.directory import DirectoryStore


def main(deed: str, root: str, path: str, address: str) -> None:
    """Add `path` to the store at `root`, or push or pull it; its digest is kept beside the store."""
    local = DirectoryStore(Path(root) / "store")
    noted = Path(root) / f"{Path(path).name}.digest"
    if deed == "add":
        noted.parent.mkdir(parents=True, exist_ok=True)
        noted.write_text(local.put_path(Path(path)).digest, "utf-8")
        return
    digest = Digest(noted.read_text("utf-8"))
    if deed == "status":
        sys.exit(0 if digest in local.has([digest]) else 1)
    patience = Patience(sleep=time.sleep, jitter=random.Random())
    remote = BucketStore(open_bucket(address, dict(os.environ), patience), Path(root) / "remote")  # noqa: TID251 - a script
    if deed == "push":
        push(local, remote, [digest])
    else:
        pull(remote, local, [digest])
        local.place(digest, Path(path).is_dir() or local.about([digest])[digest].tree, Path(f"{path}.pulled"))


if __name__ == "__main__":
    main(*sys.argv[1:])
