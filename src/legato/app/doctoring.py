"""`legato doctor`: looks at what a project stands on, and names what could go wrong.

Rule: looks only; each finding says what was seen, and a wrong one says how to mend it.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from legato.app import environments
from legato.app.config import Project, find_project
from legato.app.looking import reading
from legato.app.options import Options
from legato.app.wiring import open_store
from legato.domain.errors import LegatoError
from legato.domain.graph import Struct
from legato.domain.units import show_bytes
from legato.domain.version import __version__
from legato.platforms.keeping import how_limits_are_kept
from legato.scm import describe

Grade = Literal["good", "note", "wrong"]
_PACKAGES_SHOWN: Final = 5


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    grade: Grade
    text: str
    mend: str = ""


def examine(folder: Path, *, strict: bool = False) -> tuple[Finding, ...]:
    """Return what was found; `strict` also verifies every byte of the store."""
    return tuple(dict.fromkeys(_findings(folder, strict=strict)))  # one trouble may show in two places


def _findings(folder: Path, *, strict: bool) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(grade="good", text=f"legato {__version__} on Python {version}, {sys.platform}")
    try:
        project = find_project(folder)
    except LegatoError as error:
        yield Finding(grade="wrong", text=error.message, mend=error.hint)
        return
    yield Finding(grade="good", text=f"pipeline {project.pipeline} in {project.root}")
    yield _git(project)
    yield from _limits()
    yield from _environments(project)
    yield from _pipeline(folder)
    yield from _ledger(folder, project)
    if strict:
        yield _store(project)


def _git(project: Project) -> Finding:
    commit = describe(project.root)
    if not commit.id:
        mend = "git init && git add -A && git commit -m 'Begin': versions then name their commit"
        return Finding(
            grade="note", text="no git commit here: models will not say which code made them", mend=mend
        )
    dirty = ", with changes that are not committed" if commit.dirty else ""
    return Finding(grade="good", text=f"git at {commit.id[:8]} on {commit.branch or 'no branch'}{dirty}")


def _limits() -> Iterator[Finding]:
    for word, kept in how_limits_are_kept():
        yield Finding(grade="good", text=f"{word}= {kept}")


def _environments(project: Project) -> Iterator[Finding]:
    """Name what `packages=` has had installed, and what it takes."""
    for made in environments.listed(project.state):
        size = show_bytes(environments.size_bytes(project.state, made.digest))
        used = time.strftime("%Y-%m-%d", time.localtime(made.used_at))
        what = ", ".join(
            f"{name} {version}" for name, version in list(made.packages.items())[:_PACKAGES_SHOWN]
        )
        more = len(made.packages) - _PACKAGES_SHOWN
        rest = f" and {more} more" if more > 0 else ""
        text = f"packages= {made.digest[7:19]}: {what}{rest}; {size}, last used {used}"
        yield Finding(grade="good", text=text)


def _pipeline(folder: Path) -> Iterator[Finding]:
    from legato.app.actions import open_pipeline

    try:
        opened = open_pipeline(Options(folder=str(folder)))
    except LegatoError as error:
        yield Finding(grade="wrong", text=str(error), mend=error.hint)
        return
    with opened:
        yield Finding(grade="good", text=f"the pipeline loads: {len(opened.graph.nodes)} nodes")
        for note in opened.loaded.notes:
            yield Finding(grade="note", text=note)
        if opened.platform.note:
            mend = "steps start slower than they could; move that work into a step"
            yield Finding(grade="note", text=opened.platform.note, mend=mend)
        for name, fingerprint in opened.loaded.fingerprints.items():
            for warning in fingerprint.warnings:
                yield Finding(grade="note", text=f"{name}: {warning}")


def _ledger(folder: Path, project: Project) -> Iterator[Finding]:
    if not (project.state / "ledger.db").is_file():
        yield Finding(grade="note", text="nothing has run here yet", mend="legato run")
        return
    try:
        with reading(folder) as (_, ledger):
            problems = ledger.verify()
            seq = ledger.head().seq
    except LegatoError as error:
        yield Finding(grade="wrong", text=error.message, mend=error.hint)
        return
    if not problems:
        yield Finding(grade="good", text=f"the ledger's {seq} events are whole")
    for problem in problems[:20]:
        mend = "restore .legato/ledger.db from a copy; results are computed again where they are missing"
        yield Finding(grade="wrong", text=f"ledger: {problem.message}", mend=mend)


def _store(project: Project) -> Finding:
    store = open_store(project.state)
    digests = frozenset(store.list())
    damaged = digests - store.verify(digests)
    if not damaged:
        return Finding(grade="good", text=f"all {len(digests)} objects of the store are whole")
    names = ", ".join(sorted(damaged)[:5])
    mend = "they count as absent now; `legato run` makes them again"
    return Finding(grade="wrong", text=f"{len(damaged)} objects are damaged: {names}", mend=mend)
