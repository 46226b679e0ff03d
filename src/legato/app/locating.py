"""Where a cause is written: the line of a function or value, and what changed there where both texts are known.

Rule: the text of an earlier run is known only where that run stood on a commit with nothing uncommitted.
"""

import ast
import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from legato.domain.keys import Reason

SHOWN_LINES: Final = 24
"""So many lines of a diff are shown."""
_NAMED: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_WRITTEN: Final = frozenset({"code", "value"})

Texts = Callable[[str], str | None]
"""Returns the text of a file of the repository, by its path; None where it is not known."""


def text_at(root: Path, commit: str) -> Texts:
    """Return what gives the texts of a commit; an empty commit gives none."""

    def text(path: str) -> str | None:
        from legato.scm.asking import ask

        found = ask(root, "show", f"{commit}:./{path}") if commit else None
        return None if found is None else found.decode(errors="replace")

    return text


def text_now(root: Path) -> Texts:
    """Return what gives the texts as they are on the disk."""

    def text(path: str) -> str | None:
        try:
            return (root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    return text


def located(reasons: tuple[Reason, ...], before: Callable[[str], Texts], after: Texts) -> tuple[Reason, ...]:
    """Return reasons with their places, all the way to the roots.

    Args:
        reasons: As the walk found them.
        before: Returns, for a step, what gives the texts that its last result was made from.
        after: Gives the texts of now.
    """
    return tuple(
        msgspec.structs.replace(
            _located(reason, before, after), because=located(reason.because, before, after)
        )
        for reason in reasons
    )


def _located(reason: Reason, before: Callable[[str], Texts], after: Texts) -> Reason:
    cause = reason.cause
    if cause.kind not in _WRITTEN or reason.place:
        return reason
    for file, name in _places(cause.name):
        text = after(file)
        found = _lines_of(text, name) if text is not None else None
        if text is None or found is None:
            continue
        changed: tuple[str, ...] = ()
        if cause.kind == "code" and cause.change == "changed":
            old = before(reason.step)(file)
            changed = _difference(old, text, name) if old is not None else ()
        return msgspec.structs.replace(reason, place=f"{file}:{found[0]}", changed=changed)
    return reason


def _places(name: str) -> Iterator[tuple[str, str]]:
    """Yield file and name within it for what an ingredient is called.

    >>> list(_places("features.py:clean")), list(_places("a.b.SHARE"))[:2]
    ([('features.py', 'clean')], [('a/b.py', 'SHARE'), ('src/a/b.py', 'SHARE')])
    """
    name = name.partition(" #")[0]
    file, colon, rest = name.partition(":")
    if colon:
        yield file, rest
        return
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module, inside = "/".join(parts[:cut]), ".".join(parts[cut:])
        for folder in ("", "src/"):
            yield f"{folder}{module}.py", inside
        yield f"{module}/__init__.py", inside


def _lines_of(text: str, name: str) -> tuple[int, int] | None:
    """Return the first and last line of a function, class or assignment, counted from 1."""
    try:
        body: list[ast.stmt] = ast.parse(text).body
    except (SyntaxError, ValueError):
        return None
    found: ast.stmt | None = None
    for part in name.split("."):
        found = next((one for one in _statements(body) if part in _names(one)), None)
        if found is None:
            return None
        body = found.body if isinstance(found, _NAMED) else []
    if found is None:
        return None
    first = min((one.lineno for one in getattr(found, "decorator_list", ())), default=found.lineno)
    return first, found.end_lineno or found.lineno


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a block, those below `if` and `try` too; the last of a name counts at run time."""
    for one in body:
        yield one
        if isinstance(one, ast.If | ast.Try | ast.With):
            yield from _statements([*one.body, *getattr(one, "orelse", ())])


def _names(one: ast.stmt) -> tuple[str, ...]:
    if isinstance(one, _NAMED):
        return (one.name,)
    if isinstance(one, ast.Assign):
        return tuple(target.id for target in one.targets if isinstance(target, ast.Name))
    if isinstance(one, ast.AnnAssign | ast.AugAssign) and isinstance(one.target, ast.Name):
        return (one.target.id,)
    return ()


def _difference(old: str, new: str, name: str) -> tuple[str, ...]:
    """Return the lines that differ in one function or class."""
    before, after = _segment(old, name), _segment(new, name)
    if not before or not after:
        return ()
    lines = difflib.unified_diff(before, after, lineterm="", n=1)
    found = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    if len(found) > SHOWN_LINES:
        return (*found[:SHOWN_LINES], f"… {len(found) - SHOWN_LINES} more lines")
    return tuple(found)


def _segment(text: str, name: str) -> list[str]:
    lines = _lines_of(text, name)
    return text.splitlines()[lines[0] - 1 : lines[1]] if lines is not None else []
