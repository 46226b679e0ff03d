"""A step's own Python packages: read from a lock, installed once by `uv`, kept by digest.

Rule: an environment is there whole or not at all; what is in it is what its lock says, hash by hash.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from legato.domain.digests import canonical, digest_of
from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.domain.graph import Struct
from legato.domain.keys import Ingredient
from legato.domain.messages import Fingerprint

ENVIRONMENT_FORMAT: Final = 1
_MADE: Final = "made.json"
_PIN: Final = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(==\s*([^\s;*]+)(?=[\s;]|$)|@\s*(\S+))"
)
_HASH: Final = re.compile(r"--hash[= ](\S+)")
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_OPTIONS: Final = (
    "-i",
    "-f",
    "--index-url",
    "--extra-index-url",
    "--find-links",
    "--no-index",
    "--only-binary",
)
_SAID: Final = 2000


class Pin(NamedTuple):
    """One locked package: its name as PEP 503 compares it, its version, and the files that serve."""

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: str = ""


class Lock(NamedTuple):
    """A set of packages for this Python and platform.

    Attributes:
        digest: Of what is locked, and of the Python and platform it is locked for.
        text: What `uv` gets.
        pins: What is locked.
        path: The file it was read from, absolute.
    """

    digest: str
    text: str
    pins: tuple[Pin, ...]
    path: str

    def keyed(self, fingerprint: Fingerprint) -> Fingerprint:
        """Return a step's fingerprint with these packages in place of the installed ones, which it never meets."""
        rest = [item for item in fingerprint.ingredients if item.kind != "package"]
        native = Ingredient("platform", "native", _machine())
        packages = [
            Ingredient("package", pin.name, digest_of(canonical(pin)), pin.version) for pin in self.pins
        ]
        mine = [item for item in rest if (item.kind, item.name) != ("platform", "native")]
        return msgspec.structs.replace(fingerprint, ingredients=(*mine, native, *packages))


class Made(Struct, frozen=True, kw_only=True):
    """An environment that is there.

    Attributes:
        digest: Of its lock.
        packages: Versions by name.
        python: The version of Python.
        used_at: When a step last used it, seconds since 1970.
    """

    digest: str
    packages: Mapping[str, str]
    python: str
    used_at: float = 0.0
    format: int = ENVIRONMENT_FORMAT


def read_lock(root: Path, state: Path, asked: object) -> Lock:
    """Return what a step's `packages=` stands for: a locked file, or a list that is locked here once.

    Args:
        root: The repository's root.
        state: The state folder.
        asked: `detail["packages"]` of the node: a path relative to the root, or a list of requirements.

    Raises:
        ConfigurationError: A line of the file is not locked.
        MissingError: There is no such file, no `uv`, or no such package.
    """
    if isinstance(asked, str):
        return _read(root / asked, asked)
    requirements = sorted(str(item) for item in asked) if isinstance(asked, list | tuple) else []
    return _read(_locked_here(state, requirements), "packages=")


def _read(path: Path, shown: str) -> Lock:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingError(
            f"packages={shown!r} is not there", hint=f"put the locked requirements at {path}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise OutsideError(f"packages={shown!r} cannot be read: {error}", hint=f"look at {path}") from error
    lines = list(_lines(text))
    pins = tuple(sorted(_pin(shown, number, line) for number, line in lines if not _is_option(line)))
    told = [ENVIRONMENT_FORMAT, _python(), _machine(), pins]
    return Lock(digest_of(canonical(told)), text, pins, str(path))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each requirement, lines that end in a backslash joined."""
    begun, number = "", 0
    for at, line in enumerate(text.splitlines(), 1):
        bare = _COMMENT.sub("", line).rstrip()
        if not begun:
            number = at
        begun += bare.removesuffix("\\") + " "
        if not bare.endswith("\\"):
            if begun.strip():
                yield number, begun.strip()
            begun = ""
    if begun.strip():
        yield number, begun.strip()


def _is_option(line: str) -> bool:
    return line.split("=", 1)[0].split(" ", 1)[0] in _OPTIONS


def _pin(shown: str, number: int, line: str) -> Pin:
    found, hashes = _PIN.match(line), tuple(sorted(_HASH.findall(line)))
    if found is None or not hashes:
        raise ConfigurationError(
            f"{shown}:{number}: {line.partition(' --hash')[0][:200]!r} is not locked to one version with its hashes",
            hint=f"uv pip compile {shown} --generate-hashes -o requirements.lock, then "
            'packages="requirements.lock"',
        )
    marker = _HASH.sub("", line.partition(";")[2]).strip()
    return Pin(re.sub(r"[-_.]+", "-", found[1]).lower(), found[3] or found[4], hashes, marker)


def _locked_here(state: Path, requirements: Sequence[str]) -> Path:
    """Lock a list, once for each Python and platform; the lock is kept, so that the next run has the same."""
    told = [ENVIRONMENT_FORMAT, _python(), _machine(), list(requirements)]
    path = state / "environments" / "locks" / f"{digest_of(canonical(told))[7:39]}.txt"
    if not path.is_file():
        words = ["pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
        text = _uv([*words, "--python", sys.executable, "-"], given="\n".join(requirements))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    return path


def make(state: Path, lock: Lock) -> Path:
    """Return the Python of the environment with these packages, made now if it is not there.

    Whoever comes while it is being made waits for it.

    Raises:
        MissingError: There is no `uv`, or a package cannot be had.
        OutsideError: The disk refuses.
    """
    folder = _folder(state, lock.digest)
    if not _is_whole(folder):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _alone(folder.with_suffix(".lock")):
                if not _is_whole(folder):
                    _make(folder, lock)
        except OSError as error:
            raise OutsideError(
                f"the packages of {lock.path} cannot be installed at {folder}: {error.strerror}",
                hint="look at the rights and the free space there",
            ) from error
    with suppress(OSError):  # only to know later what is in use
        os.utime(folder / _MADE)
    return folder / "bin" / "python"


def _is_whole(folder: Path) -> bool:
    """Say whether an environment is there; one whose Python has left the machine since is not."""
    return (folder / _MADE).is_file() and (folder / "bin" / "python").exists()


def _make(folder: Path, lock: Lock) -> None:
    for left in folder.parent.glob(f"{folder.name}.making-*"):
        shutil.rmtree(left, ignore_errors=True)
    work = folder.with_name(f"{folder.name}.making-{os.getpid()}")
    try:
        _uv(["venv", "--quiet", "--no-project", "--relocatable", "--python", sys.executable, str(work)])
        (work / "lock.txt").write_text(lock.text, encoding="utf-8")
        python = str(work / "bin" / "python")
        _uv(
            [
                "pip",
                "install",
                "--quiet",
                "--python",
                python,
                "--require-hashes",
                "-r",
                str(work / "lock.txt"),
            ]
        )
        made = Made(
            digest=lock.digest, packages={pin.name: pin.version for pin in lock.pins}, python=_python()
        )
        (work / _MADE).write_bytes(msgspec.json.encode(made))
        if folder.exists():  # without its mark or its Python, so of no use to anyone
            shutil.rmtree(folder)
        work.rename(folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def listed(state: Path) -> tuple[Made, ...]:
    """Return the environments that are there, the one used last first."""
    found = []
    for mark in (state / "environments").glob(f"*/{_MADE}"):
        with suppress(OSError, msgspec.DecodeError):
            made = msgspec.json.decode(mark.read_bytes(), type=Made)
            found.append(msgspec.structs.replace(made, used_at=mark.stat().st_mtime))
    return tuple(sorted(found, key=lambda made: -made.used_at))


def size_bytes(state: Path, digest: str) -> int:
    """Return the bytes that an environment alone takes: what `uv` shares with its cache is not counted."""
    total = 0
    for folder, _, names in os.walk(_folder(state, digest)):
        for name in names:
            found = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - thousands of files
            total += found.st_size if found.st_nlink == 1 else 0
    return total


def remove(state: Path, digests: Iterable[str]) -> None:
    """Remove environments; the next step that needs one has it made again. Not while a run uses it."""
    for digest in digests:
        folder = _folder(state, digest)
        with suppress(OSError), _alone(folder.with_suffix(".lock")):
            (folder / _MADE).unlink(missing_ok=True)  # first, so that nobody finds half of it
            shutil.rmtree(folder, ignore_errors=True)


def _folder(state: Path, digest: str) -> Path:
    return state / "environments" / digest.removeprefix("sha256:")[:32]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _uv(words: Sequence[str], *, given: str = "") -> str:
    try:
        ended = subprocess.run(
            [_uv_program(), *words], input=given, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise MissingError(f"uv could not be started: {error.strerror}", hint="pip install uv") from error
    if ended.returncode:
        raise _refused(words, ended.stderr.strip())
    return ended.stdout


def _uv_program() -> str:
    try:
        from uv import find_uv_bin
    except ImportError:
        found = shutil.which("uv")
    else:
        with suppress(FileNotFoundError):
            return find_uv_bin()
        found = shutil.which("uv")
    if found is None:
        raise MissingError("packages= needs uv, which is not installed", hint="pip install uv")
    return found


def _refused(words: Sequence[str], said: str) -> MissingError:
    deed = "found" if "compile" in words else "installed"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    offline = any(word in said.lower() for word in ("dns error", "connect", "timed out", "timeout"))
    return MissingError(
        "\n".join([f"the packages of packages= could not be {deed}: uv says", *lines])[:_SAID],
        hint="look whether the index can be reached (UV_INDEX_URL, HTTPS_PROXY)"
        if offline
        else "correct the name or version, and lock again",
    )


def _python() -> str:
    return f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"


def _machine() -> str:
    return f"{sys.platform}-{os.uname().machine}"
