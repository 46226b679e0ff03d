"""Turns the figures of a benchmark into the page docs/performance.md, with ratios to the best peer.

Rule: the page holds only what is in the results; a missing figure is a dash, and its reason stands below.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

WALL: Final = (
    ("start: version", "`--version`"),
    ("chain 10: first", "chain of 10, first"),
    ("chain 10: again", "the same again, nothing changed"),
    ("wide 100: first", "100 side by side, first"),
    ("wide 100: again", "the same again"),
    ("chain 1000: first", "chain of 1,000, first"),
    ("chain 1000: again", "the same again"),
)
ABOUT: Final = """\
# Performance

Written by `make bench` on {cpus} cores, {system}, Python {python}. The peers ran beside Legato,
in the same run, each with its default settings. Wall seconds, medians. Absolute figures move with
the machine; the ratios are what counts. How it is measured: [bench/README.md](../bench/README.md).

A bare `python -c pass` took {bare:.3f} s, `python -c "import legato"` {loaded:.3f} s.
"""
ABOUT_EDITS: Final = """\
Steps that run again after an edit of step 6 of 10: a comment / code with the same output / a real
change / the helper that it calls, in another module. Right is 0 / 1 / 5 / 5; less is a stale result,
more is work for nothing.
"""
NONE: Final = "-"
EDITS: Final = ("after comment", "after same output", "after real change", "after helper")


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report of bench/engine.py."""
    tools: Sequence[Mapping[str, Any]] = report["tools"]
    heads = " | ".join(f"{tool['tool']} {tool['version']}".strip() for tool in tools)
    rules = "--:|" * len(tools)
    kills = " | ".join(_kill(tool["figures"]) for tool in tools)
    lines = [
        ABOUT.format(
            **report["machine"], bare=report["python"]["bare"], loaded=report["python"]["import legato"]
        ),
        f"| wall seconds | {heads} | best peer / Legato |",
        f"|---|{rules}--:|",
        *(_row(key, name, tools) for key, name in WALL),
        _row("chain 10: peak_mb", "largest process, chain of 10, MB", tools),
        "",
        ABOUT_EDITS,
        f"| | {heads} |",
        f"|---|{rules}",
        f"| steps run again | {' | '.join(_edits(tool['figures']) for tool in tools)} |",
        f"| SIGKILL half-way through 100: done before, run after, done twice | {kills} |",
        "",
    ]
    reasons = [
        f"- {tool['tool']}, {part}: {' '.join(why.split())}"
        for tool in tools
        for part, why in tool["missing"].items()
    ]
    return "\n".join([*lines, *(["Missing:", "", *reasons, ""] if reasons else [])])


def _row(key: str, name: str, tools: Sequence[Mapping[str, Any]]) -> str:
    cells = [_figure(tool["figures"].get(key)) for tool in tools]
    own = [tool["figures"][key] for tool in tools if tool["tool"] == "legato" and key in tool["figures"]]
    peers = [tool["figures"][key] for tool in tools if tool["tool"] != "legato" and key in tool["figures"]]
    ratio = f"{min(peers) / own[0]:.1f} x" if own and peers else NONE
    return f"| {name} | {' | '.join(cells)} | {ratio} |"


def _figure(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.3f}" if value < 1 else f"{value:.1f}"


def _edits(figures: Mapping[str, float]) -> str:
    ran = [figures.get(f"edit: {kind}") for kind in EDITS]
    return " / ".join(NONE if count is None else f"{count:.0f}" for count in ran)


def _kill(figures: Mapping[str, float]) -> str:
    counts = [figures.get(f"kill: {part}") for part in ("before", "after", "twice")]
    return ", ".join(NONE if count is None else f"{count:.0f}" for count in counts)
