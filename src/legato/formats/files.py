"""Files and folders: what a step returns as a `pathlib.Path`, and what a dataset is before it is read.

Rule: bytes are taken as they are; links are followed inside a folder and never out of it.
"""

import os
import shutil
import stat
from pathlib import Path

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError
from legato.formats import FILE, FOLDER, Saved, Trust
from legato.formats.foreign import read_foreign


def accepts(value: object) -> bool:
    """Take paths."""
    return isinstance(value, Path)


def save(value: object, target: Path, trust: Trust) -> Saved:  # noqa: ARG001 - the port
    """Copy a file or folder in; one that already lies in the folder of `target` stays where it is."""
    assert isinstance(value, Path)  # noqa: S101 - `accepts` said so
    if not value.exists():
        raise ConfigurationError(
            f"the returned path {str(value)!r} does not exist",
            hint="write it before the step returns; lg.out_folder() gives a place for it",
        )
    source = value.resolve()
    _refuse_odd(source)
    inside = source.is_relative_to(target.parent.resolve())
    tree = source.is_dir()
    if not inside:
        target = _copied_tree(source, target) if tree else _copied_file(source, target)
    files = [file for file in source.rglob("*") if file.is_file()] if tree else []
    return Saved(
        path=source if inside else target,
        format=FOLDER if tree else FILE,
        type="pathlib.Path",
        tree=tree,
        about={"name": value.name, "files": len(files)} if tree else {"name": value.name},
    )


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Return the path, or read it as a table, array or text where the consumer asks for one."""
    return read_foreign(path, str(artifact.about.get("name", path.name)), form) if form else path


def _copied_file(source: str | Path, target: str | Path) -> Path:
    shutil.copyfile(source, target)
    if os.access(source, os.X_OK):
        Path(target).chmod(0o755)
    return Path(target)


def _copied_tree(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, copy_function=_copied_file)
    return target


def _refuse_odd(source: Path) -> None:
    """Refuse devices, and links that leave the folder or lead nowhere."""
    root = source.resolve()
    for folder, folders, files in os.walk(source):
        for name in (*folders, *files):
            item = Path(folder, name)
            if item.is_symlink() and not item.resolve().is_relative_to(root):
                raise ConfigurationError(
                    f"{str(item)!r} is a link that leaves the folder",
                    hint="copy what it points to into the folder",
                )
            _refuse_no_file(item)
    _refuse_no_file(source)


def _refuse_no_file(item: Path) -> None:
    if not item.exists():
        raise ConfigurationError(f"{str(item)!r} is a link that leads nowhere", hint="remove it")
    mode = item.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ConfigurationError(f"{str(item)!r} is no regular file", hint="return files and folders only")
