"""Tells code and settings from data, by what a path is called.

Rule: code counts by its files and stays in the repository; data becomes a dataset with a digest of its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from legato.pipeline.others.reader import Reader

_PROGRAMS: Final = frozenset(
    {
        ".py",
        ".pyi",
        ".pyx",
        ".ipynb",
        ".sh",
        ".bash",
        ".r",
        ".rmd",
        ".jl",
        ".sql",
        ".c",
        ".cc",
        ".cpp",
        ".h",
        ".hpp",
    }
    | {".rs", ".go", ".java", ".scala", ".js", ".ts", ".pl", ".rb", ".do", ".m", ".stan"}
)
_SETTINGS: Final = frozenset(
    {".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".env", ".lock", ".j2", ".mk"}
)
_NAMES: Final = frozenset({"Makefile", "Dockerfile", "Snakefile", "requirements.txt", "MLproject"})
_SKIPPED: Final = frozenset({".git", ".legato", "__pycache__"})
MOST_LOOKED_AT: Final = 10_000


def is_code(reader: Reader, path: str) -> bool:
    """Say whether what lies at `path` is code or settings; a folder is where one file in it is a program."""
    if reader.is_dir(path):
        return _holds_programs(os.path.join(reader.root, path))  # noqa: PTH118 - walked as text
    return is_called_code(path) and reader.exists(path)


def is_called_code(path: str) -> bool:
    """Say whether a file is code or settings by its name.

    >>> is_called_code("src/train.py"), is_called_code("data/x.csv"), is_called_code("Makefile")
    (True, False, True)
    """
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - text
    return suffix in _PROGRAMS or suffix in _SETTINGS or path.rpartition("/")[2] in _NAMES


def _holds_programs(folder: str) -> bool:
    looked_at = 0
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        if any(os.path.splitext(name)[1].lower() in _PROGRAMS for name in files):  # noqa: PTH122 - text
            return True
        looked_at += len(files)
        if looked_at > MOST_LOOKED_AT:
            return False
    return False
