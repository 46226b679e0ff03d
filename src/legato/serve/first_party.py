"""Imports the user's own modules for a native model: from given folders, from their sources as they are now.

Rule: a new version brings its code with it, so first-party modules are imported anew for each generation;
compiled files are not trusted, since Python takes one for current when its source kept size and second.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Self

_PACKAGES = frozenset({"site-packages", "dist-packages"})


class _AsWritten(SourceFileLoader):
    """Compiles a module from its source, whatever lies in `__pycache__`."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


class FirstParty:
    """The user's own code, importable. As a context it forgets what an earlier one imported.

    Modules stay importable after the context, since a model may import as late as in `predict`.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        """Take folders, in the order in which they are searched."""
        self._paths = [str(Path(path)) for path in paths]

    def __enter__(self) -> Self:
        """Make the code importable, unlike any earlier set of folders."""
        for finder in [finder for finder in sys.meta_path if isinstance(finder, FirstParty)]:
            sys.meta_path.remove(finder)
            finder.forget()
        if self._paths:
            importlib.invalidate_caches()
            sys.meta_path.insert(0, self)
            self.forget()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the code importable."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a first-party module is, or None for everyone else's."""
        spec = PathFinder.find_spec(fullname, self._paths if path is None else path, target)
        if spec is None or spec.origin is None or not self._is_ours(spec.origin):
            return None
        if type(spec.loader) is SourceFileLoader:
            spec.loader, spec.cached = _AsWritten(fullname, spec.origin), None
        return spec

    def owns(self, module: str) -> bool:
        """Say whether a module's name belongs to the user's own code; imports nothing."""
        return self.find_spec(module.partition(".")[0]) is not None

    def _is_ours(self, file: str) -> bool:
        inside = any(file.startswith(f"{path}/") for path in self._paths)
        return inside and not _PACKAGES & set(Path(file).parts)

    def forget(self) -> None:
        """Drop the modules that were imported from these folders."""
        for name, module in tuple(sys.modules.items()):
            if name != "__main__" and self._is_ours(getattr(module, "__file__", None) or ""):
                del sys.modules[name]
