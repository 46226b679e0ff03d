"""Progress of a run as lines on a terminal, or as JSON lines for a script.

Rule: readable without colour; what a step prints is shown as it comes, bounded, and never steers the terminal.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TextIO

from legato.cli.causes import summed
from legato.cli.colours import FAINT, painted, wanted
from legato.cli.errors import clean
from legato.domain.progress import (
    AnyProgress,
    Began,
    Ended,
    Expanded,
    Gathered,
    Moving,
    Noted,
    Planned,
    Printed,
    Retrying,
    Sampled,
    State,
    Summary,
    Waited,
)
from legato.domain.units import counted, show_bytes, show_seconds

if TYPE_CHECKING:
    from legato.domain.keys import Cause

MARKS: Final = {
    State.COMPUTED: ("✓", "32"),
    State.REUSED: ("=", "2"),
    State.FAILED: ("✗", "31"),
    State.SKIPPED: ("-", "33"),
    State.CANCELLED: ("-", "33"),
    State.HELD: ("!", "33"),
    State.NOT_WANTED: ("·", "2"),
}
LIVE_LINES: Final = 200
"""How many lines of one step are shown live; the rest is in its log."""
USUAL_COLUMNS: Final = 80
LEAST_SAVED_S: Final = 0.1
"""Less than this is not worth saying that reuse saved it."""
REUSED_SHOWN: Final = 20
"""How many reused steps get a line of their own."""
ELEMENTS_SHOWN: Final = 20
"""A step that is fanned out over more elements gets one line, and one for each that failed."""
_WORST: Final = (State.FAILED, State.CANCELLED, State.SKIPPED, State.HELD, State.COMPUTED, State.REUSED)


class Lines:
    """Writes a line a step, and what steps print, to `target`.

    Args:
        target: Usually stderr.
        quiet: Only failures.
        verbose: All that steps print, without the bound.
    """

    def __init__(self, target: TextIO, *, quiet: bool = False, verbose: bool = False) -> None:
        self._target = target
        self._quiet = quiet
        self._live = sys.maxsize if verbose else LIVE_LINES
        self._colour = wanted(target)
        self._causes: dict[str, tuple[Cause, ...]] = {}
        self._partial: dict[tuple[str, str], bytes] = {}
        self._shown: dict[str, int] = {}
        self._width = 12
        self._many_reused = False
        self._folded: dict[str, Folded] = {}
        self._family: dict[str, str] = {}
        self._spinner = Spinner(target, shown=target.isatty() and not quiet)

    def __call__(self, progress: AnyProgress) -> None:
        """Show one piece of progress."""
        match progress:
            case Planned(steps=steps):
                self._width = min(32, max((len(step) for step in steps), default=12))
                self._many_reused = len(steps) > REUSED_SHOWN
            case Expanded() | Gathered():
                self._fan_out(progress)
            case Began(step=step, causes=causes):
                self._causes[step] = causes
                self._spinner.began(step)
            case Printed() | Sampled():
                self._show(progress)
            case Retrying():
                self._retry(progress)
            case Waited() | Noted() | Moving():
                self._apart(progress)
            case Ended():
                self._end(progress)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._spinner.clear()

    def _print(self, printed: Printed) -> None:
        key = (printed.step, printed.stream)
        *lines, rest = (self._partial.pop(key, b"") + printed.data).split(b"\n")
        self._partial[key] = rest[-65536:]
        for line in lines:
            self._text(printed.step, line.decode(errors="replace").rstrip("\r"))

    def _sample(self, sampled: Sampled) -> None:
        shown = "  ".join(f"{name}={value:.6g}" for name, value in sampled.values.items())
        self._text(sampled.step, f"{shown}  step {sampled.at}" if sampled.at is not None else shown)

    def _retry(self, retrying: Retrying) -> None:
        wait = show_seconds(retrying.wait_s)
        text = f"attempt {retrying.attempt} failed ({clean(retrying.message)}); again in {wait}"
        self._line("↻", "33", retrying.step, text)

    def _text(self, step: str, text: str) -> None:
        whose = self._family.get(step, step)  # many elements share the lines of one step
        count = self._shown[whose] = self._shown.get(whose, 0) + 1
        if self._quiet or count > self._live + 1:
            return
        if count > self._live:
            import shlex

            text = f"… more in its log: legato logs {shlex.quote(step)}"
        self._write(f"  {self._paint(step.ljust(self._width), '2')} │ {clean(text)}")

    def _show(self, shown: Printed | Sampled) -> None:
        if isinstance(shown, Printed):
            self._print(shown)
        else:
            self._sample(shown)

    def _apart(self, told: Waited | Noted | Moving) -> None:
        """Say what belongs to no step."""
        if isinstance(told, Waited):
            self._spinner.draw()
        elif isinstance(told, Noted):
            self._write(f"note: {clean(told.text)}")
        else:
            done = f"{show_bytes(told.done_bytes)} of {show_bytes(told.total_bytes)}"
            self._spinner.say(f"{clean(told.what)}  {done}")

    def _fan_out(self, told: Expanded | Gathered) -> None:
        if isinstance(told, Expanded):
            self._expand(told.step, told.elements)
        else:
            self._gather(told)

    def _expand(self, step: str, elements: tuple[str, ...]) -> None:
        if len(elements) > ELEMENTS_SHOWN:
            self._folded[step] = Folded(len(elements))
            self._family |= dict.fromkeys(elements, step)
        else:
            self._width = min(40, max((self._width, *(len(name) for name in elements))))

    def _gather(self, gathered: Gathered) -> None:
        """Say in one line how the elements of a step ended, where they had no line each."""
        folded = self._folded.pop(gathered.step, None)
        self._spinner.ended(gathered.step)
        if self._quiet or (folded is None and gathered.counts):
            return
        counts = gathered.counts
        if not counts:
            self._line(
                *MARKS[State.REUSED],
                gathered.step,
                "         no elements: what it is fanned out over is empty",
            )
            return
        worst = next((state for state in _WORST if counts.get(state)), State.NOT_WANTED)
        told = ", ".join(f"{number:,} {state}" for state, number in counts.items())
        took = show_seconds(folded.wall_s) if folded is not None and folded.wall_s else ""
        total = f"{sum(counts.values()):,} elements"
        self._line(*MARKS[worst], gathered.step, f"{took:>7}  {total}: {told}")

    def _end(self, ended: Ended) -> None:
        self._flush(ended.step)
        folded = self._folded.get(ended.family)
        if folded is not None:
            folded.count(ended)
            self._spinner.told(ended.family, folded.shown())
            if ended.state is not State.FAILED:
                return
        quiet = self._quiet and ended.state is not State.FAILED
        if quiet or (ended.state is State.REUSED and self._many_reused and not ended.notes):
            return
        mark, colour = MARKS[ended.state]
        took = show_seconds(ended.usage.wall_s) if ended.state in {State.COMPUTED, State.FAILED} else ""
        why, *more = self._why(ended).splitlines() or [""]
        self._line(mark, colour, ended.step, f"{took:>7}  {ended.state:<9} {why}".rstrip())
        for note in (*(() if ended.details else more), *ended.notes):  # a traceback ends with all its message
            self._write(f"    {' ' * self._width} {clean(note)}")
        if ended.details:
            self._write("\n" + _indent(clean(ended.details)) + "\n")
        if ended.hint and ended.state is not State.SKIPPED:
            self._write(f"    hint: {clean(ended.hint)}")

    def _flush(self, step: str) -> None:
        for stream in ("stdout", "stderr"):
            rest = self._partial.pop((step, stream), b"")
            if rest:
                self._text(step, rest.decode(errors="replace"))
        self._spinner.ended(step)

    def _why(self, ended: Ended) -> str:
        if ended.message:
            return clean(ended.message)
        causes = self._causes.get(ended.step, ()) if ended.state is not State.REUSED else ()
        return summed(causes, ended.step)

    def _line(self, mark: str, colour: str, step: str, text: str) -> None:
        self._write(f"  {self._paint(mark, colour)} {step.ljust(self._width)} {text}")

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text

    def _write(self, line: str) -> None:
        self._spinner.clear()
        self._target.write(line + "\n")
        self._target.flush()
        self._spinner.draw()


class Folded:
    """The elements of one step, of which only the number is shown.

    Attributes:
        wall_s: What its elements took, one after the other.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._over = 0
        self._failed = 0
        self.wall_s = 0.0

    def count(self, ended: Ended) -> None:
        """Take note of an element that is over."""
        self._over += 1
        self._failed += ended.state is State.FAILED
        self.wall_s += ended.usage.wall_s

    def shown(self) -> str:
        """Return how far they are."""
        failed = f", {self._failed:,} failed" if self._failed else ""
        return f"{self._over:,}/{self._total:,}{failed}"


class Spinner:
    """The last line of a terminal: which steps run now, and since when; where it is not `shown`, nothing."""

    def __init__(
        self, target: TextIO, *, shown: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._target = target
        self._shown = shown
        self._clock = clock
        self._running: dict[str, float] = {}
        self._told: dict[str, str] = {}
        self._drawn = False

    def began(self, step: str) -> None:
        """Show a step as running."""
        self._running[step] = self._clock()
        self.draw()

    def ended(self, step: str) -> None:
        """Show it no longer."""
        self._running.pop(step, None)
        self._told.pop(step, None)

    def say(self, text: str) -> None:
        """Show something else than steps, until the next time."""
        self.clear()
        if self._shown:
            self._write(f"  … {text}")

    def told(self, family: str, text: str) -> None:
        """Show beside the running steps how far the elements of one are."""
        self._told[family] = text

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._target.write("\r\x1b[K")
            self._drawn = False

    def draw(self) -> None:
        """Write the line anew, without an end."""
        self.clear()
        if not self._running or not self._shown:
            return
        now = self._clock()
        families = "".join(f"{family} {text}  " for family, text in self._told.items())
        running = (f"{step} {show_seconds(now - at)}" for step, at in list(self._running.items())[:4])
        shown = families + "  ".join(running)
        more = f"  +{len(self._running) - 4}" if len(self._running) > 4 else ""  # noqa: PLR2004 - four fit a line
        self._write(f"  … {shown}{more}")

    def _write(self, line: str) -> None:
        columns = columns_of(self._target)
        if len(line) >= columns:  # a wrapped line cannot be taken away
            line = line[: columns - 2] + "…"
        self._target.write(painted(line, FAINT, self._target))
        self._target.flush()
        self._drawn = True


def columns_of(target: TextIO) -> int:
    """Return how wide a terminal is, and 80 where nobody can say."""
    try:
        return os.get_terminal_size(target.fileno()).columns or USUAL_COLUMNS
    except (AttributeError, OSError, ValueError):
        return USUAL_COLUMNS


def summary_line(summary: Summary) -> str:
    """Return the one line that a run ends with.

    >>> summary_line(Summary(number=0, state="succeeded", steps=(), wall_s=0.1))
    'nothing to do: the pipeline has no steps'
    """
    if not summary.steps:
        return "nothing to do: the pipeline has no steps"
    counts = {state: summary.count(state) for state in State}
    if summary.state == "succeeded" and not any(
        number for state, number in counts.items() if state is not State.REUSED
    ):
        return f"up to date: {counted(counts[State.REUSED], 'step')} reused"
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    name = f"run {summary.number}" if summary.number else "run"
    by = f" by {summary.cancelled_by}" if summary.cancelled_by else ""
    saved = f"; reuse saved {show_seconds(summary.saved_s)}" if summary.saved_s >= LEAST_SAVED_S else ""
    return f"{name} {summary.state}{by} in {show_seconds(summary.wall_s)}: {', '.join(parts)}{saved}"


def _indent(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.rstrip().split("\n"))
