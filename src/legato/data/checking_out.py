"""Places in the work tree what the lock says.

Rule: whole or not at all: everything is made beside first, then moved in one go that puts back what it moved when
anything fails; bytes that are in no store are never overwritten unasked.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from legato.data.desk import Desk
from legato.data.lock import FILE as LOCK_FILE
from legato.data.lock import Entry, Lock, parse
from legato.data.moves import Moves, moves_for
from legato.data.scanning import State, state_of
from legato.data.scratch import move
from legato.data.snapshots import Meter, silent
from legato.data.standing import unknown
from legato.domain.errors import ConflictError, LegatoError, OutsideError
from legato.domain.graph import Struct
from legato.scm.asking import commit_of, file_at, tracked_below


class CheckedOut(Struct, frozen=True, kw_only=True):
    """What became of one dataset.

    `state`: `unchanged`, `placed`, `removed` (the lock has it no more), `left` (it could not be placed; `why`).
    """

    name: str
    state: str
    placed: int = 0
    removed: int = 0
    size_bytes: int = 0
    why: str = ""


def lock_at(desk: Desk, revision: str) -> Lock:
    """Return the lock of a commit.

    Raises:
        MissingError: There is no such commit.
    """
    data = file_at(desk.root, commit_of(desk.root, revision), LOCK_FILE)
    return Lock() if data is None else parse(data)


def checkout(
    desk: Desk,
    names: Sequence[str] = (),
    *,
    lock: Lock | None = None,
    force: bool = False,
    meter: Meter = silent,
) -> list[CheckedOut]:
    """Make the work tree hold what the lock says of these datasets, or of all.

    Raises:
        MissingError: The lock does not know a name, or bytes are not in the store; nothing was moved.
        ConflictError: It would overwrite bytes that are in no store; nothing was moved.
    """
    lock = (lock or desk.lock()) if names else (lock or desk.lock()).whole()
    for name in names:
        if lock.get(name) is None:
            raise unknown(name, {*lock.entries})
    entries = [lock.entries[name] for name in sorted(names or lock.entries)]
    todo = [moves_for(desk, entry) for entry in entries if not entry.source]
    if not force:
        for moves in todo:
            refuse_unsafe(moves)
    carry_out(desk, todo, meter)
    return [done(moves) for moves in todo]


def follow(desk: Desk, before: str) -> list[CheckedOut]:
    """Bring data in step with the commit that git just checked out, as far as nothing of anyone's is lost.

    Args:
        desk: The project.
        before: The commit that was checked out before; what only its lock had goes away. Empty for none.

    Returns: What was not in step, each dataset on its own: one that cannot be placed is left, with why.
    """
    lock = desk.lock()
    told = [_one_step(desk, entry, away=False) for entry in lock.entries.values()]
    old = _lock_or_none(desk, before) if before.strip("0") else None
    if old is not None and not lock.torn:
        gone = [entry for name, entry in old.entries.items() if name not in lock.entries]
        told += [_one_step(desk, entry, away=True) for entry in gone if not _is_needed(desk, lock, entry)]
    told += [CheckedOut(name=name, state="left", why="a merge left it in conflict") for name in lock.torn]
    return [one for one in told if one.state != "unchanged"]


def _lock_or_none(desk: Desk, revision: str) -> Lock | None:
    try:
        return lock_at(desk, revision)
    except LegatoError:
        return None


def _is_needed(desk: Desk, lock: Lock, entry: Entry) -> bool:
    """Say whether files of a dataset that is locked no more belong to git or to another dataset now."""
    inside = any(
        name.startswith(entry.name + "/") or entry.name.startswith(name + "/") for name in lock.entries
    )
    return inside or bool(tracked_below(desk.root, [entry.name]))


def _one_step(desk: Desk, entry: Entry, *, away: bool) -> CheckedOut:
    if entry.source:
        return CheckedOut(name=entry.name, state="unchanged")
    try:
        moves = moves_for(desk, entry, away=away)
        refuse_unsafe(moves)
        carry_out(desk, [moves], silent)
    except LegatoError as error:
        return CheckedOut(name=entry.name, state="left", why=error.message)
    return done(moves, away=away)


def done(moves: Moves, *, away: bool = False) -> CheckedOut:
    """Return what became of a dataset whose moves were carried out."""
    state = ("removed" if away else "placed") if moves.any else "unchanged"
    return CheckedOut(
        name=moves.entry.name,
        state=state,
        placed=len(moves.place),
        removed=len(moves.remove),
        size_bytes=sum(file.size_bytes for file in moves.place),
    )


def refuse_unsafe(moves: Moves) -> None:
    """Refuse to overwrite what nobody could bring back."""
    if not moves.unsafe:
        return
    path = "/".join(part for part in (moves.entry.name if moves.folder else "", moves.unsafe[0]) if part)
    more = f" and {len(moves.unsafe) - 1} more" if len(moves.unsafe) > 1 else ""
    raise ConflictError(
        f"{path or moves.entry.name!r}{more} changed, and its bytes are in no store; nothing was moved",
        hint=f"keep it with `legato data add {moves.entry.name}`, or let it go with --force",
    )


def carry_out(desk: Desk, todo: Sequence[Moves], meter: Meter) -> None:
    """Make every file beside, then move all into place; raises OutsideError with nothing moved."""
    made = _make(desk, todo, meter)
    with _undisturbed(), _undone_on_failure(desk) as undo:
        for moves in todo:
            for path in moves.remove:
                undo.take_away(_at(moves, path))
            _remove_empty(moves)
        states: dict[str, dict[str, State]] = {}
        for moves, path, fresh in made:
            states.setdefault(moves.entry.name, {})[path] = undo.put(fresh, _at(moves, path))
    for moves in todo:
        if moves.any:
            _remember(desk, moves, states.get(moves.entry.name, {}))


def _make(desk: Desk, todo: Sequence[Moves], meter: Meter) -> list[tuple[Moves, str, Path]]:
    """Place each file in the scratch folder, named by its number."""
    made: list[tuple[Moves, str, Path]] = []
    folder = desk.scratch / "fresh"
    for moves in todo:
        for file in moves.place:
            fresh = folder / str(len(made))
            desk.store.place(file.digest, False, fresh)  # noqa: FBT003 - the port reads as Artifact.tree does
            if file.executable:
                _make_program(fresh)
            made.append((moves, file.path, fresh))
            meter(moves.entry.name, file.size_bytes)
    return made


def _make_program(fresh: Path) -> None:
    """Let the owner execute a file of its own: one that shares its bytes by name is copied first."""
    import shutil

    if fresh.stat().st_nlink > 1:
        copy = fresh.with_suffix(".own")
        shutil.copyfile(fresh, copy)
        copy.replace(fresh)
    fresh.chmod(0o555)


def _at(moves: Moves, path: str) -> Path:
    return Path(f"{moves.base}/{path}" if path else moves.base)


def _remove_empty(moves: Moves) -> None:
    """Remove the folders that became empty, and the dataset's own where nothing is to be in it."""
    folders = sorted({str(_at(moves, path).parent) for path in moves.remove}, key=len, reverse=True)
    for folder in folders:
        while folder.startswith(moves.base) and not (folder == moves.base and moves.folder and moves.digests):
            try:
                os.rmdir(folder)  # noqa: PTH106 - of many
            except OSError:
                break
            folder = os.path.dirname(folder)  # noqa: PTH120, PLW2901 - upward


def _remember(desk: Desk, moves: Moves, states: dict[str, State]) -> None:
    """Remember the state that each placed file was placed in; of the others, what was known stays known."""
    placed = {
        file.path: (states[file.path], file.digest + ("x" if file.executable else "")) for file in moves.place
    }
    desk.known.exchange(moves.entry.name, placed, moves.digests, moves.entry.digest)


class _Undo:
    """What was moved, so that it can be moved back."""

    def __init__(self, aside: Path) -> None:
        self._aside = aside
        self._done: list[tuple[Path, Path | None]] = []
        self._folders: list[Path] = []

    def take_away(self, target: Path) -> None:
        """Move a file aside."""
        kept = self._aside / str(len(self._done))
        move(target, kept)
        self._done.append((target, kept))

    def put(self, fresh: Path, target: Path) -> State:
        """Move a new file to its place, the old one aside; return the state it then has."""
        self._make_folder(target.parent)
        kept: Path | None = None
        if os.path.lexists(target):
            kept = self._aside / str(len(self._done))
            move(target, kept)
        self._done.append((target, kept))
        move(fresh, target)
        return state_of(target.lstat())

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir()
            self._folders.append(folder)

    def back(self) -> None:
        """Move everything back, as far as the system lets us."""
        for target, kept in reversed(self._done):
            try:
                if kept is not None and os.path.lexists(kept):
                    self._make_folder(target.parent)
                    move(kept, target)
                elif kept is None:
                    target.unlink(missing_ok=True)
            except OSError:
                continue
        for folder in reversed(self._folders):
            try:
                folder.rmdir()
            except OSError:
                continue


@contextmanager
def _undone_on_failure(desk: Desk) -> Iterator[_Undo]:
    aside = desk.scratch / "aside"
    aside.mkdir(exist_ok=True)
    undo = _Undo(aside)
    try:
        yield undo
    except OSError as error:
        undo.back()
        raise OutsideError(
            f"cannot write {error.filename or desk.root}: {(error.strerror or str(error)).lower()}; "
            "everything is as it was",
            hint="look at the rights there and at the space on the disk",
        ) from None
    except BaseException:
        undo.back()
        raise


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C and a friendly kill wait until files that belong together are all moved."""
    try:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    except (AttributeError, ValueError):
        yield
        return
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def restore(desk: Desk, entry: Entry) -> None:
    """Place a locked dataset that is not in the work tree.

    Raises:
        MissingError: Its bytes are not in the store.
    """
    moves = moves_for(desk, entry)
    refuse_unsafe(moves)
    carry_out(desk, [moves], silent)
