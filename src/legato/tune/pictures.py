"""A search as a picture: how its trials came out, and which parameters mattered. Pure text in, text out.

Rule: what is drawn is in the result of the search, and nothing else; equal results make equal pictures.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

_WIDTH: Final = 640
_HEIGHT: Final = 260
_MARGIN: Final = 56
_ROW: Final = 24
_BLUE: Final = "#2563eb"
_GREY: Final = "#94a3b8"
_BAR: Final = 24


def bars(importance: Mapping[str, float]) -> list[str]:
    """Return a line of text for each parameter, the longest bar first.

    >>> bars({"training.lr": 0.75, "training.depth": 0.25})
    ['training.lr     ██████████████████        75 %', 'training.depth  ██████                    25 %']
    """
    width = max((len(name) for name in importance), default=0)
    return [
        f"{name.ljust(width)}  {('█' * round(share * _BAR)).ljust(_BAR)}  {share * 100:.0f} %"
        for name, share in importance.items()
    ]


def svg(report: Mapping[str, Any]) -> str:
    """Return a picture of a search's result: a dot a trial with the best so far, and a bar a parameter."""
    importance = report["importance"]
    height = _HEIGHT + _ROW * (len(importance) + 2)
    inside = [*_history(report), *_bars(importance)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(inside)
        + "\n</svg>\n"
    )


def _history(report: Mapping[str, Any]) -> list[str]:
    done = [trial for trial in report["trials"] if trial["state"] == "complete"]
    values = [float(trial["value"]) for trial in done]
    last = max((int(trial["trial"]) for trial in report["trials"]), default=0)
    low, high = min(values), max(values)

    def place(number: int, value: float) -> tuple[float, float]:
        across = _MARGIN + (_WIDTH - 2 * _MARGIN) * number / max(1, last)
        down = (value - low) / (high - low) if high > low else 0.5
        return round(across, 1), round(_HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * down, 1)

    drawn = [
        _text(_MARGIN, 24, f"{report['goal']} by trial ({report['direction']})"),
        _text(4, _HEIGHT - _MARGIN, f"{low:.4g}"),
        _text(4, _MARGIN, f"{high:.4g}"),
    ]
    drawn.append(_line(_so_far(done, report["direction"], last), place))
    for trial in done:
        x, y = place(trial["trial"], trial["value"])
        title = escape(f"trial {trial['trial']}: {trial['value']:.6g} {trial['parameters']}")
        drawn.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{_GREY}"><title>{title}</title></circle>')
    return drawn


def _so_far(done: Sequence[Mapping[str, Any]], direction: str, last: int) -> list[tuple[int, float]]:
    better = max if direction == "maximize" else min
    best: list[tuple[int, float]] = []
    for trial in done:
        value = float(trial["value"])
        best.append((int(trial["trial"]), better(value, best[-1][1]) if best else value))
    return [*best, (last, best[-1][1])]


def _line(points: Sequence[tuple[int, float]], place: Any) -> str:  # noqa: ANN401 - a function of two numbers
    drawn: list[str] = []
    before: float | None = None
    for number, value in points:
        x, y = place(number, value)
        drawn += [f"{x},{before}"] if before is not None else []
        drawn.append(f"{x},{y}")
        before = y
    return f'<polyline points="{" ".join(drawn)}" fill="none" stroke="{_BLUE}" stroke-width="2"/>'


def _bars(importance: Mapping[str, float]) -> list[str]:
    if not importance:
        return []
    drawn = [_text(_MARGIN, _HEIGHT + 4, "what mattered")]
    for at, (name, share) in enumerate(importance.items()):
        top = _HEIGHT + 14 + at * _ROW
        width = round((_WIDTH - 320) * share, 1)
        drawn.append(_text(_MARGIN, top + 13, name))
        drawn.append(f'<rect x="230" y="{top}" width="{width}" height="16" fill="{_BLUE}"/>')
        drawn.append(_text(round(236 + width, 1), top + 13, f"{share * 100:.0f} %"))
    return drawn


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x}" y="{y}">{escape(text)}</text>'
