"""Lines of progress and errors: bounded, clean of anything that steers a terminal, and complete where it matters."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.cli.errors import clean, show
from legato.cli.progress import LIVE_LINES, Lines, Spinner, summary_line
from legato.domain.artifacts import Usage
from legato.domain.errors import ConfigurationError, UserCodeError
from legato.domain.keys import Cause
from legato.domain.progress import (
    Began,
    Ended,
    Planned,
    Printed,
    Retrying,
    Sampled,
    State,
    StepSummary,
    Summary,
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def told(*progress, target=None, **options):
    target = target or io.StringIO()
    lines = Lines(target, **options)
    for one in progress:
        lines(one)
    lines.close()
    return target.getvalue()


@given(st.text())
def test_clean_text_steers_no_terminal(text):
    shown = clean(text)

    assert all(letter.isprintable() or letter in "\n\t" for letter in shown)


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\xa0"), max_size=40))
def test_clean_text_that_is_printable_stays(text):
    printable = "".join(letter for letter in text if letter.isprintable())

    assert clean(printable) == printable


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_whatever_a_step_prints_steers_no_terminal(pieces):
    shown = told(
        *(Printed(step="a", stream="stdout", data=piece) for piece in pieces),
        Ended(step="a", kind="step", state=State.COMPUTED),
    )

    assert all(letter.isprintable() or letter in "\n\t" for letter in shown)


def test_a_line_that_comes_in_pieces_is_one_line():
    pieces = [Printed(step="a", stream="stdout", data=data) for data in (b"he", b"llo\nwor", b"ld")]

    shown = told(*pieces, Ended(step="a", kind="step", state=State.COMPUTED))

    assert "│ hello\n" in shown
    assert "│ world\n" in shown


def test_two_streams_do_not_mix_within_a_line():
    shown = told(
        Printed(step="a", stream="stdout", data=b"out"),
        Printed(step="a", stream="stderr", data=b"err\n"),
        Printed(step="a", stream="stdout", data=b"put\n"),
    )

    assert "│ err\n" in shown
    assert "│ output\n" in shown


def test_a_flood_is_cut_and_says_where_the_rest_is():
    flood = Printed(step="a", stream="stdout", data=b"x\n" * (LIVE_LINES * 3))

    shown, whole = told(flood), told(flood, verbose=True)

    assert shown.count("\n") == LIVE_LINES + 1
    assert "legato logs a" in shown
    assert whole.count("\n") == LIVE_LINES * 3


def test_quiet_shows_failures_only():
    shown = told(
        Planned(step="", steps=("a", "b")),
        Printed(step="a", stream="stdout", data=b"noise\n"),
        Sampled(step="a", values={"loss": 0.5}, at=1),
        Ended(step="a", kind="step", state=State.COMPUTED),
        Ended(step="b", kind="step", state=State.FAILED, message="it broke", hint="mend it"),
        quiet=True,
    )

    assert "noise" not in shown
    assert "it broke" in shown
    assert "mend it" in shown


def test_a_failure_shows_its_message_the_users_traceback_and_the_hint():
    details = 'Traceback (most recent call last):\n  File "steps.py", line 3\nValueError: \x1b[31mno'
    failed = Ended(
        step="train",
        kind="step",
        state=State.FAILED,
        message="ValueError: no",
        details=details,
        hint="look there",
    )

    shown = told(failed)

    assert "✗" in shown
    assert 'File "steps.py", line 3' in shown
    assert "hint: look there" in shown
    assert "\x1b" not in shown


def test_metrics_and_retries_are_told():
    shown = told(
        Sampled(step="a", values={"loss": 0.123456789}, at=4),
        Retrying(step="a", attempt=1, reason="raised", message="OSError: down", wait_s=2.0),
    )

    assert "loss=0.123457" in shown
    assert "step 4" in shown
    assert "attempt 1 failed (OSError: down); again in 2.0s" in shown


def test_the_first_causes_are_named_and_the_others_counted():
    causes = tuple(
        Cause(kind="parameter", name=name, change="changed", before="1", after="2") for name in "abcd"
    )

    shown = told(
        Began(step="train", kind="step", causes=causes),
        Ended(step="train", kind="step", state=State.COMPUTED, usage=Usage(wall_s=1.5)),
    )

    assert "parameter a changed: 1 -> 2" in shown
    assert "(+2 more)" in shown
    assert "1.5s" in shown


def test_many_reused_steps_get_no_line_each():
    steps = tuple(f"s{n}" for n in range(100))

    shown = told(
        Planned(step="", steps=steps), *(Ended(step=step, kind="step", state=State.REUSED) for step in steps)
    )

    assert shown.count("\n") < 5


def test_a_terminal_gets_colours_and_is_left_as_it_was():
    terminal = Terminal()

    shown = told(
        Planned(step="", steps=("a",)),
        Began(step="a", kind="step"),
        Ended(step="a", kind="step", state=State.COMPUTED),
        target=terminal,
    )

    assert "\x1b[32m✓" in shown
    assert shown.endswith("\n")


def test_a_spinner_names_what_runs_and_since_when():
    now = [100.0]
    terminal = Terminal()
    spinner = Spinner(terminal, shown=True, clock=lambda: now[0])
    for name in "abcdef":
        spinner.began(name)
    now[0] += 61
    spinner.draw()

    assert "a 1m01s" in terminal.getvalue()
    assert "+2" in terminal.getvalue()


@pytest.mark.parametrize(
    ("states", "state", "line"),
    [
        ([State.REUSED] * 3, "succeeded", "up to date: 3 steps reused"),
        ([State.COMPUTED, State.REUSED], "succeeded", "run 7 succeeded in 2.0s: 1 computed, 1 reused"),
        ([State.FAILED, State.SKIPPED], "failed", "run 7 failed in 2.0s: 1 failed, 1 skipped"),
        ([State.CANCELLED], "cancelled", "run 7 cancelled in 2.0s: 1 cancelled"),
        ([State.REUSED, State.HELD], "succeeded", "run 7 succeeded in 2.0s: 1 reused, 1 held"),
    ],
)
def test_a_run_ends_with_one_line(states, state, line):
    steps = tuple(StepSummary(name=str(n), kind="step", state=one) for n, one in enumerate(states))

    assert summary_line(Summary(number=7, state=state, steps=steps, wall_s=2.0)) == line


def test_an_error_is_a_line_and_a_hint(capsys):
    show(ConfigurationError("no \x1b[2Jstep", hint="write one", where="pipeline.py:3"))

    assert capsys.readouterr().err == "error: pipeline.py:3: no \\x1b[2Jstep\n\nhint: write one\n"


def test_an_error_of_the_users_code_shows_their_traceback(capsys):
    show(UserCodeError("importing pipeline.py failed", details="Traceback …\n  \x1b[31mline"))

    shown = capsys.readouterr().err
    assert "Traceback …" in shown
    assert "\x1b" not in shown
