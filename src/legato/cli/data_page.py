"""A difference between versions of data as one page: a small picture for each column.

Rule: the page is whole in one file, asks nobody for anything, and shows every text of the data as text.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from legato.cli.data_shown import lines_of
from legato.data.columns import ColumnChange, Figures
from legato.data.differing import Difference

WIDTH: Final = 220
HEIGHT: Final = 90
_SIDES: Final = (("before", "#9aa5b1"), ("after", "#2563eb"))
_STYLE: Final = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; color: #1f2933; }
pre { overflow-x: auto; background: #f5f7fa; padding: 1rem; }
.columns { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; border: 1px solid #e4e7eb; padding: .6rem; width: 220px; }
figcaption { font-size: 12px; overflow-wrap: anywhere; }
svg { display: block; } text { font: 9px system-ui, sans-serif; fill: #52606d; }
"""


def page(found: Difference) -> str:
    """Return the page."""
    title = escape(f"{found.name}: {found.before} → {found.after}")
    legend = " ".join(
        f'<span style="color:{color}">■ {escape(side)}</span>' for side, color in _legend(found)
    )
    figures = "\n".join(_figure(column) for column in found.columns if column.differs or column.rows)
    told = escape("\n".join(lines_of(found)))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>\n'
        f"<h1>{title}</h1>\n<p>{legend}</p>\n<div class=columns>\n{figures}\n</div>\n<pre>{told}</pre>\n</html>\n"
    )


def _legend(found: Difference) -> Iterator[tuple[str, str]]:
    for label, (_, color) in zip((found.before, found.after), _SIDES, strict=True):
        yield label, color


def _figure(column: ColumnChange) -> str:
    return f"<figure>{_picture(column)}<figcaption>{_caption(column)}</figcaption></figure>"


def _picture(column: ColumnChange) -> str:
    pairs = [(side, color) for side, (_, color) in zip((column.before, column.after), _SIDES, strict=True)]
    if any(side is not None and side.categories for side, _ in pairs):
        inside = "".join(_category_bars(column))
    else:
        inside = "".join(
            _shape_bars(side, color, at) for at, (side, color) in enumerate(pairs) if side is not None
        )
    label = escape(f"{column.name}: before and after", quote=True)
    return f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{label}">{inside}</svg>'


def _shape_bars(side: Figures, color: str, at: int) -> str:
    """Return the bars of one side; those of the other stand beside them."""
    if not side.shape:
        return ""
    step = WIDTH / len(side.shape)
    top = max(side.shape) or 1.0
    return "".join(
        f'<rect x="{number * step + at * step / 2:.1f}" y="{HEIGHT - share / top * HEIGHT:.1f}" '
        f'width="{step / 2 - 1:.1f}" height="{share / top * HEIGHT:.1f}" fill="{color}"/>'
        for number, share in enumerate(side.shape)
    )


def _category_bars(column: ColumnChange) -> Iterator[str]:
    sides: list[Mapping[str, float]] = [
        {} if side is None else side.categories for side in (column.before, column.after)
    ]
    values = sorted({*sides[0], *sides[1]}, key=lambda value: -max(side.get(value, 0.0) for side in sides))[
        :5
    ]
    for row, value in enumerate(values):
        y = row * 18
        shown = value if len(value) <= 14 else value[:13] + "…"  # noqa: PLR2004 - what fits beside the bars
        yield f'<text x="0" y="{y + 11}">{escape(shown)}</text>'
        for at, (side, (_, color)) in enumerate(zip(sides, _SIDES, strict=True)):
            width = side.get(value, 0.0) * (WIDTH - 80)
            yield f'<rect x="80" y="{y + at * 7}" width="{width:.1f}" height="6" fill="{color}"/>'


def _caption(column: ColumnChange) -> str:
    sides = (column.before, column.after)
    types = dict.fromkeys(side.type for side in sides if side is not None)
    nulls = " → ".join("none" if side is None else f"{side.nulls:.1%}" for side in sides)
    ranges = " → ".join(
        "none" if side is None or side.low is None else f"{side.low} … {side.high}" for side in sides
    )
    lines = [f"<b>{escape(column.name)}</b> {escape(' → '.join(types))}", f"nulls {escape(nulls)}"]
    lines += [escape(ranges)] if ranges != "none → none" else []
    return "<br>".join(lines)
