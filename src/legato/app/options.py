"""What a person asked of a run, as typed values.

Rule: read once at the edge; a word that cannot be understood is refused with the value in it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from legato.domain.digests import canonical
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Struct
from legato.domain.messages import Override

ALL: Final = "*"
"""Every dataset, where one could be named."""


class Options(Struct, frozen=True, kw_only=True):
    """The options of `run` and `plan`.

    Attributes:
        folder: Where it was typed, absolute.
        member: The part before `:` of a target, a pipeline below the root.
        targets: Names of nodes or artifacts; none means everything.
        overrides: From `--params` and `-p`, in order; later ones win.
        again: Steps that run though a result could serve.
        from_: Like `again`, with all that needs them.
        only: Nothing that these do not need.
        refresh: Datasets whose source is looked at first; `ALL` is every one.
    """

    folder: str
    member: str = ""
    targets: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    environment: str = "local"
    again: tuple[str, ...] = ()
    from_: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    refresh: tuple[str, ...] = ()


def read_options(folder: Path, words: Mapping[str, Any]) -> Options:
    """Return the options of a command line's words; raises ConfigurationError."""
    member, targets = split_targets(tuple(words.get("targets", ())))
    params_file: Path | None = words.get("params_file")
    from_file = read_params(params_file) if params_file else ()
    return Options(
        folder=str(folder),
        member=member,
        targets=targets,
        overrides=(*from_file, *(read_override(text) for text in words.get("parameters", ()))),
        environment=str(words.get("environment", "local")),
        again=tuple(words.get("again", ())),
        from_=tuple(words.get("from_", ())),
        only=tuple(words.get("only", ())),
        refresh=tuple(words.get("refresh", ())),
    )


def split_targets(targets: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the pipeline that targets name, and the names within it.

    >>> split_targets(("churn:evaluation", "churn:split")), split_targets(("split",))
    (('churn', ('evaluation', 'split')), ('', ('split',)))
    """
    if not all(targets):
        raise ConfigurationError("an empty text names no step", hint="leave it out to mean everything")
    members = {target.rpartition(":")[0] for target in targets}
    if len(members) > 1:
        raise ConfigurationError(
            f"targets of several pipelines in one run: {', '.join(targets)}",
            hint="run them one after the other",
        )
    names = tuple(name for name in (target.rpartition(":")[2] for target in targets) if name)
    return (members.pop() if members else ""), names


def read_override(text: str) -> Override:
    """Return one `-p` option.

    >>> found = read_override("classifier.trees=300")
    >>> found.step, found.name, found.text
    ('classifier', 'trees', '300')
    """
    left, equals, value = text.partition("=")
    step, _, name = left.strip().rpartition(".")
    if not equals or not name:
        raise ConfigurationError(
            f"-p {text!r} is not a parameter with a value", hint="write -p STEP.NAME=VALUE, or -p NAME=VALUE"
        )
    return Override(step=step, name=name, text=value)


def read_params(path: Path) -> tuple[Override, ...]:
    """Return the parameters of a JSON or TOML file: `{"classifier": {"trees": 300}, "as_of": "2026-11-01"}`."""
    try:
        data = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingError(f"there is no file {path}", hint="--params takes a JSON or TOML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--params {path} cannot be read: {error}") from error
    return overrides_of(_parse(path, data), origin="file")


def _parse(path: Path, data: str) -> Mapping[str, Any]:
    import tomllib

    try:
        found = tomllib.loads(data) if path.suffix == ".toml" else json.loads(data)
    except ValueError as error:
        raise ConfigurationError(f"--params {path} is neither JSON nor TOML: {error}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"--params {path} holds a {type(found).__name__}, not names with values")
    return found


def overrides_of(values: Mapping[str, Any], origin: str) -> tuple[Override, ...]:
    """Return overrides for values by `name`, `step.name`, or nested by step."""
    found: list[Override] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += (_override(name, inner, deep, origin) for inner, deep in value.items())
        else:
            step, _, last = name.rpartition(".")
            found.append(_override(step, last, value, origin))
    return tuple(found)


def _override(step: str, name: str, value: object, origin: str) -> Override:
    if hasattr(value, "isoformat"):  # TOML has dates of its own
        value = value.isoformat()
    return Override(step=step, name=name, wire=canonical(value).decode(), origin=origin)
