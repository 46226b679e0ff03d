"""Brings other tools' files into a pipeline that is being collected, and stands in for a `pipeline.py`.

Rule: everything that they bring is drafted like an author's own, so that wiring, checks and targets are one.
"""

from __future__ import annotations

import posixpath
from types import ModuleType
from typing import TYPE_CHECKING, Final

from legato.domain.errors import ConfigurationError
from legato.pipeline.handles import Foreign, Spot
from legato.pipeline.others.reader import Reader, leaves
from legato.pipeline.others.stages import Described, Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from legato.domain.messages import Override
    from legato.pipeline.drafts import Sheet

KINDS: Final = {"dvc.yaml": "dvc", "MLproject": "mlproject"}
"""Files that are pipelines by themselves, in the order in which they are looked for."""


def module_of(path: str) -> ModuleType:
    """Return a module that holds another tool's file as its pipeline.

    Args:
        path: Of the file, absolute; its name is one of `KINDS`, or ends in `.yaml`.
    """
    name = posixpath.basename(path)
    module = ModuleType(name.partition(".")[0])
    module.__file__ = path
    where = Spot(path, 1, vars(module))
    vars(module)["stages"] = Foreign(name, KINDS.get(name, "dvc"), where)
    return module


def describe(sheet: Sheet, root: str, overrides: Sequence[Override]) -> Described:
    """Draft what other tools' files say; what is wrong with one is noted on the sheet."""
    found = sheet.names.foreign
    if not found:
        return Described()
    reader = Reader(root, overrides)
    programs: dict[str, Program] = {}
    for thing in found:
        try:
            programs |= _described(sheet, thing, reader)
        except ConfigurationError as error:
            sheet.problems.found.append(error)
    return Described(programs=programs, seen=tuple(reader.seen), taken=frozenset(reader.taken))


def _described(sheet: Sheet, thing: Foreign, reader: Reader) -> dict[str, Program]:
    folder = posixpath.dirname(thing.spot.file)
    path = posixpath.normpath(posixpath.join(folder, thing.path))
    file = sheet.places.relative(path)
    if leaves(file):
        raise ConfigurationError(
            f"{thing.path!r} lies outside the repository",
            hint='write a path inside it: lg.dvc("dvc.yaml")',
            where=str(sheet.places.of(thing)),
        )
    if thing.kind == "mlproject":
        from legato.pipeline.others.mlproject import draft_entries

        return draft_entries(sheet, thing, reader, file)
    from legato.pipeline.others.drafting import draft_stages, stages_of

    return draft_stages(sheet, thing, reader, stages_of(reader, file))
