"""Finds the names that code takes from outside itself, as Python's own scoping does.

Rule: a parameter, a local or a comprehension's variable is never taken for a global of the same name.
"""

import ast
from collections.abc import Iterable
from typing import Final, NamedTuple


class Reference(NamedTuple):
    """Something outside the code that it refers to.

    Attributes:
        module: For names bound by an import inside the code: that module.
        level: -1 for a plain name; else the dots of a relative import, 0 for none.
        path: The name and the attributes that follow it; for an import, what is taken from the module.
    """

    module: str
    level: int
    path: tuple[str, ...]


_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class _Frame:
    """The names that one scope binds."""

    __slots__ = ("bound", "enclosing", "imports", "is_class", "outside")

    def __init__(self, *, is_class: bool = False) -> None:
        self.bound: set[str] = set()
        self.outside: set[str] = set()
        self.enclosing: set[str] = set()
        self.imports: dict[str, list[Reference]] = {}
        self.is_class = is_class


def imported(node: ast.Import | ast.ImportFrom) -> Iterable[tuple[str, Reference]]:
    """Yield each name that an import statement binds, and what it binds it to; `*` binds the module."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or whole, Reference(whole, 0, ())
    else:
        for alias in node.names:
            path = () if alias.name == "*" else (alias.name,)
            yield alias.asname or alias.name, Reference(node.module or "", node.level, path)


def _bind(frame: _Frame, nodes: Iterable[ast.AST | None]) -> None:
    """Note in `frame` what `nodes` bind, without entering scopes inside them."""
    stack = [node for node in nodes if node is not None]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                frame.bound.add(node.id)
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            frame.bound.add(node.name)
            stack += _outer_parts(node)
        elif isinstance(node, ast.Lambda):
            stack += _outer_parts(node)
        elif isinstance(node, _COMPREHENSIONS):
            _bind_walruses(frame, node)
        else:
            _bind_statement(frame, node)
            stack += ast.iter_child_nodes(node)


def _bind_statement(frame: _Frame, node: ast.AST) -> None:
    match node:
        case ast.Import() | ast.ImportFrom():
            for name, reference in imported(node):
                frame.bound.add(name)
                frame.imports.setdefault(name, []).append(reference)
        case ast.Global():
            frame.outside.update(node.names)
        case ast.Nonlocal():
            frame.enclosing.update(node.names)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            frame.bound.add(name)
        case ast.MatchMapping(rest=str(name)):
            frame.bound.add(name)
        case _:
            pass


def _bind_walruses(frame: _Frame, comprehension: ast.AST) -> None:
    stack = [comprehension]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.NamedExpr):
            frame.bound.add(node.target.id)
        if not isinstance(node, ast.Lambda):
            stack += ast.iter_child_nodes(node)


def _annotations(arguments: ast.arguments) -> list[ast.expr]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [one.annotation for one in every if one.annotation is not None]


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)]


def _outer_parts(node: ast.AST) -> list[ast.AST]:
    """Return what a definition evaluates in the scope around it."""
    match node:
        case ast.ClassDef():
            return [*node.decorator_list, *node.bases, *node.keywords]
        case ast.Lambda():
            return [*_defaults(node.args)]
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            returns = [node.returns] if node.returns is not None else []
            return [*node.decorator_list, *_defaults(node.args), *_annotations(node.args), *returns]
        case _:
            return []


def _frame_of(node: Function | ast.ClassDef) -> _Frame:
    frame = _Frame(is_class=isinstance(node, ast.ClassDef))
    frame.bound.update(one.name for one in getattr(node, "type_params", ()))
    _bind(frame, [node.body] if isinstance(node, ast.Lambda) else node.body)
    if not isinstance(node, ast.ClassDef):
        arguments = node.args
        every = [
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ]
        frame.bound.update(one.arg for one in every if one is not None)
    frame.bound -= frame.outside | frame.enclosing
    return frame


class _Finder:
    """Walks code in order and keeps what it takes from outside, each once."""

    def __init__(self) -> None:
        self.found: dict[Reference, None] = {}
        self.written: dict[str, None] = {}
        self._frames: list[_Frame] = []

    def visit(self, node: ast.AST) -> None:
        match node:
            case ast.Name():
                self._name(node, ())
            case ast.Attribute():
                self._attribute(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() | ast.ClassDef():
                self.all(_outer_parts(node))
                self.inside(node, [node.body] if isinstance(node, ast.Lambda) else node.body)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                self._comprehension(node.generators, [node.elt])
            case ast.DictComp():
                self._comprehension(node.generators, [node.key, node.value])
            case ast.Import() | ast.ImportFrom():
                self.found.update((reference, None) for _, reference in imported(node) if reference.path)
                self.found.update(_whole(node))
            case _:
                self.all(ast.iter_child_nodes(node))

    def all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def inside(self, node: Function | ast.ClassDef, body: Iterable[ast.AST]) -> None:
        """Visit `body` in the scope of `node`."""
        self._frames.append(_frame_of(node))
        self.all(getattr(node, "type_params", ()))
        self.all(body)
        self._frames.pop()

    def _attribute(self, node: ast.Attribute) -> None:
        path = [node.attr]
        inner = node.value
        while isinstance(inner, ast.Attribute):
            path.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            self._name(inner, tuple(reversed(path)))
        else:
            self.visit(inner)

    def _comprehension(self, generators: list[ast.comprehension], results: list[ast.expr]) -> None:
        self.visit(generators[0].iter)
        frame = _Frame()
        _bind(frame, [generator.target for generator in generators])
        self._frames.append(frame)
        for position, generator in enumerate(generators):
            self.all([generator.target, *([generator.iter] if position else []), *generator.ifs])
        self.all(results)
        self._frames.pop()

    def _name(self, node: ast.Name, attributes: tuple[str, ...]) -> None:
        stored = not attributes and not isinstance(node.ctx, ast.Load)
        innermost = True
        for frame in reversed(self._frames):
            if node.id in frame.outside:
                break
            if node.id in frame.bound and (innermost or not frame.is_class):
                for reference in frame.imports.get(node.id, ()):
                    self.found[reference._replace(path=reference.path + attributes)] = None
                if not frame.is_class:
                    return
            innermost = False
        if stored:
            self.written[node.id] = None
        self.found[Reference("", -1, (node.id, *attributes))] = None


def _whole(node: ast.Import | ast.ImportFrom) -> dict[Reference, None]:
    """Return the modules that an import statement loads, for the effects that loading them has."""
    if isinstance(node, ast.ImportFrom):
        return {Reference(node.module or "", node.level, ("*",)): None}
    return {Reference(alias.name, 0, ("*",)): None for alias in node.names}


class Names(NamedTuple):
    """What code takes from outside, in order of first use, and the globals that it assigns."""

    references: tuple[Reference, ...]
    written: tuple[str, ...]


def names_of_function(node: Function) -> Names:
    """Return the names of a function's body, annotations and result.

    Its decorators and defaults are left out: the defaults' values are read from the live function.
    """
    finder = _Finder()
    finder.all(_annotations(node.args))
    if not isinstance(node, ast.Lambda) and node.returns is not None:
        finder.visit(node.returns)
    finder.inside(node, [node.body] if isinstance(node, ast.Lambda) else node.body)
    return Names(tuple(finder.found), tuple(finder.written))


def names_of_class(node: ast.ClassDef, body: Iterable[ast.stmt]) -> Names:
    """Return the names of a class's bases and keywords, and of those statements of it that are in `body`."""
    finder = _Finder()
    finder.all([*node.bases, *node.keywords])
    finder.inside(node, body)
    return Names(tuple(finder.found), tuple(finder.written))


def names_of(node: ast.AST) -> Names:
    """Return the names of an expression or statement at module level."""
    finder = _Finder()
    finder.visit(node)
    return Names(tuple(finder.found), tuple(finder.written))


def imports_in(node: ast.Import | ast.ImportFrom) -> tuple[Reference, ...]:
    """Return each module, and each name of one, that an import statement loads."""
    return (*(reference for _, reference in imported(node)), *_whole(node))
