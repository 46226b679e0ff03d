"""Puts the stages of a `dvc.yaml` on the sheet: as commands, with datasets for what they read from outside.

Rule: what counts for a stage is what its file says; a path that another stage writes is that stage's artifact.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Place, Setting
from legato.pipeline.drafts import Draft, Sheet
from legato.pipeline.handles import Spot
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.others import dvc
from legato.pipeline.others.kinds_of_paths import is_code
from legato.pipeline.others.naming import short_names
from legato.pipeline.others.param_files import MISSING, pick
from legato.pipeline.others.reader import Reader, joined, leaves
from legato.pipeline.others.shells import programs_of
from legato.pipeline.others.stages import Program, Stage
from legato.pipeline.others.written import Written
from legato.pipeline.values import wire_of
from legato.pipeline.words import read_words, refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from legato.pipeline.handles import Foreign


def stages_of(reader: Reader, file: str) -> tuple[Stage, ...]:
    """Return the stages of a `dvc.yaml`, and of the others in the repository that they depend on.

    Another file is looked for beside and above each path that no stage so far writes.
    """
    own = dvc.read_dvc(reader, file)
    found, written = list(own), Written()
    _note(own, written)
    known, asked, left = {file}, set[str](), list(own)
    while left:
        for dep in left.pop().deps:
            if dep in asked or written.clash(dep):
                continue
            asked.add(dep)
            for other in _files_above(dep):
                if other not in known and reader.exists(other):
                    known.add(other)
                    more = dvc.read_dvc(reader, other, prefix=f"{other.rpartition('/')[0]}/".lstrip("/"))
                    _note(more, written)
                    found += more
                    left += more
    return own if len(found) == len(own) else _needed(found, own)


def _note(stages: Sequence[Stage], written: Written) -> None:
    for stage in stages:
        for out in stage.outs:
            written.add(out.path, stage.name)


def _files_above(path: str) -> Iterator[str]:
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        yield joined(folder, dvc.FILE)


def _needed(found: Sequence[Stage], own: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return the own stages, and the others that these need."""
    written = Written()
    _note(found, written)
    by_name = {stage.name: stage for stage in found}
    kept, left = {stage.name for stage in own}, list(own)
    while left:
        for dep in left.pop().deps:
            for path in (written.around(dep), *written.inside(dep)):
                name = written.artifacts.get(path, "")
                if name and name not in kept:
                    kept.add(name)
                    left.append(by_name[name])
    return tuple(stage for stage in found if stage.name in kept)


def draft_stages(sheet: Sheet, thing: Foreign, reader: Reader, stages: Sequence[Stage]) -> dict[str, Program]:
    """Draft the stages; return what this process holds of each, by node."""
    return _Drafting(sheet, thing, reader, stages).drafted()


class _Drafting:
    def __init__(self, sheet: Sheet, thing: Foreign, reader: Reader, stages: Sequence[Stage]) -> None:
        self._sheet = sheet
        self._thing = thing
        self._reader = reader
        self._stages = stages
        self._names = {stage.name for stage in stages}
        self._written = Written()
        for draft in sheet.drafts.values():
            for output in draft.outputs:
                if output.path:
                    self._written.add(output.path, output.artifact)
        self._taken = {
            str(draft.detail.get("path")): draft for draft in sheet.drafts.values() if draft.kind == "dataset"
        }
        self._left_out = tuple(out.path for stage in stages for out in stage.outs)

    def drafted(self) -> dict[str, Program]:
        programs: dict[str, Program] = {}
        drafts = [self._begin(stage) for stage in self._stages if not stage.frozen]
        for stage in self._stages:
            self._claim(stage)
        live = (stage for stage in self._stages if not stage.frozen)
        for stage, draft in zip(live, drafts, strict=True):
            if draft is None:
                continue
            try:
                programs[stage.name] = self._fill(stage, draft)
            except ConfigurationError as error:
                self._sheet.problems.note(error, f"stage `{stage.name}`", draft.place)
        self._name_short()
        return programs

    def _begin(self, stage: Stage) -> Draft | None:
        place = Place(file=stage.file, line=stage.line)
        other = self._sheet.drafts.get(stage.name) or self._sheet.makers.get(stage.name)
        named = self._sheet.names.things.get(stage.name)
        if other is not None or named is not None:
            at = other.place if other is not None else self._sheet.places.of(named) if named else place
            self._sheet.problems.add(
                f"two things are called `{stage.name}`: the one at {at}, and the stage at {place}",
                place,
                "rename the one of pipeline.py",
            )
            return None
        draft = self._sheet.drafts[stage.name] = Draft(stage.name, "command", place, self._thing)
        return draft

    def _claim(self, stage: Stage) -> None:
        """Make the paths that a stage writes known as artifacts."""
        for out in stage.outs:
            artifact = f"./{out.path}" if out.path in self._names and out.path != stage.name else out.path
            other = self._sheet.makers.get(artifact)
            clash = self._written.clash(out.path)
            if other is not None or clash:
                at = (other or self._sheet.makers[self._written.artifacts[clash]]).place
                self._sheet.problems.add(
                    f"two stages write {out.path}: the one at {at}, and `{stage.name}` at {stage.file}:{out.line}",
                    Place(file=stage.file, line=out.line),
                    "let each path have one stage that writes it",
                )
                continue
            self._written.add(out.path, artifact)
            if stage.frozen:
                self._dataset(out.path, Place(file=stage.file, line=out.line), artifact)
                continue
            draft = self._sheet.drafts.get(stage.name)
            if draft is not None:
                draft.makes(artifact, Path, field=out.path, path=out.path)
                self._sheet.makers[artifact] = draft

    def _dataset(self, path: str, place: Place, artifact: str = "") -> str:
        """Return the artifact of what lies in the repository, drafting it where that is not done yet."""
        draft = self._taken.get(path)
        if draft is None:
            draft = Draft(artifact or path, "dataset", place, self._thing)
            draft.detail = {"path": path, "kind": "folder" if self._reader.is_dir(path) else "file"}
            draft.makes(draft.name)
            self._taken[path] = self._sheet.drafts[draft.name] = self._sheet.makers[draft.name] = draft
        return draft.outputs[0].artifact

    def _fill(self, stage: Stage, draft: Draft) -> Program:
        spot = Spot(stage.file, stage.line, {})
        refuse_unknown(stage.words, spot)
        words = read_words(stage.words)
        draft.words = msgspec.structs.replace(words, cache=False) if stage.always_changed else words
        draft.detail = {"shell": list(stage.commands), "wdir": stage.wdir}
        draft.settings = [
            setting for file, keys in stage.params.items() for setting in self._settings(stage, file, keys)
        ]
        code = [dep for dep in stage.deps if not self._wire(stage, draft, dep)]
        programs = (
            found for line in stage.commands for found in programs_of(line, stage.wdir, self._is_file)
        )
        changed = self._reader.changed
        persistent = [out.path for out in stage.outs if out.persist]
        return Program(
            followed=tuple(dict.fromkeys(programs)),
            code=tuple(code),
            left_out=self._left_out,
            params={file: _chosen(changed.get(file, {}), keys) for file, keys in stage.params.items()},
            metrics=tuple(out.path for out in stage.outs if out.kind == "metrics"),
            notes=tuple(
                f"{path} is `persist: true`, but each run here begins without it" for path in persistent
            ),
        )

    def _is_file(self, path: str) -> bool:
        return not leaves(path) and self._reader.exists(path) and not self._reader.is_dir(path)

    def _wire(self, stage: Stage, draft: Draft, dep: str) -> bool:
        """Wire what a stage depends on to its artifact; return False where it is code."""
        exact, inside = self._written.around(dep), self._written.inside(dep)
        for path in [exact] if exact else inside:
            draft.inputs[path] = self._written.artifacts[path]
        if exact:
            return True
        if is_code(self._reader, dep) or inside:
            return False
        place = Place(file=stage.file, line=stage.line)
        draft.inputs[dep] = self._dataset(dep, place)
        return True

    # -- parameters ------------------------------------------------------------------------------------------

    def _settings(self, stage: Stage, file: str, keys: tuple[str, ...]) -> Iterator[Setting]:
        found = self._reader.values(file)
        if found is None:
            raise ConfigurationError(
                f"it names parameters of {file}, which is not there", hint=f"write {file}, or mend params:"
            )
        usual = file == joined(stage.wdir, dvc.PARAMS)
        named = keys or tuple(str(key) for key in found.data)
        for key in named:
            value = pick(found.data, key)
            if value is MISSING:
                known = _keys(found.data, "")
                raise ConfigurationError(
                    f"{file} has no parameter {key!r}", hint=did_you_mean(key, known, "keys")
                )
            given = key in self._reader.changed.get(file, {})
            plain = _plain(value)
            yield Setting(
                name=key if usual else f"{file}:{key}",
                wire=wire_of(plain),
                shown=json.dumps(plain, default=str, ensure_ascii=False),
                type=type(value).__name__,
                origin="option" if given else "file",
            )

    def _name_short(self) -> None:
        """Let parameters of steps take what stages make by a short name, where that is free."""
        for name, path in short_names(self._written.artifacts).items():
            known = (self._sheet.makers, self._sheet.names.things, self._sheet.names.aliases)
            if not any(name in names for names in known):
                self._sheet.short[name] = self._written.artifacts[path]


def _chosen(changes: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the changes that a stage that names `keys` may see."""
    return {
        key: value
        for key, value in changes.items()
        if not keys or any(key == own or key.startswith(f"{own}.") for own in keys)
    }


def _keys(data: object, path: str) -> list[str]:
    if not isinstance(data, dict):
        return [path.removesuffix(".")]
    return [key for name, inner in data.items() for key in _keys(inner, f"{path}{name}.")]


def _plain(value: Any) -> Any:  # noqa: ANN401 - any plain data
    """Return plain data whose keys are texts, which is what a setting can hold."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return (
        value
        if value is None or isinstance(value, bool | int | float | str) or hasattr(value, "isoformat")
        else str(value)
    )
