"""Questions to git, as argument lists; paths and revisions can never be taken for options.

Rule: git's absence is an answer (nothing is tracked, there is no history), a refusal that matters is an error.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from legato.domain.errors import MissingError
from legato.domain.graph import Struct

_TIMEOUT_S: Final = 60


class Revision(Struct, frozen=True, kw_only=True):
    """One commit of a file's history. `at` in seconds since 1970."""

    commit: str
    at: float
    author: str
    subject: str


def ask(root: Path, *words: str, given: bytes = b"", paths: str = "literal") -> bytes | None:
    """Return what git says; None where it says no, or is not there. `paths` are `literal`, or `glob` patterns."""
    import subprocess  # most commands ask nothing

    command = ["git", "-C", str(root), f"--{paths}-pathspecs", *words]
    try:
        found = subprocess.run(command, input=given, capture_output=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if found.returncode else found.stdout


def in_repository(root: Path) -> bool:
    """Say whether a folder belongs to a git repository; asks no process."""
    return any((folder / ".git").exists() for folder in (root, *root.parents))


def tracked_below(root: Path, paths: Iterable[str]) -> tuple[str, ...]:
    """Return which files git tracks at or below paths relative to `root`."""
    wanted = [path for path in paths if path]
    if not wanted or not in_repository(root):
        return ()
    found = ask(root, "ls-files", "-z", "--", *wanted)
    return tuple(_names(found)) if found else ()


def tracked_matching(root: Path, pattern: str) -> tuple[str, ...]:
    """Return which files git tracks that match a pattern relative to `root`."""
    if not in_repository(root):
        return ()
    found = ask(root, "ls-files", "-z", "--", pattern, paths="glob")
    return tuple(_names(found)) if found else ()


def _names(found: bytes) -> Sequence[str]:
    return [name for name in found.decode(errors="surrogateescape").split("\0") if name]


def commit_of(root: Path, revision: str) -> str:
    """Return the full hash of a revision as people write it.

    Raises:
        MissingError: There is no such commit.
    """
    found = ask(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if not found:
        raise MissingError(
            f"there is no commit {revision!r} here", hint="`git log --oneline` lists them; or git fetch first"
        )
    return found.decode().strip()


def file_at(root: Path, commit: str, path: str) -> bytes | None:
    """Return a file as it was in a commit (a full hash, from `commit_of`); None where it was not there."""
    return ask(root, "cat-file", "blob", f"{commit}:./{path}")


def history_of(root: Path, path: str, limit: int = 1000) -> tuple[Revision, ...]:
    """Return the commits that changed a file, newest first."""
    if not in_repository(root):
        return ()
    form = "--format=%H%x00%at%x00%an%x00%s%x00"
    found = ask(root, "log", f"-n{limit}", form, "-z", "--", path)
    if not found:
        return ()
    fields = found.decode(errors="replace").split("\0")
    rows = [fields[at : at + 4] for at in range(0, len(fields) - 4, 5)]
    return tuple(
        Revision(commit=commit, at=float(at), author=author, subject=subject)
        for commit, at, author, subject in rows
    )


def files_at(root: Path, commits: Sequence[str], path: str) -> list[bytes | None]:
    """Return a file as it was in each of these commits (full hashes), by one question; None where it was not there."""
    asked = "".join(f"{commit}:./{path}\n" for commit in commits).encode()
    found = ask(root, "cat-file", "--batch", given=asked)
    if found is None:
        return [None] * len(commits)
    answers: list[bytes | None] = []
    at = 0
    for _ in commits:
        end = found.index(b"\n", at)
        head = found[at:end].split(b" ")
        at = end + 1
        if head[-1] == b"missing":
            answers.append(None)
        else:
            size = int(head[-1])
            answers.append(found[at : at + size])
            at += size + 1
    return answers
