"""Says what a live class holds besides its text: methods, attributes, bases, as they are after import.

Rule: what a decorator or metaclass derives from the class's text is left out,
what anyone put there since is not.
"""

import dataclasses
import types
from collections.abc import Iterator
from enum import Enum
from typing import Final

from legato.pipeline.fingerprint.owners import Owners
from legato.pipeline.fingerprint.plain import SLOTS

_DERIVED: Final = frozenset(
    {
        "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__dict__",
        "__doc__",
        "__firstlineno__", "__module__", "__orig_bases__", "__parameters__", "__qualname__",
        "__static_attributes__", "__weakref__", "__dataclass_fields__", "__dataclass_params__",
        "__match_args__",
        "__abstractmethods__", "__type_params__",
    }
)  # fmt: skip
_ACCESSORS: Final = (staticmethod, classmethod, property, types.FunctionType)


def functions_in(kind: type) -> Iterator[types.FunctionType]:
    """Yield the functions that stand in a class, also in its static and class methods and properties."""
    for value in vars(kind).values():
        inner = [value]
        if isinstance(value, staticmethod | classmethod):
            inner = [value.__func__]
        elif isinstance(value, property):
            inner = [value.fget, value.fset, value.fdel]
        yield from (one for one in inner if isinstance(one, types.FunctionType))


def cells_of(function: types.FunctionType) -> dict[str, object]:
    """Return the variables of enclosing functions that a function sees; those not set yet are left out."""
    found: dict[str, object] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found


def class_cells(kind: type) -> dict[str, object]:
    """Return the variables of enclosing functions that the methods of a class see."""
    found: dict[str, object] = {}
    for function in functions_in(kind):
        found.update(cells_of(function))
    found.pop("__class__", None)
    return found


def class_parts(kind: type, owners: Owners, *, written: bool) -> list[tuple[str, object]]:
    """Return what a class holds, by label.

    Args:
        kind: The class.
        owners: Whose its functions are.
        written: Its text is known, so what is generated from it need not count.
    """
    held: list[tuple[str, object]] = [
        (f"base {n}", base) for n, base in enumerate(kind.__bases__) if base is not object
    ]
    if type(kind) is not type:
        held.append(("metaclass", type(kind)))
    if issubclass(kind, Enum):
        held += [(f"member {name}", member.value) for name, member in kind.__members__.items()]
    held += _field_defaults(kind)
    members: dict[str, object] = dict(kind.__members__) if issubclass(kind, Enum) else {}
    for name, value in sorted(vars(kind).items()):
        if name not in members and _counts(kind, name, value, owners, written=written):
            held.append((name, value))
    return held


def _field_defaults(kind: type) -> Iterator[tuple[str, object]]:
    if "__dataclass_fields__" not in vars(kind):
        return
    for one in dataclasses.fields(kind):
        if one.default is not dataclasses.MISSING:
            yield f"default {one.name}", one.default
        if one.default_factory is not dataclasses.MISSING:
            yield f"default {one.name}", one.default_factory


def _counts(kind: type, name: str, value: object, owners: Owners, *, written: bool) -> bool:
    if name in _DERIVED or isinstance(value, SLOTS) or type(value).__module__ in ("_collections", "_abc"):
        return False
    if isinstance(value, _ACCESSORS):
        inner = value if isinstance(value, types.FunctionType) else next(_functions(value), None)
        generated = inner is None or not owners.is_written(inner)
        return not (written and generated and (_is_from_text(inner) or issubclass(kind, Enum)))
    dunder = name.startswith("__") and name.endswith("__")
    internal = issubclass(kind, Enum) and (
        name.startswith("_") or type(value).__module__ in ("enum", "types")
    )
    return not (written and dunder and name != "__slots__") and not internal


def _functions(value: object) -> Iterator[types.FunctionType]:
    for name in ("__func__", "fget", "fset", "fdel"):
        one = getattr(value, name, None)
        if isinstance(one, types.FunctionType):
            yield one


def _is_from_text(function: types.FunctionType | None) -> bool:
    """Say whether a function was generated from the class's text (dataclasses, attrs, named tuples)."""
    if function is None:
        return False
    file = function.__code__.co_filename
    return file.startswith("<") or function.__globals__.get("__name__") in (
        "collections",
        "dataclasses",
        "enum",
    )
