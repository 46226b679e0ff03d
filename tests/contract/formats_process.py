"""A process of its own for the formats contract: saves every case, or reads what another process saved.

Rule: it says what it did as JSON on stdout.
"""

import hashlib
import json
import shutil
import sys
import traceback
from pathlib import Path

import formats_cases

from legato.domain.artifacts import Artifact
from legato.formats.shelf import Shelf


def shelf() -> Shelf:
    made = Shelf(lambda module: module == "formats_cases")
    made.register(formats_cases.Vocabulary, formats_cases.VocabularyFormat)
    return made


def save_all(folder: Path) -> dict[str, object]:
    said: dict[str, object] = {}
    for name in formats_cases.CASES:
        saved = shelf().save(formats_cases.make(name), folder / name)
        said[name] = {
            "digest": digest(saved.path),
            "path": str(saved.path),
            "format": saved.format,
            "type": saved.type,
            "tree": saved.tree,
            "classes": list(saved.classes),
            "about": dict(saved.about),
        }
    return said


def digest(path: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(f for f in path.rglob("*") if f.is_file()) or [path]:
        found.update(str(file.relative_to(path)).encode() + b"\0" + file.read_bytes())
    return "sha256:" + found.hexdigest()


def artifact(note: dict) -> Artifact:
    return Artifact(
        digest=note["digest"],
        size_bytes=1,
        format=note["format"],
        type=note["type"],
        tree=note["tree"],
        classes=tuple(note["classes"]),
        about=note["about"],
    )


def load_all(said: dict) -> dict[str, str]:
    problems = {}
    for name, note in said.items():
        try:
            back = shelf().load(as_the_store_holds_it(Path(note["path"])), artifact(note))
            problem = difference(name, back)
        except Exception:  # noqa: BLE001 - told to the test
            problem = traceback.format_exc()
        if problem:
            problems[name] = problem
    return problems


def as_the_store_holds_it(path: Path) -> Path:
    """Return a single file without its name's suffix, read-only; a folder as it is."""
    if path.is_dir():
        return path
    held = path.parent / "held"
    shutil.copyfile(path, held)
    held.chmod(0o444)
    return held


def difference(name: str, back: object) -> str:
    if name == "figure":  # comes back as what a browser shows
        return "" if isinstance(back, bytes) and back.startswith(b"\x89PNG") else repr(back)[:200]
    expected, found = formats_cases.essence(formats_cases.make(name)), formats_cases.essence(back)
    return (
        "" if repr(expected) == repr(found) or expected == found else f"expected {expected!r}, got {found!r}"
    )


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    if sys.argv[1] == "save":
        sys.stdout.write(json.dumps(save_all(folder)))
    else:
        sys.stdout.write(json.dumps(load_all(json.loads(folder.read_text()))))
