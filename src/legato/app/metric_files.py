"""Metrics that programs leave in files: flat names with numbers.

Rule: a file that cannot be read as metrics has none; it is still the stage's output.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from legato.domain.errors import LegatoError
from legato.pipeline.others.param_files import read_values

MOST: Final = 200
BIGGEST_BYTES: Final = 1 << 20
_SUFFIXES: Final = frozenset({".json", ".yaml", ".yml", ".toml", ".py"})


def metrics_of(files: Mapping[str, Path]) -> dict[str, float]:
    """Return the numbers in metric files, nested names joined by dots; led by the file where there are several.

    Args:
        files: By the path that people know.
    """
    found: dict[str, float] = {}
    for name, path in files.items():
        lead = f"{name}:" if len(files) > 1 else ""
        for place in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if place.suffix in _SUFFIXES and place.stat().st_size <= BIGGEST_BYTES:
                found |= {f"{lead}{key}": value for key, value in _numbers(_data(place), "")}
    return dict(list(found.items())[:MOST])


def _data(path: Path) -> object:
    try:
        return read_values(path.read_bytes(), path.name).data
    except LegatoError:
        return None


def _numbers(data: Any, path: str) -> Iterator[tuple[str, float]]:  # noqa: ANN401 - any plain data
    if isinstance(data, dict):
        for key, inner in data.items():
            yield from _numbers(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(data, int | float) and not isinstance(data, bool) and math.isfinite(data):
        yield path, float(data)


def tracked_metrics(folder: Path) -> dict[str, float]:
    """Return the last value of each metric that MLflow's own files hold below a folder."""
    found: dict[str, float] = {}
    for path in sorted(folder.glob("**/mlruns/*/*/metrics/**/*")):
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
            fields = next((line.split() for line in reversed(lines) if line.strip()), [])
            if len(fields) > 1 and _is_number(fields[1]):
                found[path.relative_to(next(p for p in path.parents if p.name == "metrics")).as_posix()] = (
                    float(fields[1])
                )
    return dict(list(found.items())[:MOST])


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
