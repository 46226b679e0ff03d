"""`legato run --each` runs once for each value of a parameter."""

PIPELINE = """
    import datetime

    as_of = lg.parameter(datetime.date)

    @lg.step
    def report(*, as_of: datetime.date) -> str:
        if as_of.day == 2:
            raise ValueError("no data for that day")
        return as_of.isoformat()
"""


def test_each_day_is_a_run_and_one_that_fails_is_named_at_the_end(project):
    project.pipeline(PIPELINE)

    ran = project.legato("run", "-q", "--each", "as_of=2026-10-01..2026-10-03", code=1)

    assert ran.out.splitlines()[-1] == "3 runs for as_of, 1 failed: 2026-10-02"
    assert [run["state"] for run in project.legato("runs", "--json").lines()] == [
        "succeeded",
        "failed",
        "succeeded",
    ]
    assert project.got("report") == "2026-10-03"


def test_a_second_backfill_runs_only_what_is_missing(project):
    project.pipeline(PIPELINE)
    project.legato("run", "-q", "--each", "as_of=2026-10-03..2026-10-04")

    ran = project.legato("run", "-q", "--each", "as_of=2026-10-03..2026-10-05", "--json")

    assert sum(run["computed"] for run in project.legato("runs", "--json").lines()) == 3
    assert ran.lines()[-1]["codes"] == [0, 0, 0]


def test_what_each_cannot_mean_is_refused_before_anything_runs(project):
    project.pipeline(PIPELINE)

    refused = project.legato("run", "--each", "as_of=2026-10-05..2026-10-01", code=2)

    assert "comes before" in refused.err
    assert "hint:" in refused.err


def test_a_parameter_that_nobody_has_is_told_once(project):
    project.pipeline(PIPELINE)

    done = project.legato("run", "--each", "nosuch=1..30", code=2)

    assert done.err.count("no step has a parameter `nosuch`") == 1
