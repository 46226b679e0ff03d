"""Patterns of paths: `*` and `?` stay within a folder, `**` crosses folders, `[ab]` is one of these letters.

Rule: as in a shell, a name that starts with a dot is matched only where the pattern writes the dot.
"""

import re
from functools import lru_cache

_HIDDEN = r"(?!\.)"


def is_glob(path: str) -> bool:
    """Say whether a path holds a letter that patterns are made of.

    >>> is_glob("data/*.csv"), is_glob("data/wine.csv")
    (True, False)
    """
    return any(letter in path for letter in "*?[")


def fixed_folder(pattern: str) -> str:
    """Return the folder that all matches lie below; empty for the place where the pattern starts.

    >>> fixed_folder("data/2026/*.csv"), fixed_folder("*.csv")
    ('data/2026', '')
    """
    parts = pattern.split("/")[:-1]
    first = next((at for at, part in enumerate(parts) if is_glob(part)), len(parts))
    return "/".join(parts[:first])


@lru_cache(maxsize=64)
def matcher(pattern: str) -> re.Pattern[str]:
    """Return the expression that whole paths are matched with.

    >>> bool(matcher("a/*.csv").fullmatch("a/b.csv")), bool(matcher("a/*.csv").fullmatch("a/b/c.csv"))
    (True, False)
    >>> bool(matcher("a/**/*.csv").fullmatch("a/c.csv")), bool(matcher("*").fullmatch(".hidden"))
    (True, False)
    """
    parts = pattern.split("/")
    said = []
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            inner = rf"(?:{_HIDDEN}[^/]+/)*"
            said.append(f"{inner}{_HIDDEN}[^/]+" if last else inner)
        else:
            said.append(_part(part) + ("" if last else "/"))
    return re.compile("".join(said), re.DOTALL)


def _part(part: str) -> str:
    said = [] if part.startswith(".") else [_HIDDEN]
    at = 0
    while at < len(part):
        letter = part[at]
        at += 1
        if letter == "*":
            said.append("[^/]*")
        elif letter == "?":
            said.append("[^/]")
        elif letter == "[" and (end := part.find("]", at + 1 + (part[at : at + 1] == "!"))) != -1:
            said.append(_letters(part[at:end]))
            at = end + 1
        else:
            said.append(re.escape(letter))
    return "".join(said)


def _letters(body: str) -> str:
    negated = body.startswith("!")
    inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", body[1:] if negated else body)
    return f"(?!/)[{'^' if negated else ''}{inside}]"
