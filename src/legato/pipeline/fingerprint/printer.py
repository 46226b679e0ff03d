"""Prints a syntax tree as text that is equal wherever the code means the same.

Rule: what cannot change a result (comments, layout, docstrings, type comments) is not printed; all else is.
"""

import ast
from functools import cache
from typing import Final

_SKIPPED: Final = frozenset({"ctx", "type_comment", "kind", "type_ignores"})
_DOCUMENTED: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


@cache
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(field for field in getattr(kind, "_fields", ()) if field not in _SKIPPED)


def constant(value: object) -> str:
    """Return a literal with its type, so that `True`, `1` and `1.0` differ.

    >>> constant(1), constant(True), constant(-0.0)
    ('int:0x1', 'bool:True', 'float:-0.0')
    """
    if type(value) is int:
        return "int:" + hex(value)  # repr refuses integers of more than 4,300 digits
    return f"{type(value).__name__}:{value!r}"


def body_of(node: ast.AST) -> list[ast.stmt]:
    """Return the statements of a module, class or function without its docstring."""
    body: list[ast.stmt] = node.body if isinstance(node, _DOCUMENTED) else []
    first = body[0] if body else None
    documented = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if documented else body


def printed(*nodes: ast.AST | None, blank: str = "") -> str:
    """Return `nodes` as text, one after the other.

    Args:
        nodes: Trees; None prints a mark, so that its place still counts.
        blank: A name that is printed as nothing: the own name of a function that may be renamed.
    """
    out: list[str] = []
    stack: list[ast.AST | str | None] = list(reversed(nodes))
    while stack:
        item = stack.pop()
        if item is None:
            out.append("-")
        elif isinstance(item, str):
            out.append(item)
        elif isinstance(item, ast.Constant):
            out.append(constant(item.value))
        elif isinstance(item, ast.Name):
            out.append("name:" if item.id == blank else "name:" + item.id)
        else:
            stack.extend(reversed(_parts(item)))
    return " ".join(out)


def _parts(node: ast.AST) -> list[ast.AST | str | None]:
    parts: list[ast.AST | str | None] = [type(node).__name__, "("]
    kind: type = type(node)
    for field in _fields(kind):
        value = body_of(node) if field == "body" and isinstance(node, _DOCUMENTED) else getattr(node, field)
        if value is None or value == []:
            continue
        parts.append(field)
        if isinstance(value, list):
            parts += ["[", *(_item(one) for one in value), "]"]
        else:
            parts.append(_item(value))
    parts.append(")")
    return parts


def _item(value: object) -> ast.AST | str | None:
    return value if value is None or isinstance(value, ast.AST) else constant(value)
