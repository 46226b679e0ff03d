"""`legato data …`: data under version control.

Rule: data to stdout, one line a dataset; progress and notes to stderr.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legato.app import dataset_deeds as deeds
from legato.cli.errors import clean
from legato.cli.meter import Meter
from legato.domain.units import counted, show_bytes

if TYPE_CHECKING:
    from legato.data.adding import Added
    from legato.data.checking_out import CheckedOut
    from legato.data.standing import Standing
    from legato.data.versions import Version


class _Words(click.Group):
    """The words of `legato data`, and `gc`, which is loaded only where it is typed."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), "gc"])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name == "gc":  # the same as `legato gc`: people look for it beside push and pull
            from legato.cli.keeping import gc

            return gc
        return super().get_command(context, name)


@click.group(cls=_Words)
def data() -> None:
    """Keep data under version control: bytes in the store, one line a dataset in legato.lock.

    \b
    legato data add data/images        a file, folder or 'pattern*.csv'
    legato data update [NAME…]         look again: files, and sources elsewhere
    legato data status                 what changed
    legato data checkout               put back what legato.lock says
    """  # noqa: D301 - click's own mark


_MARKS = {"new": "+", "changed": "~", "unchanged": "=", "tracked": "="}
_SAID = {
    "new": "new",
    "changed": "changed",
    "unchanged": "unchanged",
    "tracked": "git tracks it: it stays in git",
}


@data.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--copy", is_flag=True, help="Leave the files writable, though that keeps their bytes twice.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a dataset.")
def add(paths: tuple[str, ...], *, copy: bool, as_json: bool) -> int:
    """Put PATHS under version control: files, folders, or patterns in quotes.

    Where the disk allows, a file then shares its bytes with the store and is read-only; --copy leaves it writable.
    """
    with Meter(sys.stderr) as meter:
        found = deeds.add(Path.cwd(), paths, copy=copy, meter=meter)
    _tell(found, as_json=as_json)
    return 0


def _tell(found: "list[Added]", *, as_json: bool) -> None:
    for one in found:
        if as_json:
            sys.stdout.buffer.write(deeds.encode_json(one) + b"\n")
            continue
        size = (
            f"  {one.digest[7:19]}  {show_bytes(one.size_bytes)}, {counted(one.files, 'file')}"
            if one.digest
            else ""
        )
        sys.stdout.write(
            clean(f"{_MARKS[one.state]} {one.name}  {_SAID[one.state]}{size}").replace("\n", "\\n") + "\n"
        )
    shared = sum(one.shared for one in found)
    if shared and not as_json:
        sys.stderr.write(
            f"note: {counted(shared, 'file')} share their bytes with the store and are read-only; "
            "--copy keeps them writable\n"
        )


_STATES = {
    "unchanged": ("=", "unchanged"),
    "held": ("=", "in the store"),
    "changed": ("~", "changed"),
    "gone": ("-", "not in the work tree: legato data checkout"),
    "missing": ("!", "not in the store: legato data pull"),
    "torn": ("!", "in conflict after a merge: legato data update"),
    "refused": ("!", "cannot be read"),
}


@data.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a dataset.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when something is not as the lock says.")
def status(names: tuple[str, ...], *, as_json: bool, exit_code: bool) -> int:
    """Say what changed since it was locked."""
    found = deeds.status(Path.cwd(), names)
    for one in found:
        if as_json:
            sys.stdout.buffer.write(deeds.encode_json(one) + b"\n")
        else:
            _show_standing(one)
    if not found and not as_json:
        sys.stderr.write("no data is locked yet; `legato data add PATH` starts\n")
    differs = any(one.state not in {"unchanged", "held"} for one in found)
    return int(exit_code and differs)


def _show_standing(one: "Standing") -> None:
    mark, said = _STATES[one.state]
    if any(one.counts):
        said += ": " + ", ".join(
            f"{count} {word}"
            for count, word in zip(one.counts, ("added", "removed", "changed"), strict=True)
            if count
        )
    size = f"  {show_bytes(one.size_bytes)}, {counted(one.files, 'file')}" if one.digest else ""
    lines = [f"{mark} {one.name}  {said}{size}"]
    lines += [
        f"    {sign} {path}"
        for sign, paths in zip("+-~", (one.added, one.removed, one.changed), strict=True)
        for path in paths
    ]
    hidden = sum(one.counts) - len(one.added) - len(one.removed) - len(one.changed)
    lines += [f"    and {hidden} more"] if hidden else []
    lines += [f"    {one.why}"] if one.why else []
    for line in lines:
        sys.stdout.write(clean(line).replace("\n", "\\n") + "\n")


@data.command()
@click.argument("names", nargs=-1)
@click.option("--copy", is_flag=True, help="Leave files writable, though that keeps their bytes twice.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a dataset.")
def update(names: tuple[str, ...], *, copy: bool, as_json: bool) -> int:
    """Look at datasets again and lock what is there now: NAMES, or all.

    A NAME is a path, or what the pipeline calls the dataset. Databases are asked for their version first; while the
    answer is the same, nothing is read.
    """
    with Meter(sys.stderr) as meter:
        found = deeds.update(Path.cwd(), names, copy=copy, meter=meter)
    _tell(found, as_json=as_json)
    return 0


@data.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a dataset.")
def forget(names: tuple[str, ...], *, as_json: bool) -> int:
    """Take NAMES off legato.lock and .gitignore; their files stay where they are."""
    for name in deeds.forget(Path.cwd(), names):
        if as_json:
            sys.stdout.buffer.write(deeds.encode_json({"name": name, "state": "forgotten"}) + b"\n")
            continue
        sys.stdout.write(clean(f"- {name}  is no longer locked").replace("\n", "\\n") + "\n")
    return 0


@data.command()
@click.argument("names", nargs=-1)
@click.option("--rev", "revision", default="", metavar="COMMIT", help="As legato.lock was in this commit.")
@click.option("--force", is_flag=True, help="Overwrite files whose bytes are in no store.")
@click.option("--hook", "before", hidden=True, default=None, metavar="COMMIT")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a dataset.")
def checkout(names: tuple[str, ...], *, revision: str, force: bool, before: str | None, as_json: bool) -> int:
    """Put back what legato.lock says of NAMES, or of all: whole, or not at all.

    A file that was changed and whose bytes are in no store is never overwritten, unless --force says so.
    """
    if before is not None:
        return _follow(before)
    with Meter(sys.stderr) as meter:
        found = deeds.checkout(Path.cwd(), names, revision=revision, force=force, meter=meter)
    for one in found:
        if as_json:
            sys.stdout.buffer.write(deeds.encode_json(one) + b"\n")
        elif one.state != "unchanged":
            sys.stdout.write(clean(_moved(one)).replace("\n", "\\n") + "\n")
    if not as_json and all(one.state == "unchanged" for one in found):
        sys.stdout.write("everything is as it should be\n")
    return 0


def _moved(one: "CheckedOut") -> str:
    if one.state == "left":
        return f"! {one.name}  left as it is: {one.why}"
    counts = [f"{counted(one.placed, 'file')} placed"] if one.placed else []
    counts += [f"{counted(one.removed, 'file')} removed"] if one.removed else []
    return f"~ {one.name}  {', '.join(counts)}"


def _follow(before: str) -> int:
    """Do what git's hooks ask for: as much as can be done, and never a failure."""
    from legato.domain.errors import LegatoError

    try:
        found = deeds.follow(Path.cwd(), before)
    except LegatoError as error:
        sys.stderr.write(f"legato: data is not in step: {clean(error.message)}\n")
        return 0
    for one in found:
        sys.stderr.write("legato: " + clean(_moved(one)).replace("\n", "\\n") + "\n")
    return 0


@data.command()
@click.argument("name")
@click.argument("what", nargs=-1, metavar="[A [B]]")
@click.option("--key", "keys", default="", metavar="COLUMN,…", help="Columns that tell rows apart.")
@click.option("--bytes", "as_bytes", is_flag=True, help="Do not read tables.")
@click.option("--all", "everything", is_flag=True, help="Show columns that are alike, too.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with pictures.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def diff(  # noqa: PLR0913 - one argument an option
    name: str,
    what: tuple[str, ...],
    *,
    keys: str,
    as_bytes: bool,
    everything: bool,
    html: Path | None,
    as_json: bool,
) -> int:
    """Say how versions A and B of dataset NAME differ: rows, columns, ranges, categories; files of a folder.

    A and B are `lock`, `now` (the work tree), a commit, `run:17`, or a digest; without them, what is locked is
    compared with what is there now.
    """
    if len(what) > 2:  # noqa: PLR2004 - A and B
        raise click.UsageError(f"two versions are compared, not {len(what)}: {' '.join(what)}")
    chosen = [key.strip() for key in keys.split(",") if key.strip()]
    found = deeds.diff(Path.cwd(), name, what, keys=chosen, as_bytes=as_bytes)
    if html is not None:
        from legato.cli.data_page import page

        html.write_text(page(found), encoding="utf-8")
        sys.stderr.write(f"wrote {html}\n")
    if as_json:
        sys.stdout.buffer.write(deeds.encode_json(found) + b"\n")
        return 0
    from legato.cli.data_shown import lines_of

    for line in lines_of(found, everything=everything):
        sys.stdout.write(clean(line).replace("\n", "\\n") + "\n")
    return 0


@data.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a version.")
def log(name: str, *, as_json: bool) -> int:
    """List the versions of dataset NAME: the commits that locked it, and the runs that used another one."""
    for one in deeds.log(Path.cwd(), name):
        if as_json:
            sys.stdout.buffer.write(deeds.encode_json(one) + b"\n")
        else:
            sys.stdout.write(clean(_version_line(one)).replace("\n", "\\n") + "\n")
    return 0


def _version_line(one: "Version") -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.at))
    where = f"commit {one.name[:9]}" if one.where == "commit" else f"run {one.name}"
    if one.gone:
        return f"{when}  {where:<16}  no longer locked  {one.who}  {one.subject}".rstrip()
    mark = "" if one.held else "  not in the store"
    size = f"{show_bytes(one.size_bytes)}" + (f", {counted(one.files, 'file')}" if one.files else "")
    version = f"  version {one.version}" if one.version else ""
    return (
        f"{when}  {where:<16}  {one.digest[7:19]}  {size}{version}{mark}  {one.who}  {one.subject}".rstrip()
    )


@data.command()
@click.argument("names", nargs=-1)
@click.option("--results", is_flag=True, help="Send what steps made, too.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def push(names: tuple[str, ...], *, results: bool, as_json: bool) -> int:
    """Send datasets to the remote: NAMES, or all that legato.lock holds.

    Only what is missing there travels; a push that was stopped goes on where it was.
    """
    from legato.app.dataset_sharing import push_data

    with Meter(sys.stderr, "sending") as meter:
        done = push_data(Path.cwd(), names, meter.of, _note, results=results)
    if as_json:
        sys.stdout.buffer.write(deeds.encode_json(done) + b"\n")
        return 0
    sent = show_bytes(done.moved.moved_bytes) if done.moved.moved_objects else "nothing new"
    more = f", {counted(done.results, 'result')}" if done.results else ""
    sys.stdout.write(clean(f"{counted(done.datasets, 'dataset')} in {done.remote}: {sent} sent{more}\n"))
    return 0


@data.command()
@click.argument("names", nargs=-1)
@click.option(
    "--rev",
    "revision",
    default="",
    metavar="COMMIT",
    help="As legato.lock was in this commit, or run:17; nothing is placed: checkout does that.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def pull(names: tuple[str, ...], *, revision: str, as_json: bool) -> int:
    """Fetch datasets from the remote and place them: NAMES, or all that legato.lock holds.

    Every byte is checked; a file that was changed here is never overwritten.
    """
    from legato.app.dataset_sharing import pull_data

    with Meter(sys.stderr, "fetching") as meter:
        done = pull_data(Path.cwd(), names, meter.of, _note, revision=revision)
    if as_json:
        sys.stdout.buffer.write(deeds.encode_json(done) + b"\n")
        return 0
    for one in done.placed:
        if one.state != "unchanged":
            sys.stdout.write(clean(_moved(one)).replace("\n", "\\n") + "\n")
    fetched = show_bytes(done.size_bytes) if done.size_bytes else "nothing new"
    sys.stdout.write(clean(f"{fetched} fetched from {done.remote}\n"))
    return 0


def _note(text: str) -> None:
    sys.stderr.write(f"note: {clean(text)}\n")
