"""How another machine makes the environment of this repository: from its lock, requirements or project file.

Rule: what is locked is installed as locked, hash-checked; nothing is guessed that is not written down.
"""

import re
import tomllib
from pathlib import Path
from typing import Final

from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Struct

VENV: Final = ".legato-ci/venv"
_LEGATO: Final = re.compile(r"^\s*(?:legato\b(?![\w-])|.*[@/#=]legato\b(?!-))", re.MULTILINE | re.IGNORECASE)
_OTHERS: Final = re.compile(r"^\s*(?:-r|--requirement)[ =]?\s*(\S+)", re.MULTILINE)
_VERSION: Final = re.compile(r"(?:cpython-?)?3\.\d{1,2}(?:\.\d{1,2})?")


class Making(Struct, frozen=True, kw_only=True):
    """How an environment is made: shell lines, the files it is made from, and what people should know."""

    lines: tuple[str, ...]
    locks: tuple[str, ...]
    notes: tuple[str, ...] = ()


def making(root: Path, own: tuple[str, ...] = ()) -> Making:
    """Return how the environment of a project is made.

    Args:
        root: The project's folder.
        own: Lines to use instead of what is found; they make `.legato-ci/venv` hold Legato.

    Raises:
        MissingError: Nothing says what to install.
        ConfigurationError: What there is does not install Legato, or cannot be read.
    """
    python = _python(root)
    venv = f"uv venv --quiet --clear{f' --python {python}' if python else ''} {VENV}"
    notes = () if python else (_ANY_PYTHON,)
    if own:
        locks = tuple(name for name in ("uv.lock", "requirements.txt") if (root / name).is_file())
        return Making(lines=(venv, *own), locks=locks, notes=notes)
    if (root / "uv.lock").is_file():
        _refuse_without(root, "uv.lock", re.compile(r'^name = "legato"$', re.MULTILINE))
        sync = f"UV_PROJECT_ENVIRONMENT={VENV} uv sync --quiet --locked"
        return Making(lines=(sync,), locks=("uv.lock",), notes=notes)
    for name in ("requirements.lock", "requirements.txt"):
        if (root / name).is_file():
            return Making(lines=(venv, _requirements(root, name)), locks=(name,), notes=notes)
    if (root / "pyproject.toml").is_file():
        return Making(lines=(venv, _project(root)), locks=("pyproject.toml",), notes=notes)
    raise MissingError(
        f"nothing in {root} says what to install: no uv.lock, requirements.txt or pyproject.toml",
        hint="write what the pipeline needs into requirements.txt, legato among it; or say it by --install LINE",
    )


_ANY_PYTHON: Final = (
    "no .python-version says which Python is meant: where the service has another one, all runs anew there"
)


def _requirements(root: Path, name: str) -> str:
    text = _refuse_without(root, name, _LEGATO)
    hashes = " --require-hashes" if "--hash=" in text else ""
    return f"uv pip install --quiet --python {VENV}{hashes} -r {name}"


def _project(root: Path) -> str:
    try:
        found = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"pyproject.toml cannot be read: {error}") from error
    if "project" not in found:
        raise MissingError(
            "pyproject.toml has no [project], and there is no requirements.txt: nothing says what to install",
            hint="write what the pipeline needs into requirements.txt, legato among it; or say it by --install LINE",
        )
    needs = found["project"].get("dependencies", [])
    if not any(_LEGATO.search(str(one)) for one in needs):
        raise _without_legato("pyproject.toml")
    what = "--editable ." if "build-system" in found else "-r pyproject.toml"
    return f"uv pip install --quiet --python {VENV} {what}"


def _refuse_without(root: Path, name: str, named: re.Pattern[str]) -> str:
    text = _all_of(root, name, set())
    if named.search(text) is None:
        raise _without_legato(name)
    return text


def _all_of(root: Path, name: str, seen: set[str]) -> str:
    """Return the text of a file of requirements, and of those that it names."""
    path = root / name
    if name in seen or not path.resolve().is_relative_to(root.resolve()):
        return ""
    seen.add(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} cannot be read: {error}") from error
    folder = Path(name).parent
    return "\n".join([text, *(_all_of(root, str(folder / other), seen) for other in _OTHERS.findall(text))])


def _without_legato(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} does not install legato, so a CI job could not run it",
        hint=f"add legato to {name}, or say how it is installed by --install LINE",
    )


def _python(root: Path) -> str:
    """Return the Python that `.python-version` names; empty where there is no such file."""
    try:
        words = (root / ".python-version").read_text(encoding="utf-8").split()
    except OSError:
        return ""
    if not words or _VERSION.fullmatch(words[0]) is None:
        raise ConfigurationError(
            f".python-version says {' '.join(words)[:40]!r}, which is no version of Python",
            hint="write one: 3.12",
        )
    return words[0]
