"""Writes what a search has found into the configuration, and shows the difference.

Rule: only the parameters' table is touched, never code; a file that would not say the values afterwards is left alone.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from legato.app.config import FILE
from legato.domain.errors import ConfigurationError

_HEADER: Final = re.compile(r"^\s*\[")


def config_file(root: Path) -> tuple[Path, str]:
    """Return the file that holds the configuration, and what its tables begin with."""
    pyproject = root / "pyproject.toml"
    if not (root / FILE).is_file() and pyproject.is_file() and b"[tool.legato" in pyproject.read_bytes():
        return pyproject, "tool.legato."
    return root / FILE, ""


def write_found(root: Path, environment: str, values: Mapping[str, Any]) -> str:
    """Set parameters of an environment and return the difference; empty where they were so already.

    Raises:
        ConfigurationError: The file cannot hold them, or says them in a way that is not safe to change.
    """
    path, prefix = config_file(root)
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    after = changed(before, f"{prefix}environments.{environment}.parameters", values)
    if after != before:
        path.write_text(after, encoding="utf-8")
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), path.name, path.name
    )
    return "".join(lines)


def changed(text: str, table: str, values: Mapping[str, Any]) -> str:
    """Return a TOML text whose `table` has `values`, everything else as it was.

    >>> print(changed("", "a.b", {"training.lr": 0.5}), end="")
    [a.b]
    "training.lr" = 0.5
    """
    lines = text.splitlines()
    told = {name: f"{json.dumps(name)} = {_toml(name, value)}" for name, value in values.items()}
    start = next((at for at, line in enumerate(lines) if line.strip() == f"[{table}]"), None)
    if start is None:
        gap = [""] if lines else []
        lines = [*lines, *gap, f"[{table}]", *told.values()]
    else:
        end = next((at for at in range(start + 1, len(lines)) if _HEADER.match(lines[at])), len(lines))
        kept = [line for line in lines[start + 1 : end] if _key(line) not in told]
        while kept and not kept[-1].strip():
            kept.pop()
        gap = [""] if end < len(lines) else []
        lines = [*lines[: start + 1], *kept, *told.values(), *gap, *lines[end:]]
    new = "\n".join(lines) + "\n"
    _refuse_other(new, table, values)
    return new


def _key(line: str) -> str:
    return line.partition("=")[0].strip().replace('"', "").replace("'", "")


def _toml(name: str, value: object) -> str:
    if value is None or (isinstance(value, list) and None in value):
        raise ConfigurationError(
            f"{name} was found best at None, which TOML cannot hold",
            hint="use the search itself: training.using(params=search)",
        )
    return json.dumps(value, ensure_ascii=False)


def _refuse_other(text: str, table: str, values: Mapping[str, Any]) -> None:
    """Refuse a text that does not say the values: its parameters stand in another form than a table of their own."""
    try:
        found: Any = tomllib.loads(text)
        for part in table.split("."):
            found = found[part]
        said = {name: found[name] for name in values} == dict(values)
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        said = False
    if not said:
        lines = "; ".join(f'"{name}" = {json.dumps(value)}' for name, value in values.items())
        raise ConfigurationError(
            f"the configuration's parameters are not a table [{table}] of their own, so they are left as they are",
            hint=f"write them in yourself: {lines}",
        )
