"""Where a project lies and what `legato.toml` says about it.

Rule: parsed once, every key known; a key that nobody reads is an error, not a silence.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from legato.domain.errors import ConfigurationError, MissingError, OutsideError

STATE: Final = ".legato"
FILE: Final = "legato.toml"
PIPELINE: Final = "pipeline.py"
_KNOWN: Final = {
    "": ("pipeline", "environments", "serve", "run"),
    "serve": ("allow_unsafe",),
    "run": ("cpus", "memory"),
    "environments.*": ("parameters",),
}


class Project:
    """One project: its root, its state folder, its pipeline file and its configuration.

    Attributes:
        root: The repository's root, or the folder that holds `legato.toml`; absolute.
        state: Where store, ledger and logs live.
        pipeline: Path of the pipeline file relative to the root.
        config: What `legato.toml` says; checked.
    """

    def __init__(self, root: Path, pipeline: str, config: Mapping[str, Any]) -> None:
        self.root = root
        self.state = root / STATE
        self.pipeline = pipeline
        self.config = config

    def parameters(self, environment: str) -> Mapping[str, Any]:
        """Return the parameters that an environment sets, by name or `step.name`."""
        return dict(self.config.get("environments", {}).get(environment, {}).get("parameters", {}))

    @property
    def allow_unsafe(self) -> bool:
        """Whether pickled models may be served."""
        return bool(self.config.get("serve", {}).get("allow_unsafe", False))


def find_root(start: Path) -> Path:
    """Return the folder of the nearest `legato.toml` upward, else the repository's root, else `start`."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file() or _has_table(folder / "pyproject.toml"):
            return folder
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return start


def find_project(start: Path, member: str = "") -> Project:
    """Return the project that `start` belongs to.

    Args:
        start: The folder a person stands in; absolute.
        member: A folder below the root with a pipeline of its own (`churn` of `churn:evaluation`).

    Raises:
        MissingError: There is no pipeline file.
        ConfigurationError: `legato.toml` cannot be followed.
    """
    root = find_root(start)
    config = _read(root)
    return Project(root, _pipeline(root, start, member, str(config.get("pipeline", PIPELINE))), config)


def make_state(state: Path) -> None:
    """Make the state folder, which hides itself from git.

    Raises:
        OutsideError: It cannot be made.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        ignore = state / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise OutsideError(
            f"{state} cannot be written: {error.strerror}", hint="check its rights and the space on the disk"
        ) from error


def _pipeline(root: Path, start: Path, member: str, name: str) -> str:
    if member:
        places = [root / member / PIPELINE, root / f"{member}.py"]
    else:
        between = [start, *start.parents]
        places = [folder / PIPELINE for folder in between[: between.index(root) + 1]] + [root / name]
    for place in places:
        if place.is_file() and place.resolve().is_relative_to(root.resolve()):
            return place.relative_to(root).as_posix()
    raise MissingError(
        f"there is no {places[0].relative_to(root)} in {root}",
        hint="`legato init` writes one to start from; or go to the folder that holds your pipeline.py",
    )


def _has_table(path: Path) -> bool:
    try:
        return b"[tool.legato" in path.read_bytes()
    except OSError:
        return False


def _read(root: Path) -> dict[str, Any]:
    path = root / FILE
    if path.is_file():
        return _check(_toml(path), path)
    path = root / "pyproject.toml"
    if _has_table(path):
        return _check(dict(_toml(path).get("tool", {}).get("legato", {})), path)
    return {}


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} is not TOML: {error}", where=str(path)) from error


def _check(config: dict[str, Any], path: Path) -> dict[str, Any]:
    _check_keys(config, "", path)
    for table in ("serve", "run"):
        _check_keys(config.get(table, {}), table, path)
    environments = config.get("environments", {})
    _check_table(environments, "environments", path)
    for name, environment in environments.items():
        _check_keys(environment, "environments.*", path, shown=f"environments.{name}")
    return config


def _check_table(value: object, name: str, path: Path) -> None:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{name} in {path.name} is {value!r}, not a table", hint=f"write [{name}]")


def _check_keys(table: object, name: str, path: Path, shown: str = "") -> None:
    _check_table(table, shown or name or "the file", path)
    assert isinstance(table, dict)  # noqa: S101 - checked just above
    for key in table:
        if key not in _KNOWN[name]:
            import difflib

            near = difflib.get_close_matches(key, _KNOWN[name], n=1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            full = f"{shown or name}.{key}".lstrip(".")
            raise ConfigurationError(
                f"{full!r} in {path.name} is not known to this version",
                hint=f"{meant}known here: {', '.join(_KNOWN[name])}",
            )
