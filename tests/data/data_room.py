"""A project folder with a store, and desks to work at: what tests of the data room share."""

import time

from legato.app.remotes import data_buckets
from legato.data.desk import Desk
from legato.store.directory import DirectoryStore


class Room:
    """A project; every desk is a command of its own, begun late enough for files to be at rest."""

    def __init__(self, root):
        self.root = root
        self.state = root / ".legato"
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / ".gitignore").write_text("*\n")

    def write(self, name, data):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def read(self, name):
        return (self.root / name).read_text()

    def desk(self, **more):
        return Desk(
            root=self.root,
            state=self.state,
            here=self.root,
            store=DirectoryStore(self.state / "store"),
            now_ns=time.time_ns() + 10**9,
            connect=data_buckets(more.get("variables", {})),
            **more,
        )

    def left_behind(self):
        """Return what commands left in the scratch folder."""
        folder = self.state / "data"
        found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        return [name for name in found if name not in {"known.bin", "turn"}]
