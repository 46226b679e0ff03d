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
OTHERS: Final = ("dvc.yaml", "MLproject")
"""Pipelines of other tools, which serve where there is no pipeline of our own."""
_KNOWN: Final = {
    "": ("pipeline", "environments", "serve", "run", "store", "ledger", "pools", "ci", "retention"),
    "serve": ("allow_unsafe",),
    "run": ("cpus", "memory", "price_per_hour", "currency"),
    "store": ("remote", "share"),
    "ledger": ("url",),
    "ci": ("trusted",),
    "retention": ("results", "runs"),
    "environments.*": ("parameters", "built_by", "approvals"),
}
_SHARE: Final = ("results", "data")
"""What goes to the remote: what steps make, too, or only what `legato data push` is told to send."""
_BUILT_BY: Final = ("laptop", "ci")
_MOST_PEOPLE: Final = 100
_CI_ONLY: Final = frozenset({"production"})


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

    def built_by(self, environment: str) -> str:
        """Return who may act in an environment, at least: `laptop`, or `ci` for production unless configured."""
        told = self.config.get("environments", {}).get(environment, {}).get("built_by")
        return str(told or ("ci" if environment in _CI_ONLY else "laptop"))

    def approvals(self, environment: str) -> int:
        """Return how many people have to agree before anything happens in an environment."""
        return int(self.config.get("environments", {}).get(environment, {}).get("approvals", 0))

    @property
    def remote(self) -> str:
        """Address of the shared store; empty where there is none."""
        return str(self.config.get("store", {}).get("remote", ""))

    @property
    def share_results(self) -> bool:
        """Whether runs read and tell results beyond this machine."""
        shared = bool(self.remote or self.ledger_url)
        return shared and self.config.get("store", {}).get("share", "results") == "results"

    @property
    def ledger_url(self) -> str:
        """Address of the shared ledger; empty where it lies in the remote, or nowhere."""
        return str(self.config.get("ledger", {}).get("url", ""))

    @property
    def trusted_branches(self) -> tuple[str, ...]:
        """Patterns of branches whose CI builds are trusted; none: as the CI service says."""
        return tuple(self.config.get("ci", {}).get("trusted", ()))

    @property
    def pools(self) -> Mapping[str, float]:
        """How many steps of each pool may run at once."""
        return dict(self.config.get("pools", {}))

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
    config = read_config(root)
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
        folders, places = [root / member], [root / member / PIPELINE, root / f"{member}.py"]
    else:
        between = [start, *start.parents]
        folders = between[: between.index(root) + 1]
        places = [folder / PIPELINE for folder in folders] + [root / name]
    for place in (*places, *(folder / other for folder in folders for other in OTHERS)):
        if place.is_file() and place.resolve().is_relative_to(root.resolve()):
            return place.relative_to(root).as_posix()
    named = f"{name}, which {FILE} names," if name != PIPELINE and not member else places[0].relative_to(root)
    raise MissingError(f"there is no {named} in {root}", hint=_elsewhere(root))


def _elsewhere(root: Path) -> str:
    """Return what to type where a folder holds no pipeline itself: the pipelines below it, if there are."""
    below = (*root.glob(f"[!.]*/{PIPELINE}"), *root.glob(f"[!.]*/[!.]*/{PIPELINE}"))
    members = sorted(found.parent.relative_to(root).as_posix() for found in below)
    if members:
        return f"the pipelines here: {', '.join(members[:12])}; write for example: legato run {members[0]}:"
    return "`legato init` writes one to start from; or go to the folder that holds your pipeline.py"


def _has_table(path: Path) -> bool:
    try:
        return b"[tool.legato" in path.read_bytes()
    except OSError:
        return False


def read_config(root: Path) -> dict[str, Any]:
    """Return what `legato.toml`, or `[tool.legato]` in `pyproject.toml`, says below a root; checked."""
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
    for table in ("serve", "run", "store", "ledger", "ci", "retention"):
        _check_keys(config.get(table, {}), table, path)
    _check_values(config, path)
    environments = config.get("environments", {})
    _check_table(environments, "environments", path)
    for name, environment in environments.items():
        _check_keys(environment, "environments.*", path, shown=f"environments.{name}")
        if environment.get("built_by", "ci") not in _BUILT_BY:
            raise _unfit(
                f"environments.{name}.built_by", environment["built_by"], path, 'write "ci" or "laptop"'
            )
        approvals = environment.get("approvals", 0)
        if (
            isinstance(approvals, bool)
            or not isinstance(approvals, int)
            or not 0 <= approvals <= _MOST_PEOPLE
        ):
            raise _unfit(f"environments.{name}.approvals", approvals, path, "write how many have to agree: 1")
    return config


def _check_values(config: dict[str, Any], path: Path) -> None:
    """Refuse values that could not be followed, before anything is opened with them."""
    for table, key in (("store", "remote"), ("ledger", "url")):
        value = config.get(table, {}).get(key, "x")
        if not isinstance(value, str) or not value:
            raise _unfit(f"{table}.{key}", value, path, 'write an address: "s3://bucket/prefix"')
    share = config.get("store", {}).get("share", "results")
    if share not in _SHARE:
        raise _unfit("store.share", share, path, f"one of {', '.join(_SHARE)}")
    trusted = config.get("ci", {}).get("trusted", [])
    if not isinstance(trusted, list) or not all(isinstance(item, str) and item for item in trusted):
        raise _unfit("ci.trusted", trusted, path, 'write branches as a list: ["main", "release/*"]')
    pools = config.get("pools", {})
    _check_table(pools, "pools", path)
    for name, size in pools.items():
        if isinstance(size, bool) or not isinstance(size, int | float) or not size > 0:
            raise _unfit(f"pools.{name}", size, path, "write how many may run at once: 2")
    price = config.get("run", {}).get("price_per_hour", 0)
    if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < float("inf"):
        raise _unfit("run.price_per_hour", price, path, "write what an hour of this machine costs: 0.40")


def _unfit(name: str, value: object, path: Path, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{name} in {path.name} is {value!r}", hint=hint, where=str(path))


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
