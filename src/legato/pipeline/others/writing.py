"""Writes the stages of a `dvc.yaml` as a `pipeline.py` of `lg.command(...)` lines that compute the same.

Rule: what is written depends on nothing of the other tool's any more: templates are filled in, loops written out.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Final

from legato.pipeline.others import dvc
from legato.pipeline.others.drafting import stages_of
from legato.pipeline.others.kinds_of_paths import is_code
from legato.pipeline.others.naming import identifier
from legato.pipeline.others.reader import Reader
from legato.pipeline.programs import followed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from legato.pipeline.others.stages import Stage

_SHELL: Final = re.compile(r"[|&;<>()$`\\*?\[\]~#!\n{}]|^\s*\w+=|\bcd\b|\bexport\b")
_KEYWORDS: Final = frozenset(
    {"lg", "Path", "lambda", "class", "def", "import", "from", "return", "pass", "is", "in"}
)


def write_pipeline(root: str, file: str = dvc.FILE) -> tuple[str, int]:
    """Return the text of a `pipeline.py`, and how many stages stand in it.

    Args:
        root: The repository, absolute.
        file: The `dvc.yaml`, relative to it.

    Raises:
        MissingError: There is no such file.
        ConfigurationError: It cannot be followed.
    """
    reader = Reader(root)
    stages = stages_of(reader, file)
    return _Writer(reader, stages).text(file), len(stages)


class _Writer:
    def __init__(self, reader: Reader, stages: Sequence[Stage]) -> None:
        self._reader = reader
        self._stages = stages
        self._taken: set[str] = set(_KEYWORDS)
        self._names = {stage.name: self._free(identifier(stage.name)) for stage in stages if not stage.frozen}
        self._outs = {out.path: self._named(out.path) for stage in stages for out in stage.outs}
        self._datasets: dict[str, str] = {
            out.path: self._outs[out.path] for stage in stages if stage.frozen for out in stage.outs
        }

    def text(self, file: str) -> str:
        """Return the whole module."""
        commands = [line for stage in self._stages if not stage.frozen for line in self._command(stage)]
        lines = [
            f'"""What this repository does, step by step: the stages of {file}. See: legato plan"""',
            "",
            "from pathlib import Path",
            "",
            "import legato as lg",
            "",
            *(f"{name} = lg.dataset({_text(path)})" for path, name in self._datasets.items()),
            *commands,
        ]
        return "\n".join(lines).rstrip() + "\n"

    def _free(self, name: str) -> str:
        number, found = 1, name
        while found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found

    def _named(self, path: str) -> str:
        """Return a free name for a path: its stem, else more of it."""
        stem = identifier(path.rpartition("/")[2].partition(".")[0])
        return self._free(stem if stem not in self._taken else identifier(path))

    def _command(self, stage: Stage) -> Iterable[str]:
        name = self._names[stage.name]
        line = _line(stage)
        inputs, code = self._sources(stage)
        yield ""
        yield f"{name} = lg.command("
        yield f"    {_text(name)},"
        yield f"    {_text(line)},"
        if inputs:
            yield from _mapping("inputs", inputs)
        if stage.outs:
            yield from _mapping("outputs", {self._outs[out.path]: out.path for out in stage.outs})
        runs = followed(tuple(shlex.split(line)))
        if runs is not None:  # any other line depends on all that git tracks
            rest = [path for path in code if path != runs[1]]
            yield from [f"    code=[{', '.join(map(_text, rest))}],"] if rest else []
        if stage.always_changed:
            yield "    cache=False,"
        yield from (f"    {word}={value!r}," for word, value in stage.words.items() if word != "cache")
        yield ")"

    def _sources(self, stage: Stage) -> tuple[dict[str, str], list[str]]:
        """Return the inputs with their paths, and the files that count as code."""
        inputs: dict[str, str] = {}
        code = list(stage.params)
        for dep in stage.deps:
            written = [path for path in self._outs if dep == path or dep.startswith(f"{path}/")]
            inside = [path for path in self._outs if path.startswith(f"{dep}/")]
            inputs |= {self._outs[path]: path for path in (*written, *inside)}
            if inside or (not written and is_code(self._reader, dep)):
                code.append(f"{dep}/**" if self._reader.is_dir(dep) else dep)
            elif not written:
                name = self._datasets.get(dep) or self._named(dep)
                self._datasets[dep] = name
                inputs[name] = dep
        return inputs, list(dict.fromkeys(code))


def _line(stage: Stage) -> str:
    """Return a stage's commands as one line of arguments; a shell only where one is needed."""
    first = stage.commands[0]
    if len(stage.commands) == 1 and not stage.wdir and not _SHELL.search(first):
        return first
    commands = [first] if len(stage.commands) == 1 else [f"({command})" for command in stage.commands]
    whole = " && ".join([*([f"cd {shlex.quote(stage.wdir)}"] if stage.wdir else []), *commands])
    return f"bash -c {shlex.quote(whole)}".replace("{", "{{").replace("}", "}}")


def _mapping(word: str, paths: dict[str, str]) -> Iterable[str]:
    pairs = [f"{_text(name)}: Path({_text(path)})" for name, path in paths.items()]
    if len(pairs) == 1:
        yield f"    {word}={{{pairs[0]}}},"
        return
    yield f"    {word}={{"
    yield from (f"        {pair}," for pair in pairs)
    yield "    },"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
