"""Fan-out from the command line: runs, single elements, what people see, conditions, cancelling and resuming."""

import json
import signal
import time

import pytest
from project_folder import wait_for

SHOPS = """
@lg.step
def stores() -> list[str]:
    return {stores!r}

@lg.step(each={{"store": "stores"}})
def rows(store: str) -> list[int]:
    return list(range(len(store)))

@lg.step(matrix={{"depth": [4, 8]}})
def training(rows: list[int], *, depth: int = 1) -> int:
    print("training", lg.run().step)
    if len(rows) == {bad}:
        raise ValueError("no rows like that")
    return sum(rows) * depth

@lg.step(tolerate={tolerate})
def report(training: lg.Gathered[int]) -> dict:
    return {{**training, "missing": sorted(training.missing)}}
"""


def shops(project, stores=("berlin", "rome"), *, bad=99, tolerate=0.0):
    project.pipeline(SHOPS.format(stores=list(stores), bad=bad, tolerate=tolerate))


def value(project, name):
    return json.loads(project.got(name))


def test_elements_run_are_gathered_and_are_reused(project):
    shops(project)

    first, again = project.run(), project.legato("run").out

    assert first["training[store=berlin,depth=4]"] == first["report"] == "computed"
    assert value(project, "report") == {
        "missing": [],
        "store=berlin,depth=4": 60,
        "store=berlin,depth=8": 120,
        "store=rome,depth=4": 24,
        "store=rome,depth=8": 48,
    }
    assert again.startswith("up to date: 9 steps reused")


def test_an_added_element_runs_alone(project):
    shops(project)
    project.run()
    shops(project, ["paris", "rome", "berlin"])

    computed = project.computed()

    assert computed == [
        "stores",
        "stores.elements",
        "rows[store=paris]",
        "training[store=paris,depth=4]",
        "training[store=paris,depth=8]",
        "report",
    ]


def test_one_element_is_run_explained_read_and_debugged_by_its_name(project):
    shops(project)
    name = "training[store=rome,depth=8]"

    ran = project.run(name)
    why = project.legato("why", name).out
    log = project.legato("logs", name).out
    debugged = project.legato("debug", name)

    assert [step for step in ran if step.startswith("training")] == [name]
    assert "would be reused" in why
    assert log == f"training {name}\n"
    assert value(project, name) == 48
    assert f"training {name}" in debugged.out


def test_an_element_that_is_not_there_is_refused(project):
    shops(project)

    assert "has no element depth=5" in project.legato("run", "training[depth=5]", code=4).err
    assert "did you mean store=rome?" in project.legato("run", "rows[store=rom]", code=1).err


def test_a_failed_element_is_tolerated_and_named(project):
    shops(project, ["berlin", "rome", "oslo", "lima"], bad=6, tolerate=0.25)

    ran = project.legato("run")

    assert "went on without 2 of 8 of training: store=berlin,depth=4, store=berlin,depth=8" in ran.err
    assert value(project, "report")["missing"] == ["store=berlin,depth=4", "store=berlin,depth=8"]
    assert "went on without 2 of 8" in project.legato("show", "latest").out


def test_a_failed_element_stops_what_does_not_tolerate_it(project):
    shops(project, bad=6)

    ran = project.legato("run", code=1)

    assert "2 of 4 elements of training failed" in ran.err
    assert "ValueError: no rows like that" in ran.err


def test_many_elements_are_one_line_and_failures_have_their_own(project):
    shops(project, [f"store{number:03}" + "x" * (number == 7) for number in range(30)], bad=9, tolerate=0.5)

    ran = project.legato("run")

    assert "30 elements: 30 computed" in ran.err
    assert "60 elements: 2 computed, 56 reused, 2 failed" in ran.err  # equal rows are trained on once
    assert "training[store=store007x,depth=4]" in ran.err
    assert "training[store=store008,depth=4] " not in ran.err
    plan = project.legato("plan").out
    assert "30 elements" in plan
    assert len(project.plan()) > 90


def test_a_plan_says_what_is_not_known_yet(project):
    shops(project)

    assert "fans out over stores, known once it has run" in project.legato("plan").out


def test_names_of_any_kind_are_elements(project):
    names = ["a/b", "new york", "line\nline", "x" * 10_000, "../..", "-p", "münchen", ""]
    project.pipeline(f"""
        @lg.step
        def names() -> list[str]:
            return {names!r}

        @lg.step(each={{"name": "names"}})
        def length(name: str) -> int:
            print(len(name))
            return len(name)

        @lg.step
        def lengths(length: lg.Gathered[int]) -> dict[str, int]:
            return dict(length)
    """)

    ran = project.run()

    assert value(project, "lengths") == {name: len(name) for name in names}
    assert ran["length[name=a%2Fb]"] == "computed"
    assert project.legato("logs", "length[name=a%2Fb]").out == "3\n"
    logs = [path for path in (project.state / "logs").rglob("*") if path.is_file()]
    assert len(logs) == len(names)
    assert all(path.parent.parent == project.state / "logs" for path in logs)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ('["a", "b", "a"]', "two elements of things are called 'a'"),
        ("[1, '1']", "two elements of things are called '1'"),
        ("[None, None]", "two elements of things are called 'none'"),
        ("{None: 1}", "whose key None is a NoneType"),
        ("{(1, 2): 1}", "whose key (1, 2) is a tuple"),
        ("3", "which is an int and has no elements"),
        ("'text'", "which is a str and has no elements"),
        ("['\\ud800']", "is no text"),
    ],
)
def test_what_has_no_elements_is_refused(project, made, message):
    project.pipeline(f"""
        @lg.step
        def things():
            return {made}

        @lg.step(each={{"thing": "things"}})
        def one(thing) -> int:
            return 1
    """)

    ran = project.legato("run", code=1)

    assert message in ran.err
    assert project.run(code=1)["one"] == "skipped"


def test_elements_are_called_by_key_name_field_or_digest(project):
    project.pipeline("""
        @lg.step
        def things() -> list:
            return [{"name": "a", "x": 1}, {"id": 7}, [1, 2], 0.5, None, True]

        @lg.step(each={"thing": "things"})
        def one(thing) -> str:
            return str(thing)

        @lg.step
        def all_of_them(one: lg.Gathered[str]) -> dict:
            return dict(one)
    """)

    project.run()

    found = value(project, "all_of_them")
    assert found["a"] == "{'name': 'a', 'x': 1}"
    assert {"7", "0.5", "none", "true"} < found.keys()
    assert len(found) == 6


def test_the_files_of_a_folder_are_elements(project):
    for name in ("a.txt", "sub/b.txt"):
        project.write(f"texts/{name}", name)
    project.pipeline("""
        from pathlib import Path

        texts = lg.dataset("texts/")

        @lg.step(each={"text": texts})
        def length(text: Path) -> str:
            return f"{text.name}: {text.read_text()}"

        @lg.step
        def lengths(length: lg.Gathered[str]) -> dict:
            return dict(length)
    """)

    project.run()

    assert value(project, "lengths") == {"a.txt": "a.txt: a.txt", "sub/b.txt": "b.txt: sub/b.txt"}


def test_values_of_a_matrix_arrive_as_their_types(project):
    project.pipeline("""
        import datetime as dt
        from enum import Enum

        class Kind(Enum):
            TREE = 1
            LINE = 2

        @lg.step(matrix={"kind": [Kind.TREE, Kind.LINE], "day": [dt.date(2026, 11, 1)], "flag": [True, None]})
        def one(*, kind: Kind, day: dt.date, flag: bool | None = None) -> str:
            return f"{kind!r} {day!r} {flag!r}"
    """)

    ran = project.run()

    assert ran["one[kind=TREE,day=2026-11-01,flag=none]"] == "computed"
    assert project.got("one[kind=LINE,day=2026-11-01,flag=true]") == (
        "<Kind.LINE: 2> datetime.date(2026, 11, 1) True"
    )


def test_a_condition_leaves_a_step_out_and_the_run_succeeds(project):
    project.pipeline("""
        send = lg.parameter(bool, default=False)

        @lg.step
        def big() -> bool:
            return False

        @lg.step(when=big)
        def alarm(big: bool) -> int:
            return 1

        @lg.step
        def after_alarm(alarm: int) -> int:
            return alarm

        @lg.step(when=send)
        def mail() -> int:
            return 2
    """)

    ran = project.legato("run")
    states, wanted = project.run(), project.run("-p", "send=true")

    assert "1 computed, 3 not wanted" in ran.out
    assert states == {
        "big": "reused",
        "alarm": "not wanted",
        "after_alarm": "not wanted",
        "mail": "not wanted",
    }
    assert wanted["mail"] == "computed"
    assert "not wanted" in project.legato("plan").out


def test_a_step_tries_again_after_the_exceptions_it_named(project):
    project.pipeline("""
        from pathlib import Path

        @lg.step(retries=lg.retries(2, on=[ConnectionError, "timeout"], backoff="100ms"))
        def flaky() -> int:
            tries = Path(".legato/tries")
            tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
            if len(tries.read_text()) < 3:
                raise ConnectionError("refused")
            return 1

        @lg.step(retries=lg.retries(2, on=[ConnectionError]))
        def broken() -> int:
            raise KeyError("nothing to wait for")
    """)

    ran = project.legato("run", code=1)

    assert "attempt 1 failed (ConnectionError: refused); again in 100ms" in ran.err
    assert "again in 200ms" in ran.err
    assert ran.err.count("KeyError") > 0
    assert "KeyError: 'nothing to wait for'); again" not in ran.err


def test_a_pool_that_is_not_configured_is_refused_and_one_that_is_holds(project):
    project.pipeline("""
        import time

        @lg.step(pool="licence", matrix={"n": [1, 2, 3]}, cpus=0.1)
        def one(*, n: int) -> tuple[float, float]:
            began = time.time()
            time.sleep(0.1)
            return began, time.time()

        @lg.step
        def apart(one: lg.Gathered[tuple[float, float]]) -> bool:
            spans = sorted(one.values())
            return all(before[1] <= after[0] for before, after in zip(spans, spans[1:]))
    """)

    refused = project.legato("run", code=2).err
    project.write("legato.toml", "[pools]\nlicence = 1\n")
    project.run()

    assert "the pool 'licence', which is not configured" in refused
    assert "[pools] licence = 1" in refused
    assert project.got("apart") == "true"


def test_a_step_sees_its_own_gpus(project):
    project.pipeline("""
        import os

        @lg.step(gpus=1)
        def one() -> str:
            return os.environ["CUDA_VISIBLE_DEVICES"]
    """)

    refused = project.legato("run", code=2, env={"CUDA_VISIBLE_DEVICES": ""}).err
    project.run(env={"CUDA_VISIBLE_DEVICES": "5,3"})

    assert "one needs gpus=1; here there are 0" in refused
    assert project.got("one") == "5"


SLOW = """
    import time

    @lg.step
    def quick(*, n: int = 1) -> int:
        return n

    @lg.step
    def slow(quick: int, *, wait: float = 60.0) -> int:
        time.sleep(wait)
        return quick
"""


def running(project):
    found = project.legato("runs", "--json").lines()
    return bool(found) and found[0]["state"] == "running" and "slow" in str(project.processes())


def test_a_run_is_cancelled_from_another_terminal_and_resumed(project):
    project.pipeline(SLOW)
    with project.begin("run", "slow", "-p", "quick.n=7") as process:
        wait_for(lambda: (project.state / "ledger.db").exists() and _computed(project))
        cancelled = project.legato("cancel")
        _, err = process.communicate(timeout=20)

    row = project.legato("runs", "--json").lines()[0]
    resumed = project.legato("run", "--resume", "last", "-p", "slow.wait=0.1", "--json")

    assert cancelled.out == "run 1 is cancelled\n"
    assert process.returncode == 130
    assert row["state"] == "cancelled"
    assert row["cancelled_by"]
    assert "slow  -p quick.n=7" in resumed.err
    states = {step["name"]: step["state"] for step in resumed.lines()[-1]["steps"]}
    assert states == {"quick": "reused", "slow": "computed"}
    assert project.got("slow") == "7"
    assert b"Traceback" not in err


def _computed(project):
    return any(
        run["computed"] or run["state"] == "running" for run in project.legato("runs", "--json").lines()
    )


def test_there_is_nothing_to_cancel_where_nothing_runs(project):
    project.pipeline(SLOW)
    project.run("quick")

    assert "no run is running here" in project.legato("cancel", code=4).err
    assert "run 1 does not run: it is succeeded" in project.legato("cancel", "1", code=6).err
    assert "there is no run '9'" in project.legato("cancel", "9", code=4).err


def test_resuming_takes_no_targets_and_needs_a_run(project):
    project.pipeline(SLOW)
    project.run("quick")

    assert "takes no targets" in project.legato("run", "slow", "--resume", "last", code=2).err
    assert "there is no run '9'" in project.legato("run", "--resume", "9", code=4).err


def test_what_failed_alone_runs_again(project):
    shops(project, ["berlin", "rome"], bad=6)
    project.run(code=1)
    project.edit("pipeline.py", "len(rows) == 6", "len(rows) == 66")

    summary = project.legato("run", "--resume", "last", "--json").lines()[-1]

    computed = [step["name"] for step in summary["steps"] if step["state"] == "computed"]
    assert "training[store=berlin,depth=4]" in computed
    assert summary["saved_s"] >= 0
    assert all(step["usage"]["peak_bytes"] > 0 for step in summary["steps"] if step["state"] == "computed")


def test_an_element_of_one_of_several_outputs_is_found_by_its_name(project):
    project.pipeline("""
        from typing import NamedTuple

        class Pair(NamedTuple):
            left: int
            right: str

        @lg.step(matrix={"n": [1, 2]})
        def pair(*, n: int) -> Pair:
            return Pair(n, "r" * n)

        @lg.check
        def all_sane(left: lg.Gathered[int], right: lg.Gathered[str]) -> None:
            assert [len(one) for one in right.values()] == list(left.values())

        @lg.step
        def doubled(left: int) -> int:
            return left * 2
    """)

    ran = project.run()

    assert ran["all_sane"] == ran["doubled[n=2]"] == "computed"
    assert project.got("left[n=2]") == project.got("pair[n=2].left") == "2"
    assert project.got("doubled[n=2]") == "4"


def test_two_runs_at_once_share_a_family(project):
    project.pipeline("""
        import time
        from pathlib import Path

        @lg.step(matrix={"n": list(range(40))})
        def one(*, n: int) -> int:
            time.sleep(0.02)
            with Path(".legato/ran.txt").open("a") as file:
                file.write(f"{n}\\n")
            return n

        @lg.step
        def total(one: lg.Gathered[int]) -> int:
            return sum(one.values())
    """)

    with project.begin("run", "-q") as first, project.begin("run", "-q") as second:
        first.communicate(timeout=60)
        second.communicate(timeout=60)

    ran = (project.state / "ran.txt").read_text().split()
    assert first.returncode == second.returncode == 0
    assert sorted(map(int, ran)) == list(range(40))
    assert project.got("total") == str(sum(range(40)))


def test_killing_a_run_half_way_through_a_family_loses_nothing(project):
    project.pipeline("""
        import time

        @lg.step(matrix={"n": list(range(40))})
        def one(*, n: int) -> int:
            time.sleep(0.05)
            return n

        @lg.step
        def total(one: lg.Gathered[int]) -> int:
            return sum(one.values())
    """)
    with project.begin("run") as process:
        time.sleep(0.8)
        process.send_signal(signal.SIGKILL)

    ran = project.run()

    assert project.got("total") == str(sum(range(40)))
    assert set(ran.values()) <= {"computed", "reused"}
