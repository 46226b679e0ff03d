"""Imports first-party modules from the exact bytes that are fingerprinted.

Rule: for a first-party module Python's own `.pyc` is neither read nor written: it trusts size and whole
seconds, so it can run other code than the file holds.
"""

import contextlib
import hashlib
import importlib.util
import marshal
import os
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from legato.domain.errors import MissingError
from legato.domain.messages import Watched
from legato.pipeline.fingerprint.index import INDEX_FORMAT, Index
from legato.pipeline.fingerprint.watching import Watching

_PACKAGE_FOLDERS: Final = ("/site-packages/", "/dist-packages/")
_OWN_FOLDER: Final = str(Path(__file__).resolve().parents[2]) + os.sep
_TAG: Final = f"{sys.implementation.cache_tag}-{sys.hexversion:x}"
_PRIVATE: Final = ("/.git/", "/.legato/", "/__pycache__/")


@cache
def _standard_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = [paths[name] + os.sep for name in ("stdlib", "platstdlib")]
    return tuple({*folders, *(os.path.realpath(one) + os.sep for one in folders)})


class _Loader(SourceFileLoader):
    """Compiles a module from bytes that `Sources` keeps."""

    def __init__(self, fullname: str, path: str, sources: "Sources") -> None:
        super().__init__(fullname, path)
        self._sources = sources

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code, compiled from the bytes that count."""
        return self._sources.compile(self.get_filename(fullname))


class Sources:
    """The first-party modules of this process: their bytes, code and units.

    A module is first-party when its source is a `.py` file outside the standard library, `site-packages` and
    `dist-packages`, and not Legato's own.

    Args:
        root: The repository's root.
        cache: A folder of ours for compiled code and indexes, or None to keep none.
    """

    def __init__(self, root: Path, cache: Path | None) -> None:
        """Prepare; nothing changes in the process before `install`."""
        self.root = os.path.abspath(root)  # noqa: PTH100 - links stay as the user wrote them
        self.cache = None if cache is None else Path(cache)
        self._texts: dict[str, bytes] = {}
        self._indexes: dict[str, Index] = {}
        self._known: dict[str, bool] = {}
        self._owned: dict[str, bool] = {}
        self.watching = Watching(self._is_repository_data, self.is_first_party_file, _OWN_FOLDER)

    # -- the import hook -------------------------------------------------------------------------------------

    def install(self) -> None:
        """Take over first-party imports, and begin to record what user code reads."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
            self.watching.start()

    def uninstall(self) -> None:
        """Give imports back and stop recording; modules that are loaded stay loaded."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            self.watching.stop()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Ask the finders behind us, and take the module over when it is first-party."""
        finders = [finder for finder in sys.meta_path if finder is not self]
        for finder in finders:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                return self._taken_over(spec)
        return None

    def _taken_over(self, spec: ModuleSpec) -> ModuleSpec:
        if type(spec.loader) is SourceFileLoader and spec.origin and self.is_first_party_file(spec.origin):
            spec.loader = _Loader(spec.name, os.path.abspath(spec.origin), self)  # noqa: PTH100 - links stay
            spec.cached = None
        return spec

    def load(self, name: str, path: Path) -> ModuleType:
        """Import the file `path` as module `name`; a pipeline file enters by this door.

        Raises:
            MissingError: There is no such file.
        """
        full = os.path.abspath(path)  # noqa: PTH100 - links stay
        if not os.path.isfile(full):  # noqa: PTH113 - a path as text
            raise MissingError(f"there is no file {str(path)!r}", hint="give the path of a Python file")
        spec = importlib.util.spec_from_file_location(name, full, loader=_Loader(name, full, self))
        if spec is None or spec.loader is None:
            raise MissingError(
                f"{str(path)!r} cannot be imported as {name!r}", hint="give the path of a .py file"
            )
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return module

    def compile(self, path: str) -> CodeType:
        """Return the code of the first-party file `path`."""
        data = self._text_of(path)
        kept = self._kept(data, path, f"{_TAG}.code")
        with contextlib.suppress(OSError, ValueError, EOFError, TypeError):
            code = marshal.loads(kept.read_bytes()) if kept else None  # noqa: S302 - our own cache
            if isinstance(code, CodeType) and code.co_filename == path:
                return code
        code = compile(data, path, "exec", dont_inherit=True)
        _keep(kept, marshal.dumps(code))
        return code

    def _text_of(self, path: str) -> bytes:
        """Return a file's bytes as they were when first asked for: what is counted now may run later."""
        data = self._texts.get(path)
        if data is None:
            data = self._texts[path] = Path(path).read_bytes()
        return data

    def _kept(self, data: bytes, path: str, ending: str) -> Path | None:
        if self.cache is None:
            return None
        digest = hashlib.sha256(os.fsencode(path) + b"\0" + data).hexdigest()
        return self.cache / f"{digest}-{ending}"

    # -- what is first-party ---------------------------------------------------------------------------------

    def is_first_party_file(self, path: str) -> bool:
        """Say whether `path` is a source file of the user's own."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = _is_first_party(path)
        return known

    def first_party(self, module: str) -> bool:
        """Say whether the module called `module` is loaded and the user's own."""
        known = self._owned.get(module)
        if known is None:
            file = self.file_of(module)
            if module not in sys.modules:
                return False
            known = self._owned[module] = bool(file) and self.is_first_party_file(file)
        return known

    def file_of(self, module: str) -> str:
        """Return the source file of a loaded module, or an empty text."""
        loaded = sys.modules.get(module)
        file = getattr(loaded, "__file__", None)
        return os.path.abspath(file) if isinstance(file, str) else ""  # noqa: PTH100 - links stay

    def loaded(self) -> dict[str, str]:
        """Return name and file of each first-party module in this process, by name; one name a file."""
        names = sorted(name for name in tuple(sys.modules) if self.first_party(name))
        files = {self.file_of(name): name for name in reversed(names)}
        return {name: file for file, name in sorted(files.items(), key=lambda item: item[1])}

    def locate(self, module: str, search: Sequence[str] | None = None) -> str:
        """Return the source file of a module that need not be loaded, or an empty text; runs no code.

        Args:
            module: Its dotted name.
            search: Folders to search; `sys.path` when None.
        """
        folders = search
        spec: ModuleSpec | None = None
        parts = module.split(".")
        for position in range(len(parts)):
            try:
                spec = PathFinder.find_spec(".".join(parts[: position + 1]), folders)
            except (ImportError, ValueError):
                return ""
            if spec is None:
                return ""
            folders = list(spec.submodule_search_locations or ())
        return spec.origin if spec is not None and spec.has_location and spec.origin else ""

    # -- texts -----------------------------------------------------------------------------------------------

    @property
    def text(self) -> Mapping[str, bytes]:
        """The bytes that were compiled, by absolute path."""
        return self._texts

    def index(self, path: str) -> Index:
        """Return the units of the file `path` as it was compiled; raises OSError, SyntaxError."""
        index = self._indexes.get(path)
        if index is None:
            index = self._indexes[path] = self._read_index(path)
        return index

    def _read_index(self, path: str) -> Index:
        data = self._text_of(path)
        kept = self._kept(data, "", f"{_TAG}.{INDEX_FORMAT}.index")
        with contextlib.suppress(OSError, ValueError):
            if kept is not None:
                return Index.load(kept.read_bytes())
        index = Index(data)
        _keep(kept, index.dump())
        return index

    def module_digest(self, path: str) -> str:
        """Return the digest of the file `path`, comments and layout aside; what is no Python counts in full.

        Args:
            path: Absolute, or relative to the root as `relative` gave it.
        """
        full = os.path.join(self.root, path)  # noqa: PTH118 - an absolute path stays
        try:
            return self.index(full).digest
        except (SyntaxError, ValueError):
            return hashlib.sha256(self._texts[full]).hexdigest()

    def relative(self, path: str) -> str:
        """Return `path` relative to the root with `/`; one outside it, from its top package's folder on."""
        inside = path.removeprefix(self.root + os.sep)
        if inside != path or not path.endswith(".py"):
            return inside
        folder, parts = os.path.split(path)
        while os.path.isfile(os.path.join(folder, "__init__.py")):  # noqa: PTH113, PTH118 - paths as text
            folder, package = os.path.split(folder)
            parts = f"{package}/{parts}"
        return parts

    # -- what loading read -----------------------------------------------------------------------------------

    def watched(self) -> Watched:
        """Return the files, folders and variables that loading read, so far."""
        files = {*self._texts, *self.watching.files}
        folders = {*self._searched(), *self.watching.folders}
        return Watched(
            files=tuple(sorted(files)),
            folders=tuple(sorted(folders)),
            variables=dict(sorted(self.watching.variables.items())),
        )

    def _searched(self) -> Iterator[str]:
        """Yield the folders in which a new file could change what is imported."""
        sites = {os.path.realpath(one) for one in (*site.getsitepackages(), site.getusersitepackages())}
        for folder in dict.fromkeys(os.path.abspath(one) for one in sys.path):  # noqa: PTH100 - links stay
            standard = (folder + os.sep).startswith(_standard_folders())
            if os.path.isdir(folder) and (not standard or os.path.realpath(folder) in sites):  # noqa: PTH112 - text
                yield folder
        for name, file in self.loaded().items():
            if getattr(sys.modules[name], "__path__", None) is not None:
                yield os.path.dirname(file)  # noqa: PTH120 - text

    def _is_repository_data(self, path: str) -> bool:
        if not path.startswith(self.root + os.sep) or path in self._texts:
            return False
        inside = path[len(self.root) :] + os.sep
        ours = self.cache is not None and path.startswith(str(self.cache))
        return not ours and not any(one in inside for one in (*_PRIVATE, *_PACKAGE_FOLDERS))


def _is_first_party(path: str) -> bool:
    if not path.endswith(".py") or _is_installed(path):
        return False
    real = os.path.realpath(path)  # last, for it asks the disk about every folder on the way
    return not _is_installed(real) and not real.startswith(_OWN_FOLDER)


def _is_installed(path: str) -> bool:
    return any(folder in path for folder in _PACKAGE_FOLDERS) or path.startswith(("<", *_standard_folders()))


def _keep(path: Path | None, data: bytes) -> None:
    """Write a cache file so that no reader ever sees half of it; a full disk only costs time."""
    if path is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(path)
