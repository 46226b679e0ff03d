"""`legato gc`, `legato backup`, `legato restore` and `legato ledger`.

Rule: what goes is counted in bytes before it goes, when asked; what is copied is verified before it is said to be
there.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from legato.app import actions
from legato.app.collecting import Collected, collect, collect_remote
from legato.cli.errors import clean
from legato.cli.meter import Meter
from legato.domain.units import counted, seconds, show_bytes

if TYPE_CHECKING:
    from legato.app.backups import BackedUp


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.option("--remote", is_flag=True, help="Sweep the remote too: what nothing needs goes after 48 hours.")
@click.option(
    "--older-than",
    default="1h",
    show_default=True,
    metavar="AGE",
    help="What is younger stays here: a run may be about to name it. Less only while nothing runs.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a place.")
def gc(*, dry_run: bool, remote: bool, older_than: str, as_json: bool) -> int:
    """Take away what nothing needs any more.

    Model versions stay, and datasets that legato.lock names at any commit of any branch. Results stay for 90 days
    after a run last used them, the newest of each step for ever; [retention] results = "30d" in legato.toml says
    otherwise.
    """
    found = [collect(Path.cwd(), dry_run=dry_run, grace_s=seconds(older_than))]
    if remote:
        found.append(collect_remote(Path.cwd(), os.environ, _tell, dry_run=dry_run))
    for one in found:
        if as_json:
            sys.stdout.buffer.write(actions.encode_json(one) + b"\n")
        else:
            sys.stdout.write(_said(one) + "\n")
    return 0


def _tell(text: str) -> None:
    sys.stderr.write(f"note: {clean(text)}\n")


def _said(one: Collected) -> str:
    swept, would = one.swept, "would free" if one.dry_run else "freed"
    parts = [f"{would} {show_bytes(swept.freed_bytes + one.logs_bytes + one.environments_bytes)}"]
    if swept.condemned_bytes:
        parts.append(f"{show_bytes(swept.condemned_bytes)} go in 48 hours unless asked for")
    parts.append(f"{counted(swept.objects, 'object')}, {show_bytes(swept.kept_bytes)} stay")
    return f"{one.place}: {'; '.join(parts)}"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def backup(file: Path, *, as_json: bool) -> int:
    """Write the ledger and all bytes of this machine into FILE, a tar archive."""
    from legato.app import backups

    with Meter(sys.stderr, "backing up") as meter:
        done = backups.backup(Path.cwd(), Path.cwd() / file, meter)
    return _kept(done, "written", as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def restore(file: Path, *, as_json: bool) -> int:
    """Bring back what `legato backup` wrote into FILE; every byte is checked, and what is here already stays."""
    from legato.app import backups

    with Meter(sys.stderr, "restoring") as meter:
        done = backups.restore(Path.cwd(), Path.cwd() / file, meter)
    return _kept(done, "restored", as_json=as_json)


def _kept(done: "BackedUp", deed: str, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(done) + b"\n")
    else:
        counts = f"{counted(done.events, 'event')}, {counted(done.objects, 'object')}"
        sys.stdout.write(clean(f"{done.path}: {counts}, {show_bytes(done.size_bytes)} {deed}\n"))
    return 0


@click.group()
def ledger() -> None:
    """Look after the ledger: move it, verify it."""


@ledger.command()
@click.argument("target")
@click.option(
    "--from", "source", default="", metavar="ADDRESS", help="Move this one; `local` is this machine's."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a ledger.")
def move(target: str, *, source: str, as_json: bool) -> int:
    """Copy the shared ledger, all its zones, to TARGET, and verify it there.

    \b
    legato ledger move postgresql://legato@db/legato     when a bucket is outgrown
    legato ledger move s3://team/wine                    and back
    legato ledger move --from local FOLDER               this machine's own

    The source stays as it is. Nobody may write to either meanwhile.
    """  # noqa: D301 - click's own mark
    from legato.app.moving import move_ledgers

    moved = 0
    with Meter(sys.stderr, "moving") as meter:
        for one in move_ledgers(Path.cwd(), source, target, os.environ, meter.of):
            moved += 1
            if as_json:
                sys.stdout.buffer.write(actions.encode_json(one) + b"\n")
            else:
                sys.stdout.write(
                    clean(f"{one.source} -> {one.target}: {counted(one.events, 'event')}, verified\n")
                )
    if not moved:
        sys.stderr.write("note: there was nothing to move\n")
    elif not source and not as_json:
        sys.stderr.write(
            'now write into legato.toml:  [ledger] url = "…"  (or take it away for the remote)\n'
        )
    return 0


@ledger.command()
@click.option("--shared", is_flag=True, help="The shared ledger's zones, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a problem.")
def verify(*, shared: bool, as_json: bool) -> int:
    """Read every event again: is the chain of seals whole? Exit with 1 where it is not."""
    from legato.app.verifying import verify_ledgers

    wrong = 0
    for one in verify_ledgers(Path.cwd(), os.environ, _tell, shared=shared):
        wrong += len(one.problems)
        if as_json:
            sys.stdout.buffer.write(actions.encode_json(one) + b"\n")
            continue
        for problem in one.problems:
            sys.stdout.write(clean(f"✗ {one.place}: event {problem.seq} {problem.kind}: {problem.message}\n"))
        if not one.problems:
            sys.stdout.write(clean(f"✓ {one.place}: {counted(one.events, 'event')} hold\n"))
    return int(wrong > 0)
