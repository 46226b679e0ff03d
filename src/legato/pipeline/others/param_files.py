"""Parameter files in YAML, JSON, TOML and Python: their values by dotted key, and the same files with other values.

Rule: a Python file is parsed and never run; values are plain data.
"""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any, Final

from legato.domain.errors import ConfigurationError
from legato.pipeline.others.located import Document, Path, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MISSING: Final = object()
"""What `pick` returns where there is no such key."""


def read_values(text: bytes, file: str) -> Document:
    r"""Return the values of a parameter file; an empty one holds an empty mapping.

    Raises:
        ConfigurationError: It cannot be read.

    >>> read_values(b"LR = 0.1\nclass Train:\n    epochs = 3\n", "params.py").data
    {'LR': 0.1, 'Train': {'epochs': 3}}
    """
    suffix = file.rpartition(".")[2].lower()
    if suffix == "json":
        return Document(file, _json(text, file), {})
    if suffix == "toml":
        return Document(file, _toml(text, file), {})
    if suffix == "py":
        return _python(text, file)
    found = read_yaml(text, file)
    found.data = {} if found.data is None else found.data
    return found


def _json(text: bytes, file: str) -> Any:  # noqa: ANN401 - any plain data
    try:
        return json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"it is not JSON: {error}", hint="mend it", where=file) from None


def _toml(text: bytes, file: str) -> Any:  # noqa: ANN401 - any plain data
    import tomllib

    try:
        return tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"it is not TOML: {error}", hint="mend it", where=file) from None


def _python(text: bytes, file: str) -> Document:
    lines: dict[Path, int] = {}
    data: dict[str, Any] = {}
    for path, value in _assignments(_tree(text, file)):
        lines[path] = value.lineno
        try:
            literal = ast.literal_eval(value)
        except (ValueError, TypeError, MemoryError, RecursionError):
            continue
        holder = data
        for part in path[:-1]:
            holder = holder.setdefault(part, {})
        holder[path[-1]] = literal
    return Document(file, data, lines)


def _tree(text: bytes, file: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ConfigurationError(
            f"it is not Python: {error}", hint="mend it", where=f"{file}:{line}"
        ) from None


def _assignments(tree: ast.Module) -> Iterator[tuple[tuple[str, ...], ast.expr]]:
    """Yield name and value of each plain assignment: of the module, of classes, and of `self` in `__init__`."""
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            for inner in statement.body:
                yield from (((statement.name, *path), value) for path, value in _assigned(inner))
                if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                    for own in inner.body:
                        yield from (((statement.name, *path), value) for path, value in _assigned(own))
        else:
            yield from _assigned(statement)


def _assigned(statement: ast.stmt) -> Iterator[tuple[tuple[str, ...], ast.expr]]:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    value = getattr(statement, "value", None)
    for target in targets:
        if value is None:
            continue
        if isinstance(target, ast.Name):
            yield (target.id,), value
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            yield (target.attr,), value


def pick(data: Any, key: str) -> Any:  # noqa: ANN401 - any plain data
    """Return the value of a dotted key, or `MISSING`; a number is a position in a list.

    >>> pick({"train": {"layers": [8, 4]}}, "train.layers.1")
    4
    """
    found = data
    for part in key.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list | tuple) and part.isascii() and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return MISSING
    return found


def with_value(data: Any, key: str, value: Any) -> Any:  # noqa: ANN401 - any plain data
    """Return a copy of the data in which a dotted key that is there has another value.

    >>> with_value({"train": {"lr": 0.1, "seed": 7}}, "train.lr", 0.2)
    {'train': {'lr': 0.2, 'seed': 7}}
    """
    first, _, rest = key.partition(".")
    if isinstance(data, list | tuple):
        position = int(first)
        inner = with_value(data[position], rest, value) if rest else value
        return [*data[:position], inner, *data[position + 1 :]]
    return {**data, first: with_value(data[first], rest, value) if rest else value}


def rewritten(text: bytes, file: str, changes: Mapping[str, Any]) -> bytes:
    r"""Return a parameter file in which some keys have other values.

    Raises:
        ConfigurationError: It cannot be read.

    >>> rewritten(b"class Train:\n    lr = 0.1  # rate\n", "params.py", {"Train.lr": 0.5})
    b'class Train:\n    lr = 0.5  # rate\n'
    """
    suffix = file.rpartition(".")[2].lower()
    if suffix == "py":
        return _python_with(text, file, changes)
    data = read_values(text, file).data
    for key, value in changes.items():
        data = with_value(data, key, value)
    if suffix == "json":
        return json.dumps(data, indent=2).encode()
    if suffix == "toml":
        return "\n".join(_toml_lines(data, ())).encode()
    import yaml  # type: ignore[import-untyped]

    dumped: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    return dumped.encode()


def _python_with(text: bytes, file: str, changes: Mapping[str, Any]) -> bytes:
    lines = text.decode().splitlines(keepends=True)
    places = {".".join(path): value for path, value in _assignments(_tree(text, file))}
    for key, value in sorted(changes.items(), key=lambda change: -places[change[0]].lineno):
        old = places[key]
        assert old.end_lineno is not None  # noqa: S101 - parsed from a text
        first, last = lines[old.lineno - 1].encode(), lines[old.end_lineno - 1].encode()
        whole = first[: old.col_offset] + repr(value).encode() + last[old.end_col_offset :]
        lines[old.lineno - 1 : old.end_lineno] = [whole.decode()]
    return "".join(lines).encode()


def _toml_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {name: value for name, value in table.items() if not _is_table(value)}
    if path and (plain or not table):
        yield f"[{'.'.join(_toml_key(part) for part in path)}]"
    for name, value in plain.items():
        yield f"{_toml_key(name)} = {_toml_value(value)}"
    for name, value in table.items():
        if _is_table(value):
            yield from _toml_lines(value, (*path, name))


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _toml_key(name: str) -> str:
    return name if name.replace("-", "a").replace("_", "a").isalnum() and name.isascii() else _toml_text(name)


def _toml_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_value(value: Any) -> str:  # noqa: ANN401 - any plain data
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _toml_text(value)
    if value is None:
        raise ConfigurationError("TOML has no word for nothing", hint="give it a value, or take the key out")
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(item) for item in value)}]"
    if isinstance(value, dict):
        return (
            f"{{ {', '.join(f'{_toml_key(name)} = {_toml_value(inner)}' for name, inner in value.items())} }}"
        )
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return repr(value)


def converted(old: object, text: str) -> object:
    """Return what a person typed for a key whose value was `old`: a text stays one, a whole number may be a float.

    Raises:
        ConfigurationError: It is no value.

    >>> converted(0.1, "1"), converted("1.0", "2.0"), converted([1], "[2, 3]")
    (1.0, '2.0', [2, 3])
    """
    if isinstance(old, str):
        return text
    value = read_yaml(text.encode(), f"{text!r}").data
    return float(value) if isinstance(old, float) and type(value) is int else value
