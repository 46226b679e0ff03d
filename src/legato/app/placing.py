"""Puts what stages of other tools' files wrote at their paths in the work tree, where those tools leave it.

Rule: a file that a person changed is never overwritten; what is replaced was put there by us, or is held by git or DVC.
Format: docs/formats/placed.md.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from legato.app.config import Project
from legato.domain.artifacts import Artifact
from legato.domain.digests import Digest
from legato.domain.errors import OutsideError
from legato.domain.graph import Graph, Node, Output, Struct
from legato.domain.progress import State, Summary
from legato.engine.files import Signature, file_digest, signature
from legato.engine.settings import Coming
from legato.scm.asking import ask
from legato.store import Store, read_manifest
from legato.store.copying import copy, share

FILE: Final = "placed.json"
FORMAT: Final = 1
_DONE: Final = frozenset({State.COMPUTED, State.REUSED})


class _File(msgspec.Struct, frozen=True, array_like=True):
    """One file that we put in place: which output it is of, what it held, and its stat then."""

    of: str
    digest: str
    stat: Signature


class _Placed(msgspec.Struct, kw_only=True):
    files: dict[str, _File]
    format: int = FORMAT


class _Wanted(msgspec.Struct, frozen=True):
    """One file that should be in place; `whole`: its output has no other files than it has now."""

    path: str
    of: str
    digest: Digest
    executable: bool
    whole: bool


class Placing(Struct, frozen=True, kw_only=True):
    """What became of the outputs.

    Attributes:
        paths: Files that are in place as the run made them, absolute.
        kept: By node: paths that are as someone else left them.
    """

    paths: tuple[str, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()


def place_outputs(
    project: Project,
    store: Store,
    graph: Graph,
    summary: Summary,
    bring: Callable[[Sequence[Artifact]], Coming],
) -> Placing:
    """Put the outputs of stages in place.

    Args:
        project: Where.
        store: Holds their bytes.
        graph: Says which nodes are stages.
        summary: What became of them.
        bring: Starts to fetch what only others hold.

    Raises:
        OutsideError: The disk refuses.
        MissingError: Nobody holds an output any more.
    """
    made = list(_made(graph, summary))
    if not made:
        return Placing()
    bring([artifact for _, _, artifact in made]).result()
    wanted = [pair for node, output, artifact in made for pair in _wanted(store, node, output, artifact)]
    work_tree = _WorkTree(project.root, project.state / FILE, store)
    try:
        return work_tree.settle(wanted)
    except OSError as error:
        raise OutsideError(
            f"{error.filename} cannot be put in place: {error.strerror}",
            hint="look at its rights and at the disk",
        ) from error
    finally:
        work_tree.remember()


def _made(graph: Graph, summary: Summary) -> Iterator[tuple[Node, Output, Artifact]]:
    """Yield what stages made."""
    outputs = {step.name: step.outputs for step in summary.steps if step.state in _DONE}
    for node in graph.nodes:
        if not {"shell", "entry"} & node.detail.keys():
            continue
        for output in node.outputs:
            artifact = outputs.get(node.name, {}).get(output.artifact)
            if artifact is not None:
                yield node, output, artifact


def _wanted(store: Store, node: Node, output: Output, artifact: Artifact) -> Iterator[tuple[str, _Wanted]]:
    whole = "shell" in node.detail  # an entry point adds to what is there
    for path, digest, executable in _files(store, artifact, output.path):
        yield node.name, _Wanted(path, output.artifact, digest, executable, whole)


def _files(store: Store, artifact: Artifact, path: str) -> Iterator[tuple[str, Digest, bool]]:
    if not artifact.tree:
        yield path, artifact.digest, False
        return
    for entry in read_manifest(store.path(artifact.digest).read_bytes()).files:
        yield f"{path}/{entry.path}".lstrip("/"), entry.digest, entry.executable


def placed_files(state: Path) -> frozenset[str]:
    """Return the files that were put in place, relative to the repository."""
    return frozenset(_read(state / FILE))


class _WorkTree:
    """The repository's files, and what we remember of those that we put there."""

    def __init__(self, root: Path, record: Path, store: Store) -> None:
        self._root = root
        self._record = record
        self._store = store
        self._files = _read(record)

    def settle(self, wanted: list[tuple[str, _Wanted]]) -> Placing:
        """Put each file in place, and take away what we put there and is no longer made."""
        paths: list[str] = []
        kept: list[tuple[str, str]] = []
        for node, file in wanted:
            if self._place(file):
                paths.append(str(self._root / file.path))
            else:
                kept.append((node, file.path))
        self._take_away({file.of for _, file in wanted if file.whole}, {file.path for _, file in wanted})
        return Placing(paths=tuple(paths), kept=tuple(kept))

    def remember(self) -> None:
        """Write down what is in place."""
        temporary = self._record.with_name(f"{self._record.name}.{os.getpid()}")
        temporary.write_bytes(msgspec.json.encode(_Placed(files=self._files)))
        temporary.replace(self._record)

    def _place(self, file: _Wanted) -> bool:
        target = self._root / file.path
        held = self._held(file.path, target)
        if held != file.digest:
            if held and not self._may_replace(file.path, target, held):
                return False
            if not self._make_folder(target.parent):
                return False
            self._write(file, target)
        self._note(file, target)
        return True

    def _held(self, path: str, target: Path) -> str:
        """Return the digest of what lies there; empty for nothing, `other` for what is no file."""
        now = signature(str(target))
        known = self._files.get(path)
        if known is not None and known.stat == now:
            return known.digest
        if now is None:
            return "other" if target.is_symlink() else ""
        return "other" if target.is_dir() else file_digest(str(target))

    def _may_replace(self, path: str, target: Path, held: str) -> bool:
        known = self._files.get(path)
        ours = known is not None and known.digest == held
        return ours or (held != "other" and self._held_elsewhere(target))

    def _make_folder(self, folder: Path) -> bool:
        """Make a folder; False where something else is in its way, or it leads out of the repository."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            return False
        return folder.resolve().is_relative_to(self._root.resolve())

    def _note(self, file: _Wanted, target: Path) -> None:
        now = signature(str(target))
        if now is not None:
            self._files[file.path] = _File(file.of, file.digest, now)

    def _write(self, file: _Wanted, target: Path) -> None:
        """Write a private, writable copy beside the target and rename it, so that nobody sees half of it."""
        temporary = target.with_name(f".{target.name}.{os.getpid()}.legato")
        mode = 0o777 if file.executable else 0o666
        try:
            with self._store.path(file.digest).open("rb") as source:
                made = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
                try:
                    if not share(source.fileno(), made):
                        copy(source.fileno(), made)
                finally:
                    os.close(made)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _take_away(self, outputs: set[str], wanted: set[str]) -> None:
        for path, file in list(self._files.items()):
            if file.of in outputs and path not in wanted:
                del self._files[path]
                if signature(str(self._root / path)) == file.stat:
                    (self._root / path).unlink()

    def _held_elsewhere(self, target: Path) -> bool:
        """Say whether what lies there can be had again: DVC's cache holds it, or git has it as it is."""
        with target.open("rb") as source:
            md5 = hashlib.file_digest(source, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if (self._root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).is_file():
            return True
        path = target.relative_to(self._root).as_posix()
        return bool(ask(self._root, "ls-files", "-z", "--", path)) and (
            ask(self._root, "diff", "--quiet", "HEAD", "--", path) is not None
        )


def _read(record: Path) -> dict[str, _File]:
    """Return what we put in place; nothing where that is not known, so that no file counts as ours."""
    try:
        found = msgspec.json.decode(record.read_bytes(), type=_Placed)
    except (OSError, msgspec.DecodeError):
        return {}
    return found.files if found.format == FORMAT else {}


def told(kept: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """Yield, by node, what a person should know of files that were not replaced."""
    for node, path in kept:
        yield node, f"kept {path}: it was changed since; the run's is `legato get {path}`, or delete the file"
