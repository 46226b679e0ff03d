"""Runs on the shipped in-memory back ends: reuse, failure, retry, leases, effects, and what the ledger then says."""

import sys

import pytest
from engine_world import World, node
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError
from legato.domain.events import RunFinished, StepFailed, StepFinished
from legato.domain.graph import Node, Output, Words
from legato.domain.progress import Began, Ended, Planned, Printed, Retrying, Sampled
from legato.engine import read
from legato.engine.schedule import Budget


def raising(error):
    def function(**_):
        raise error

    return function


def returning(value):
    def function(**_):
        return value

    return function


CHAIN = (node("a"), node("b", "a"), node("c", "b"))
SUMS = {"a": lambda: 1, "b": lambda a: a + 1, "c": lambda b: b + 1}


def test_a_chain_runs_once_and_is_then_reused(world):
    world.functions.update(SUMS)

    first, second = world.run(*CHAIN), world.run(*CHAIN)

    assert first.states == {"a": "computed", "b": "computed", "c": "computed"}
    assert world.value(first.steps["c"].outputs["c"]) == 3
    assert second.states == {"a": "reused", "b": "reused", "c": "reused"}
    assert world.ran == ["a", "b", "c"]


def test_an_idle_run_leaves_no_trace(world):
    world.run(*CHAIN)
    before = world.ledger.head()

    ran = world.run(*CHAIN)

    assert ran.summary.number == 0
    assert world.ledger.head() == before


def test_an_equal_output_cuts_a_rerun_off(world):
    world.functions.update(SUMS)
    world.run(*CHAIN)
    world.versions["b"] = "other code"

    assert world.run(*CHAIN).states == {"a": "reused", "b": "computed", "c": "reused"}


def test_another_output_runs_what_depends_on_it(world):
    world.functions.update(SUMS)
    world.run(*CHAIN)
    world.versions["b"] = "other code"
    world.functions["b"] = lambda a: a + 5

    ran = world.run(*CHAIN)

    assert ran.states == {"a": "reused", "b": "computed", "c": "computed"}
    assert world.value(ran.steps["c"].outputs["c"]) == 7


def test_a_failure_takes_down_only_what_depends_on_it(world):
    world.functions["b"] = raising(ZeroDivisionError("by zero"))

    ran = world.run(*CHAIN, node("d", "a"))

    assert ran.summary.state == "failed"
    assert ran.states == {"a": "computed", "b": "failed", "c": "skipped", "d": "computed"}
    assert ran.steps["b"].message == "by zero"
    assert ran.steps["b"].details == "at line 1"
    assert ran.steps["c"].message == "not run: b failed"


def test_a_failed_check_stops_what_comes_after_it(world):
    world.functions["whole"] = raising(ArithmeticError("2 rows are missing"))
    nodes = (node("a"), node("whole", "a", kind="check"), node("b", "a", after=["whole"]), node("c", "a"))

    ran = world.run(*nodes)

    assert ran.states == {"a": "computed", "whole": "failed", "b": "skipped", "c": "computed"}


def test_a_failed_step_is_tried_again_only_in_the_next_run(world):
    world.functions["b"] = raising(ZeroDivisionError("once"))
    world.run(*CHAIN)
    world.functions["b"] = lambda a: a

    assert world.run(*CHAIN).states == {"a": "reused", "b": "computed", "c": "computed"}


def test_retries_wait_longer_each_time(world):
    tries = []

    def flaky():
        tries.append(world.clock())
        if len(tries) < 3:
            raise ArithmeticError(f"attempt {len(tries)}")
        return 1

    world.functions["a"] = flaky

    ran = world.run(node("a", retries=2))

    assert ran.states == {"a": "computed"}
    first, second, third = tries
    assert second - first == pytest.approx(Words().backoff_s)
    assert third - second == pytest.approx(2 * Words().backoff_s)
    assert [(p.attempt, p.message) for p in world.progress if isinstance(p, Retrying)] == [
        (1, "attempt 1"),
        (2, "attempt 2"),
    ]


def test_other_steps_run_while_one_waits_to_be_tried_again(world):
    tries = []

    def flaky():
        tries.append(len(world.ran))
        if len(tries) == 1:
            raise ArithmeticError("once")
        return 1

    world.functions["a"] = flaky

    world.run(node("a", retries=1), node("x"), node("y", "x"))

    assert world.ran == ["a", "x", "y", "a"]


def test_retries_come_to_an_end(world):
    world.functions["a"] = raising(ArithmeticError("always"))

    ran = world.run(node("a", retries=2))

    assert ran.states == {"a": "failed"}
    assert world.ran == ["a"] * 3
    rows = read.executions(world.ledger, 1)
    assert [(row.state, row.attempt) for row in rows] == [("retried", 1), ("retried", 2), ("failed", 3)]


def test_a_step_that_is_not_cached_runs_each_time_and_its_output_still_cuts_off(world):
    always = node("a", cache=False)
    world.run(always, node("b", "a"))

    assert world.run(always, node("b", "a")).states == {"a": "computed", "b": "reused"}


def test_again_runs_a_step_though_nothing_changed(world):
    world.run(*CHAIN)

    ran = world.run(*CHAIN, again=frozenset({"b"}))

    assert ran.states == {"a": "reused", "b": "computed", "c": "reused"}
    assert [str(cause) for cause in ran.steps["b"].causes] == ["option --again asked for it"]


def test_an_effect_is_held_where_it_may_not_act_and_so_is_what_waits_for_it(world):
    nodes = (node("a"), node("mail", "a", effect=True), node("archive", "mail"))

    held = world.run(*nodes)
    acted = world.run(*nodes, may_leave=True)

    assert held.states == {"a": "computed", "mail": "held", "archive": "held"}
    assert held.summary.state == "succeeded"
    assert held.summary.left_machine == ()
    assert acted.states == {"a": "reused", "mail": "computed", "archive": "computed"}
    assert acted.summary.left_machine == ("mail",)


def test_an_effect_that_has_acted_does_not_act_again(world):
    mail = node("mail", effect=True)
    world.run(mail, may_leave=True)

    ran = world.run(mail, may_leave=True)

    assert ran.states == {"mail": "reused"}
    assert ran.summary.left_machine == ()


def test_a_step_waits_while_another_run_computes_its_key(world):
    key = world.plan(node("a"))["a"].key
    held = world.ledger.acquire([key], "someone else", 10.0)
    waits = []

    def release_later():
        waits.append(world.clock())
        if len(waits) == 3:
            world.ledger.release(held)

    world.while_waiting = release_later

    assert world.run(node("a")).states == {"a": "computed"}
    assert len(waits) == 3


def test_a_waiting_step_takes_what_the_other_run_made(world):
    key = world.plan(node("a"))["a"].key
    held = world.ledger.acquire([key], "someone else", 60.0)

    def finish():
        world.while_waiting = lambda: None
        world.ledger.release(held)
        world.run(node("a"), owner="someone else")

    world.while_waiting = finish

    ran = world.run(node("a"))

    assert ran.states == {"a": "reused"}
    assert world.ran == ["a"]


def test_the_lease_of_a_dead_owner_is_taken_over_at_once(world):
    key = world.plan(node("a"))["a"].key
    world.ledger.acquire([key], "the dead", 1_000.0)
    world.dead.add("the dead")
    begun = world.clock()

    assert world.run(node("a")).states == {"a": "computed"}
    assert world.clock() == begun


def test_one_key_is_computed_once_though_two_steps_have_it(world):
    world.versions = {"a": "same", "b": "same"}

    ran = world.run(node("a"), node("b"))

    assert ran.states == {"a": "computed", "b": "reused"}
    assert len(world.ran) == 1


def test_one_key_of_two_steps_is_tried_by_the_second_where_the_first_fails(world):
    world.versions = {"a": "same", "b": "same"}
    world.functions["a"] = raising(ArithmeticError("no"))

    assert world.run(node("a"), node("b")).states == {"a": "failed", "b": "computed"}


def test_no_lease_is_left_after_a_run(world):
    world.functions["b"] = raising(ArithmeticError("no"))
    world.run(*CHAIN)
    keys = [step.key for step in world.plan(*CHAIN).values() if step.key]

    assert len(world.ledger.acquire(keys, "someone else", 1.0)) == len(keys)


def test_an_interrupt_is_recorded_and_ends_the_run(world):
    world.functions["b"] = lambda a: a
    interrupted = World.run

    def interrupt(progress):
        if isinstance(progress, Began) and progress.step == "b":
            raise KeyboardInterrupt
        world.progress_log.append(progress)

    world.progress_log = []
    world.progress = type("Reporter", (), {"append": staticmethod(interrupt)})

    ran = interrupted(world, *CHAIN)

    assert ran.summary.state == "cancelled"
    assert ran.states == {"a": "computed", "b": "cancelled", "c": "cancelled"}
    assert read.runs(world.ledger)[0].state == "cancelled"


def test_inputs_that_cannot_be_used_fail_their_step_alone(world):
    class Refusing:
        def call(self, _node, _inputs):
            raise ConfigurationError("wine.csv is not there", hint="put it there")

    world.kinds["dataset"] = Refusing()

    ran = world.run(node("wine", kind="dataset"), node("a"), node("b", "wine"))

    assert ran.states == {"wine": "failed", "a": "computed", "b": "skipped"}
    assert (ran.steps["wine"].message, ran.steps["wine"].hint) == ("wine.csv is not there", "put it there")


def test_an_action_that_changed_nothing_leaves_no_trace(world):
    world.functions["look"] = lambda: "as it was"
    world.world_changed = False

    ran = world.run(node("look", kind="look"))

    assert ran.states == {"look": "reused"}
    assert ran.steps["look"].notes == ("looked",)
    assert ran.summary.number == 0


def test_an_action_that_changed_something_is_recorded(world):
    world.functions["look"] = lambda: "changed"

    ran = world.run(node("look", kind="look"))

    assert ran.states == {"look": "computed"}
    assert world.acted == [("look", 1)]


def test_a_job_that_makes_too_little_is_refused(world):
    made = Node(name="split", kind="step", outputs=(Output(artifact="left", field="left"),))
    asked = Node(name="split", kind="look", outputs=(*made.outputs, Output(artifact="right", field="right")))
    world.functions["split"] = lambda: 1

    ran = world.run(asked)

    assert ran.states == {"split": "failed"}
    assert "'left', 'right'" in ran.steps["split"].message


def test_what_a_step_prints_and_logs_is_reported_and_kept(world):
    world.functions["a"] = lambda: sys.stdout.write("a line\n")

    ran = world.run(node("a"))

    assert b"".join(p.data for p in world.progress if isinstance(p, Printed)) == b"a line\n"
    assert [(p.values, p.at) for p in world.progress if isinstance(p, Sampled)] == [({"loss": 0.5}, 1)]
    assert (world.root / "logs" / ran.steps["a"].log).read_text() == "a line\n"


def test_a_secret_does_not_leave_a_step(world):
    world.secrets = {"TOKEN": "s3cr3t-value"}

    def leak():
        sys.stdout.write("token s3cr3t-value\n")
        raise ArithmeticError("refused s3cr3t-value")

    world.functions["a"] = leak

    ran = world.run(node("a", secrets=("TOKEN",)))

    assert ran.steps["a"].message == "refused ***"
    assert (world.root / "logs" / ran.steps["a"].log).read_text() == "token ***\n"
    assert b"s3cr3t" not in b"".join(p.data for p in world.progress if isinstance(p, Printed))


def test_progress_is_told_in_order(world):
    world.run(node("a"))

    kinds = [type(p) for p in world.progress]
    assert kinds == [Planned, Began, Sampled, Ended]


def test_the_ledger_tells_the_run_as_it_was(world):
    world.functions["b"] = raising(ArithmeticError("no"))
    world.run(*CHAIN, node("d"))
    world.run(*CHAIN, node("d"))

    last, first = read.runs(world.ledger)
    assert (first.number, first.state, first.computed, first.failed, first.skipped) == (1, "failed", 2, 1, 1)
    assert (last.computed, last.reused, last.failed) == (0, 2, 1)
    assert {row.step: row.state for row in read.executions(world.ledger, 2)} == {
        "a": "reused",
        "b": "failed",
        "c": "skipped",
        "d": "reused",
    }
    assert [step for step, _field, _artifact in read.artifacts(world.ledger, 2)] == ["a", "d"]
    assert world.ledger.verify() == []


def test_the_tables_can_be_made_anew_from_the_events(world):
    world.functions["b"] = raising(ArithmeticError("no"))
    world.run(*CHAIN)
    before = (read.runs(world.ledger), read.executions(world.ledger, 1))

    world.ledger.rebuild()

    assert (read.runs(world.ledger), read.executions(world.ledger, 1)) == before


def test_every_started_run_is_finished(world):
    world.functions["b"] = raising(ArithmeticError("no"))
    world.run(*CHAIN)

    events = [stored.event for stored in world.ledger.events()]
    assert isinstance(events[-1], RunFinished)
    assert sum(isinstance(event, StepFinished) for event in events) == 1
    assert sum(isinstance(event, StepFailed) for event in events) == 2


def test_no_folder_of_an_execution_is_left(world):
    world.run(*CHAIN)

    assert list((world.root / "work").iterdir()) == []


@st.composite
def pipelines(draw):
    """Nodes with random needs; some fail, some act outside, some are not cached."""
    nodes = []
    for place in range(draw(st.integers(1, 7))):
        before = [other.name for other in nodes]
        chosen = draw(st.lists(st.sampled_from(before), unique=True, max_size=3)) if before else []
        words = draw(st.sampled_from([{}, {}, {}, {"cache": False}, {"effect": True}, {"cpus": 2.0}]))
        nodes.append(node(f"n{place}", *chosen, **words))
    return tuple(nodes)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pipelines(), st.data())
def test_a_run_does_what_was_forecast(tmp_path_factory, nodes, data):
    world = World(tmp_path_factory.mktemp("world"))
    world.functions = {n.name: returning(place) for place, n in enumerate(nodes)}
    world.run(*nodes)
    edited = data.draw(st.lists(st.sampled_from([n.name for n in nodes]), unique=True))
    for name in edited:
        world.versions[name] = "edited"
        if data.draw(st.booleans()):
            world.functions[name] = returning("another value")
    plan = world.plan(*nodes)
    world.ran.clear()

    ran = world.run(*nodes, budget=Budget(cpus=2.0))

    allowed = {
        "reuse": {"reused"},
        "run": {"computed"},
        "may run": {"computed", "reused"},
        "hold": {"held"},
    }
    for name, step in plan.items():
        assert ran.states[name] in allowed[step.decision], (name, step)
    assert len(world.ran) == len(set(world.ran))
    world.ledger.close()
