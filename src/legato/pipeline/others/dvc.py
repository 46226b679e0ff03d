"""Reads a `dvc.yaml`: its stages with every `foreach`, `matrix`, `vars` and `${}` followed.

Rule: nothing of the file is skipped in silence: a key is followed, changes no result, or is refused by its line.
"""

from __future__ import annotations

import itertools
import string
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from legato.domain.errors import MissingError
from legato.pipeline.others.located import Document, Path, read_yaml, shown
from legato.pipeline.others.reader import Reader, joined, leaves
from legato.pipeline.others.schema import FOREACH, INSTEAD, OUT, PLOT, STAGE, TOP, check_keys
from legato.pipeline.others.stages import Out, Stage
from legato.pipeline.others.templating import (
    TemplateError,
    Values,
    as_text,
    fill,
    is_template,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from legato.domain.errors import ConfigurationError

FILE: Final = "dvc.yaml"
PARAMS: Final = "params.yaml"
MOST_STAGES: Final = 10_000
_KINDS: Final = ("outs", "metrics", "plots")
_FORBIDDEN: Final = frozenset(string.punctuation) - {"_", "-"}


def read_dvc(reader: Reader, file: str, *, prefix: str = "") -> tuple[Stage, ...]:
    """Return the stages of a `dvc.yaml`, in its order.

    Args:
        reader: Reads the file, and the parameter files that it names.
        file: Its path relative to the root.
        prefix: What the names of its stages begin with.

    Raises:
        MissingError: There is no such file.
        ConfigurationError: It cannot be followed; the error names file, line and key.
    """
    text = reader.text(file)
    if text is None:
        raise MissingError(
            f"there is no file {file}", hint='write lg.dvc("dvc.yaml"), as seen from pipeline.py'
        )
    document = read_yaml(text, file)
    return tuple(_File(reader, document, file.rpartition("/")[0], prefix).stages())


class _File:
    """One `dvc.yaml` on its way to stages."""

    def __init__(self, reader: Reader, document: Document, folder: str, prefix: str) -> None:
        self._reader = reader
        self._document = document
        self._folder = folder
        self._prefix = prefix
        self._count = 0

    def stages(self) -> Iterator[Stage]:
        """Yield the stages."""
        if self._document.data is None:
            return
        top = check_keys(self._document, (), self._document.data, TOP)
        values = Values()
        if self._reader.exists(joined(self._folder, PARAMS)):
            self._load(values, PARAMS, self._folder, ())
        self._add_vars(values, top.get("vars", []), self._folder, ("vars",))
        for name, definition in top.get("stages", {}).items():
            yield from self._defined(str(name), definition, values, ("stages", name))

    def _defined(self, name: str, definition: object, values: Values, path: Path) -> Iterator[Stage]:
        if not name or _FORBIDDEN.intersection(name):
            raise self._document.refuse(
                path, f"{name!r} is no name for a stage", "use letters, digits, `_` and `-`"
            )
        grouped = isinstance(definition, dict) and FOREACH.keys() & definition.keys()
        found = check_keys(self._document, path, definition, FOREACH if grouped else STAGE)
        if grouped:
            yield from self._foreach(name, found, values, path)
        elif "matrix" in found:
            yield from self._matrix(name, found, values, path)
        else:
            yield self._stage(name, found, values, path)

    # -- several stages from one definition ------------------------------------------------------------------

    def _foreach(self, name: str, found: Mapping[str, Any], values: Values, path: Path) -> Iterator[Stage]:
        for needed in ("foreach", "do"):
            if needed not in found:
                raise self._document.refuse(
                    path, f"{shown(path)} has no {needed}:", "write both foreach: and do:"
                )
        items = self._filled(found["foreach"], values, (*path, "foreach"), "foreach")
        if not isinstance(items, dict | list):
            raise self._document.refuse(
                (*path, "foreach"), f"{shown(path)}.foreach is {items!r:.60}", "give it a list"
            )
        do = check_keys(self._document, (*path, "do"), found["do"], STAGE)
        if "matrix" in do:
            raise self._document.refuse(
                (*path, "do", "matrix"), "matrix: stands inside do:", "use one of them"
            )
        for key, item, named in _each(items):
            inner = values.with_items({"item": item, "key": key} if named else {"item": item})
            yield self._stage(f"{name}@{key}", do, inner, (*path, "do"), loop=True)

    def _matrix(self, name: str, found: Mapping[str, Any], values: Values, path: Path) -> Iterator[Stage]:
        at = (*path, "matrix")
        axes = self._filled(found["matrix"], values, at, "matrix")
        if (
            not isinstance(axes, dict)
            or not axes
            or any(not isinstance(axis, list) for axis in axes.values())
        ):
            raise self._document.refuse(
                at, f"{shown(at)} is no mapping of lists", "write matrix: {depth: [4, 8]}"
            )
        for combination in itertools.product(*(enumerate(axis) for axis in axes.values())):
            item = {axis: value for axis, (_, value) in zip(axes, combination, strict=True)}
            key = "-".join(
                f"{axis}{at}" if isinstance(value, dict | list) else as_text(value)
                for axis, (at, value) in zip(axes, combination, strict=True)
            )
            inner = values.with_items({"item": item, "key": key})
            rest = {word: value for word, value in found.items() if word != "matrix"}
            yield self._stage(f"{name}@{key}", rest, inner, path, loop=True)

    # -- one stage -------------------------------------------------------------------------------------------

    def _stage(
        self, name: str, found: Mapping[str, Any], values: Values, path: Path, *, loop: bool = False
    ) -> Stage:
        self._count += 1
        if self._count > MOST_STAGES:
            raise self._document.refuse(path, f"more than {MOST_STAGES} stages", "use fewer items")
        wdir = self._wdir(found, values, path)
        if found.get("vars"):
            values = values.copy()
            self._add_vars(values, found["vars"], wdir, (*path, "vars"), reserved=loop)
        filled = {
            key: self._filled(value, values, (*path, key), key)
            for key, value in found.items()
            if key not in {"vars", "wdir", "meta", "desc"}
        }
        outs = tuple(
            out for kind in _KINDS for out in self._outs(filled.get(kind, []), kind, wdir, (*path, kind))
        )
        return Stage(
            name=self._prefix + name,
            commands=self._commands(filled.get("cmd"), path),
            file=self._document.file,
            line=self._document.line(path),
            wdir=wdir,
            deps=tuple(self._deps(filled.get("deps", []), wdir, (*path, "deps"))),
            outs=outs,
            params=self._params(filled.get("params", []), wdir, (*path, "params")),
            always_changed=bool(filled.get("always_changed", False)),
            frozen=bool(filled.get("frozen", False)),
            words=self._words(found.get("meta"), path),
        )

    def _wdir(self, found: Mapping[str, Any], values: Values, path: Path) -> str:
        at = (*path, "wdir")
        folder = as_text(self._filled(found.get("wdir", "."), values, at, "wdir"))
        wdir = joined(self._folder, folder)
        if leaves(wdir):
            raise self._document.refuse(
                at, f"{shown(at)} is {folder!r}, outside the repository", "name one inside it"
            )
        return wdir

    def _commands(self, cmd: object, path: Path) -> tuple[str, ...]:
        at = (*path, "cmd")
        lines = as_text(cmd).splitlines() if isinstance(cmd, str | dict) else cmd
        if not isinstance(lines, list) or not all(isinstance(line, str | dict) for line in lines):
            raise self._document.refuse(
                at, f"{shown(path)} has no cmd: that can be run", "write cmd: python train.py"
            )
        found = tuple(as_text(line).strip() for line in lines if as_text(line).strip())
        if not found or any("\0" in line for line in found):
            raise self._document.refuse(at, f"{shown(at)} is empty", "say what to run")
        return found

    def _deps(self, deps: list[Any], wdir: str, path: Path) -> Iterator[str]:
        for number, dep in enumerate(deps):
            yield self._path(dep, wdir, (*path, number), "depends on")

    def _outs(self, outs: list[Any], kind: str, wdir: str, path: Path) -> Iterator[Out]:
        for number, out in enumerate(outs):
            at = (*path, number)
            if not isinstance(out, dict):
                yield Out(path=self._path(out, wdir, at, "writes"), kind=kind, line=self._document.line(at))
                continue
            for name, details in out.items():
                words = self._out_words(details, kind, (*at, name))
                yield Out(
                    path=self._path(name, wdir, at, "writes"),
                    kind=kind,
                    line=self._document.line((*at, name)),
                    persist=bool(words.get("persist", False)),
                )

    def _out_words(self, details: object, kind: str, path: Path) -> Mapping[str, Any]:
        known = PLOT if kind == "plots" else OUT
        if kind == "plots" and isinstance(details, list):  # one file shown in several ways
            found = [check_keys(self._document, (*path, at), one, known) for at, one in enumerate(details)]
            return {key: value for one in found for key, value in one.items()}
        words = check_keys(self._document, path, details or {}, known)
        if words.get("checkpoint"):
            raise self._document.refuse(
                (*path, "checkpoint"),
                f"the key {shown(path)}.checkpoint is not supported",
                INSTEAD["checkpoint"],
            )
        return words

    def _path(self, value: object, wdir: str, path: Path, deed: str) -> str:
        if isinstance(value, dict | list) or value is None:
            raise self._document.refuse(path, f"{shown(path)} is {value!r:.60}, not a path", "write a path")
        text = as_text(value)
        if "://" in text or text.startswith("/"):
            raise self._document.refuse(
                path,
                f"{shown(path)} {deed} {text!r}, outside the repository",
                "bring it in by a step or lg.dataset, or keep it below the repository",
            )
        found = joined(wdir, text)
        if leaves(found) or not found or "\0" in found:
            raise self._document.refuse(
                path,
                f"{shown(path)} {deed} {text!r}, which is not inside the repository",
                "name a path inside it",
            )
        return found

    # -- parameters ------------------------------------------------------------------------------------------

    def _params(self, params: list[Any], wdir: str, path: Path) -> Mapping[str, tuple[str, ...]]:
        """Return the keys by file; a file without keys counts whole, also where single keys are named too."""
        found: dict[str, list[str]] = {}
        whole: set[str] = set()
        for number, item in enumerate(params):
            at = (*path, number)
            named = item if isinstance(item, dict) else {PARAMS: [item]}
            for name, keys in named.items():
                file = self._path(name, wdir, at, "reads")
                found.setdefault(file, [])
                if not keys:
                    whole.add(file)
                elif not isinstance(keys, list):
                    raise self._document.refuse(
                        (*at, name), f"{shown(at)}.{name} is {keys!r:.60}", "write a list"
                    )
                else:
                    found[file] += [as_text(key) for key in keys]
        return {file: () if file in whole else tuple(dict.fromkeys(keys)) for file, keys in found.items()}

    def _add_vars(
        self, values: Values, items: list[Any], folder: str, path: Path, *, reserved: bool = False
    ) -> None:
        for number, item in enumerate(items):
            at = (*path, number)
            self._refuse_templates(item, at)
            if isinstance(item, str):
                name, _, keys = item.partition(":")
                self._load(values, name, folder, at, [key for key in keys.split(",") if key])
            elif isinstance(item, dict):
                taken = {"item", "key"}.intersection(item) if reserved else ()
                if taken:
                    raise self._document.refuse(
                        at, f"{shown(at)} sets {min(taken)!r}, which the loop sets", "call it something else"
                    )
                self._located(at, partial(values.add, item, shown(at)))
            else:
                raise self._document.refuse(
                    at, f"{shown(at)} is {item!r:.60}", "name a file, or write a mapping"
                )

    def _refuse_templates(self, item: object, path: Path) -> None:
        for text in _texts(item):
            if is_template(text):
                raise self._document.refuse(
                    path, f"{shown(path)} holds the template {text!r:.60}", "write its value"
                )

    def _load(
        self, values: Values, name: str, folder: str, path: Path, keys: list[str] | None = None
    ) -> None:
        file = self._path(name, folder, path, "loads")
        found = self._reader.values(file)
        if found is None:
            raise self._document.refuse(
                path, f"{shown(path)} loads {file}, which is not there", "mend the path"
            )
        if not isinstance(found.data, dict):
            raise self._document.refuse(
                path, f"{file} holds no names with values", "write `name: value` into it"
            )
        self._located(path, lambda: values.add(found.data, file, keys=keys or ()))

    def _words(self, meta: object, path: Path) -> Mapping[str, Any]:
        own = meta.get("legato", {}) if isinstance(meta, dict) else {}
        if not isinstance(own, dict):
            at = (*path, "meta", "legato")
            raise self._document.refuse(at, f"{shown(at)} is no mapping", "write meta: {legato: {cpus: 2}}")
        return own

    # -- templates -------------------------------------------------------------------------------------------

    def _filled(self, value: Any, values: Values, path: Path, key: str) -> Any:  # noqa: ANN401 - any plain data
        """Fill in, item by item where there is a list, so that an error names its own line."""
        if isinstance(value, list):
            return [self._filled(item, values, (*path, number), key) for number, item in enumerate(value)]
        return self._located(path, lambda: fill(value, values, key=key))

    def _located(self, path: Path, deed: Callable[[], Any]) -> Any:  # noqa: ANN401 - what `deed` returns
        try:
            return deed()
        except TemplateError as error:
            raise self._template_error(path, error) from None

    def _template_error(self, path: Path, error: TemplateError) -> ConfigurationError:
        return self._document.refuse(path, f"{shown(path)}: {error.message}", error.hint)


def _each(items: dict[Any, Any] | list[Any]) -> Iterator[tuple[str, Any, bool]]:
    """Yield key, item and whether the key has a name of its own."""
    if isinstance(items, dict):
        yield from ((as_text(key), item, True) for key, item in items.items())
        return
    by_place = any(isinstance(item, dict | list) for item in items)
    found = {as_text(at) if by_place else as_text(item): item for at, item in enumerate(items)}
    yield from ((key, item, False) for key, item in found.items())


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
