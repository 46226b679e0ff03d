"""Names for what another tool knows by its path.

Rule: an artifact's name is its path; a short name serves too where only one thing can be meant.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def identifier(path: str) -> str:
    """Return a path as a name that a Python parameter can have.

    >>> identifier("data/prepared-2/x.csv"), identifier("2024.csv")
    ('data_prepared_2_x_csv', '_2024_csv')
    """
    name = re.sub(r"\W+", "_", path, flags=re.ASCII).strip("_") or "_"
    return f"_{name}" if name[0].isdigit() else name


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Return, by name, the one path that it can mean: the stem, or more of the path, with or without the suffix.

    >>> short_names(["data/train.csv", "out/train.csv", "model.pkl"])["model"]
    'model.pkl'
    >>> "train" in short_names(["data/train.csv", "out/train.csv"])
    False
    """
    pairs = {(name, path) for path in paths for name in _candidates(path)}
    count = Counter(name for name, _ in pairs)
    return {name: path for name, path in sorted(pairs) if count[name] == 1}


def _candidates(path: str) -> Iterable[str]:
    folder, _, last = path.rpartition("/")
    stem = last.partition(".")[0] if not last.startswith(".") else last
    yield identifier(stem)
    yield identifier(last)
    yield identifier(f"{folder}/{stem}")
    yield identifier(path)
