"""A small repository of a user's code on disk, loaded afresh as often as a test edits it.

Rule: each loading starts from nothing: no module of an earlier one stays in the process.
"""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

from legato.domain.keys import KEYED, Cause, base_key, causes
from legato.domain.messages import Fingerprint
from legato.pipeline.fingerprint import Fingerprints, Packages, Sources

INSTALLED = Packages(None)


class Repository:
    """Files below a folder, and what Legato makes of the step in them."""

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.root = root
        self.sources = Sources(root, None)
        self.site: Path | None = None
        self.write(files)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new))

    def fingerprint(
        self, step: str = "step", *, uses: tuple[object, ...] = (), module: str = "pipeline"
    ) -> Fingerprint:
        """Load the pipeline as a loader would, and return the fingerprint of one of its steps."""
        loaded = self.load(module)
        try:
            return self.fingerprints().of(getattr(loaded, step), uses=uses)
        finally:
            self.forget()

    def fingerprints(self) -> Fingerprints:
        return Fingerprints(self.sources, packages=Packages(None) if self.site else INSTALLED)

    def load(self, module: str = "pipeline") -> object:
        self.sources = Sources(self.root, None)
        self._before = set(sys.modules)
        self._path = list(sys.path)
        sys.path[:0] = [str(self.root), *([str(self.site)] if self.site else [])]
        importlib.invalidate_caches()
        self.sources.install()
        try:
            return self.sources.load(module, self.root / f"{module}.py")
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        self.sources.uninstall()
        sys.path[:] = self._path
        for name in set(sys.modules) - self._before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith((str(self.root), str(self.site or self.root))):
                del sys.modules[name]


def key(fingerprint: Fingerprint) -> str:
    return base_key(fingerprint.ingredients)


def changes(before: Fingerprint, after: Fingerprint) -> tuple[Cause, ...]:
    return causes(before.ingredients, after.ingredients)


def keyed(fingerprint: Fingerprint) -> dict[tuple[str, str], str]:
    return {(one.kind, one.name): one.digest for one in fingerprint.ingredients if one.kind in KEYED}
