"""`legato get`: copies an artifact out of the store, to a file or folder of the person's own.

Rule: what lies where the copy is to be stays until the copy is whole.
"""

from pathlib import Path

from legato.app.config import Project
from legato.app.fetching import ensure_here
from legato.app.looking import ShownArtifact, find_artifact, lost, reading
from legato.app.wiring import open_store
from legato.domain.artifacts import Artifact
from legato.domain.digests import Digest
from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.formats import FILE, elsewhere, suffix_of


def get(folder: Path, name: str, output: str, *, number: int | None, force: bool) -> Path:
    """Copy an artifact's bytes to `output` and return where they lie now.

    A folder as `output`, or a text that ends with `/`, gets a file or folder of the artifact's name in it.

    Raises:
        ConfigurationError: Something is there already and `force` is not given, or is not to be replaced.
        MissingError: No run has it, or its bytes are gone.
        OutsideError: It cannot be written there.
    """
    with reading(folder) as (project, ledger):
        found = find_artifact(ledger, name, number=number)
    if elsewhere.not_held(found.artifact):
        elsewhere.refuse(found.artifact, "a copy")
    target = folder / output
    if output.endswith("/") or (target.is_dir() and not found.artifact.tree):
        target /= _name_of(found)
    if target.exists():
        if not force:
            raise ConfigurationError(
                f"{target} is there already", hint="--force replaces it, or choose another -o"
            )
        _refuse_precious(target, folder, project.root)
    try:
        _copy(project, found.artifact, target)
    except MissingError as error:
        raise lost(found) from error
    except OSError as error:
        raise OutsideError(
            f"cannot write {target}: {(error.strerror or str(error)).lower()}",
            hint="choose another -o, or free what is in its way",
        ) from error
    return target


def _name_of(found: ShownArtifact) -> str:
    """Return the name that the bytes came with, else the artifact's own with the suffix of its format."""
    came_with = Path(str(found.artifact.about.get("name", ""))).name if found.artifact.format == FILE else ""
    suffix = "" if found.artifact.tree else suffix_of(found.artifact.format)
    return came_with or Path(found.name).name.replace(":", "-") + suffix


def _refuse_precious(target: Path, *inside: Path) -> None:
    """Refuse to replace a folder that the person stands in, or that holds the project."""
    for folder in inside:
        if folder.resolve().is_relative_to(target.resolve()):
            raise ConfigurationError(
                f"{target} holds {folder}, and --force would remove it",
                hint=f"write into it: -o {str(target).rstrip('/')}/",
            )


def _remove(target: Path) -> None:
    import shutil

    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink()


def _copy(project: Project, artifact: Artifact, target: Path) -> None:
    """Write a copy of one's own: a placed file may share its bytes with the store."""
    import shutil

    store = open_store(project.state)
    ensure_here(project, store, [artifact.digest])
    target.parent.mkdir(parents=True, exist_ok=True)
    placed, making = target.with_name(f".{target.name}.placing"), target.with_name(f".{target.name}.making")
    try:
        if artifact.tree:
            store.place(artifact.digest, True, placed)  # noqa: FBT003 - the port reads as Artifact.tree does
            shutil.copytree(placed, making, copy_function=_copy_file)
        else:
            shutil.copyfile(store.path(Digest(artifact.digest)), making)
        if target.exists():  # only now: what was there is not lost where the new one cannot be had
            _remove(target)
        making.replace(target)
    finally:
        for left in (placed, making):
            if left.exists():
                _remove(left)


def _copy_file(source: str, target: str) -> None:
    """Copy one file; of its rights only that it is a program is kept, since the store's own are read-only."""
    import shutil

    shutil.copyfile(source, target)
    if Path(source).stat().st_mode & 0o100:
        Path(target).chmod(0o755)
