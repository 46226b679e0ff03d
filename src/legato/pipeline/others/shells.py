"""Reads lines for a shell: which Python programs they run, and where a value may stand in them.

Rule: a value never becomes a word of the shell: it reaches the line as a variable, or as one argument.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from legato.domain.errors import ConfigurationError
from legato.pipeline.others.reader import joined, leaves
from legato.pipeline.programs import followed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SEPARATES: Final = re.compile(r"[;&|()]+")
_ASSIGNS: Final = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_RUNNERS: Final = (("env",), ("exec",), ("time",), ("uv", "run"), ("poetry", "run"), ("pipenv", "run"))
_TAKES_CODE: Final = re.compile(r"-[a-z]*[ce]")
_READS_CODE: Final = re.compile(r"(ba|z|da|k)?sh|python[0-9.]*|Rscript|perl|ruby")
_HOLE: Final = re.compile(r"(?<![{$])\{([A-Za-z_]\w*)\}(?!\})")


def programs_of(line: str, folder: str, is_file: Callable[[str], bool]) -> Iterator[tuple[str, ...]]:
    """Yield the Python programs that a line runs, as arguments with paths relative to the repository.

    What is not plain is left out: following is for seeing more, the files that a program reads count anyway.

    >>> list(programs_of("cd src && LR=1 python train.py x", "", lambda path: path == "src/train.py"))
    [('python', 'src/train.py')]
    """
    for words in _simple_commands(line):
        if words[0] == "cd":
            folder = joined(folder, words[1]) if len(words) == 2 else ".."  # noqa: PLR2004 - cd and where to
            if leaves(folder):
                return
            continue
        kind, target = _runs(words)
        if not kind or "$" in target:
            continue
        path = joined(folder, target if kind == "script" else target.replace(".", "/") + ".py")
        if is_file(path) and (kind == "script" or folder):
            yield "python", path
        elif kind == "module" and not folder:
            yield "python", "-m", target


def _runs(words: list[str]) -> tuple[str, str]:
    try:
        return followed(tuple(words)) or ("", "")
    except ConfigurationError:  # braces where a name would stand, which only the shell understands
        return "", ""


def _simple_commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:
        return
    words: list[str] = []
    for token in [*tokens, ";"]:
        if not _SEPARATES.fullmatch(token):
            words.append(token)
            continue
        bare = _without_runner(words)
        if bare:
            yield bare
        words = []


def _without_runner(words: list[str]) -> list[str]:
    changed = True
    while changed and words:
        changed = False
        if _ASSIGNS.fullmatch(words[0]):
            words, changed = words[1:], True
        for runner in _RUNNERS:
            if tuple(words[: len(runner)]) == runner:
                words, changed = words[len(runner) :], True
    return words


def holes_of(line: str) -> tuple[str, ...]:
    """Return the names in the holes of a line, in their order.

    >>> holes_of("python train.py {alpha} '{rate}' {alpha} ${HOME} {}")
    ('alpha', 'rate')
    """
    return tuple(dict.fromkeys(name for _, _, name in _found(line)))


def _found(line: str) -> Iterator[tuple[int, int, str]]:
    for match in _HOLE.finditer(line):
        yield match.start(), match.end(), match[1]


def with_variables(line: str, variables: dict[str, str]) -> str:
    """Return a line in which each hole is a variable of the shell, so that its value is never read as code.

    Args:
        line: As its author wrote it; `{{` and `}}` are braces.
        variables: The variable of each hole.

    Raises:
        ConfigurationError: A hole stands where a second shell would read its value as code.

    >>> print(with_variables('''python t.py {a} "x {a}" 'y {a}' {{a}}''', {"a": "1"}))
    python t.py "${1}" "x ${1}" 'y '"${1}"'' {a}
    """
    text, quote, at, begin = "", "", 0, 0
    holes = {start: (end, name) for start, end, name in _found(line)}
    while at < len(line):
        letter, step = line[at], 1
        if at in holes and holes[at][1] in variables:
            end, name = holes[at]
            _refuse_second_reading(line, line[begin:at], name, quote)
            text, at = text + _variable(variables[name], quote), end
            continue
        if line[at : at + 2] in ("{{", "}}"):
            step = 2
        elif letter == "\\" and quote != "'":
            letter, step = line[at : at + 2], 2
        elif letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
        elif not quote and _SEPARATES.fullmatch(letter):
            begin = at + 1
        text, at = text + letter, at + step
    return text


def _variable(name: str, quote: str) -> str:
    if quote == '"':
        return f"${{{name}}}"
    return f"'\"${{{name}}}\"'" if quote else f'"${{{name}}}"'


def _refuse_second_reading(line: str, before: str, name: str, quote: str) -> None:
    """Refuse `sh -c "… {x}"`, `python -c "… {x}"` and `eval … {x}`: the value would be read as code."""
    words = before.split()
    programs = {word.rpartition("/")[2] for word in words}
    option = next((place for place, word in enumerate(words) if _TAKES_CODE.fullmatch(word)), len(words))
    as_code = option < len(words) and (quote or option == len(words) - 1)
    reads = as_code and any(map(_READS_CODE.fullmatch, programs))
    if reads or "eval" in programs:
        raise ConfigurationError(
            f"{{{name}}} stands where its value would be read as code: {line[:80]!r}",
            hint=f"pass it as an argument of its own: sh -c 'echo \"$1\"' sh {{{name}}}",
        )
