"""Takes a module's source apart into units: its functions, classes and lambdas, each with its text and names.

Rule: an index is plain data that depends on the source alone, so it is kept on disk by the source's digest.
"""

import ast
import hashlib
import marshal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, NamedTuple

from legato.pipeline.fingerprint.printer import body_of, printed
from legato.pipeline.fingerprint.scopes import (
    Function,
    Names,
    Reference,
    imported,
    imports_in,
    names_of,
    names_of_class,
    names_of_function,
)

INDEX_FORMAT: Final = 1
_DEEP: Final = 20_000
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_SETTERS: Final = ("setattr", "delattr")
_LEAVES: Final = frozenset({ast.Name, ast.Constant, ast.alias, ast.Global, ast.Nonlocal, ast.Pass})
_PLAIN: Final = frozenset({"ctx", "op", "ops", "id", "attr", "name", "type_comment", "kind", "type_ignores"})
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Decorator(NamedTuple):
    """One decorator: the name it starts with, its text, the names in it."""

    head: tuple[str, ...]
    text: str
    references: tuple[Reference, ...]


class Unit(NamedTuple):
    """One function, lambda or class of a module.

    Attributes:
        kind: `function`, `lambda`, `class`.
        qualname: As Python calls it (`Encoder.fit`, `make.<locals>.inner`).
        line: Its first line, decorators included: what `co_firstlineno` says.
        span: First line, first column, last line, last column, columns in UTF-8 bytes.
        text: Digest of what it does, its name included.
        bare: For functions: the same without name and keyword-only defaults.
        written: Globals that it assigns.
    """

    kind: str
    name: str
    qualname: str
    line: int
    span: tuple[int, int, int, int]
    text: str
    bare: str
    decorators: tuple[Decorator, ...]
    references: tuple[Reference, ...]
    written: tuple[str, ...]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Let long chains of operators through: calls between Python functions take no C stack since 3.11."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _DEEP))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _signature(arguments: ast.arguments, *, bare: bool) -> str:
    """Return names, kinds and annotations of parameters, and which have defaults, but not the defaults."""
    positional = [*arguments.posonlyargs, *arguments.args]
    counts = f"{len(arguments.posonlyargs)} {len(positional)} {len(arguments.defaults)}"
    optional = "" if bare else "".join("-" if one is None else "d" for one in arguments.kw_defaults)
    parts = printed(*positional, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg)
    return f"{counts} {optional} {parts}"


def _decorators(node: ast.stmt) -> tuple[Decorator, ...]:
    return tuple(_decorator(one) for one in getattr(node, "decorator_list", ()))


def _decorator(node: ast.expr) -> Decorator:
    path: list[str] = []
    inner = node.func if isinstance(node, ast.Call) else node
    while isinstance(inner, ast.Attribute):
        path.append(inner.attr)
        inner = inner.value
    head = (inner.id, *reversed(path)) if isinstance(inner, ast.Name) else ()
    return Decorator(head, _digest(printed(node)), names_of(node).references)


def _span(node: ast.stmt | ast.expr) -> tuple[int, int, int, int]:
    return (node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or 0)


def _first_line(node: ast.stmt | ast.expr) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _head(node: Function, *, name: str, bare: bool) -> str:
    parameters = printed(*getattr(node, "type_params", ()))
    return f"{type(node).__name__} {name} ({_signature(node.args, bare=bare)}) [{parameters}]"


def _rest(node: Function, *, blank: str = "") -> str:
    if isinstance(node, ast.Lambda):
        return printed(None, node.body, blank=blank)
    return printed(node.returns, *body_of(node), blank=blank)


def _function(node: Function, name: str, qualname: str) -> Unit:
    names = names_of_function(node)
    recursive = any(one.level < 0 and one.path[0] == name for one in names.references)
    rest = _rest(node)
    nameless = _rest(node, blank=name) if recursive else rest
    return Unit(
        kind="lambda" if isinstance(node, ast.Lambda) else "function",
        name=name,
        qualname=qualname,
        line=_first_line(node),
        span=_span(node),
        text=_digest(f"{_head(node, name=name, bare=False)} {rest}"),
        bare=_digest(f"{_head(node, name='', bare=True)} {nameless}"),
        decorators=() if isinstance(node, ast.Lambda) else _decorators(node),
        references=names.references,
        written=names.written,
    )


def _class(node: ast.ClassDef, qualname: str) -> Unit:
    """Return a class without its methods and inner classes: those are units that the live class leads to."""
    body = [one for one in body_of(node) if not isinstance(one, _DEFINITIONS)]
    names: Names = names_of_class(node, body)
    text = printed(*node.bases, None, *node.keywords, None, *getattr(node, "type_params", ()), None, *body)
    return Unit(
        kind="class",
        name=node.name,
        qualname=qualname,
        line=_first_line(node),
        span=_span(node),
        text=_digest(f"class {node.name} {text}"),
        bare="",
        decorators=_decorators(node),
        references=names.references,
        written=names.written,
    )


@cache
def _fields(kind: type) -> tuple[str, ...]:
    """Return the fields that may hold trees with something to look for: most nodes of a tree are leaves."""
    return () if kind in _LEAVES else tuple(one for one in getattr(kind, "_fields", ()) if one not in _PLAIN)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    kind: type = type(node)
    for field in _fields(kind):
        value = getattr(node, field)
        if isinstance(value, list):
            yield from (one for one in value if isinstance(one, ast.AST))
        elif isinstance(value, ast.AST):
            yield value


class _Survey:
    """One walk through a module: its units, its imports, the attributes that its functions assign."""

    def __init__(self, tree: ast.Module) -> None:
        self.units: list[Unit] = []
        self.imports: dict[Reference, None] = {}
        self.writes: set[tuple[str, ...]] = set()
        stack: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
        while stack:
            node, prefix, inside = stack.pop()
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.imports.update(dict.fromkeys(imports_in(node)))
            elif isinstance(node, ast.Attribute | ast.Call):
                self.writes.update(_written_by(node) if inside else ())
            elif isinstance(node, _SCOPES):
                prefix, inside = self._unit(node, prefix), inside or not isinstance(node, ast.ClassDef)
            stack.extend((child, prefix, inside) for child in _children(node))

    def _unit(self, node: ast.AST, prefix: str) -> str:
        """Keep a unit, and return what the names of those inside it start with."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.units.append(_function(node, node.name, prefix + node.name))
                return f"{prefix}{node.name}.<locals>."
            case ast.ClassDef():
                self.units.append(_class(node, prefix + node.name))
                return f"{prefix}{node.name}."
            case ast.Lambda():
                self.units.append(_function(node, "<lambda>", prefix + "<lambda>"))
                return f"{prefix}<lambda>.<locals>."
            case _:
                return prefix


def _written_by(node: ast.Attribute | ast.Call) -> Iterator[tuple[str, ...]]:
    """Yield the dotted targets (`module.name`) that an expression assigns."""
    if isinstance(node, ast.Attribute):
        if not isinstance(node.ctx, ast.Load):
            yield from (one.path for one in names_of(node).references)
    elif isinstance(node.func, ast.Name) and node.func.id in _SETTERS and len(node.args) > 1:
        name = node.args[1]
        if isinstance(name, ast.Constant):
            yield from ((*one.path, str(name.value)) for one in names_of(node.args[0]).references)


def _module_text(tree: ast.Module, units: Sequence[Unit]) -> str:
    """Return a module as text: its functions by their units, which are printed already."""
    by_place = {unit.span: unit for unit in units}
    parts: list[str] = []
    for node in body_of(tree):
        unit = by_place.get(_span(node))
        if unit is not None and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = printed(*node.args.defaults, None, *node.args.kw_defaults)
            parts += [unit.text, *(one.text for one in unit.decorators), defaults]
        else:
            parts.append(printed(node))
    return "\n".join(parts)


class Index:
    """The units of one module, found by where Python says that a live function or class was written.

    Attributes:
        digest: Of the whole module, comments and layout aside.
        units: In the order of the source.
        origins: For names that the module imports at its top: module, level, name there.
        imports: All that it imports anywhere.
        attribute_writes: Dotted targets that its functions assign (`config.LIMIT`).
    """

    def __init__(self, source: bytes) -> None:
        """Parse `source`; raises SyntaxError."""
        with _deep_recursion():
            tree = ast.parse(source)
            survey = _Survey(tree)
            self.units = tuple(sorted(survey.units, key=lambda unit: unit.span))
            self.digest = _digest(_module_text(tree, self.units))
            self.imports = tuple(survey.imports)
            self.attribute_writes = tuple(sorted(survey.writes))
        self.origins: dict[str, Reference] = {}
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.origins.update(imported(node))
        self._arrange()

    def _arrange(self) -> None:
        self._functions: dict[tuple[int, str], list[Unit]] = {}
        self._classes: dict[str, list[Unit]] = {}
        self.writers: dict[str, list[Unit]] = {}
        for unit in self.units:
            if unit.kind == "class":
                self._classes.setdefault(unit.qualname, []).append(unit)
            else:
                self._functions.setdefault((unit.line, unit.name), []).append(unit)
                for name in unit.written:
                    self.writers.setdefault(name, []).append(unit)

    def functions(self, line: int, name: str, places: Iterator[tuple[int, int]]) -> list[Unit]:
        """Return the functions called `name` at `line`; of several lambdas there, those that hold a place.

        Args:
            line: What `co_firstlineno` says.
            name: What `co_name` says.
            places: Line and column of instructions of the live code.
        """
        found = self._functions.get((line, name), [])
        if len(found) < 2:  # noqa: PLR2004 - one is sure
            return found
        place = next((one for one in places if one[0] >= line), None)
        inside = [unit for unit in found if place is not None and unit.span[:2] <= place <= unit.span[2:]]
        smallest = max((unit.span[:2] for unit in inside), default=None)
        return [unit for unit in inside if unit.span[:2] == smallest] or found

    def classes(self, qualname: str) -> list[Unit]:
        """Return the classes written as `qualname`; several where a condition decides between them."""
        return self._classes.get(qualname, [])

    def dump(self) -> bytes:
        """Return the index as bytes for `load`."""
        plain = [[*unit[:7], [list(one) for one in unit.decorators], *unit[8:]] for unit in self.units]
        state = (INDEX_FORMAT, self.digest, plain, self.imports, self.attribute_writes, self.origins)
        return marshal.dumps(_untyped(state))

    @classmethod
    def load(cls, data: bytes) -> "Index":
        """Return the index that `dump` wrote; raises ValueError when it cannot be read."""
        try:
            number, digest, units, imports, writes, origins = marshal.loads(data)  # noqa: S302 - our own cache
            if number != INDEX_FORMAT:
                raise ValueError(f"index format {number}")
            index = cls.__new__(cls)
            index.digest = digest
            index.units = tuple(_unit(fields) for fields in units)
            index.imports = _references(imports)
            index.attribute_writes = writes
            index.origins = {name: Reference(*one) for name, one in origins.items()}
        except (EOFError, TypeError, AttributeError) as error:
            raise ValueError(f"the index cannot be read: {error}") from error
        index._arrange()  # noqa: SLF001 - our own
        return index


def _references(plain: Iterable[Any]) -> tuple[Reference, ...]:
    return tuple(Reference(*one) for one in plain)


def _unit(fields: tuple[Any, ...]) -> Unit:
    kind, name, qualname, line, span, text, bare, decorators, references, written = fields
    return Unit(
        kind, name, qualname, line, span, text, bare,
        tuple(Decorator(head, own, _references(names)) for head, own, names in decorators),
        _references(references),
        written,
    )  # fmt: skip


def _untyped(value: Any) -> Any:  # noqa: ANN401 - anything that is plain already
    """Return tuples for named tuples and lists, which is what marshal takes."""
    if isinstance(value, tuple | list):
        return tuple(_untyped(one) for one in value)
    if isinstance(value, dict):
        return {key: _untyped(one) for key, one in value.items()}
    return value
