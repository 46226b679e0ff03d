"""Errors as people read them: what is wrong, and what to type next.

Rule: one line that starts with `error:`, the user's own traceback where their code raised, then `hint:`.
"""

import sys

from legato.domain.errors import LegatoError, UserCodeError


def show(error: LegatoError) -> None:
    """Write an error to stderr."""
    lines = [f"error: {clean(str(error))}"]
    if isinstance(error, UserCodeError) and error.details:
        lines += ["", clean(error.details.rstrip())]
    if error.hint:
        lines += ["", f"hint: {clean(error.hint)}"]
    sys.stderr.write("\n".join(lines) + "\n")


def clean(text: str) -> str:
    r"""Return text that cannot steer a terminal: control characters, escapes among them, are shown as such.

    >>> clean("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(c if c in "\n\t" or c.isprintable() else repr(c)[1:-1] for c in text)
