"""Turns bench/results/data.json into the part of docs/performance.md about data.

Rule: as in table.py, a missing figure is a dash; nothing here is computed but ratios.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

ABOUT: Final = """\
## Data

CPU seconds of the client. A: one random file of 1 GiB. B: 10,000 files of 20 KiB. C: a table as
Parquet, then 1 % of its rows changed and 1 % added. D: a table as CSV, then a row put in near the
top. E: weights of a model, then 10 % changed. Pushed to an S3 server on the same machine, and back.
"""
DEEDS: Final = (("add", "add"), ("status", "status, unchanged"), ("push", "push"), ("pull", "pull"))
NONE: Final = "-"


def data_page(report: Mapping[str, Any]) -> str:
    """Return the tables: CPU seconds a deed, peak memory, and what a second version sends."""
    rows: Sequence[Mapping[str, Any]] = report["rows"]
    tools = list(dict.fromkeys(row["tool"] for row in rows))
    known = {(row["set"], row["tool"]): row for row in rows}
    sets = list(dict.fromkeys(row["set"] for row in rows))
    parts = [ABOUT, _table("CPU seconds", tools, _deeds(known, sets, tools))]
    parts.append(_table("Peak memory of push / pull, MB", tools, _memory(known, sets, tools)))
    parts.append(_table("Second version, share of bytes sent", tools, _shares(known, sets, tools)))
    parts += [f"{note}\n" for note in report.get("notes", ())]
    return "\n".join(parts)


def _table(head: str, tools: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {head} | {' | '.join(tools)} |", f"|---|{'--:|' * len(tools)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _deeds(
    known: Mapping[tuple[str, str], Mapping[str, Any]], sets: Sequence[str], tools: Sequence[str]
) -> list[list[str]]:
    found = []
    for name in sets:
        for key, words in DEEDS:
            figures = [known.get((name, tool), {}).get(key, {}).get("cpu_s") for tool in tools]
            if any(figure is not None for figure in figures):
                found.append([f"{words} {name}", *(_shown(figure) for figure in figures)])
    return found


def _memory(
    known: Mapping[tuple[str, str], Mapping[str, Any]], sets: Sequence[str], tools: Sequence[str]
) -> list[list[str]]:
    def both(name: str, tool: str) -> str:
        row = known.get((name, tool), {})
        figures = [row.get(key, {}).get("peak_mb") for key in ("push", "pull")]
        return NONE if None in figures else " / ".join(f"{figure:.0f}" for figure in figures)

    return [[name, *(both(name, tool) for tool in tools)] for name in sets]


def _shares(
    known: Mapping[tuple[str, str], Mapping[str, Any]], sets: Sequence[str], tools: Sequence[str]
) -> list[list[str]]:
    found = []
    for name in sets:
        shares = [known.get((name, tool), {}).get("second share") for tool in tools]
        if any(share is not None for share in shares):
            found.append([name, *(NONE if share is None else f"{share:.3%}" for share in shares)])
    return found


def _shown(figure: float | None) -> str:
    return NONE if figure is None else f"{figure:.2f}"
