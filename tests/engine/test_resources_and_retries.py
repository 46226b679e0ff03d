"""Pools, GPUs, retries by kind of failure, and ending a run from outside."""

import pytest
from engine_world import node
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError
from legato.domain.events import CancelAsked, RunFinished
from legato.domain.graph import Graph, Words
from legato.domain.progress import Retrying
from legato.engine import read
from legato.engine.endings import Ending, tried_again
from legato.engine.queue import Queue
from legato.engine.schedule import Budget, Schedule
from legato.engine.steps import Step


def schedule(*nodes, **budget):
    return Schedule(Graph(nodes=nodes), Budget(**{"cpus": 8.0, **budget}))


def test_a_pool_has_so_many_places():
    a, b, c = (node(name, pool="licence") for name in "abc")
    plain = node("d")
    found = schedule(a, b, c, plain, pools={"licence": 2.0})

    found.occupy(a)
    second = found.fits(b)
    found.occupy(b)

    assert second
    assert not found.fits(c)
    assert found.fits(plain)
    found.vacate("a")
    assert found.fits(c)


def test_an_unknown_pool_is_refused_before_anything_runs(world):
    with pytest.raises(ConfigurationError, match="'gpus'") as caught:
        world.run(node("a"), node("b", pool="gpus"), budget=Budget(cpus=1.0, pools={"gpu": 1.0}))

    assert "did you mean 'gpu'?" in caught.value.hint
    assert world.ran == []


def test_a_pool_without_places_is_refused(world):
    with pytest.raises(ConfigurationError, match="which has 0"):
        world.run(node("b", pool="gpu"), budget=Budget(cpus=1.0, pools={"gpu": 0.0}))


def test_each_step_sees_gpus_of_its_own(world):
    nodes = [node("a", gpus=1, cpus=0.5), node("b", gpus=2, cpus=0.5), node("c", cpus=0.5)]

    world.run(*nodes, budget=Budget(cpus=4.0, gpus=("0", "3", "7")))

    seen = [job.environment.get("CUDA_VISIBLE_DEVICES") for job in world.jobs]
    assert sorted(one for one in seen if one) == ["0", "3,7"]
    assert seen.count(None) == 1


def test_a_step_waits_for_gpus_that_others_have():
    a, b = node("a", gpus=2), node("b", gpus=1)
    found = schedule(a, b, gpus=("0", "1"))

    found.occupy(a)

    assert not found.fits(b)
    found.vacate("a")
    assert found.occupy(b) == ("0",)


def test_more_gpus_than_there_are_are_refused(world):
    with pytest.raises(ConfigurationError, match=r"needs gpus=2; here there are 1"):
        world.run(node("a", gpus=2), budget=Budget(cpus=1.0, gpus=("0",)))


@pytest.mark.parametrize(
    ("words", "ending", "again"),
    [
        (Words(retries=1), Ending(reason="raised", message="", error="ValueError"), True),
        (Words(retries=1, retry_on=("timeout",)), Ending(reason="raised", message=""), False),
        (Words(retries=1, retry_on=("timeout", "raised")), Ending(reason="raised", message=""), True),
        (Words(retries=1, retry_on=("OSError",)), Ending(reason="raised", message="", error="OSError"), True),
        (
            Words(retries=1, retry_on=("OSError",)),
            Ending(reason="raised", message="", error="IOError"),
            False,
        ),
        (Words(retries=9), Ending(reason="cancelled", message=""), False),
        (Words(), Ending(reason="memory", message=""), False),
    ],
)
def test_only_failures_that_were_named_are_tried_again(words, ending, again):
    assert tried_again(words, ending, 1) is again


def test_a_named_exception_is_tried_again_after_its_backoff(world):
    tries = []

    def flaky():
        tries.append(world.clock())
        if len(tries) < 3:
            raise ZeroDivisionError("once more")
        return 1

    world.functions["a"] = flaky

    ran = world.run(node("a", retries=5, retry_on=("ZeroDivisionError",), backoff_s=10.0))

    assert ran.states == {"a": "computed"}
    assert [tries[1] - tries[0], tries[2] - tries[1]] == pytest.approx([10.0, 20.0], abs=0.6)
    assert [one.wait_s for one in world.progress if isinstance(one, Retrying)] == [10.0, 20.0]


def test_another_exception_is_not(world):
    world.functions["a"] = _overflow

    ran = world.run(node("a", retries=5, retry_on=("ZeroDivisionError",)))

    assert ran.states == {"a": "failed"}
    assert world.ran == ["a"]


def _overflow():
    raise OverflowError("too much")


def test_a_run_ends_when_someone_asks_for_it(world):
    def ask():
        if not world.ledger.query("cancel_asked", run=1):
            world.ledger.append([CancelAsked(run=1, actor="grace")])

    world.functions["a"] = _overflow
    world.while_waiting = ask

    ran = world.run(node("a", retries=9, backoff_s=60.0), node("b", "a"))

    assert ran.summary.state == "cancelled"
    assert ran.summary.cancelled_by == "grace"
    assert set(ran.states.values()) == {"cancelled"}
    finished = [stored.event for stored in world.ledger.events() if isinstance(stored.event, RunFinished)]
    assert finished[-1].cancelled_by == "grace"
    assert read.run(world.ledger, 1).cancelled_by == "grace"


def test_a_wish_for_another_run_is_not_heard(world):
    world.ledger.append([CancelAsked(run=99, actor="grace")])

    assert world.run(node("a")).summary.state == "succeeded"


@given(st.lists(st.sampled_from([1.0, 2.0, 4.0]), max_size=30))
def test_a_queue_gives_every_step_once_and_in_order_within_its_needs(cpus):
    queue = Queue()
    steps = [Step(node(f"s{at}", cpus=need)) for at, need in enumerate(cpus)]
    for step in steps:
        queue.put(step)

    taken = list(queue.take(lambda _: True, lambda _: True))

    assert sorted(step.node.name for step in taken) == sorted(step.node.name for step in steps)
    for need in set(cpus):
        assert [s for s in taken if s.node.words.cpus == need] == [
            s for s in steps if s.node.words.cpus == need
        ]
    assert len(queue) == 0


def test_a_queue_keeps_what_does_not_fit_and_passes_what_is_not_here():
    queue = Queue()
    small, late, big = Step(node("small")), Step(node("late")), Step(node("big", cpus=4.0))
    for step in (late, small, big):
        queue.put(step)

    taken = list(queue.take(lambda n: n.words.cpus < 2, lambda step: step is not late))

    assert taken == [small]
    assert len(queue) == 2
    assert list(queue.next(1)) == [late, big]
