"""What a shell offers for the names of steps and artifacts: those that runs of this project had.

Rule: it only looks, imports none of the user's code, and is silent where it cannot look.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from legato.app import looking
from legato.domain.errors import LegatoError


def steps(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the names of steps that begin like this."""
    return _beginning(begun, _known()[0])


def names(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the names of steps and artifacts that begin like this."""
    return _beginning(begun, [name for kind in _known() for name in kind])


def _known() -> tuple[tuple[str, ...], tuple[str, ...]]:
    with suppress(LegatoError, OSError):
        return looking.names(Path.cwd())
    return (), ()


def _beginning(begun: str, known: Iterable[str]) -> list[str]:
    return sorted({name for name in known if name.startswith(begun)})
