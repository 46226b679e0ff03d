"""`legato debug` and `legato run --pdb`: one step in this terminal, with a debugger where it is asked for.

Rule: the debugger reads this terminal's input, and nothing of it becomes a result.
"""

import subprocess

import pytest

STEPS = """
@lg.step
def small() -> int:
    return 3

@lg.step
def broken(small: int, *, by: int = 0) -> float:
    print("dividing", small)
    return small / by
"""


def typed(project, words, text):
    """Run a command whose input is `text`; return its exit code and all that it wrote."""
    process = project.begin(*words, stdin=subprocess.PIPE, stderr=subprocess.STDOUT)
    out, _ = process.communicate(text.encode(), timeout=60)
    return process.returncode, out.decode(errors="replace")


def test_a_step_runs_in_the_foreground_with_its_stored_inputs(project):
    project.pipeline(STEPS)
    project.run(code=1)
    before = len(project.legato("runs", "--json").lines())

    code, text = typed(project, ["debug", "broken"], "")

    assert code != 0
    assert "dividing 3" in text
    assert "ZeroDivisionError" in text
    assert len(project.legato("runs", "--json").lines()) == before


def test_a_breakpoint_stops_where_it_stands(project):
    project.pipeline(STEPS.replace("return small / by", "breakpoint()\n    return small / 1"))
    project.run("small")

    _code, text = typed(project, ["debug", "broken"], "p small + 40\nc\n")

    assert "43" in text


def test_a_step_whose_inputs_were_never_made_cannot_be_debugged(project):
    project.pipeline(STEPS)

    code, text = typed(project, ["debug", "broken"], "")

    assert code == 4
    assert "legato run" in text


def test_an_unknown_step_gets_the_nearest_name(project):
    project.pipeline(STEPS)

    code, text = typed(project, ["debug", "brokn"], "")

    assert code in {2, 4}
    assert "did you mean 'broken'" in text


def test_a_field_of_a_variant_is_found_by_its_full_name(project):
    project.pipeline("""
        from typing import NamedTuple

        class Halves(NamedTuple):
            low: int
            high: int

        @lg.step
        def halves(*, whole: int = 10) -> Halves:
            return Halves(low=whole // 4, high=whole - whole // 4)

        other = halves.using(whole=100)

        @lg.step
        def total(low: int) -> int:
            print("low is", low)
            return low

        other_total = total.using(low="other.low")
    """)
    project.run()

    assert "low is 25" in project.legato("debug", "other_total").out
    project.legato("get", "other.high", "-o", "high.json")
    assert (project.root / "high.json").read_text() == "75\n"


@pytest.mark.parametrize("line", ["breakpoint()", "input('name? ')"])
def test_a_step_that_asks_for_a_terminal_in_a_run_is_told_where_it_has_one(project, line):
    project.pipeline(STEPS.replace("return small / by", f"{line}\n    return small / 1"))

    ran = project.legato("run", code=1)

    assert "legato debug STEP" in ran.err


def test_the_debugger_of_a_run_shows_the_users_own_frames(project):
    project.pipeline(STEPS)

    _code, text = typed(project, ["run", "--pdb"], "p by + 40\nq\n")

    assert "40" in text
    assert "legato/app" not in text
