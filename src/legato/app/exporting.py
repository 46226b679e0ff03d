"""Writes the files of other CI services, and says when one is stale.

Rule: a file that Legato did not write is never overwritten unasked; one that it wrote says how to write it again.
"""

import difflib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from legato.app.actions import open_pipeline, project_of
from legato.app.config import Project
from legato.app.environment_lines import making
from legato.app.options import Options
from legato.domain.errors import ConfigurationError, ConflictError, MissingError, OutsideError
from legato.domain.graph import Graph, Struct
from legato.export import SERVICES, Exported, Repository, export

_COMMAND: Final = re.compile(r"^(?:#|//)\s+legato ci export (\S.*)$", re.MULTILINE)
_MARK: Final = "Written by Legato"
_LOOKED_AT: Final = 4000
"""Characters of a file that are looked at for who wrote it."""
_YEAR: Final = 2026
"""Of the rules of time zones; not the clock's, so that a file does not change by itself."""


class Request(Struct, frozen=True, kw_only=True):
    """One file to be written: for which service, how, and of which pipeline below the project."""

    service: str
    layout: str = "job"
    install: tuple[str, ...] = ()
    member: str = ""

    @property
    def command(self) -> str:
        """What a person types for it."""
        words = ["legato", "ci", "export", self.service]
        words += ["--layout", self.layout] if self.layout != "job" else []
        for line in self.install:
            words += ["--install", line]
        return shlex.join([*words, *([f"{self.member}:"] if self.member else [])])


class Written(Struct, frozen=True, kw_only=True):
    """A file as it is now; `changed` is false where it was so before."""

    path: str
    changed: bool
    text: str
    notes: tuple[str, ...]


class Checked(Struct, frozen=True, kw_only=True):
    """A file that Legato wrote: what would be written now differs from it by `diff`."""

    path: str
    command: str
    diff: str

    @property
    def stale(self) -> bool:
        """Whether it has to be written again."""
        return bool(self.diff)


def exported(options: Options, request: Request) -> Exported:
    """Return what would be written."""
    with open_pipeline(options) as opened:
        graph, project = opened.graph, opened.project
    return export(request.service, graph, _repository(project, graph, request), request.layout)


def write(options: Options, request: Request, *, force: bool = False) -> Written:
    """Write a service's file.

    Raises:
        ConflictError: There is one that Legato did not write.
        OutsideError: It cannot be written.
    """
    found = exported(options, request)
    path = git_root(project_of(options).root) / found.path
    before = _read(path)
    if before is not None and not _is_ours(before) and not force:
        raise ConflictError(
            f"{found.path} is there and was not written by Legato",
            hint="move what it does elsewhere; or overwrite it by --force",
        )
    if before != found.text:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f"{path.name}.legato")
            temporary.write_text(found.text, encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            raise OutsideError(
                f"{path} cannot be written: {error.strerror}", hint="check the rights of its folder"
            ) from error
    return Written(path=found.path, changed=before != found.text, text=found.text, notes=found.notes)


def check(options: Options) -> list[Checked]:
    """Return each file that Legato wrote, and how it differs from what it would write now.

    Raises:
        MissingError: There is none.
    """
    root = git_root(project_of(options).root)
    found = list(_checked(root, options))
    if not found:
        raise MissingError(
            f"Legato wrote no CI file in {root}",
            hint=f"legato ci export {' | '.join(SERVICES)}",
        )
    return found


def _checked(root: Path, options: Options) -> Iterator[Checked]:
    for service, name in SERVICES.items():
        text = _read(root / name)
        if text is None or not _is_ours(text):
            continue
        request = _request(text, service)
        place = Options(folder=options.folder, member=request.member or options.member)
        now = exported(place, request).text
        lines = difflib.unified_diff(
            text.splitlines(keepends=True), now.splitlines(keepends=True), name, "what would be written now"
        )
        yield Checked(path=name, command=request.command, diff="".join(lines))


def _request(text: str, service: str) -> Request:
    """Return what a file says of how it was written; its defaults where it cannot be read."""
    told = _COMMAND.search(text[:_LOOKED_AT])
    try:
        words = shlex.split(told[1]) if told else []
    except ValueError:
        words = []
    layout, install, member = "job", [], ""
    rest = iter(words[1:])
    for word in rest:
        if word == "--layout":
            layout = next(rest, "job")
        elif word == "--install":
            install.append(next(rest, ""))
        elif word.endswith(":"):
            member = word[:-1]
    known = layout if layout in {"job", "stages"} else "job"
    return Request(service=service, layout=known, install=tuple(install), member=member)


def _repository(project: Project, graph: Graph, request: Request) -> Repository:
    _known_environments(project, graph)
    made = making(project.root, request.install)
    root = git_root(project.root)
    folder = "" if root == project.root else project.root.relative_to(root).as_posix()
    environments = {trigger.environment for trigger in graph.triggers}
    return Repository(
        install=made.lines,
        command=request.command,
        folder=folder,
        locks=made.locks,
        remote=_scheme(project.remote),
        ledger=_scheme(project.ledger_url),
        branch=_branch(project, graph),
        approvals={name: project.approvals(name) for name in sorted(environments)},
        offsets={trigger.tz: _offset(trigger.tz) for trigger in graph.triggers},
        member=request.member,
        notes=made.notes,
    )


def _known_environments(project: Project, graph: Graph) -> None:
    known = ["local", *project.config.get("environments", {})]
    for trigger in graph.triggers:
        if trigger.environment not in known:
            raise ConfigurationError(
                f"the trigger {trigger.name} acts in {trigger.environment!r}, which is not configured",
                hint=f"write [environments.{trigger.environment}] into legato.toml; known: {', '.join(known)}",
                where=str(trigger.place),
            )


def _scheme(address: str) -> str:
    if not address:
        return ""
    scheme, separator, _ = address.partition("://")
    return (
        {"s3a": "s3", "gcs": "gs", "azure": "az", "abfs": "az"}.get(scheme, scheme) if separator else "folder"
    )


def _branch(project: Project, graph: Graph) -> str:
    """Return where schedules run: the first branch that is named in full."""
    pushed = [one for trigger in graph.triggers if trigger.kind == "push" for one in trigger.patterns]
    named = [one for one in (*pushed, *project.trusted_branches) if "*" not in one]
    return named[0] if named else "main"


def _offset(name: str) -> tuple[int, bool]:
    """Return the minutes that a zone's winter is ahead of UTC, and whether it has a summer."""
    if name == "UTC":
        return 0, False
    import datetime as dt
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(name)
    days = (dt.datetime(_YEAR, month, 1, tzinfo=zone).utcoffset() or dt.timedelta() for month in (1, 7))
    minutes = sorted(int(one.total_seconds()) // 60 for one in days)
    return minutes[0], minutes[0] != minutes[1]


def git_root(folder: Path) -> Path:
    """Return the folder of the repository that `folder` lies in, or itself where there is none."""
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise OutsideError(f"{path} cannot be read: {error}") from error


def _is_ours(text: str) -> bool:
    return _MARK in text[:_LOOKED_AT]
