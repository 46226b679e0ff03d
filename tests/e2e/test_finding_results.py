"""Names of steps, fields and artifacts as a person types them: found, told apart, or refused with the choices.

Rule: a name that fits several things is never guessed.
"""

import subprocess
import sys

import pytest
from project_folder import Project

PIPELINE = """
    import datetime
    from typing import NamedTuple

    class Halves(NamedTuple):
        low: int
        high: int

    @lg.step
    def halves(*, whole: int = 10, day: datetime.date = datetime.date(2026, 1, 2)) -> Halves:
        print("halving", whole)
        return Halves(low=whole // 4, high=whole - whole // 4)

    other = halves.using(whole=100)

    @lg.step
    def total(low: int) -> int:
        return low

    @lg.step
    def broken(total: int, *, by: int = 0) -> float:
        return total / by

    shell = lg.command("shell", "cp {total} {out.copied}", code=[])
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A project in which a run has ended, with a step that failed; read by many tests and changed by none."""
    project = Project(tmp_path_factory.mktemp("done") / "project")
    project.pipeline(PIPELINE)
    project.run(code=1)
    return project


def load(project, name):
    code = f"import legato as lg\ntry:\n    print(lg.load({name!r}))\nexcept Exception as error:\n    print(error)"
    words = [sys.executable, "-c", code]
    return subprocess.run(words, cwd=project.root, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("words", [("show", "low"), ("get", "low", "-o", "low.json")])
def test_a_field_that_two_steps_make_is_not_guessed(done, words):
    ran = done.legato(*words, code=2)

    assert "halves.low, other.low" in ran.err
    assert "hint: name the step too: halves.low" in ran.err


def test_a_field_is_found_by_its_step_and_by_its_digest(done):
    found = done.legato("show", "other.low", "--json").json()

    assert (found["step"], found["name"]) == ("other", "low")
    assert done.legato("show", found["artifact"]["digest"][7:19], "--json").json() == found
    assert load(done, "other.low") == "25"
    assert load(done, "halves.low") == "2"
    assert "halves.low, other.low" in load(done, "low")


def test_a_step_of_several_artifacts_is_shown_with_them(done):
    assert "other.high  sha256:" in done.legato("show", "other").out
    assert set(done.legato("show", "other", "--json").json()["artifacts"]) == {"low", "high"}


def test_a_step_that_failed_is_shown_with_its_traceback(done):
    assert "ZeroDivisionError" in done.legato("show", "broken").out
    assert done.legato("show", "broken", "--json").json()["execution"]["state"] == "failed"


def test_a_name_that_nothing_has_gets_the_nearest(done):
    assert "did you mean 'total'?" in done.legato("show", "totl", code=4).err
    assert "did you mean 'halves'?" in done.legato("logs", "halvs", code=4).err
    assert "run:17" in done.legato("show", "zzzz", code=4).err


def test_a_step_that_wrote_nothing_is_told_from_one_that_never_was(done):
    silent, unknown = done.legato("logs", "total", code=4), done.legato("logs", "zzzz", code=4)

    assert "step 'total' wrote nothing" in silent.err
    assert "legato show 1" in silent.err
    assert "there was no step 'zzzz'" in unknown.err


def test_a_run_that_never_was_is_said_to_be_missing(done):
    for words in (("logs", "halves"), ("get", "total", "-o", "x.json"), ("debug", "total")):
        assert "there is no run 99" in done.legato(*words, "--run", "99", code=4).err


def test_a_place_that_cannot_be_written_is_an_error_with_a_hint(done):
    ran = done.legato("get", "total", "-o", "pipeline.py/total.json", code=5)

    assert "cannot write" in ran.err
    assert "hint: choose another -o" in ran.err


def test_debug_and_why_take_parameters_as_a_run_does(done):
    debugged = done.legato("debug", "broken", "-p", "broken.by=2")
    why = done.legato("why", "halves", "-p", "halves.day=2026-03-04")

    assert debugged.out.startswith("broken returned")
    assert "parameter day changed: 2026-01-02 -> 2026-03-04" in why.out


def test_a_command_cannot_be_debugged_and_says_what_serves(done):
    ran = done.legato("debug", "shell", code=2)

    assert "cp {total} {out.copied}" in ran.err
    assert "legato logs shell" in ran.err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("legato why ", {"halves", "other", "total", "broken", "shell"}),
        ("legato get other.", {"other.low", "other.high"}),
        ("legato run --again hal", {"halves"}),
    ],
)
def test_a_shell_offers_the_names_that_runs_had(done, typed, offered):
    words = typed.split()
    place = len(words) - (not typed.endswith(" "))
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(place), "_LEGATO_COMPLETE": "bash_complete"}

    ran = done.legato(env=asked)

    assert {line.partition(",")[2] for line in ran.out.splitlines()} == offered


def test_looking_leaves_the_ledger_as_it_was(done):
    before = (done.state / "ledger.db").stat().st_mtime_ns
    for words in (("status",), ("runs",), ("show",), ("show", "total"), ("logs", "halves")):
        done.legato(*words)

    assert (done.state / "ledger.db").stat().st_mtime_ns == before


def test_a_script_gets_every_error_as_json(done):
    for words, code, told in (
        (("show", "low"), 2, "halves.low"),
        (("run", "-p", "halves.whole=x"), 2, "'x' is not a whole number"),
        (("runs", "-n", "many"), 2, "'many'"),
        (("frobnicate",), 2, "frobnicate"),
        (("get", "zzzz", "-o", "x"), 4, "zzzz"),
    ):
        ran = done.legato(*words, "--json", code=code)

        last = ran.lines()[-1]
        assert last["exit_code"] == code
        assert told in last["message"]
        assert ran.err


def test_a_script_gets_what_words_say_as_json(done, tmp_path):
    target = tmp_path / "total.json"

    assert done.legato("get", "total", "-o", str(target), "--json").json() == {"path": str(target)}
    assert done.legato("logs", "halves", "--json").lines() == [{"line": "halving 10"}]


def test_what_the_store_has_lost_is_told_with_how_to_make_it_again(project):
    project.chain(2)
    project.run()
    kept = project.write("kept.json", "mine")
    for place in (project.state / "store" / "objects").rglob("*"):
        if place.is_file():
            place.unlink()

    ran = project.legato("get", "s1", "-o", "kept.json", "--force", code=4)

    assert "'s1' of run 1 is no longer whole in the store" in ran.err
    assert "hint: legato run s1" in ran.err
    assert kept.read_text() == "mine"
    assert "no longer whole" in load(project, "s1")
    assert project.run("s1") == {"s0": "computed", "s1": "computed"}


def test_a_script_reads_what_steps_print_as_text(project):
    project.pipeline(
        """
        import os

        @lg.step
        def loud() -> int:
            os.write(1, "schön".encode()[:4])
            os.write(1, "schön".encode()[4:] + bytes([10, 255, 10]))
            return 1
        """
    )

    lines = project.legato("run", "--json").lines()

    printed = [line for line in lines if line.get("progress") == "printed"]
    assert "".join(line["text"] for line in printed) == "schön\n\\xff\n"
    assert {(line["step"], line["stream"]) for line in printed} == {("loud", "stdout")}


def test_an_empty_name_means_nothing_and_not_everything(done):
    for words in (("run", ""), ("plan", ""), ("why", ""), ("debug", "")):
        assert "an empty text names no step" in done.legato(*words, code=2).err


def test_a_number_beyond_all_runs_is_a_run_that_never_was(done):
    beyond = "9" * 30

    assert f"there is no run {beyond}" in done.legato("show", beyond, code=4).err
    assert len(done.legato("runs", "-n", beyond, "--json").lines()) == 1


def test_a_terminal_that_knows_few_characters_is_written_to_all_the_same(done):
    ran = done.legato("show", "1", env={"PYTHONIOENCODING": "ascii"})

    assert "halves" in ran.out


def test_a_folder_that_is_gone_is_said_to_be(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    words = [
        sys.executable,
        "-c",
        "import os; os.rmdir(os.getcwd())\nfrom legato.cli import run\nrun(['status'])",
    ]

    ran = subprocess.run(words, cwd=gone, capture_output=True, text=True, check=False)

    assert "error: the folder that you stand in is gone" in ran.stderr
