"""A difference between versions of data as one page: a small picture for each column.

Rule: the page is whole in one file, asks nobody for anything, and shows every text of the data as text.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from legato.cli.data_shown import lines_of
from legato.data.columns import ColumnChange, Figures
from legato.data.differing import Difference

WIDTH: Final = 240
HEIGHT: Final = 90
CATEGORIES: Final = 5
"""As many fit a picture: those whose share differs most."""
_LABEL: Final = 84
_SIDES: Final = ("before", "after")
_STYLE: Final = """
:root { color-scheme: light dark; --page: #fff; --card: #fff; --ink: #1f2933; --soft: #52606d; --line: #d9e2ec;
  --before: #829ab1; --after: #2563eb; }
@media (prefers-color-scheme: dark) { :root { --page: #11161c; --card: #1a212a; --ink: #e4e7eb; --soft: #9fb3c8;
  --line: #323f4b; --before: #7b8794; --after: #60a5fa; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1.25rem; max-width: 76rem;
  background: var(--page); color: var(--ink); }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
.legend { color: var(--soft); } .legend b { font-size: 1.2em; }
.legend .before { color: var(--before); } .legend .after { color: var(--after); margin-left: .75rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: .75rem; background: var(--card); }
figcaption { font-size: 13px; color: var(--soft); overflow-wrap: anywhere; margin-top: .5rem; }
figcaption b { color: var(--ink); }
svg { display: block; width: 100%; height: auto; } text { font: 10px system-ui, sans-serif; fill: var(--soft); }
rect.before { fill: var(--before); } rect.after { fill: var(--after); }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--card); padding: 1rem;
  font-size: 13px; }
"""


def page(found: Difference) -> str:
    """Return the page."""
    title = escape(f"{found.name}: {found.before} → {found.after}")
    legend = "".join(
        f'<b class="{side}">■</b> {escape(label)}'
        for side, label in zip(_SIDES, (found.before, found.after), strict=True)
    )
    figures = "\n".join(_figure(column) for column in found.columns if column.differs or column.rows)
    told = escape("\n".join(lines_of(found)))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style>\n<h1>{title}</h1>\n"
        f'<p class="legend">{legend}</p>\n<div class="columns">\n{figures}\n</div>\n<pre>{told}</pre>\n</html>\n'
    )


def _figure(column: ColumnChange) -> str:
    return f"<figure>{_picture(column)}<figcaption>{_caption(column)}</figcaption></figure>"


def _picture(column: ColumnChange) -> str:
    sides = (column.before, column.after)
    if any(side is not None and side.categories for side in sides):
        inside = "".join(_category_bars(column))
    else:
        inside = "".join(_shape_bars(side, at) for at, side in enumerate(sides) if side is not None)
    label = escape(f"{column.name}: before and after", quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{inside}</svg>'


def _shape_bars(side: Figures, at: int) -> str:
    """Return the bars of one side; those of the other stand beside them."""
    if not side.shape:
        return ""
    step = WIDTH / len(side.shape)
    top = max(side.shape) or 1.0
    return "".join(
        f'<rect x="{number * step + at * step / 2:.1f}" y="{HEIGHT - share / top * HEIGHT:.1f}" '
        f'width="{step / 2 - 1:.1f}" height="{share / top * HEIGHT:.1f}" class="{_SIDES[at]}"/>'
        for number, share in enumerate(side.shape)
    )


def _category_bars(column: ColumnChange) -> Iterator[str]:
    sides: list[Mapping[str, float]] = [
        {} if side is None else side.categories for side in (column.before, column.after)
    ]
    first, second = sides
    values = sorted(
        {*first, *second},
        key=lambda value: (
            -abs(second.get(value, 0.0) - first.get(value, 0.0)),
            -first.get(value, 0.0),
            value,
        ),
    )
    top = max((share for side in sides for share in side.values()), default=1.0) or 1.0
    for row, value in enumerate(values[:CATEGORIES]):
        y = row * HEIGHT // CATEGORIES
        shown = value if len(value) <= 14 else value[:13] + "…"  # noqa: PLR2004 - what fits beside the bars
        yield f'<text x="0" y="{y + 11}">{escape(shown)}</text>'
        for at, side in enumerate(sides):
            width = side.get(value, 0.0) / top * (WIDTH - _LABEL)
            yield f'<rect x="{_LABEL}" y="{y + at * 7}" width="{width:.1f}" height="6" class="{_SIDES[at]}"/>'


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
