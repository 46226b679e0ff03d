"""Figures of matplotlib as PNG, charts of Altair as their JSON.

Rule: no date and no version of the software that drew it.
"""

import json
from pathlib import Path
from typing import Any

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError
from legato.formats import Saved, Trust


def accepts(value: object) -> bool:
    """Take figures and charts; axes are refused in `save`, with what to return instead."""
    return _is_matplotlib(value) or hasattr(value, "to_dict")


def _is_matplotlib(value: object) -> bool:
    return any(kind.__module__.startswith("matplotlib.") for kind in type(value).__mro__)


def save(value: object, target: Path, trust: Trust) -> Saved:  # noqa: ARG001 - the port
    """Write one `.png`, or one `.vl.json`."""
    if _is_matplotlib(value):
        return _save_figure(value, target.with_name(target.name + ".png"))
    path = target.with_name(target.name + ".vl.json")
    text = json.dumps(value.to_dict(), separators=(",", ":"), sort_keys=True)  # type: ignore[attr-defined]
    path.write_text(text)
    return Saved(path=path, format="chart/1", type=f"altair.{type(value).__name__}")


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Return a figure as bytes; a chart as itself, or as text or bytes where the consumer asks for them."""
    if artifact.format == "figure/1" or form == "bytes":
        return path.read_bytes()
    text = path.read_text()
    if form in ("str", "dict"):
        return text if form == "str" else json.loads(text)
    import altair as alt

    return alt.Chart.from_json(text)


def _save_figure(figure: Any, path: Path) -> Saved:  # noqa: ANN401 - matplotlib is not imported to name its type
    if not hasattr(figure, "savefig"):
        raise ConfigurationError(
            f"a matplotlib {type(figure).__name__} is no figure by itself",
            hint="return its figure: axes.figure",
        )
    figure.savefig(path, format="png", metadata={"Software": None})
    width, height = figure.get_size_inches()
    return Saved(
        path=path,
        format="figure/1",
        type="matplotlib.Figure",
        about={"inches": [round(float(width), 2), round(float(height), 2)]},
    )
