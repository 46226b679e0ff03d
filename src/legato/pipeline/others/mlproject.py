"""Reads an `MLproject`: its entry points as commands with typed parameters.

Rule: an entry point runs in the Python that Legato runs in; an environment that the file names is said, not made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Final

from legato.domain.errors import MissingError
from legato.domain.graph import Place, Words
from legato.pipeline.drafts import Draft, Sheet
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.others.located import Document, Path, read_yaml, shown
from legato.pipeline.others.schema import Kinds, check_keys
from legato.pipeline.others.shells import holes_of, programs_of, with_variables
from legato.pipeline.others.stages import Program
from legato.pipeline.signatures import REQUIRED, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from legato.pipeline.handles import Foreign
    from legato.pipeline.others.reader import Reader

FILE: Final = "MLproject"
TRACKING: Final = "MLFLOW_TRACKING_URI"
_TOP: Final[Mapping[str, Kinds]] = {
    "name": (str, int, float),
    "entry_points": (dict,),
    "conda_env": (str,),
    "python_env": (str,),
}
_ENTRY: Final[Mapping[str, Kinds]] = {"parameters": (dict,), "command": (str,)}
_PARAMETER: Final[Mapping[str, Kinds]] = {"type": (str,), "default": (object,)}
_TYPES: Final[Mapping[str, object]] = {"float": float, "int": int, "integer": int, "string": str, "str": str}
_PATHS: Final = frozenset({"path", "uri"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry point.

    Attributes:
        line: The command, its holes unfilled.
        parameters: Default by name, `REQUIRED` where there is none.
        types: As the file names them.
    """

    name: str
    line: str
    place: Place
    parameters: Mapping[str, object] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)


def read_mlproject(reader: Reader, file: str) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Return the entry points of an `MLproject`, and what its reader should know.

    Raises:
        MissingError: There is no such file, or it has no entry point.
        ConfigurationError: It cannot be followed; the error names file, line and key.
    """
    text = reader.text(file)
    if text is None:
        raise MissingError(f"there is no file {file}", hint="name it as seen from the repository")
    document = read_yaml(text, file)
    if isinstance(document.data, dict) and "docker_env" in document.data:
        raise document.refuse(
            ("docker_env",),
            "the key docker_env is not supported",
            "run legato inside that image, and leave it out",
        )
    top = check_keys(document, (), document.data, _TOP)
    entries = tuple(_entries(document, top.get("entry_points", {})))
    if not entries:
        raise MissingError(
            f"{file} has no entry point",
            hint="write entry_points: {main: {command: 'python train.py'}}",
            where=file,
        )
    notes = tuple(
        f"{file} names {top[key]}, which is not made: entry points run in the Python that legato runs in"
        for key in ("conda_env", "python_env")
        if key in top
    )
    return entries, notes


def _entries(document: Document, entries: Mapping[Any, Any]) -> Iterator[Entry]:
    for name, definition in entries.items():
        path: Path = ("entry_points", name)
        if not isinstance(name, str) or not name.replace("-", "_").replace(".", "_").isidentifier():
            raise document.refuse(
                path, f"{name!r} is no name for an entry point", "use letters, digits and `_`"
            )
        found = check_keys(document, path, definition, _ENTRY)
        line = " ".join(str(found.get("command", "")).split("\n")).strip()
        if not line or "\0" in line:
            raise document.refuse(path, f"{shown(path)} has no command:", "write command: python train.py")
        parameters, types = _parameters(document, found.get("parameters", {}), (*path, "parameters"))
        for hole in holes_of(line):
            if hole not in parameters:
                raise document.refuse(
                    (*path, "command"),
                    f"{shown(path)}.command takes {{{hole}}}, which is no parameter",
                    did_you_mean(hole, parameters, "parameters"),
                )
        place = Place(file=document.file, line=document.line(path))
        yield Entry(name=name, line=line, place=place, parameters=parameters, types=types)


def _parameters(
    document: Document, parameters: Mapping[Any, Any], path: Path
) -> tuple[dict[str, object], dict[str, str]]:
    defaults: dict[str, object] = {}
    types: dict[str, str] = {}
    for name, told in parameters.items():
        at = (*path, name)
        if not isinstance(name, str) or not name.isidentifier():
            raise document.refuse(at, f"{name!r} is no name for a parameter", "use letters, digits and `_`")
        found = {"type": told} if isinstance(told, str) else check_keys(document, at, told or {}, _PARAMETER)
        types[name] = str(found.get("type", "string"))
        defaults[name] = _default(document, found, types[name], at)
    return defaults, types


def _default(document: Document, found: Mapping[str, Any], type_: str, path: Path) -> object:
    if "default" not in found:
        return REQUIRED
    value, wanted = found["default"], _TYPES.get(type_, str)
    if isinstance(value, dict | list) or (wanted is not str and not isinstance(value, int | float)):
        raise document.refuse(
            (*path, "default"), f"{shown(path)}.default is {value!r:.60}, no {type_}", "mend it"
        )
    return str(value) if wanted is str else value


def draft_entries(sheet: Sheet, thing: Foreign, reader: Reader, file: str) -> dict[str, Program]:
    """Draft the entry points; return what this process holds of each, by node."""
    entries, notes = read_mlproject(reader, file)
    folder = file.rpartition("/")[0]
    programs = {}
    for entry in entries:
        draft = sheet.drafts[entry.name] = Draft(entry.name, "command", entry.place, thing)
        draft.reading = Reading((), entry.parameters, {}, {})
        draft.forms = {name: _TYPES.get(type_, str) for name, type_ in entry.types.items()}
        draft.words = Words(env=(TRACKING,))
        draft.makes(entry.name, FilePath)
        sheet.makers[entry.name] = draft
        order = list(holes_of(entry.line))
        numbers = {name: str(position) for position, name in enumerate(order, start=1)}
        draft.detail = {
            "entry": with_variables(entry.line, numbers),
            "line": entry.line,
            "order": order,
            "paths": sorted(name for name, type_ in entry.types.items() if type_ in _PATHS),
            "wdir": folder,
        }
        found = programs_of(entry.line, folder, lambda path: bool(path) and reader.exists(path))
        programs[entry.name] = Program(followed=tuple(dict.fromkeys(found)), notes=notes, entry=True)
    return programs
