"""Finds which installed distributions a module belongs to, and what they require in turn.

Rule: a distribution counts by its version; one installed from a folder or a commit, by its content too.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from legato.domain.digests import digest_of

CACHE_FORMAT: Final = 1
_NATIVE: Final = (".so", ".pyd", ".dylib")
_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA: Final = re.compile(r"""\bextra\s*==\s*['"]([^'"]+)['"]""")


class Distribution(NamedTuple):
    """An installed distribution.

    Attributes:
        name: As it calls itself (`scikit-learn`).
        version: Its version.
        tops: The names that it can be imported by, without dots.
        requires: What it requires: normalised name, extras asked for, and the extras that the line is for.
        native: It ships machine code.
        content: Digest of its record for one installed from a folder or a commit, else empty.
        editable: Its code is first-party and counts for itself.
    """

    name: str
    version: str
    tops: tuple[str, ...]
    requires: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    native: bool
    content: str
    editable: bool

    @property
    def identity(self) -> str:
        """What stands in the key."""
        return f"{self.version}+{self.content}" if self.content else self.version


def normalised(name: str) -> str:
    """Return a distribution's name as PEP 503 compares names.

    >>> normalised("Scikit_Learn")
    'scikit-learn'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - text
        return file.read()
    return ""


def _requirements(metadata: str) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    for line in metadata.splitlines():
        if not line:
            return
        if line.startswith("Requires-Dist:"):
            wanted, _, marker = line[14:].partition(";")
            match = _REQUIREMENT.match(wanted)
            if match:
                extras = tuple(one.strip() for one in (match[2] or "").split(",") if one.strip())
                yield normalised(match[1]), extras, tuple(_EXTRA.findall(marker))


def _field(metadata: str, name: str) -> str:
    match = re.search(rf"^{name}: *(.*)$", metadata, re.MULTILINE)
    return match[1].strip() if match else ""


def _content(folder: str, record: str) -> tuple[str, bool]:
    """Return a digest for what the version does not tell, and whether the distribution is editable."""
    source = _read(f"{folder}/direct_url.json")
    if not source:
        return "", False
    with contextlib.suppress(ValueError, AttributeError):
        about: dict[str, Any] = json.loads(source)
        if about.get("dir_info", {}).get("editable"):
            return "", True
    lines = sorted(
        line for line in record.splitlines() if "__pycache__" not in line and ".dist-info/" not in line
    )
    return digest_of("\n".join(lines).encode()), False


def _distribution(folder: str) -> Distribution | None:
    egg = folder.endswith(".egg-info")
    metadata = _read(f"{folder}/{'PKG-INFO' if egg else 'METADATA'}")
    record = _read(f"{folder}/{'SOURCES.txt' if egg else 'RECORD'}")
    name = _field(metadata, "Name")
    if not name:
        return None
    files = [line.split(",", 1)[0] for line in record.splitlines()]
    tops = {_top(file) for file in files} | set(_read(f"{folder}/top_level.txt").split())
    content, editable = _content(folder, record)
    return Distribution(
        name=name,
        version=_field(metadata, "Version"),
        tops=tuple(sorted(tops - {""})),
        requires=tuple(_requirements(metadata)),
        native=any(file.endswith(_NATIVE) for file in files),
        content=content,
        editable=editable,
    )


def _top(file: str) -> str:
    """Return the importable name that a recorded file belongs to, or an empty text."""
    first, slash, _ = file.partition("/")
    if slash:
        return first if first.isidentifier() else ""
    return first.partition(".")[0] if first.endswith((".py", *_NATIVE)) else ""


def _scan(folder: str) -> list[Distribution]:
    found: list[Distribution] = []
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(folder))  # noqa: PTH208 - text
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                one = _distribution(f"{folder}/{name}")
                found += [one] if one is not None else []
    return found


class Packages:
    """The distributions of this process.

    Args:
        cache: Where what a folder of packages holds is kept between runs, by the folder's time; or None.
        paths: The folders to look in, called when a package is first reached.
    """

    def __init__(self, cache: Path | None, paths: Callable[[], Iterable[str]] = lambda: sys.path) -> None:
        """Prepare; nothing is read before a package is asked for."""
        self._cache = cache
        self._paths = paths
        self._by_name: dict[str, Distribution] = {}
        self._by_top: dict[str, list[Distribution]] = {}
        self._with_required: dict[str, dict[str, Distribution]] = {}
        self._scanned: set[str] = set()

    def of(self, top: str) -> dict[str, Distribution]:
        """Return the distributions of the import name `top` and what they require, by normalised name."""
        found = self._with_required.get(top)
        if found is None:
            self._scan_new()
            found = {}
            for one in self._by_top.get(top, ()):
                self._follow(normalised(one.name), (), found)
            self._with_required[top] = found
        return found

    def _follow(self, name: str, extras: tuple[str, ...], found: dict[str, Distribution]) -> None:
        pending: list[tuple[str, tuple[str, ...]]] = [(name, extras)]
        done: set[tuple[str, tuple[str, ...]]] = set()
        while pending:
            name, extras = asked = pending.pop()
            one = self._by_name.get(name)
            if one is None or asked in done:
                continue
            done.add(asked)
            found[name] = one
            pending += [(to, more) for to, more, only in one.requires if not only or set(only) & set(extras)]

    def _scan_new(self) -> None:
        for folder in self._paths():
            if folder not in self._scanned:
                self._scanned.add(folder)
                for one in self._folder(folder):
                    self._by_name.setdefault(normalised(one.name), one)
                    for top in one.tops:
                        self._by_top.setdefault(top, []).append(one)

    def _folder(self, folder: str) -> list[Distribution]:
        try:
            stamp = os.stat(folder).st_mtime_ns  # noqa: PTH116 - text
        except OSError:
            return []
        kept = self._kept(folder, stamp)
        with contextlib.suppress(OSError, ValueError, TypeError):
            if kept is not None:
                return [_from_plain(one) for one in json.loads(kept.read_bytes())]
        found = _scan(folder)
        if kept is not None and found:
            with contextlib.suppress(OSError):
                kept.parent.mkdir(parents=True, exist_ok=True)
                temporary = kept.with_name(f"{kept.name}.{os.getpid()}")
                temporary.write_text(json.dumps(found))
                temporary.replace(kept)
        return found

    def _kept(self, folder: str, stamp: int) -> Path | None:
        if self._cache is None:
            return None
        name = hashlib.sha256(f"{CACHE_FORMAT} {folder} {stamp}".encode()).hexdigest()
        return self._cache / f"{name}.packages"


def _from_plain(fields: list[Any]) -> Distribution:
    name, version, tops, requires, native, content, editable = fields
    wanted = tuple((to, tuple(extras), tuple(only)) for to, extras, only in requires)
    return Distribution(name, version, tuple(tops), wanted, native, content, editable)


def digest_of_files(place: str) -> tuple[str, bool]:
    """Return the digest of a module that no distribution owns, and whether it holds machine code.

    Args:
        place: Its file, or its folder when it is a package.
    """
    files = [place]
    if os.path.isdir(place):  # noqa: PTH112 - text
        files = sorted(os.path.join(at, name) for at, _, names in os.walk(place) for name in names)  # noqa: PTH118
    state = hashlib.sha256()
    native = False
    for file in files:
        if file.endswith((".py", *_NATIVE)):
            native = native or file.endswith(_NATIVE)
            with contextlib.suppress(OSError), open(file, "rb") as opened:  # noqa: PTH123 - text
                state.update(os.path.relpath(file, os.path.dirname(place)).encode() + b"\0")  # noqa: PTH120
                state.update(hashlib.sha256(opened.read()).digest())
    return "sha256:" + state.hexdigest(), native
