"""Formats that users write themselves, by `@lg.format(MyType)`.

Rule: the artifact names the format's class as first-party code: its source is part of what the bytes mean.
"""

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError, LegatoError, UserCodeError
from legato.formats import Saved, Trust
from legato.formats.annotations import type_name
from legato.formats.references import refer_first_party, resolve

OWN_PREFIX: Final = "own:"


class Own:
    """One user's format, seen as a `Format`. Raises ConfigurationError when a method is missing."""

    def __init__(self, kind: type, format_: object) -> None:
        self.kind = kind
        self.maker = format_ if isinstance(format_, type) else type(format_)
        missing = [name for name in ("save", "load") if not callable(getattr(format_, name, None))]
        if missing:
            raise ConfigurationError(
                f"the format {self.maker.__qualname__} of {type_name(kind)} has no "
                f"{' and no '.join(missing)}",
                hint="give it `save(self, value, folder)` and `load(self, folder)`; folder: a Path",
            )
        self._format = format_

    def _ready(self) -> Any:  # noqa: ANN401 - a user's class with save and load
        return self._format() if isinstance(self._format, type) else self._format

    def accepts(self, value: object) -> bool:
        """Say whether `value` is of the registered type."""
        return isinstance(value, self.kind)

    def save(self, value: object, target: Path, trust: Trust) -> Saved:
        """Have the user's format write a folder; raises UserCodeError when it fails."""
        reference = refer_first_party(self.maker, trust)
        classes = {reference}
        if trust.first_party(type(value).__module__):
            classes.add(refer_first_party(type(value), trust))
        target.mkdir()
        _guard(lambda: self._ready().save(value, target), f"{reference}.save")
        if not any(item.is_file() for item in target.rglob("*")):
            raise UserCodeError(
                f"{reference}.save wrote no file", hint="write at least one file below the folder it is given"
            )
        return Saved(
            path=target,
            format=OWN_PREFIX + reference,
            type=type_name(type(value)),
            tree=True,
            classes=tuple(sorted(classes)),
        )

    def load(self, path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG002 - the port
        """Have the user's format read the folder; raises UserCodeError when it fails."""
        return _guard(lambda: self._ready().load(path), f"{artifact.format[len(OWN_PREFIX) :]}.load")


def read_own(path: Path, artifact: Artifact, known: Sequence[Own], trust: Trust) -> object:
    """Read an artifact of a user's format: the registered one, else the class that the artifact names."""
    reference = artifact.format[len(OWN_PREFIX) :]
    maker = resolve(reference, trust)
    format_ = next((own for own in known if own.maker is maker), None) or Own(object, maker)
    return format_.load(path, artifact, "", trust)


def _guard(work: Callable[[], object], what: str) -> object:
    try:
        return work()
    except LegatoError:
        raise
    except Exception as error:
        details = "".join(traceback.format_exception(error.with_traceback(_skip_first(error))))
        raise UserCodeError(f"{what} raised {type(error).__name__}: {error}", details=details) from error


def _skip_first(error: Exception) -> Any:  # noqa: ANN401 - a traceback or None
    """Return the traceback from the user's own frame on: `_guard`'s and the lambda's left out."""
    frames = cast("Any", error.__traceback__)
    for _ in range(2):
        frames = getattr(frames, "tb_next", None) or frames
    return frames
