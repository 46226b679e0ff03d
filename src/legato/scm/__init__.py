"""The door of source control: what git knows about the folder that a run starts from.

Rule: git is asked by argument lists, never through a shell, and its absence is an answer, not an error.
"""

from collections.abc import Iterator
from pathlib import Path

from legato.domain.graph import Struct


class Commit(Struct, frozen=True, kw_only=True):
    """The commit that a working tree stands on.

    Attributes:
        id: The full hash; empty outside a repository or before the first commit.
        branch: The branch's short name; empty when the head is detached.
        dirty: Something in the tree is not committed.
    """

    id: str = ""
    branch: str = ""
    dirty: bool = False


def describe(root: Path) -> Commit:
    """Return the commit that `root` stands on."""
    import subprocess  # a run that records nothing does not ask

    arguments = ["git", "-C", str(root), "status", "--porcelain=v2", "--branch", "--untracked-files=normal"]
    try:
        found = subprocess.run(arguments, capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return Commit()
    if found.returncode:
        return Commit()
    return read_status(found.stdout.decode(errors="replace"))


def read_status(text: str) -> Commit:
    """Return what `git status --porcelain=v2 --branch` says.

    >>> read_status("# branch.oid abc\\n# branch.head main\\n? new.py\\n")
    Commit(id='abc', branch='main', dirty=True)
    """  # noqa: D301 - click's own mark
    heads: dict[str, str] = {}
    dirty = False
    for line in text.splitlines():
        if line.startswith("# "):
            name, _, value = line[2:].partition(" ")
            heads[name] = value
        else:
            dirty = True
    commit, branch = heads.get("branch.oid", ""), heads.get("branch.head", "")
    return Commit(
        id="" if commit == "(initial)" else commit,
        branch="" if branch == "(detached)" else branch,
        dirty=dirty,
    )


def tracked_files(root: Path) -> tuple[str, ...]:
    """Return the files that git tracks below `root`, relative to it; without git, every file that is not hidden."""
    import subprocess

    try:
        found = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        found = None
    if found is not None and not found.returncode:
        names = found.stdout.decode(errors="surrogateescape").split("\0")
        return tuple(sorted(name for name in names if name and (root / name).is_file()))
    return tuple(sorted(_plain_files(root)))


def _plain_files(root: Path) -> Iterator[str]:
    """Yield the files below a folder, hidden folders never entered: others may be at work in them."""
    import os

    for place, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(root).as_posix()
