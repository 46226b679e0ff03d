"""What a person sees when something of theirs is wrong, and what still runs.

Rule: the exit code says who acts next, the message holds the value, the hint what to type.
"""

import pytest


def test_a_step_that_raises_fails_only_what_depends_on_it(project):
    project.write("maths.py", "def divide(x):\n    return 1 / x\n")
    project.pipeline(
        """
        import maths

        @lg.step
        def zero() -> int:
            return 0

        @lg.step
        def broken(zero: int) -> float:
            return maths.divide(zero)

        @lg.step
        def lost(broken: float) -> float:
            return broken

        @lg.step
        def untouched(zero: int) -> int:
            return zero + 5
        """
    )

    ran = project.legato("run", code=1)
    states = project.run(code=1)

    assert "ZeroDivisionError: division by zero" in ran.err
    assert 'File "maths.py", line 2, in divide' in ran.err
    assert 'File "pipeline.py", line 11, in broken' in ran.err
    assert states == {"zero": "reused", "broken": "failed", "lost": "skipped", "untouched": "reused"}
    assert project.got("untouched") == "5"
    assert "ZeroDivisionError" in project.legato("show", "latest").out


def test_a_chained_error_is_told_whole(project):
    project.pipeline(
        """
        @lg.step
        def reading() -> int:
            try:
                {}["a"]
            except KeyError as error:
                raise ValueError("no a in it") from error
        """
    )

    ran = project.legato("run", code=1)

    assert "KeyError: 'a'" in ran.err
    assert "ValueError: no a in it" in ran.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def (:\n", "pipeline.py:2"),
        ("raise RuntimeError('at import')\n", "RuntimeError: at import"),
        ("import no_such_module_anywhere\n", "no_such_module_anywhere"),
        ("import sys\nsys.exit(7)\n", "SystemExit: 7"),
    ],
)
def test_a_pipeline_that_cannot_be_imported_says_where(project, text, told):
    project.pipeline(text)

    ran = project.legato("run", code=3)

    assert told in ran.err


@pytest.mark.parametrize("deed", ["os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_pipeline_whose_import_ends_the_process_is_an_error(project, deed):
    project.pipeline(f"import os\n{deed}\n")

    ran = project.legato("run", code=None)

    assert ran.code in {3, 5}
    assert ran.err.startswith("error:")


def test_a_syntax_error_in_a_helper_is_told_with_its_place(project):
    project.write("helper.py", "def f(:\n    pass\n")
    project.pipeline("import helper\n")

    ran = project.legato("run", code=3)

    assert "helper.py" in ran.err
    assert "SyntaxError" in ran.err


def test_an_unknown_input_gets_the_nearest_name(project):
    project.pipeline(
        """
        @lg.step
        def train_set() -> int:
            return 1

        @lg.step
        def model(trian_set: int) -> int:
            return 2
        """
    )

    ran = project.legato("run", code=2)

    assert "trian_set" in ran.err
    assert "train_set" in ran.err.partition("hint:")[2]
    assert "pipeline.py:" in ran.err


def test_a_cycle_is_refused(project):
    project.pipeline(
        "@lg.step\ndef a(b: int) -> int:\n    return b\n\n@lg.step\ndef b(a: int) -> int:\n    return a\n"
    )

    ran = project.legato("plan", code=2)

    assert "a" in ran.err
    assert "b" in ran.err


def test_a_failing_check_stops_what_depends_on_what_it_judged(project):
    project.pipeline(
        """
        @lg.step
        def table() -> list:
            return [1, None]

        @lg.check
        def whole(table: list) -> None:
            missing = table.count(None)
            assert missing == 0, f"{missing} values are missing"

        @lg.step
        def total(table: list) -> int:
            return sum(x for x in table if x)

        @lg.step
        def other() -> int:
            return 3
        """
    )

    ran = project.legato("run", code=1)
    states = project.run(code=1)

    assert "1 values are missing" in ran.err
    assert states == {"table": "reused", "whole": "failed", "total": "skipped", "other": "reused"}


def test_a_dataset_that_is_not_there_gets_the_nearest_name(project):
    project.write("data/wine.csv", "a\n")
    project.pipeline(
        """
        from pathlib import Path

        wine = lg.dataset("data/wien.csv")

        @lg.step
        def rows(wine: Path) -> int:
            return 1
        """
    )

    ran = project.legato("run", code=None)

    assert ran.code in {1, 4}
    assert "data/wien.csv" in ran.err
    assert "did you mean 'wine.csv'?" in ran.err


def test_a_value_that_cannot_be_saved_says_what_would_help(project):
    project.pipeline(
        "@lg.step\ndef made():\n    return lambda: 1\n\n@lg.step\ndef generated():\n    return iter([1])\n"
    )

    ran = project.legato("run", code=1)

    assert "function" in ran.err
    assert "hint:" in ran.err


def test_a_wrong_number_of_results_is_refused(project):
    project.pipeline(
        """
        from typing import NamedTuple

        class Split(NamedTuple):
            left: int
            right: int

        @lg.step
        def split() -> Split:
            return (1, 2, 3)

        @lg.step
        def use(left: int) -> int:
            return left
        """
    )

    ran = project.legato("run", code=1)

    assert "split" in ran.err
    assert "Split" in ran.err


def test_a_folder_without_a_pipeline_says_how_to_start(project):
    for words in (["run"], ["plan"], ["status"]):
        ran = project.legato(*words, code=4)

        assert "legato init" in ran.err


def test_retries_go_on_until_an_attempt_succeeds(project, tmp_path):
    project.pipeline(
        f"""
        from pathlib import Path

        @lg.step(retries=1)
        def flaky() -> int:
            tries = Path({str(tmp_path / "tries")!r})
            print("an attempt")
            with tries.open("a") as target:
                target.write("x")
            if tries.stat().st_size < 2:
                raise OSError("the network is down")
            return lg.run().attempt
        """
    )

    ran = project.legato("run")

    assert "attempt 1 failed (OSError: the network is down)" in ran.err
    assert project.got("flaky") == "2"
    assert "retried" in project.legato("show", "latest").out
    assert project.legato("logs", "flaky").out.count("an attempt") == 2


def test_retries_come_to_an_end(project):
    project.pipeline("@lg.step(retries=1)\ndef never() -> int:\n    raise OSError('still down')\n")

    ran = project.legato("run", code=1)

    assert ran.err.count("attempt") == 1
    assert "OSError: still down" in ran.err


SECRET = "s3cr3t-v4lue-of-the-test"  # noqa: S105 - of the test


def secret_pipeline(project, line):
    project.pipeline(
        f"""
        import base64
        import os
        import sys

        @lg.step(secrets=["TOKEN"])
        def login() -> int:
            token = os.environ["TOKEN"]
            {line}
            return 1
        """
    )


def ledger_bytes(project):
    return b"".join(path.read_bytes() for path in project.state.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "line",
    [
        "print('token', token)",
        "sys.stderr.write(base64.b64encode(b'user:' + token.encode()).decode() + chr(10))",
        "sys.stdout.write(token[:7]); sys.stdout.flush(); sys.stdout.write(token[7:])",
        "raise ValueError(f'refused: {token}')",
    ],
)
def test_a_secret_is_masked_wherever_it_would_be_kept(project, line):
    secret_pipeline(project, line)

    ran = project.legato("run", env={"TOKEN": SECRET}, code=None)
    shown = project.legato("show", "latest")

    kept = ledger_bytes(project)
    assert "***" in ran.text + shown.text
    for spelling in (SECRET, SECRET[8:20]):
        assert spelling not in ran.text + shown.text
        assert spelling.encode() not in kept


def test_a_secret_may_come_from_a_file_and_is_not_in_the_key(project):
    secret_pipeline(project, "pass")
    project.write(".env", f"TOKEN={SECRET}\n")
    project.run()

    assert project.computed(env={"TOKEN": "another-value"}) == []
    assert SECRET.encode() not in ledger_bytes(project)


def test_a_secret_that_is_not_set_is_named(project):
    secret_pipeline(project, "pass")

    ran = project.legato("run", code=None)

    assert ran.code in {1, 4}
    assert "TOKEN" in ran.err
    assert "export TOKEN" in ran.err


def test_what_a_step_prints_cannot_steer_the_terminal(project):
    project.pipeline(
        r"""
        @lg.step
        def loud(*, word: str = "plain") -> int:
            print("\x1b[2J\x1b]0;title\x07 hello\rover")
            print(b"\xff\xfe".decode("latin-1"))
            raise ValueError("\x1b[31mred\x1b[0m\x9b5n")
        """
    )

    ran = project.legato("run", "-p", "loud.word=\x1b[5mblink", code=1)
    shown = project.legato("show", "latest")

    for text in (ran.text, shown.text):
        assert "\x1b" not in text
        assert "\x9b" not in text
        assert "\x07" not in text
    assert r"\x1b[31mred" in ran.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pipeline = [", "legato.toml"),
        ("[environments]\nproduction = 3\n", "production"),
        ("[run]\ncpus = 'many'\n", "run.cpus"),
        ("[stroe]\nremote = 'x'\n", "stroe"),
    ],
)
def test_configuration_that_cannot_be_followed_is_refused(project, text, told):
    project.chain(2)
    project.write("legato.toml", text)

    ran = project.legato("run", code=2)

    assert told in ran.err


def test_an_environment_that_is_not_configured_is_refused(project):
    project.chain(2)

    ran = project.legato("run", "--environment", "production", code=2)

    assert "production" in ran.err


def test_a_step_that_acts_outside_is_held_where_it_may_not(project):
    project.pipeline(
        """
        @lg.step
        def report() -> str:
            return "fine"

        @lg.step(effect=True)
        def mail(report: str) -> str:
            return "receipt of " + lg.run().key[:3]

        @lg.step
        def archived(mail: str) -> str:
            return mail
        """
    )
    project.write("legato.toml", '[environments.production]\nbuilt_by = "laptop"\n')

    assert project.run() == {"report": "computed", "mail": "held", "archived": "held"}
    assert {step["decision"] for step in project.plan().values()} == {"reuse", "hold"}
    production = project.legato("run", "--environment", "production")
    assert "left this machine: mail" in production.out
    assert project.run("--environment", "production")["mail"] == "reused"


def test_a_root_of_several_pipelines_names_them(project):
    project.write("legato.toml", "")
    for member in ("churn", "teams/fraud"):
        project.write(
            f"{member}/pipeline.py", "import legato as lg\n\n@lg.step\ndef one() -> int:\n    return 1\n"
        )

    ran = project.legato("run", code=4)

    assert "the pipelines here: churn, teams/fraud; write for example: legato run churn:" in ran.err
    assert project.run("churn:") == {"one": "computed"}
