"""The generation file: which versions an endpoint serves from now on, and what each worker said of it.

Rule: written whole to a neighbour and renamed, so a reader sees the old set or the new one. Format:
docs/formats/generation.md.
"""

import os
import re
from pathlib import Path
from typing import Final

import msgspec

from legato.domain.digests import canonical
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Struct

GENERATION_FORMAT: Final = 1
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Served(Struct, frozen=True, kw_only=True):
    """One model version that an endpoint answers for.

    Attributes:
        name: The model's name; letters, digits, `.`, `_` and `-`.
        version: As in paths and headers (`3`, `c7`).
        folder: Absolute path of the servable.
        digest: Of the servable; told in every answer.
    """

    name: str
    version: str
    folder: str
    digest: str = ""


class Generation(Struct, frozen=True, kw_only=True):
    """The set of versions that an endpoint serves.

    Attributes:
        number: Rises with every change.
        endpoint: The endpoint's name.
        models: The first of each name answers where a request names no version.
        root: The repository, absolute: native models' own code is imported from it and its `src`; empty when
            none is needed.
        paths: Further folders for that, searched first (the pipeline's own).
        allow_unsafe: Pickled models may be loaded.
    """

    number: int
    endpoint: str
    models: tuple[Served, ...]
    root: str = ""
    paths: tuple[str, ...] = ()
    allow_unsafe: bool = False
    format: int = GENERATION_FORMAT

    def code_paths(self) -> tuple[str, ...]:
        """Return the folders that first-party code is imported from, in order."""
        return (*self.paths, *((self.root, f"{self.root}/src") if self.root else ()))


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """What one worker made of a generation.

    Attributes:
        number: The generation it speaks of.
        serving: The number it answers with now: `number`, or an older one after an error.
        error: Why it could not take the generation; empty when it did.
        hint: What to do next.
    """

    number: int
    serving: int
    worker: int
    pid: int
    error: str = ""
    hint: str = ""


def check_generation(generation: Generation) -> None:
    """Refuse names that cannot stand in a path or a header, and an empty set; raises ConfigurationError."""
    if not generation.models:
        raise ConfigurationError(
            f"endpoint {generation.endpoint!r} would serve no model", hint="name at least one version"
        )
    for text in (part for model in generation.models for part in (model.name, model.version)):
        if not _NAME.fullmatch(text):
            raise ConfigurationError(
                f"{text!r} cannot be served under this name",
                hint="use letters, digits, '.', '_' and '-', at most 128",
            )
    pairs = [(model.name, model.version) for model in generation.models]
    if len(set(pairs)) != len(pairs):
        raise ConfigurationError(f"a version is listed twice in {pairs}", hint="list each version once")


def write_atomically(path: Path, value: msgspec.Struct) -> None:
    """Write `value` as JSON to `path`, so that a reader finds the old content or the new one."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_bytes(canonical(value) + b"\n")
    scratch.replace(path)


def read_generation(path: Path) -> Generation:
    """Return the generation in `path`.

    Raises:
        MissingError: There is no such file.
        ConfigurationError: It is damaged, newer than this Legato, or names what cannot be served.
    """
    try:
        generation = msgspec.json.decode(path.read_bytes(), type=Generation)
    except FileNotFoundError:
        raise MissingError(f"there is no generation file {path}", hint="start the endpoint again") from None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path} is damaged: {error}", hint="deploy the endpoint again") from error
    if generation.format > GENERATION_FORMAT:
        raise ConfigurationError(
            f"{path} has format {generation.format}; this Legato reads up to {GENERATION_FORMAT}",
            hint="upgrade Legato where the endpoint runs",
        )
    check_generation(generation)
    return generation


def acknowledgement_path(generation_file: Path, worker: int) -> Path:
    """Return where worker number `worker` (from 1) says what it made of the generation."""
    return generation_file.with_name(f"worker-{worker}.json")


def read_acknowledgement(path: Path) -> Acknowledgement | None:
    """Return what a worker said, or None when it has not said anything that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Acknowledgement)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
