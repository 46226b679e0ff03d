"""What a step gets that takes all elements of a fanned-out artifact: `lg.Gathered[T]`.

Rule: an element is loaded when it is asked for and not kept, so that ten thousand of them need the memory of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeVar, get_args, get_origin

from legato.pipeline.annotations import MISSING, Named, Unresolved, bare

if TYPE_CHECKING:
    from collections.abc import Sequence

T_co = TypeVar("T_co", covariant=True)

_TEXT: Final = re.compile(r"(?:\w+\.)*Gathered\s*(?:\[(.*)\])?\s*", re.DOTALL)


class Gathered(Mapping[str, T_co]):
    """All that the elements of a fanned-out step made, by key; made by hand it serves to test a step.

    The key is the element's own (`berlin`); of a step that is fanned out over several axes, `depth=4,kind=a`.

    Args:
        elements: What each element made.
        missing: Keys of elements that failed, where `tolerate=` lets the step go on without them.
    """

    __slots__ = ("_elements", "missing")

    def __init__(self, elements: Mapping[str, T_co] | None = None, missing: Sequence[str] = ()) -> None:
        self._elements = {} if elements is None else elements
        self.missing = tuple(missing)

    def __getitem__(self, key: str) -> T_co:
        """Return what one element made, loaded now."""
        return self._elements[key]

    def __iter__(self) -> Iterator[str]:
        """Yield the keys; nothing is loaded."""
        return iter(self._elements)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._elements)

    def __contains__(self, key: object) -> bool:
        """Say whether there is such an element; nothing is loaded."""
        return key in self._elements

    def __repr__(self) -> str:
        """Return how many there are, and which are missing."""
        missing = f", missing {list(self.missing)}" if self.missing else ""
        return f"Gathered({len(self)} elements{missing})"


def is_gathered(annotation: object) -> bool:
    """Say whether a parameter asks for all elements.

    >>> is_gathered(Gathered[int]), is_gathered(Unresolved("lg.Gathered[torch.Tensor]")), is_gathered(list[int])
    (True, True, False)
    """
    annotation = bare(annotation)
    if isinstance(annotation, Named | Unresolved):
        return _TEXT.fullmatch(annotation.text) is not None
    return (get_origin(annotation) or annotation) is Gathered


def inner_of(annotation: object) -> object:
    """Return what each element of `Gathered[T]` is annotated as; missing where it says nothing."""
    annotation = bare(annotation)
    if isinstance(annotation, Named | Unresolved):
        found = _TEXT.fullmatch(annotation.text)
        return Unresolved(found[1] or "") if found else MISSING
    return next(iter(get_args(annotation)), MISSING)
