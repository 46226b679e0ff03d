"""Errors as people read them: what is wrong, and what to type next.

Rule: one line that starts with `error:`, the user's own traceback where their code raised, then `hint:`.
"""

import sys
import traceback
from pathlib import Path

from legato.domain.errors import BugError, LegatoError, OutsideError, UserCodeError


def show(error: LegatoError) -> None:
    """Write an error to stderr."""
    lines = [f"error: {clean(str(error))}"]
    if isinstance(error, UserCodeError) and error.details:
        lines += ["", clean(error.details.rstrip())]
    if error.hint:
        lines += ["", f"hint: {clean(error.hint)}"]
    sys.stderr.write("\n".join(lines) + "\n")


def show_json(kind: str, message: str, code: int, *, hint: str = "", where: str = "") -> None:
    """Write an error as the last JSON object on stdout, for a script that reads nothing else."""
    import json

    told = {"error": kind, "message": message, "hint": hint, "where": where, "exit_code": code}
    sys.stdout.write(json.dumps(told) + "\n")


def unexpected(error: Exception) -> LegatoError:
    """Return what to say of an error that nobody expected: the system's refusals by name, the rest as our bug."""
    if isinstance(error, OSError):
        if not _stands_somewhere():
            return OutsideError("the folder that you stand in is gone", hint="cd to the project's folder")
        place = f"{error.filename}: " if error.filename else ""
        reason = (error.strerror or str(error)).lower()
        return OutsideError(f"{place}{reason}", hint="check its rights and the space on the disk")
    sys.stderr.write("".join(traceback.format_exception(error)) + "\n")
    return BugError(
        f"{type(error).__name__}: {error}", hint="this is a fault of Legato; report it with the lines above"
    )


def _stands_somewhere() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False


def clean(text: str) -> str:
    r"""Return text that cannot steer a terminal: control characters, escapes among them, are shown as such.

    >>> clean("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(c if c in "\n\t" or c.isprintable() else repr(c)[1:-1] for c in text)
