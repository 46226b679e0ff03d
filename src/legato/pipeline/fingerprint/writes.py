"""Finds the globals that functions assign while they run, so that their value after import is not all.

Rule: over-counting is fine, missing a writer is not: a target that is not understood counts for every module
that it may mean.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Final

from legato.pipeline.fingerprint.index import Index, Unit
from legato.pipeline.fingerprint.owners import Owner, Owners
from legato.pipeline.fingerprint.sources import Sources

_INNER_IMPORT: Final = re.compile(rb"^[ \t]+(?:import|from)[ \t]", re.MULTILINE)


class Writes:
    """Who assigns which global of which first-party module at run time."""

    def __init__(self, sources: Sources, owners: Owners) -> None:
        """Look at nothing before it is asked for."""
        self._sources = sources
        self._owners = owners
        self._elsewhere: dict[tuple[str, str], str] | None = None
        self._inside: dict[str, Mapping[str, Sequence[Unit]]] = {}

    def inside(self, module: str) -> Mapping[str, Sequence[Unit]]:
        """Return, by global, the functions of the module itself that declare it `global` and assign it."""
        known = self._inside.get(module)
        if known is None:
            index = self._index(module) if self._is_users(module) else None
            known = self._inside[module] = index.writers if index is not None else {}
        return known

    def elsewhere(self) -> Mapping[tuple[str, str], str]:
        """Return, by module and global, a file whose functions assign it as an attribute of the module."""
        if self._elsewhere is None:
            self._elsewhere = {}
            for name, file in self._sources.loaded().items():
                if self._may_write(name, file):
                    self._note(name, file)
        return self._elsewhere

    def _index(self, module: str) -> Index | None:
        try:
            return self._sources.index(self._sources.file_of(module))
        except (OSError, SyntaxError, ValueError):
            return None

    def _may_write(self, name: str, file: str) -> bool:
        """Say whether a module holds other first-party modules; most do not, and need not be parsed."""
        values = vars(sys.modules[name]).values()
        text = self._sources.text.get(file)
        inner = text is None or _INNER_IMPORT.search(text) is not None
        return inner or any(isinstance(one, ModuleType) and self._is_users(one.__name__) for one in values)

    def _is_users(self, module: str) -> bool:
        return self._owners.of_module(module) is Owner.USER

    def _note(self, name: str, file: str) -> None:
        index = self._index(name)
        elsewhere = self._elsewhere if self._elsewhere is not None else {}
        for path in index.attribute_writes if index is not None else ():
            for module in self._targets(name, path[:-1], index):
                if module != name:
                    elsewhere[module, path[-1]] = self._sources.relative(file)

    def _targets(self, name: str, path: tuple[str, ...], index: Index | None) -> list[str]:
        """Return the modules that a dotted name may mean inside the functions of the module `name`."""
        if not path:
            return []
        names = vars(sys.modules[name])
        if path[0] in names:
            value: object = names[path[0]]
            for part in path[1:]:
                value = getattr(value, part, None) if isinstance(value, ModuleType) else None
            return (
                [value.__name__] if isinstance(value, ModuleType) and self._is_users(value.__name__) else []
            )
        if path[0] in ("self", "cls"):
            return []
        imports = index.imports if index is not None else ()
        ends = {(one.module, one.path[0] if one.path else "") for one in imports}
        loaded = self._sources.loaded()
        return [
            one for one in loaded if any(one.endswith((module or name, end or name)) for module, end in ends)
        ]
