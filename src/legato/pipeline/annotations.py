"""Resolves annotations without importing anything: objects as they are, texts by the names around them.

Rule: what cannot be resolved is kept as a text for people and asks for nothing.
"""

from __future__ import annotations

import ast
import sys
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, NewType, TypeVar, Union, get_args, get_origin

from legato.formats import type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Named:
    """A type known by its name only, from an import under `TYPE_CHECKING`: `polars.DataFrame`."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __getattr__(self, name: str) -> Named:
        """Return the name inside this one."""
        if name.startswith("__"):
            raise AttributeError(name)
        return Named(f"{self.text}.{name}")

    def __getitem__(self, arguments: object) -> Named:
        """Return the type without its arguments: they are not looked at."""
        return self

    def __or__(self, other: object) -> object:
        """Return a union."""
        return Union[self, other]  # noqa: UP007 - the members are values here

    def __ror__(self, other: object) -> object:
        """Return a union."""
        return Union[other, self]  # noqa: UP007 - the members are values here

    def __call__(self) -> None:
        """Refuse: it only is callable because `typing` asks that of a type."""
        raise TypeError(f"{self.text} is known by name only")

    def __eq__(self, other: object) -> bool:
        """Say whether both are the same name."""
        return isinstance(other, Named) and other.text == self.text

    def __hash__(self) -> int:
        """Return the hash of the name."""
        return hash(self.text)


class Unresolved:
    """An annotation that cannot be resolved here; `text` is how it is written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


MISSING: Final = Unresolved("")
"""There is no annotation."""


class Resolver:
    """Resolves the annotations of one pipeline; keeps what it has read of each file.

    Args:
        source: Returns the text of a source file, or None when there is none.
        root: The repository's root: modules below it may be imported for a result's type.
    """

    def __init__(self, source: Callable[[str], str | bytes | None], root: str = "") -> None:
        self._source = source
        self._root = root
        self._unimported: dict[str, dict[str, str]] = {}
        self._known: dict[tuple[int, str], object] = {}

    def resolve(self, annotation: object, namespace: Mapping[str, object]) -> object:
        """Return the annotation as an object; texts are looked up in `namespace`."""
        if isinstance(annotation, TypeVar):
            return MISSING
        if not isinstance(annotation, str):
            return type(None) if annotation is None else annotation
        key = (id(namespace), annotation)
        if key not in self._known:
            self._known[key] = self._evaluate(annotation, namespace)
        return self._known[key]

    def imported(self, named: Named) -> object:
        """Return the type that `named` names, importing its module when that is the author's own."""
        from importlib import import_module
        from importlib.util import find_spec

        module, _, attribute = named.text.rpartition(".")
        try:
            spec = find_spec(module) if self._root and module else None
            if spec is None or not str(spec.origin).startswith(self._root.rstrip("/") + "/"):
                return named
            return getattr(import_module(module), attribute, named)
        except Exception:  # noqa: BLE001 - the author's module may raise anything; it then is one artifact
            return named

    def _evaluate(self, text: str, namespace: Mapping[str, object]) -> object:
        found = _try(text, namespace, {})
        if isinstance(found, Unresolved):
            names = self._type_checking_names(str(namespace.get("__file__", "")))
            found = _try(text, namespace, {name: _loaded(path) for name, path in names.items()})
        return self.resolve(found, namespace)

    def _type_checking_names(self, file: str) -> dict[str, str]:
        if file not in self._unimported:
            source = self._source(file) if file else None
            self._unimported[file] = _names_under_type_checking(source) if source is not None else {}
        return self._unimported[file]


def _try(text: str, namespace: Mapping[str, object], more: Mapping[str, object]) -> object:
    names = {**more, **namespace}
    try:
        return eval(text, names)  # noqa: S307 - the author's own annotation, in the author's own process
    except Exception:  # noqa: BLE001 - an annotation may do anything; it then only skips the check
        return Unresolved(text)


def _loaded(path: str) -> object:
    """Return the object at `module:attribute` where its module is loaded, else only its name."""
    module, _, attribute = path.partition(":")
    loaded = sys.modules.get(module)
    if loaded is None:
        return Named(module + (f".{attribute}" if attribute else ""))
    return getattr(loaded, attribute, Named(f"{module}.{attribute}")) if attribute else loaded


def _names_under_type_checking(source: str | bytes) -> dict[str, str]:
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return {}
    names: dict[str, str] = {}
    for statement in body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING"):
            for inner in statement.body:
                names |= _imported(inner)
    return names


def _imported(statement: ast.stmt) -> dict[str, str]:
    if isinstance(statement, ast.Import):
        return {
            name.asname or name.name.partition(".")[0]: name.name
            if name.asname
            else name.name.partition(".")[0]
            for name in statement.names
        }
    if isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
        return {name.asname or name.name: f"{statement.module}:{name.name}" for name in statement.names}
    return {}


def bare(annotation: object) -> object:
    """Return the annotation without `Annotated` and `NewType`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        else:
            return annotation


def members(annotation: object) -> tuple[object, ...]:
    """Return the members of a union, else the annotation alone.

    >>> members(int | None)
    (<class 'int'>, <class 'NoneType'>)
    """
    annotation = bare(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return tuple(inner for side in get_args(annotation) for inner in members(side))
    return (annotation,)


def show(annotation: object) -> str:
    """Return an annotation as people write it; empty when there is none.

    >>> show(int | None), show(dict[str, float]), show(Any), show(MISSING)
    ('int | None', 'dict[str, float]', 'Any', '')
    """
    if isinstance(annotation, Named | Unresolved):
        return annotation.text
    if annotation is None:
        return "None"
    if annotation is ... or annotation is Any:
        return "..." if annotation is ... else "Any"
    sides = members(annotation)
    if len(sides) > 1:
        return " | ".join(show(side) for side in sides)
    annotation = sides[0]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(origin, type) and arguments:
        return f"{type_name(origin)}[{', '.join(_show_argument(argument) for argument in arguments)}]"
    if isinstance(annotation, type):
        return type_name(annotation)
    return str(annotation).removeprefix("typing.")


def _show_argument(argument: object) -> str:
    return f"[{', '.join(show(a) for a in argument)}]" if isinstance(argument, list) else show(argument)


def is_any(annotation: object) -> bool:
    """Say whether an annotation asks for nothing: missing, unresolved, `Any`, `object`, a type variable."""
    return isinstance(annotation, Unresolved | TypeVar) or annotation is Any or annotation is object
