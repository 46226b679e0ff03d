"""Finds the name that was probably meant.

Rule: a guess is only offered when it is close; a wrong guess costs more than none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the closest of `known`, or an empty text when none is close.

    >>> nearest("tres", ["depth", "trees"]), nearest("x", ["trees"])
    ('trees', '')
    """
    from difflib import get_close_matches

    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def did_you_mean(name: str, known: Iterable[str], what: str = "") -> str:
    """Return a hint: the nearest name, else the names there are.

    >>> did_you_mean("tres", ["depth", "trees"])
    'did you mean `trees`?'
    >>> did_you_mean("x", ["depth", "trees"], "parameters")
    'the parameters are: depth, trees'
    """
    names = sorted(known)
    guess = nearest(name, names)
    if guess:
        return f"did you mean `{guess}`?"
    if not names:
        return f"there are no {what or 'such names'} here"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")  # noqa: PLR2004 - one line
    return f"the {what or 'names'} are: {shown}"
