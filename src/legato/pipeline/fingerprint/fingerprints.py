"""Turns what a step reaches into ingredients of its key, and into words for people.

Rule: the key sees one `closure` for all code and values; the parts named beside it only explain.
"""

import hashlib
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import FunctionType
from typing import Final

from legato.domain.digests import canonical, digest_of
from legato.domain.errors import ConfigurationError
from legato.domain.keys import Ingredient
from legato.domain.messages import Fingerprint
from legato.pipeline.fingerprint.nodes import CODE, PACKAGE, VALUE, Node, reached, settle, shape, walked
from legato.pipeline.fingerprint.owners import by_name
from legato.pipeline.fingerprint.packages import Packages, digest_of_files
from legato.pipeline.fingerprint.reach import Reach
from legato.pipeline.fingerprint.shown import may_show
from legato.pipeline.fingerprint.sources import Sources

_PART_DIGITS: Final = 16
_LEFT_OUT: Final = frozenset({"__pycache__", ".git", ".legato"})
_ADVICE: Final = (
    "so every first-party module and each file that importing read counts: build it inside the step, or give "
    "its class __getstate__; name what else it stands on with uses=[...]"
)


class Fingerprints:
    """Fingerprints of the steps of one pipeline, from live objects after import.

    Args:
        sources: The import hook that loaded the user's modules.
        packages: The installed distributions; those on `sys.path` when None.
    """

    def __init__(self, sources: Sources, *, packages: Packages | None = None) -> None:
        """Begin with nothing reached; one object serves all steps, which share what they reach."""
        self._sources = sources
        self._reach = Reach(sources)
        self._packages = packages or Packages(sources.cache)
        self._required: dict[str, tuple[tuple[Ingredient, ...], bool]] = {}

    def of(self, function: Callable[..., object], *, uses: Iterable[object] = ()) -> Fingerprint:
        """Return what a step's code adds to its recipe.

        Its own name and module, Legato's decorator, docstrings, comments and layout do not count, nor do the
        defaults of keyword-only parameters: their values are ingredients of their own.

        Args:
            function: The step, as the pipeline's module holds it.
            uses: More that counts: paths and globs relative to the repository as text or Path, or objects.

        Raises:
            ConfigurationError: A path in `uses` leads to nothing.
        """
        step = self._reach
        root = step.root(function) if isinstance(function, FunctionType) else step.of(function)
        digest = settle(root)
        nodes, used = self._used(uses)
        closure = Ingredient("closure", "code", "sha256:" + digest.hex())
        return self._fingerprint([root, *nodes], [closure, *used])

    def of_class(self, reference: str) -> str:
        """Return the digest of all that a class reaches, or an empty text when it is gone.

        Args:
            reference: `module:Qual.Name`, as in `Artifact.classes`.
        """
        module, _, qualname = reference.partition(":")
        if module not in sys.modules and self._sources.is_first_party_file(self._sources.locate(module)):
            try:
                __import__(module)
            except Exception:  # noqa: BLE001 - a module that cannot be imported holds no class
                return ""
        found = by_name(module, qualname)
        if not isinstance(found, type):
            return ""
        node = self._reach.of(found)
        digest = settle(node).hex()
        others, _, _ = self._gathered([node])
        packages = [[one.name, one.digest] for one in others]
        return digest_of(canonical([digest, packages]))

    def of_command(self, argv: Sequence[str], files: Iterable[str] = ()) -> Fingerprint:
        """Return what the code of a command adds to its recipe.

        `python x.py` and `python -m x` are followed through their imports without running them.

        Args:
            argv: The command, split into arguments.
            files: Paths and globs of what else counts, relative to the repository.

        Raises:
            ConfigurationError: The script, module or one of `files` does not exist.
        """
        _, used = self._used(files)
        script = self._script(argv)
        if script is None:
            closure = Ingredient("closure", "code", digest_of(b"command"))
            return self._fingerprint([], [closure, *used])
        node = self._reach.files.node(*script)
        digest = settle(node)
        return self._fingerprint([node], [Ingredient("closure", "code", "sha256:" + digest.hex()), *used])

    # -- commands ------------------------------------------------------------------------------------------

    def _script(self, argv: Sequence[str]) -> tuple[str, str, list[str]] | None:
        """Return module, file and folders to search of a Python command; None when it is no such thing."""
        if not argv or not os.path.basename(argv[0]).startswith("python"):  # noqa: PTH119 - text
            return None
        rest = list(argv[1:])
        while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c"):
            rest = rest[2:] if rest[0] in ("-W", "-X") else rest[1:]
        root = self._sources.root
        if len(rest) > 1 and rest[0] == "-m":
            search = [root, *sys.path]
            found = self._sources.locate(f"{rest[1]}.__main__", search) or self._sources.locate(
                rest[1], search
            )
            if not found:
                raise ConfigurationError(
                    f"python -m {rest[1]}: there is no module {rest[1]!r}",
                    hint="check its name, or install it",
                )
            return (rest[1], found, search) if self._sources.is_first_party_file(found) else None
        if rest and rest[0].endswith(".py"):
            file = os.path.join(root, rest[0])  # noqa: PTH118 - an absolute path stays
            if not os.path.isfile(file):  # noqa: PTH113 - text
                raise ConfigurationError(
                    f"there is no script {rest[0]!r}", hint="write it relative to the repository"
                )
            return "__main__", file, [os.path.dirname(file), *sys.path]  # noqa: PTH120 - text
        return None

    # -- uses ----------------------------------------------------------------------------------------------

    def _used(self, uses: Iterable[object]) -> tuple[list[Node], list[Ingredient]]:
        nodes: list[Node] = []
        found: dict[str, Ingredient] = {}
        for number, item in enumerate(uses):
            if isinstance(item, str | os.PathLike):
                found.update((one.name, one) for one in self._used_path(os.fsdecode(item)))
                continue
            node = self._reach.of(item)
            name = node.name or f"{type(item).__qualname__} {number + 1}"
            nodes.append(node)
            found[name] = Ingredient("uses", name, "sha256:" + settle(node).hex())
        return nodes, list(found.values())

    def _used_path(self, text: str) -> Iterator[Ingredient]:
        root = Path(self._sources.root)
        files = sorted({file for path in _matching(root, text) for file in _files_below(path)})
        if not files:
            raise ConfigurationError(
                f"uses {text!r}, but there is no such file, folder or glob in the repository",
                hint="write the path relative to the repository, for example 'sql/features.sql' or 'R/**'",
            )
        for file in files:
            name = os.path.relpath(file, root).replace(os.sep, "/")
            yield Ingredient("uses", name, digest_of(file.read_bytes()))

    # -- ingredients ---------------------------------------------------------------------------------------

    def _fingerprint(self, roots: Sequence[Node], own: list[Ingredient]) -> Fingerprint:
        keyed, native, modules = self._gathered(roots)
        keyed = [*own, *keyed, Ingredient("platform", "python", "%d.%d" % sys.version_info[:2])]  # noqa: UP031 - a pair
        if native:
            keyed.append(Ingredient("platform", "native", sysconfig.get_platform()))
        parts, warnings = self._explained(roots)
        return Fingerprint(ingredients=(*keyed, *parts), warnings=warnings, modules=modules)

    def _explained(self, roots: Sequence[Node]) -> tuple[list[Ingredient], tuple[str, ...]]:
        """Return the parts of a closure by name, and what could not be fingerprinted for itself."""
        parts: dict[tuple[str, str], Ingredient] = {}
        warnings: dict[str, None] = {}
        everything = self._reach.everything
        for root in roots:
            for node, name, named in walked(root, beyond=everything):
                if node is everything:
                    _add(parts, (self._part(edge.node, edge.name or edge.node.name) for edge in node.edges))
                elif node.kind == CODE:
                    _add(parts, [self._part(node, node.name)])
                elif node.kind == VALUE and named:
                    _add(parts, [self._part(node, name)])
                if node.warning:
                    warnings[f"{node.warning.format(name=name or node.name or 'a value')}; {_ADVICE}"] = None
        return list(parts.values()), tuple(warnings)

    def _part(self, node: Node, name: str) -> Ingredient:
        if node.kind == CODE:
            return Ingredient("code", name, hashlib.sha256(node.text).hexdigest()[:_PART_DIGITS])
        digest = shape(node).hex()[:_PART_DIGITS]
        return Ingredient("value", name, digest, node.shown if may_show(name) else "")

    def _gathered(self, roots: Sequence[Node]) -> tuple[list[Ingredient], bool, tuple[str, ...]]:
        """Return the packages that are reached, whether one holds machine code, and the first-party files."""
        packages: dict[str, Ingredient] = {}
        native = False
        files: set[str] = set()
        for node in dict.fromkeys(node for root in roots for node in reached(root)):
            if node.file:
                files.add(node.file)
            if node.kind == PACKAGE:
                found, holds_code = self._package(node.name)
                packages.update((one.name, one) for one in found)
                native = native or holds_code
        return [packages[name] for name in sorted(packages)], native, tuple(sorted(files))

    def _package(self, top: str) -> tuple[tuple[Ingredient, ...], bool]:
        known = self._required.get(top)
        if known is None:
            known = self._required[top] = self._find_package(top)
        return known

    def _find_package(self, top: str) -> tuple[tuple[Ingredient, ...], bool]:
        counted = [one for one in self._packages.of(top).values() if not one.editable and one.name != _OWN]
        if counted:
            found = tuple(Ingredient("package", one.name, one.identity, one.version) for one in counted)
            return found, any(one.native for one in counted)
        module = sys.modules.get(top)
        file = Path(getattr(module, "__file__", None) or self._sources.locate(top))
        places = [str(file.parent if file.stem == "__init__" else file)] if file.name else []
        places = places or list(getattr(module, "__path__", ()))
        digests = [digest_of_files(place) for place in places]
        return (
            tuple(Ingredient("package", top, digest) for digest, _ in digests[:1]),
            any(native for _, native in digests),
        )


_OWN: Final = __name__.partition(".")[0]


def _add(parts: dict[tuple[str, str], Ingredient], more: Iterable[Ingredient]) -> None:
    """Add parts; a second thing of the same name (two lambdas on one line) gets a number."""
    for part in more:
        name, number = part.name, 1
        while (part.kind, name) in parts and parts[part.kind, name].digest != part.digest:
            number += 1
            name = f"{part.name} #{number}"
        parts.setdefault((part.kind, name), _renamed(part, name))


def _renamed(part: Ingredient, name: str) -> Ingredient:
    return part if name == part.name else Ingredient(part.kind, name, part.digest, part.shown)


def _matching(root: Path, text: str) -> Iterator[Path]:
    """Yield what a path or a glob leads to."""
    if any(mark in text for mark in "*?["):
        yield from root.glob(text)
    elif (root / text).exists():
        yield root / text


def _files_below(path: Path) -> Iterator[Path]:
    for one in path.rglob("*") if path.is_dir() else (path,):
        if one.is_file() and not _LEFT_OUT.intersection(one.parts):
            yield one
