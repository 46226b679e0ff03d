"""Follows live functions, classes, modules and values to all that they reach.

Rule: a name is resolved where the live function looks it up, so what counts is what would run, not what the
source seems to say.
"""

import builtins
import sys
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from types import CodeType, FunctionType, ModuleType
from typing import Final, NamedTuple

from legato.pipeline.fingerprint.classes import cells_of, class_cells, class_parts
from legato.pipeline.fingerprint.files import ONLY_LOADED, Files, absolute
from legato.pipeline.fingerprint.index import Decorator, Unit
from legato.pipeline.fingerprint.nodes import CODE, PACKAGE, PLACE, VALUE, Node
from legato.pipeline.fingerprint.owners import Owner, Owners, by_name
from legato.pipeline.fingerprint.plain import Plain
from legato.pipeline.fingerprint.scopes import Reference
from legato.pipeline.fingerprint.shown import shown
from legato.pipeline.fingerprint.sources import Sources
from legato.pipeline.fingerprint.values import Parts, UnstableError, code_parts, take_apart
from legato.pipeline.fingerprint.watching import everything_read
from legato.pipeline.fingerprint.writes import Writes

_OF_THE_MODULE: Final = frozenset(
    {"__name__", "__package__", "__spec__", "__loader__", "__builtins__", "__cached__"}
)
_SEES_MODULE: Final = frozenset({"globals", "eval", "exec"})
_LONG: Final = 1000
_UNSTABLE: Final = "{name} ({kind}) has no stable form: {reason}"
_WRITTEN: Final = "{name} is also written by functions of {writer}"


class _Scope(NamedTuple):
    """Where code looks names up."""

    names: Mapping[str, object]
    cells: Mapping[str, object] = {}

    @property
    def module(self) -> str:
        return str(self.names.get("__name__", ""))

    @property
    def package(self) -> str:
        return str(self.names.get("__package__") or "")


class Reach:
    """Nodes of live objects, one for each object; everything that a node refers to is in the graph too."""

    def __init__(self, sources: Sources) -> None:
        """Begin with an empty graph."""
        self._sources = sources
        self._plain = Plain(sources.root)
        self.owners = Owners(sources)
        self._packages: dict[str, Node] = {}
        self.files = Files(sources, self.package_node)
        self._writes = Writes(sources, self.owners)
        self._by_id: dict[int, Node] = {}
        self._roots: dict[int, Node] = {}
        self._private: dict[int, Node] = {}
        self._assigned: dict[tuple[str, str], Node] = {}
        self._origins: dict[tuple[str, str], str] = {}
        self._alive: list[object] = []
        self._pending: list[tuple[Node, object]] = []
        self._python = Node(PLACE, b"python")
        self._missing = Node(PLACE, b"missing")
        self.everything = Node(PLACE, b"everything", name="every first-party module")

    # -- doors ---------------------------------------------------------------------------------------------

    def root(self, function: FunctionType) -> Node:
        """Return the node of a step: without its own name, Legato's decorator, its keyword-only defaults."""
        found = self._roots.get(id(function))
        if found is None:
            chain = list(_unwrapped(function))
            self._private = {id(one): Node(CODE) for one in chain}
            for one in chain:
                self._function(self._private[id(one)], one, is_step=one is chain[-1])
            found = self._roots[id(function)] = self._private[id(function)]
            self._private = {}
            self._alive.append(function)
            self._drain()
        return found

    def of(self, value: object) -> Node:
        """Return the node of any object, with all that it reaches."""
        node = self._node(value)
        self._drain()
        return node

    def package_node(self, module: str) -> Node:
        """Return the node of whatever third-party package a module belongs to."""
        top = module.partition(".")[0]
        node = self._packages.get(top)
        if node is None:
            node = self._packages[top] = Node(PACKAGE, b"package " + top.encode(), name=top)
        return node

    # -- from objects to nodes -----------------------------------------------------------------------------

    def _node(self, value: object) -> Node:
        known = self._private.get(id(value)) or self._by_id.get(id(value))
        if known is not None:
            return known
        encoded = self._plain.encode(value)
        if encoded is not None:
            node = Node(
                VALUE, encoded if len(encoded) < _LONG else sha256(encoded).digest(), shown=shown(value)
            )
            if len(encoded) < _LONG:
                return node
        else:
            node = Node(VALUE)
            self._pending.append((node, value))
        self._by_id[id(value)] = node
        self._alive.append(value)
        return node

    def _drain(self) -> None:
        while self._pending:
            node, value = self._pending.pop()
            self._fill(node, value)

    def _fill(self, node: Node, value: object) -> None:
        if value is self.everything:
            self._fill_everything(node)
        elif isinstance(value, FunctionType):
            self._function(node, value)
        elif isinstance(value, type):
            self._class(node, value)
        elif isinstance(value, ModuleType):
            self._module(node, value)
        else:
            self._object(node, value)

    def _object(self, node: Node, value: object) -> None:
        node.shown = f"<{type(value).__qualname__}>"
        if self.owners.of_type(type(value)) is Owner.PACKAGE:
            node.add("package", self.package_node(type(value).__module__))
        try:
            parts = take_apart(value, self.owners)
        except UnstableError as reason:
            node.text = b"unstable"
            node.warning = _UNSTABLE.format(name="{name}", kind=type(value).__qualname__, reason=reason)
            node.add("everything", self._everything())
            return
        self._hold(node, parts)

    def _hold(self, node: Node, parts: Parts) -> None:
        node.text = parts.text
        node.unordered = parts.unordered
        for label, one in parts.held:
            node.add(label, self._node(one))

    # -- functions -----------------------------------------------------------------------------------------

    def _function(self, node: Node, function: FunctionType, *, is_step: bool = False) -> None:
        node.kind = CODE
        owner = self.owners.of_function(function)
        if owner is not Owner.USER:
            self._foreign_function(node, function, owner)
            return
        scope = _Scope(function.__globals__, cells_of(function))
        units = self._units_of(function.__code__)
        if units:
            self._written(node, units, scope, is_step=is_step)
        else:
            node.name = f"{scope.module}.{function.__qualname__}"
            self._hold(node, code_parts(function.__code__))
            self._refer(node, (Reference("", -1, (name,)) for name in function.__code__.co_names), scope)
            self._refer(node, (Reference("", -1, (name,)) for name in scope.cells), scope)
        self._live_parts(node, function, is_step=is_step)

    def _foreign_function(self, node: Node, function: FunctionType, owner: Owner) -> None:
        """Count a package's function by its package; one that it made for the user, also by what it holds."""
        node.text = f"function {function.__code__.co_qualname}".encode()
        node.kind = VALUE
        if owner is Owner.PACKAGE:
            node.add("package", self.package_node(str(function.__globals__.get("__name__"))))
        where = str(function.__module__)
        if owner is Owner.LEGATO or (
            self._is_foreign(where) and by_name(where, function.__qualname__) is function
        ):
            node.kind = PLACE
            return
        for name, value in cells_of(function).items():
            node.add(f"cell {name}", self._node(value))
        self._live_parts(node, function, is_step=False)

    def _is_foreign(self, module: str) -> bool:
        return self.owners.of_module(module) in (Owner.PACKAGE, Owner.PYTHON, Owner.LEGATO)

    def _units_of(self, code: CodeType) -> list[Unit]:
        if not self._sources.is_first_party_file(code.co_filename):
            return []
        try:
            index = self._sources.index(code.co_filename)
        except (OSError, SyntaxError, ValueError):
            return []
        return index.functions(code.co_firstlineno, code.co_name, _places(code))

    def _written(self, node: Node, units: list[Unit], scope: _Scope, *, is_step: bool = False) -> None:
        """Give a node the text and references of its units; several when the live object could be each."""
        file = self._sources.relative(self._file_of(scope))
        node.kind, node.file, node.name = CODE, file, f"{file}:{units[0].qualname}"
        decorators = [one for unit in units for one in unit.decorators if not self._is_legato(one, scope)]
        texts = [*(unit.bare if is_step else unit.text for unit in units), *(one.text for one in decorators)]
        node.text = "\n".join(texts).encode()
        for unit in units:
            self._refer(node, unit.references, scope, own=unit.name if is_step else "")
        for decorator in decorators:
            self._refer(node, decorator.references, scope)

    def _file_of(self, scope: _Scope) -> str:
        file = scope.names.get("__file__")
        return file if isinstance(file, str) else self._sources.file_of(scope.module)

    def _is_legato(self, decorator: Decorator, scope: _Scope) -> bool:
        if not decorator.head:
            return False
        value = scope.names.get(decorator.head[0])
        if isinstance(value, ModuleType):
            return self.owners.of_module(value.__name__) is Owner.LEGATO
        return value is not None and self.owners.is_legato(value)

    def _live_parts(self, node: Node, function: FunctionType, *, is_step: bool) -> None:
        """Add what the live function holds: defaults, attributes, what it wraps."""
        code = function.__code__
        defaults = function.__defaults__ or ()
        names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
        for name, value in zip(names, defaults, strict=True):
            node.add(f"default {name}", self._node(value), f"{node.name}({name}=)")
        for name, value in sorted((function.__kwdefaults__ or {}).items()):
            if not is_step:
                node.add(f"default {name}", self._node(value), f"{node.name}({name}=)")
            elif type(value).__module__ != "builtins":
                node.add(f"type {name}", self._node(type(value)))
        for name, value in sorted(vars(function).items()):
            if not name.startswith("__legato") and not self.owners.is_legato(value):
                node.add(name, self._node(value), f"{node.name}.{name}")

    # -- classes and modules -------------------------------------------------------------------------------

    def _class(self, node: Node, kind: type) -> None:
        owner = self.owners.of_type(kind)
        name = f"{kind.__module__}.{kind.__qualname__}"
        node.text = b"class " + name.encode()
        node.name = name
        if owner is Owner.PACKAGE:
            node.add("package", self.package_node(kind.__module__))
        if owner not in (Owner.USER, Owner.NOBODY) and by_name(kind.__module__, kind.__qualname__) is kind:
            node.kind = PLACE
            return
        if owner is Owner.PYTHON or owner is Owner.LEGATO:
            return
        scope = _Scope(vars(sys.modules.get(kind.__module__, builtins)), class_cells(kind))
        units = self._classes_of(kind) if owner is Owner.USER else []
        if units:
            self._written(node, units, scope)
        else:
            node.kind, node.text = CODE, b"class " + kind.__qualname__.encode()
        for label, value in class_parts(kind, self.owners, written=bool(units)):
            node.add(label, self._node(value), f"{name}.{label}")

    def _classes_of(self, kind: type) -> list[Unit]:
        file = self._sources.file_of(kind.__module__)
        try:
            found = self._sources.index(file).classes(kind.__qualname__)
        except (OSError, SyntaxError, ValueError):
            return []
        codes = [one.__code__ for one in _own_functions(kind) if one.__code__.co_filename == file]
        lines = {code.co_firstlineno for code in codes}
        lines |= {line for line in [vars(kind).get("__firstlineno__")] if isinstance(line, int)}
        holding = [unit for unit in found if any(unit.line <= line <= unit.span[2] for line in lines)]
        return holding or found

    def _module(self, node: Node, module: ModuleType) -> None:
        """Count a module that code takes as a whole: its text and every global of it."""
        name = module.__name__
        if self.owners.of_module(name) is not Owner.USER:
            self._foreign_module(node, module)
            return
        file = self._sources.file_of(name)
        node.kind, node.file = CODE, self._sources.relative(file)
        node.name = node.file
        node.text = b"module " + self._sources.module_digest(file).encode()
        for label, value in sorted(vars(module).items()):
            if not (label.startswith("__") and label.endswith("__")) and not isinstance(value, ModuleType):
                node.add(label, self._node(value), self._origin(name, label))

    def _foreign_module(self, node: Node, module: ModuleType) -> None:
        node.kind, node.text = PLACE, b"module " + module.__name__.encode()
        owner = self.owners.of_module(module.__name__)
        if owner is Owner.PACKAGE:
            node.add("package", self.package_node(module.__name__))
        elif owner is Owner.NOBODY and getattr(module, "__file__", None) is None:
            for label, value in sorted(vars(module).items()):
                if not label.startswith("__"):
                    node.add(label, self._node(value))

    def _everything(self) -> Node:
        if id(self.everything) not in self._by_id:
            self._by_id[id(self.everything)] = self.everything
            self._pending.append((self.everything, self.everything))
        return self.everything

    def _fill_everything(self, node: Node) -> None:
        for name in self._sources.loaded():
            module = self._node(sys.modules[name])
            node.add(self._sources.relative(self._sources.file_of(name)), module)
        for path, digest in everything_read(self._sources.watching):
            relative = self._plain.relative(self._sources.relative(path))
            node.add(relative, Node(VALUE, digest.encode()), relative)

    # -- names ---------------------------------------------------------------------------------------------

    def _refer(self, node: Node, references: Iterable[Reference], scope: _Scope, own: str = "") -> None:
        for reference in references:
            label = ".".join(reference.path)
            if reference.level >= 0:
                target, name = self._imported(reference, scope)
                label = f"import {reference.level} {reference.module} {label}"
            else:
                target, name = self._named(reference.path, scope, node.name)
                label = "" if own and label == own else label
            if target is not None:
                node.add(label, target, name)

    def _named(self, path: tuple[str, ...], scope: _Scope, user: str) -> tuple[Node | None, str]:
        head = path[0]
        if head in scope.cells:
            return self._walk(scope.cells[head], path[1:], f"{user}({head})")
        if head in scope.names:
            if head in _OF_THE_MODULE:
                return None, ""
            found, name = self._walk(scope.names[head], path[1:], self._origin(scope.module, head))
            return self._with_writers(found, scope, head, name), name
        if head in _SEES_MODULE and scope.module in sys.modules:
            return self._node(sys.modules[scope.module]), ""
        return (self._python, "") if hasattr(builtins, head) else (self._missing, "")

    def _with_writers(self, node: Node, scope: _Scope, head: str, name: str) -> Node:
        """Add to a global the functions that assign it later: those of its module, or word that others do."""
        own = self._writes.inside(scope.module).get(head, ())
        writer = self._writes.elsewhere().get((scope.module, head))
        if not own and writer is None:
            return node
        both = self._assigned.get((scope.module, head))
        if both is None:
            both = self._assigned[scope.module, head] = Node(PLACE, b"written")
            both.add("now", node, name)
            for unit in own:
                code = Node(CODE)
                both.add("by", code)
                self._written(code, [unit], _Scope(scope.names))
            if writer is not None:
                both.name, both.warning = name, _WRITTEN.format(name="{name}", writer=writer)
                both.add("everything", self._everything())
        return both

    def _walk(self, value: object, path: tuple[str, ...], name: str) -> tuple[Node, str]:
        """Follow attributes for as long as they lead from module to module."""
        while isinstance(value, ModuleType) and path:
            module = value.__name__
            name, (head, *rest) = f"{module}.{path[0]}", path
            found = vars(value).get(head, sys.modules.get(f"{module}.{head}"))
            if self.owners.of_module(module) is Owner.USER:
                if found is None and head not in vars(value):
                    return self._lazily(value), name
                if not isinstance(found, ModuleType):
                    scope = _Scope(vars(value))
                    return self._with_writers(self._node(found), scope, head, name), self._origin(
                        module, head
                    )
            elif not isinstance(found, ModuleType):
                return self._of_foreign(value, found), name
            value, path = found, tuple(rest)
        return self._node(value), name

    def _lazily(self, module: ModuleType) -> Node:
        """Count a name that a module only makes when asked: all of the module, or its absence."""
        return self._node(module) if "__getattr__" in vars(module) else self._missing

    def _of_foreign(self, module: ModuleType, found: object) -> Node:
        """Count what is taken from a package's module; what the user put there counts as theirs."""
        if isinstance(found, FunctionType) and self.owners.of_function(found) is Owner.USER:
            return self._node(found)
        if isinstance(found, type) and self.owners.of_type(found) is Owner.USER:
            return self._node(found)
        if module.__name__ == "sys" and found is sys.modules:
            return self._everything()
        return self._node(module)

    def _imported(self, reference: Reference, scope: _Scope) -> tuple[Node | None, str]:
        name = absolute(reference, scope.package)
        module = sys.modules.get(name)
        if module is not None and reference.path == ONLY_LOADED:
            return None, ""
        if module is not None:
            inner = f"{name}.{reference.path[0]}" if reference.path else ""
            if not inner or hasattr(module, reference.path[0]) or not self._sources.locate(inner):
                return self._walk(module, reference.path, name)
            name = inner
        file = self._sources.locate(name)
        if file and self._sources.is_first_party_file(file):
            return self.files.node(name, file), name
        return (
            self.package_node(name) if name.partition(".")[0] not in sys.stdlib_module_names else None
        ), name

    def _origin(self, module: str, name: str) -> str:
        """Return what people call a global: by the module that the text imports it from, if it does."""
        known = self._origins.get((module, name))
        if known is None:
            known = self._origins[module, name] = self._find_origin(module, name)
        return known

    def _find_origin(self, module: str, name: str) -> str:
        if not self._sources.first_party(module):
            return f"{module}.{name}"
        try:
            reference = self._sources.index(self._sources.file_of(module)).origins.get(name)
        except (OSError, SyntaxError, ValueError):
            reference = None
        if reference is None or not reference.path:
            return f"{module}.{name}"
        package = str(getattr(sys.modules[module], "__package__", "") or "")
        return f"{absolute(reference, package)}.{'.'.join(reference.path)}"


def _places(code: CodeType) -> Iterator[tuple[int, int]]:
    for line, _, column, _ in code.co_positions():
        if line is not None and column is not None and (line, column) != (code.co_firstlineno, 0):
            yield line, column


def _unwrapped(function: FunctionType) -> Iterator[FunctionType]:
    """Yield a function and those that it wraps, the innermost last."""
    seen: set[int] = set()
    inner: object = function
    while isinstance(inner, FunctionType) and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        inner = getattr(inner, "__wrapped__", None)


def _own_functions(kind: type) -> Iterator[FunctionType]:
    for value in vars(kind).values():
        for one in (value, getattr(value, "__func__", None), getattr(value, "fget", None)):
            if isinstance(one, FunctionType):
                yield one
