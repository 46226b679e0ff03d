"""Says whose a module is: the user's, Python's, Legato's, or some package's.

Rule: only the user's own code is followed; of all else it counts which distribution it is from.
"""

import sys
from enum import Enum
from types import FunctionType, MethodType
from typing import Final

from legato.pipeline.fingerprint.sources import Sources

_OWN: Final = __name__.partition(".")[0]


class Owner(Enum):
    """Who answers for a module's content."""

    USER = "user"
    PYTHON = "python"
    LEGATO = "legato"
    PACKAGE = "package"
    NOBODY = "nobody"


class Owners:
    """Owners of modules and objects in this process."""

    def __init__(self, sources: Sources) -> None:
        """Ask `sources` what is first-party."""
        self._sources = sources
        self._known: dict[str, Owner] = {}

    def of_module(self, name: str) -> Owner:
        """Return the owner of the module called `name`, loaded or not."""
        known = self._known.get(name)
        if known is None:
            known = self._find(name)
            if name in sys.modules:
                self._known[name] = known
        return known

    def _find(self, name: str) -> Owner:
        if self._sources.first_party(name):
            return Owner.USER
        top = name.partition(".")[0]
        if top == _OWN:
            return Owner.LEGATO
        if top in sys.stdlib_module_names or top in sys.builtin_module_names:
            return Owner.PYTHON
        module = sys.modules.get(name)
        if module is None:
            return Owner.NOBODY
        namespace = getattr(module, "__path__", None) is not None
        return Owner.PACKAGE if self._sources.file_of(name) or namespace or "." in name else Owner.NOBODY

    def of_type(self, kind: type) -> Owner:
        """Return the owner of a class, by the module that it says it is from."""
        module = getattr(kind, "__module__", "")
        return self.of_module(module) if isinstance(module, str) else Owner.NOBODY

    def of_function(self, function: FunctionType) -> Owner:
        """Return the owner of a function, by where it was written rather than by what it calls itself."""
        file = function.__code__.co_filename
        if self._sources.is_first_party_file(file):
            return Owner.USER
        name = function.__globals__.get("__name__", "")
        return self.of_module(name) if isinstance(name, str) else Owner.NOBODY

    def is_written(self, function: FunctionType) -> bool:
        """Say whether a function stands in a source file of the user's own, as opposed to being generated."""
        return self._sources.is_first_party_file(function.__code__.co_filename)

    def is_legato(self, value: object) -> bool:
        """Say whether a value is Legato's own: of one of its classes, or one of its functions."""
        if isinstance(value, MethodType):
            return self.is_legato(value.__func__)
        if isinstance(value, FunctionType):
            return self.of_function(value) is Owner.LEGATO
        function = getattr(value, "func", None) if type(value).__module__ == "functools" else None
        if function is not None:
            return self.is_legato(function)
        return self.of_type(value if isinstance(value, type) else type(value)) is Owner.LEGATO


def by_name(module: str, qualname: str) -> object:
    """Return what a loaded module holds under a dotted name, or None."""
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found
