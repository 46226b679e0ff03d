"""The block of `.gitignore` that keeps locked data out of git.

Rule: the lines between our two marks are ours and sorted; every other line is the user's and stays as it is.
"""

from collections.abc import Iterable
from typing import Final

from legato.domain.errors import ConfigurationError

START: Final = "# data that legato.lock holds (kept by `legato data`)"
END: Final = "# end of data"


def with_ignored(text: str, paths: Iterable[str]) -> str:
    r"""Return the text of a `.gitignore` whose block names exactly these paths, relative to its folder.

    A path that ends with `/` is a folder; one that starts with `glob:` is a pattern and is taken as it is.

    >>> with_ignored("*.pyc\n", ["data/b.csv", "data/a/"]).splitlines()[2:4]
    ['/data/a/', '/data/b.csv']

    Raises:
        ConfigurationError: The block has a start and no end.
    """
    lines = text.split("\n")
    kept = _without_block(lines)
    wanted = sorted({_line(path) for path in paths})
    if not wanted:
        return "\n".join(kept)
    block = [START, *wanted, END]
    at = lines.index(START) if START in lines else len(kept)
    if at >= len(kept):
        kept = kept[:-1] if kept and not kept[-1] else kept  # what follows the last line's end is no line
        return "\n".join([*kept, *block, ""])
    return "\n".join([*kept[:at], *block, *kept[at:]])


def _without_block(lines: list[str]) -> list[str]:
    if START not in lines:
        return lines
    start = lines.index(START)
    if END not in lines[start:]:
        raise ConfigurationError(
            f".gitignore has the line {START!r}, but not its end {END!r}",
            hint="put the end below the lines that Legato wrote, or delete the start",
        )
    end = lines.index(END, start)
    return [*lines[:start], *_without_block(lines[end + 1 :])]


def _line(path: str) -> str:
    if path.startswith("glob:"):
        return "/" + path.removeprefix("glob:")
    return (
        "/"
        + "".join(_letter(letter) for letter in path).replace(" /", "\\ /").removesuffix(" ")
        + ("\\ " if path.endswith(" ") else "")
    )


def _letter(letter: str) -> str:
    if letter in "*?[\\":
        return "\\" + letter
    return "?" if letter in "\n\r" else letter
