"""Colours of marks, where a terminal wants them.

Rule: nothing is said by a colour alone, and none is written where `NO_COLOR` is set (no-color.org) or nobody looks.
"""

import os
from typing import Final, TextIO

GREEN: Final = "32"
RED: Final = "31"
YELLOW: Final = "33"
FAINT: Final = "2"
OF_MARKS: Final = {
    "✓": GREEN, "✗": RED, "=": FAINT, "-": YELLOW, "!": YELLOW, "↻": YELLOW, "?": YELLOW, "▶": GREEN,
}  # fmt: skip


def wanted(target: TextIO) -> bool:
    """Say whether colours may be written to `target`."""
    return target.isatty() and not os.environ.get("NO_COLOR")


def painted(text: str, colour: str, target: TextIO) -> str:
    """Return text in a colour, where `target` wants colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colour and wanted(target) else text


def mark(text: str, target: TextIO) -> str:
    """Return a mark in its colour."""
    return painted(text, OF_MARKS.get(text, ""), target)
