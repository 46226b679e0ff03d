"""What a run says on a terminal: one line a step, what belongs to it below, nothing twice."""

import io

import pytest

from legato.cli.causes import summed, told
from legato.cli.colours import mark
from legato.cli.progress import USUAL_COLUMNS, Lines, Spinner, summary_line
from legato.domain.keys import Cause
from legato.domain.progress import Began, Ended, Planned, State, Summary


def said(*progress):
    target = io.StringIO()
    lines = Lines(target)
    for one in progress:
        lines(one)
    lines.close()
    return target.getvalue().splitlines()


def test_a_message_of_several_lines_stands_below_its_step():
    ended = Ended(
        step="m", kind="register", state=State.FAILED, message="m:c1 is no version\n✗ f1 >= 0.8: fail"
    )

    first, second = said(Planned(step="", steps=("m",)), ended)

    assert first.endswith("failed    m:c1 is no version")
    assert second.startswith("    ")
    assert second.endswith("✗ f1 >= 0.8: fail")


def test_a_message_that_the_traceback_repeats_is_not_said_twice():
    details = "Traceback (most recent call last):\nRuntimeError: two\nlines"
    ended = Ended(
        step="s", kind="step", state=State.FAILED, message="RuntimeError: two\nlines", details=details
    )

    lines = said(ended)

    assert sum("lines" in line for line in lines) == 1


def test_a_cause_does_not_repeat_the_step_that_it_stands_beside():
    new = Cause(kind="step", name="split", change="has not run before")

    lines = said(
        Began(step="split", kind="step", causes=(new,)),
        Ended(step="split", kind="step", state=State.COMPUTED),
    )

    assert lines[0].endswith("computed  has not run before")


def test_a_cause_in_another_step_names_it():
    assert told(Cause(kind="step", name="mail", change="is held"), "split") == "step mail is held"


def test_a_value_without_one_before_has_no_arrow():
    assert told(Cause(kind="env", name="REGION", change="is new", after="eu"), "s") == "env REGION is new: eu"


def test_more_causes_than_fit_are_counted():
    causes = [Cause(kind="code", name=name, change="changed") for name in "abcd"]

    assert summed(causes, "s") == "code a changed; code b changed (+2 more)"


def test_a_pipeline_without_steps_is_called_so():
    said_last = summary_line(Summary(number=0, state="succeeded", steps=(), wall_s=0.1))

    assert said_last == "nothing to do: the pipeline has no steps"


def test_a_spinner_never_wraps():
    target = io.StringIO()
    spinner = Spinner(target, clock=lambda: 0.0)
    for number in range(4):
        spinner.began(f"a_step_with_a_very_long_name_{number}")

    last = target.getvalue().rpartition("\x1b[K")[2]

    assert len(last) < USUAL_COLUMNS
    assert last.endswith("…")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("value", "coloured"), [("", True), ("1", False)])
def test_a_terminal_that_wants_no_colours_gets_none(value, coloured, monkeypatch):
    monkeypatch.setenv("NO_COLOR", value)

    assert mark("✓", Terminal()) == ("\x1b[32m✓\x1b[0m" if coloured else "✓")
    assert mark("✓", io.StringIO()) == "✓"
