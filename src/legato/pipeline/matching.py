"""Says whether what a step returns is what it says, and can be what another takes, by their annotations.

Rule: only a sure mismatch is one; what cannot be known passes, and the run will tell.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Complex, Integral, Real
from os import PathLike
from pathlib import PurePath
from typing import Final, Literal, get_args, get_origin, is_typeddict

from legato.formats import type_name
from legato.pipeline.annotations import Named, bare, is_any, members

_TABLES: Final = frozenset(
    {"polars.DataFrame", "polars.LazyFrame", "pandas.DataFrame", "pyarrow.Table", "pyarrow.dataset.Dataset"}
)
_COLUMNS: Final = frozenset(
    {"polars.Series", "pandas.Series", "pyarrow.Array", "pyarrow.ChunkedArray", "numpy.ndarray"}
)
_FAMILIES: Final = (_TABLES, _COLUMNS)
_PLACES: Final = frozenset({"pathlib.Path", "legato.Remote"})
_TOWER: Final = (bool, int, float, complex)
_NUMBERS: Final[dict[object, type]] = {bool: bool, int: Integral, float: Real, complex: Complex}


def fits(made: object, taken: object) -> bool:
    """Return False when a value annotated `made` surely is not what `taken` asks for.

    >>> fits(bool, float), fits(list[int], list[str]), fits(int, str | None), fits(dict, PurePath)
    (True, False, False, True)
    """
    if is_any(made) or is_any(taken):
        return True
    return any(_one_fits(bare(m), bare(t)) for m in members(made) for t in members(taken))


def holds(annotation: object, value: object) -> bool:
    """Return False when a value surely is not what `annotation` says; what is inside it is not looked at.

    >>> holds(int, "3"), holds(float, 3), holds(list[int], ["a"]), holds(int | None, None), holds("Thing", 3)
    (False, True, True, True, True)
    """
    if annotation is None or isinstance(annotation, str) or is_any(annotation):
        return True
    return any(_one_holds(bare(side), value) for side in members(annotation))


def _one_holds(annotation: object, value: object) -> bool:
    if get_origin(annotation) is Literal:
        return value in get_args(annotation)
    kind = _class_of(annotation)
    if kind is None or is_any(annotation) or isinstance(annotation, Named):
        return True
    if kind in _NUMBERS:
        return isinstance(_plain_number(value), _NUMBERS[kind])
    if issubclass(kind, PurePath):
        return isinstance(value, PathLike)
    sides = {type_name(type(value)), type_name(kind)}
    if any(sides <= family for family in _FAMILIES):
        return True
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol that is not runtime-checkable
        return True


def _plain_number(value: object) -> object:
    """Return a number of numpy's, or an array or tensor of one, as Python's own."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def _one_fits(made: object, taken: object) -> bool:
    if is_any(made) or is_any(taken) or (made == taken) is True or _is_path(taken):
        return True
    sides = (_name(made), _name(taken))
    if any(sides[0] in family and sides[1] in family for family in _FAMILIES):
        return True
    if isinstance(made, Named) or isinstance(taken, Named):
        return _name_fits(*sides)
    return _class_fits(made, taken)


def _is_path(annotation: object) -> bool:
    """Say whether any artifact can be taken so: as the place of its bytes, on this machine or elsewhere."""
    return (isinstance(annotation, type) and issubclass(annotation, PurePath)) or _name(annotation) in _PLACES


def _name(annotation: object) -> str:
    if isinstance(annotation, Named):
        return annotation.text
    kind = get_origin(annotation) or annotation
    return type_name(kind) if isinstance(kind, type) else ""


def _name_fits(made: str, taken: str) -> bool:
    """Two names differ for sure only where both are well known; else one may be a subclass of the other."""
    known = frozenset().union(*_FAMILIES)
    return made == taken or not (made in known and taken in known)


def _class_fits(made: object, taken: object) -> bool:
    made_class, taken_class = _class_of(made), _class_of(taken)
    if made_class is None or taken_class is None:
        return True
    if made_class in _TOWER and taken_class in _TOWER:
        return _TOWER.index(made_class) <= _TOWER.index(taken_class)
    try:
        related = issubclass(made_class, taken_class) or issubclass(taken_class, made_class)
    except TypeError:  # a protocol that is not runtime-checkable
        return True
    return related and _arguments_fit(made, taken)


def _class_of(annotation: object) -> type | None:
    origin = get_origin(annotation)
    if origin is Literal:
        return type(get_args(annotation)[0])
    kind = origin or annotation
    if not isinstance(kind, type):
        return None
    return dict if is_typeddict(kind) else kind


def _arguments_fit(made: object, taken: object) -> bool:
    """Compare `list[int]` with `list[str]` argument by argument, where both have as many."""
    ours, theirs = get_args(made), get_args(taken)
    if not ours or not theirs or len(ours) != len(theirs) or get_origin(taken) in (Literal, Callable):
        return True
    if get_origin(made) is Literal or any(isinstance(side, list) or side is ... for side in (*ours, *theirs)):
        return True
    return all(fits(our, their) for our, their in zip(ours, theirs, strict=True))
