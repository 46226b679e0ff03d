"""What a run says of a step with many elements: one line for all, one for each that failed, bounded output."""

import io

from legato.cli.progress import ELEMENTS_SHOWN, LIVE_LINES, Lines, Spinner, summary_line
from legato.domain.artifacts import Usage
from legato.domain.progress import (
    Began,
    Ended,
    Expanded,
    Gathered,
    Planned,
    Printed,
    State,
    StepSummary,
    Summary,
)

MANY = tuple(f"fit[n={number}]" for number in range(1_500))


def said(*progress, **words):
    target = io.StringIO()
    lines = Lines(target, **words)
    for one in progress:
        lines(one)
    lines.close()
    return target.getvalue().splitlines()


def family(elements=MANY, *, failed=()):
    yield Planned(step="", steps=("fit",))
    yield Expanded(step="fit", elements=elements)
    for name in elements:
        yield Began(step=name, kind="step")
        state = State.FAILED if name in failed else State.COMPUTED
        message = "no luck" if name in failed else ""
        yield Ended(
            step=name, kind="step", state=state, family="fit", usage=Usage(wall_s=0.1), message=message
        )
    counts = {"computed": len(elements) - len(failed), **({"failed": len(failed)} if failed else {})}
    yield Gathered(step="fit", counts=counts)


def test_many_elements_are_one_line():
    (line,) = said(*family())

    assert line.split() == ["✓", "fit", "2m30s", "1,500", "elements:", "1,500", "computed"]


def test_each_failure_has_a_line_of_its_own():
    first, last = said(*family(failed=("fit[n=7]",)))

    assert "fit[n=7]" in first
    assert first.endswith("failed    no luck")
    assert last.split()[0] == "✗"
    assert last.endswith("1,499 computed, 1 failed")


def test_few_elements_have_a_line_each():
    lines = said(*family(MANY[:ELEMENTS_SHOWN]))

    assert len(lines) == ELEMENTS_SHOWN


def test_a_family_of_none_says_so():
    (line,) = said(
        Planned(step="", steps=("fit",)), Expanded(step="fit", elements=()), Gathered(step="fit", counts={})
    )

    assert line.endswith("no elements: what it is fanned out over is empty")


def test_quietly_only_failures_are_told():
    (line,) = said(*family(failed=("fit[n=7]",)), quiet=True)

    assert "fit[n=7]" in line


def test_many_elements_share_the_lines_of_one_step():
    printed = [Printed(step=name, stream="stdout", data=b"one\ntwo\n") for name in MANY]

    lines = said(Planned(step="", steps=("fit",)), Expanded(step="fit", elements=MANY), *printed)

    assert len(lines) == LIVE_LINES + 1
    assert lines[-1].endswith("… more in its log: legato logs 'fit[n=100]'")


def test_a_spinner_says_how_far_a_family_is():
    target = io.StringIO()
    spinner = Spinner(target, clock=lambda: 0.0)

    spinner.told("fit", "120/1,500")
    spinner.began("fit[n=121]")

    assert "fit 120/1,500  fit[n=121] 0ms" in target.getvalue()


def test_a_run_says_what_reuse_saved_and_who_ended_it():
    steps = (StepSummary(name="a", kind="step", state=State.REUSED),)

    line = summary_line(
        Summary(number=3, state="cancelled", steps=steps, wall_s=1.0, saved_s=75.0, cancelled_by="grace")
    )

    assert line == "run 3 cancelled by grace in 1.0s: 1 reused; reuse saved 1m15s"
