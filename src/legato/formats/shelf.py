"""Finds the format for a value or an artifact, loads it on first use, turns foreign errors into ours.

Rule: this is the only place where an exception of a foreign library is caught.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, cast

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError, LegatoError, MissingError, OutsideError
from legato.domain.units import with_article
from legato.formats import FILE, FOLDER, Format, Saved, Trust, elsewhere
from legato.formats.annotations import asks_for_pickle, form_of, type_name
from legato.formats.catalogue import CATALOGUE, Entry
from legato.formats.own import OWN_PREFIX, Own, read_own

_ANY: Final = "*"


class Shelf:
    """Every known format; implements `legato.formats.Formats`.

    Args:
        first_party: Says whether a module's name belongs to the user's own code.
        entries: Which module reads and writes what.
    """

    def __init__(self, first_party: Callable[[str], bool], entries: Sequence[Entry] = CATALOGUE) -> None:
        self._first_party = first_party
        self._entries = entries
        self._own: dict[type, Own] = {}

    def register(self, type_: type, format_: object) -> None:
        """Make `format_`, a class with `save(value, folder)` and `load(folder)`, the format of `type_`."""
        self._own[type_] = Own(type_, format_)

    def save(self, value: object, folder: Path, *, hint: object = None, name: str = "value") -> Saved:
        """Write one file or folder below `folder`; see `Formats.save`."""
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
        trust = Trust(first_party=self._first_party, shelf=self)
        format_ = self._for_value(value, wants_pickle=asks_for_pickle(hint))
        try:
            return format_.save(value, folder / name, trust)
        except LegatoError:
            raise
        except OSError as error:
            raise OutsideError(
                f"{folder} could not be written: {error}",
                hint="free space, or check the folder's permissions",
            ) from error
        except BaseException as error:
            if not _is_foreign(error):
                raise
            raise ConfigurationError(
                f"{with_article(type_name(type(value)))} could not be saved: {_first_line(error)}",
                hint=_how_to_own(type(value)),
            ) from error

    def load(
        self, path: Path, artifact: Artifact, *, form: object = None, allow_unsafe: bool = False
    ) -> object:
        """Read an artifact whose bytes lie at `path`; see `Formats.load`."""
        if not path.exists():
            raise MissingError(
                f"the bytes of {_shown(artifact)} are not at {path}", hint="run the step again with --again"
            )
        wanted = form_of(form)
        if wanted in elsewhere.PLACES:
            return elsewhere.place(path, artifact, wanted)
        if not allow_unsafe:
            _refuse_unsafe(artifact)
        trust = Trust(first_party=self._first_party, classes=frozenset(artifact.classes), shelf=self)
        if artifact.format.startswith(OWN_PREFIX):
            return read_own(path, artifact, tuple(self._own.values()), trust)
        format_ = self._for_artifact(artifact)
        try:
            return format_.load(path, artifact, wanted, trust)
        except LegatoError:
            raise
        except BaseException as error:
            if not _is_foreign(error):
                raise
            raise _unreadable(artifact, wanted, error) from error

    def _for_value(self, value: object, *, wants_pickle: bool) -> Format:
        if wants_pickle:
            return _loaded(self._entry("pickle"))
        for kind in type(value).__mro__:
            if kind in self._own:
                return self._own[kind]
        for entry in _unique(self._entries_for(type(value))):
            format_ = _loaded(entry)
            if format_.accepts(value):
                return format_
        raise ConfigurationError(
            f"no format fits a value of type {type_name(type(value))}", hint=_how_to_own(type(value))
        )

    def _entries_for(self, kind: type) -> Iterator[Entry]:
        for ancestor in kind.__mro__:
            module = ancestor.__module__
            names = {module, module.split(".")[0]}
            yield from (entry for entry in self._entries if names.intersection(entry.roots))
        yield from (entry for entry in self._entries if _ANY in entry.roots)

    def _entry(self, name: str) -> Entry:
        for entry in self._entries:
            if name in entry.formats:
                return entry
        known = ", ".join(sorted(name for entry in self._entries for name in entry.formats))
        raise ConfigurationError(
            f"the artifact's format {name!r} is not known here", hint=f"known formats: {known}"
        )

    def _for_artifact(self, artifact: Artifact) -> Format:
        name, _, number = artifact.format.partition("/")
        entry = self._entry(name)
        if not number.isdecimal() or int(number) < 1:
            raise ConfigurationError(
                f"the artifact's format {artifact.format!r} has no number",
                hint=f"a format is written like {name}/{entry.formats[name]}",
            )
        if int(number) > entry.formats[name]:
            raise ConfigurationError(
                f"{_shown(artifact)} is newer than this Legato, which reads {name}/{entry.formats[name]}",
                hint="pip install --upgrade legato",
            )
        return _loaded(entry)


def _unreadable(artifact: Artifact, wanted: str, error: BaseException) -> LegatoError:
    if isinstance(error, ImportError):
        return MissingError(
            f"{_shown(artifact)} cannot be read: {error}", hint="install the package that wrote it"
        )
    if artifact.format in (
        FILE,
        FOLDER,
    ):  # bytes from outside: it is the file that has to change, or the reader
        name = str(artifact.about.get("name", "the file"))
        return OutsideError(
            f"{name!r} cannot be read as {with_article(wanted)}: {_first_line(error)}",
            hint="correct the file, or annotate the parameter `Path` and read it yourself",
        )
    return OutsideError(
        f"{_shown(artifact)} cannot be read: {_first_line(error)}",
        hint="its bytes are damaged or were not written by Legato; run the step again with --again",
    )


def _refuse_unsafe(artifact: Artifact) -> None:
    if artifact.unsafe or artifact.format.startswith("pickle/"):
        raise ConfigurationError(
            f"{_shown(artifact)} is a pickle: reading it can run any code",
            hint="allow unsafe artifacts if you trust who made it, or save the value in another format",
        )


def _loaded(entry: Entry) -> Format:
    try:
        return cast("Format", importlib.import_module(entry.module))
    except ImportError as error:
        raise MissingError(
            f"{next(iter(entry.formats))} values need {_lacking(error)}",
            hint=f"pip install {entry.extra}" if entry.extra else "",
        ) from error


def _lacking(error: ImportError) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the package {error.name.partition('.')[0]!r}, which is not installed"
    return f"a package that cannot be imported: {error}"


def _unique(entries: Iterable[Entry]) -> list[Entry]:
    return list({entry.module: entry for entry in entries}.values())


def _is_foreign(error: BaseException) -> bool:
    """Say whether a library failed; a panic of a Rust extension is no Exception but means the same."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _shown(artifact: Artifact) -> str:
    return f"artifact {artifact.digest[:19]} ({artifact.format}, {artifact.type or 'unknown type'})"


def _how_to_own(kind: type) -> str:
    name = kind.__name__
    return (
        f"write `@lg.format({name})` on a class with `save(value, folder)` and `load(folder)`, return a file "
        f"as a pathlib.Path, or annotate the result `lg.Pickled[{name}]`"
    )
