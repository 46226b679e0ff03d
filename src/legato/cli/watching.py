"""`legato watch`.

Rule: what was saved is named before what it makes run.
"""

import sys
import time
from pathlib import Path

import click

from legato.app.config import find_root
from legato.app.watching import watch as watch_files
from legato.cli.errors import clean

_SHOWN = 3


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def watch(words: tuple[str, ...]) -> int:
    """Run now, and again whenever a file of this repository is saved, until Ctrl-C.

    WORDS are those of `legato run`. A run that a newer save outdates is stopped first; what it finished is kept.

    \b
    legato watch                            everything
    legato watch evaluation -p model.depth=4
    """  # noqa: D301 - click's own mark
    return watch_files(find_root(Path.cwd()), words, _told, time.sleep)


def _told(names: list[str]) -> None:
    if names:
        rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        sys.stderr.write(f"\nsaved: {clean(', '.join(names[:_SHOWN]))}{rest}\n")
        sys.stderr.flush()
