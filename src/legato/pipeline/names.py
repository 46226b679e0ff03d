"""Finds which thing has which name in a pipeline module, and the things that lost theirs.

Rule: a name means one thing and a thing has one name; both lines are shown where that does not hold.
"""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING, Final

from legato.domain.graph import Place
from legato.pipeline.handles import (
    MADE,
    Command,
    Dataset,
    Derived,
    Endpoint,
    Foreign,
    Handle,
    Model,
    OneOutput,
    Parameter,
    StepHandle,
    handle_of,
)
from legato.pipeline.including import Inclusion, of_module

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from legato.pipeline.places import Places
    from legato.pipeline.problems import Problems

_FROM: Final = re.compile(r"^from\s+\S+\s+import\s+(\([^)]*\)|.*)$", re.MULTILINE)
_WORD: Final = re.compile(r"\w+")


class Binding:
    """One statement that gives a name: its lines, and for `from m import a as b` the source `m:a`."""

    __slots__ = ("end", "line", "source")

    def __init__(self, line: int, end: int, source: str = "") -> None:
        self.line = line
        self.end = end
        self.source = source


class Names:
    """The things of one module by name, and the names by thing.

    Attributes:
        things: Handle by name, in the order of the module; `lg.command`s under the name they were given.
        aliases: Handles on single outputs, by the variable that holds them.
        values: What the name is bound to: the function itself for steps.
        foreign: Other tools' pipeline files, named or not.
    """

    def __init__(self, namespace: Mapping[str, object]) -> None:
        self.things: dict[str, Handle] = {}
        self.aliases: dict[str, OneOutput] = {}
        self.values: dict[str, object] = {}
        self.doubles: list[tuple[str, str]] = []
        self.foreign: list[Foreign] = []
        self._names: dict[int, str] = {}
        for name, value in namespace.items():
            thing = handle_of(value)
            if isinstance(thing, OneOutput):
                self.aliases[name] = thing
            elif thing is not None:
                self._add(name, thing, value)
        self.clashes: list[tuple[str, Inclusion]] = []
        for inclusion in of_module(namespace):
            self._include(inclusion)
        for made in MADE:
            if isinstance(made, Command) and made.spot.home is namespace and id(made) not in self._names:
                self._add(made.name, made, made)
            if isinstance(made, Foreign) and (made.spot.home is namespace or id(made) in self._names):
                self.foreign.append(made)

    def _include(self, inclusion: Inclusion) -> None:
        for name, member in inclusion.members.items():
            if name in self.things or name in self.aliases:
                self.clashes.append((name, inclusion))
            else:
                self._add(name, member, member)

    def _add(self, name: str, thing: Handle, value: object) -> None:
        first = self._names.setdefault(id(thing), thing.name if isinstance(thing, Command) else name)
        if isinstance(thing, Command):
            if self.things.setdefault(thing.name, thing) is not thing:
                self.doubles.append((thing.name, name))
        elif first != name:
            self.doubles.append((first, name))
        else:
            if name in self.things:
                self.doubles.append((name, name))
            self.things[name] = thing
            self.values[name] = value

    def of(self, thing: Handle) -> str | None:
        """Return the name of a thing, or None when the module has none for it."""
        return self._names.get(id(thing))


def find_names(
    namespace: Mapping[str, object], source: str | bytes | None, places: Places, problems: Problems
) -> Names:
    """Return the names of a module's things, and note each double, replaced or nameless one."""
    names = Names(namespace)
    _note_clashes(names, places, problems)
    lost = [made for made in MADE if made.spot.home is namespace and names.of(made) is None]
    lost = [
        made
        for made in lost
        if isinstance(made, StepHandle | Derived | Dataset | Parameter | Model | Endpoint)
    ]
    if not (lost or names.doubles or _may_replace_imports(names, source)):
        return names
    bound = bindings(source) if source is not None else {}
    file = places.relative(str(namespace.get("__file__", "")))
    _note_doubles(names, bound, places, problems, file)
    for made in lost:
        _note_lost(made, namespace, bound, places, problems)
    for name in names.things:
        _note_replaced_import(name, names, bound.get(name, []), problems, places)
    return names


def _note_clashes(names: Names, places: Places, problems: Problems) -> None:
    for name, inclusion in names.clashes:
        other = names.things.get(name) or names.aliases[name]
        problems.add(
            f"two things are called `{name}`: the {other.word} at {places.of(other)}, and what lg.include brings",
            Place(file=places.relative(inclusion.where.file), line=inclusion.where.line),
            "give the inclusion another prefix=, or rename this one",
        )


def _note_doubles(
    names: Names, bound: Mapping[str, list[Binding]], places: Places, problems: Problems, file: str
) -> None:
    for first, second in names.doubles:
        thing = names.things[first]
        if isinstance(thing, Command):
            problems.add(f"two things are called `{first}`", places.of(thing), "rename one of them")
            continue
        lines = [
            Place(file=file, line=bound[name][-1].line if name in bound else 0) for name in (first, second)
        ]
        problems.add(
            f"the {thing.word} at {places.of(thing)} has two names: "
            f"`{first}` at {lines[0]} and `{second}` at {lines[1]}",
            lines[1],
            f"keep one of them; for the same step again write {second} = {first}.using(...)",
        )


def _note_lost(
    made: Handle,
    namespace: Mapping[str, object],
    bound: Mapping[str, list[Binding]],
    places: Places,
    problems: Problems,
) -> None:
    at = places.of(made)
    name, again = _replaced_by(made, bound)
    if name in namespace:
        other = handle_of(namespace[name])
        place = Place(file=at.file, line=again) if again or other is None else places.of(other)
        if place.line != at.line:
            problems.add(
                f"two things are called `{name}`: the {made.word} at {at} is replaced at {place}",
                place,
                "rename one of them",
            )
    elif isinstance(made, Model | Endpoint):
        problems.add(
            f"the {made.word} {made.name!r} has no name in the module",
            at,
            f"give it one: {made.word}_ = lg.{made.word}(...)",
        )


def _replaced_by(made: Handle, bound: Mapping[str, list[Binding]]) -> tuple[str, int]:
    """Return the name that `made` had and the line that bound it again; without a source, a guess."""
    for name, statements in bound.items():
        *earlier, last = statements
        if any(statement.line <= made.spot.line <= statement.end for statement in earlier):
            return name, last.line
    if not bound and isinstance(made, StepHandle):
        return made.function.__name__, 0
    return "", 0


def _may_replace_imports(names: Names, source: str | bytes | None) -> bool:
    if source is None:
        return False
    text = source.decode(errors="replace") if isinstance(source, bytes) else source
    imported = {word for found in _FROM.findall(text) for word in _WORD.findall(found)}
    return not imported.isdisjoint(names.things)


def _note_replaced_import(
    name: str, names: Names, statements: list[Binding], problems: Problems, places: Places
) -> None:
    kept = names.things[name]
    for statement in statements[:-1]:
        module, _, attribute = statement.source.partition(":")
        other = handle_of(getattr(sys.modules.get(module), attribute, None)) if attribute else None
        if other is not None and other is not kept:
            at = places.of(kept)
            problems.add(
                f"two things are called `{name}`: the {other.word} at {places.of(other)}, imported at line "
                f"{statement.line}, is replaced at {at}",
                at,
                "import it under another name, or rename this one",
            )


def bindings(source: str | bytes) -> dict[str, list[Binding]]:
    """Return the statements that bind each name of a module, in order; functions' insides left out.

    >>> [binding.line for binding in bindings("a = 1; a = 2")["a"]]
    [1, 1]
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, list[Binding]] = {}
    for statement in _statements(tree.body):
        for name, origin in _bound_by(statement):
            line, end = statement.lineno, statement.end_lineno or statement.lineno
            decorators = getattr(statement, "decorator_list", [])
            line = min([line, *(decorator.lineno for decorator in decorators)])
            found.setdefault(name, []).append(Binding(line, end, origin))
    return found


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for inner in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, inner, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _bound_by(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name, ""
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            yield alias.asname or alias.name, f"{statement.module}:{alias.name}"
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name):
                    yield node.id, ""
