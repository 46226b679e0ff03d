"""Writes a run as JUnit XML, which every CI service shows as tests.

Rule: what a service's page or parser could misread does not get in; nothing is decided from it.
"""

import re
from pathlib import Path
from typing import Final

from legato.domain.errors import OutsideError
from legato.domain.progress import State, StepSummary, Summary

_UNFIT: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
)


def write_junit(path: Path, summary: Summary) -> None:
    """Write a summary; raises OutsideError where the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(junit(summary), encoding="utf-8")
    except OSError as error:
        raise OutsideError(
            f"{path} cannot be written: {error.strerror}", hint="give --junit another file"
        ) from error


def junit(summary: Summary) -> str:
    """Return a run as one suite whose tests are its steps, checks and gates."""
    failed = sum(step.state is State.FAILED for step in summary.steps)
    skipped = sum(_is_skipped(step) for step in summary.steps)
    head = (
        f'<testsuite name="legato" tests="{len(summary.steps)}" failures="{failed}" errors="0" '
        f'skipped="{skipped}" time="{summary.wall_s:.3f}">'
    )
    cases = "\n".join(_case(step) for step in summary.steps)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{head}\n{cases}\n</testsuite>\n</testsuites>\n'


def _case(step: StepSummary) -> str:
    opened = (
        f'  <testcase classname="{_text(step.kind)}" name="{_text(step.name)}" time="{step.usage.wall_s:.3f}"'
    )
    if step.state is State.FAILED:
        inner = f'<failure message="{_text(step.message)}">{_text(step.details or step.hint)}</failure>'
        return f"{opened}>{inner}</testcase>"
    if _is_skipped(step):
        return f'{opened}><skipped message="{_text(step.message or step.state)}"/></testcase>'
    return f"{opened}/>"


def _is_skipped(step: StepSummary) -> bool:
    return step.state in {State.SKIPPED, State.CANCELLED, State.HELD, State.NOT_WANTED}


def _text(value: str) -> str:
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", value).translate(_ESCAPES)
