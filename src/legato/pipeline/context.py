"""What a running step can ask and say: `lg.run()`, `lg.log()`, `lg.out_folder()`, `lg.checkpoints()`.

Rule: outside a run every word works too, on the terminal and in a temporary folder: steps stay testable.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple, SupportsFloat

from legato.domain.errors import ConfigurationError
from legato.domain.units import with_article

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Running(NamedTuple):
    """The run that a step is part of.

    Attributes:
        number: Of the run; 0 outside one.
        key: What the result is known by, equal on every retry: to be idempotent with. Empty outside a run.
        step: The step's name; empty outside a run.
        attempt: 1 on the first try.
        environment: Where the run may have effects: `local`, `staging`, …
    """

    number: int = 0
    key: str = ""
    step: str = ""
    attempt: int = 1
    environment: str = "local"


class Context:
    """What the worker installs before it calls a step.

    Args:
        running: What `lg.run()` answers.
        say: Takes logged values by name, and the `step` they belong to or None.
        folder: Returns a new, empty folder; returned by the step, it becomes the artifact by rename.
        checkpoints: Returns the folder that survives this attempt; asked at most once.
    """

    __slots__ = ("_checkpoints", "_kept", "folder", "running", "say")

    def __init__(
        self,
        running: Running,
        say: Callable[[Mapping[str, float], int | None], None],
        folder: Callable[[], Path],
        checkpoints: Callable[[], Path] | None = None,
    ) -> None:
        self.running = running
        self.say = say
        self.folder = folder
        self._checkpoints = checkpoints or folder
        self._kept: Path | None = None

    def checkpoints(self) -> Path:
        """Return the folder that survives this attempt: the same one each time a step asks."""
        if self._kept is None:
            self._kept = self._checkpoints()
        return self._kept


def _print(values: Mapping[str, float], step: int | None) -> None:
    where = "" if step is None else f"step {step}: "
    sys.stdout.write(where + ", ".join(f"{name}={value:g}" for name, value in values.items()) + "\n")


def _temporary() -> Path:
    from pathlib import Path
    from tempfile import mkdtemp

    return Path(mkdtemp(prefix="legato-out-"))


OUTSIDE = Context(Running(), _print, _temporary)
_current = OUTSIDE


def install(context: Context) -> Context:
    """Make `context` the current one and return the one before; the worker calls it, once for each step."""
    global _current
    before, _current = _current, context
    return before


def run() -> Running:
    """Return the run that this step is part of; outside a run its number is 0."""
    return _current.running


def log(*, step: int | None = None, **values: SupportsFloat) -> None:
    """Record metrics of this step: `lg.log(loss=0.3, step=4)`.

    Args:
        step: Where the values belong on the axis of training: an epoch, a batch.
        **values: Numbers by name, also numpy's.

    Raises:
        ConfigurationError: A value is not a number, or `step` is not a whole one.
    """
    if step is not None and (isinstance(step, bool) or not hasattr(step, "__index__")):
        raise ConfigurationError(
            f"lg.log(step={step!r}) is not a whole number", hint="write for example lg.log(loss=0.3, step=4)"
        )
    numbers = {name: _number(name, value) for name, value in values.items()}
    if numbers:
        _current.say(numbers, None if step is None else step.__index__())


def _number(name: str, value: SupportsFloat) -> float:
    try:
        if not isinstance(value, str | bytes):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise ConfigurationError(
        f"lg.log({name}={value!r}) is {with_article(type(value).__name__)}, not a number",
        hint=f"log one number by name, for example lg.log({name}=0.3)",
    )


def out_folder() -> Path:
    """Return a new, empty folder to write into; returned by the step, it becomes the artifact, by rename.

    Outside a run it is a temporary folder.
    """
    return _current.folder()


def checkpoints() -> Path:
    """Return this step's folder for checkpoints: what an earlier attempt left in it is there again.

    It survives retries, SIGKILL and the end of a run, for as long as the step has the same key; once the step has
    succeeded it is removed. Write under another name and rename, so that a checkpoint is whole or not there. It is
    no part of the key: a step has to return the same with and without it. Outside a run it is a temporary folder.
    """
    return _current.checkpoints()
