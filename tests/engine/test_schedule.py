"""The order of nodes, who loses what when one fails, and what fits beside what runs."""

import pytest
from engine_world import node
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.graph import Graph, Node
from legato.engine.schedule import Budget, Schedule, ancestors, descendants, needs

ROOMY = Budget(cpus=100.0)


@st.composite
def graphs(draw):
    """Any graph of up to twelve nodes; each may need, or come after, any before it."""
    nodes: list[Node] = []
    for place in range(draw(st.integers(0, 12))):
        before = [other.name for other in nodes]
        chosen = draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        after = draw(st.lists(st.sampled_from(before), unique=True, max_size=2)) if before else []
        nodes.append(node(f"n{place}", *chosen, after=after))
    return Graph(nodes=tuple(nodes))


@given(graphs(), st.data())
def test_every_node_becomes_ready_once_and_after_all_that_it_needs(graph, data):
    schedule, needed = Schedule(graph, ROOMY), needs(graph)
    waiting, done = schedule.take_ready(), []
    while waiting:
        name = data.draw(st.sampled_from(waiting))
        assert needed[name] <= set(done)
        waiting.remove(name)
        done.append(name)
        schedule.done(name)
        waiting += schedule.take_ready()

    assert sorted(done) == sorted(other.name for other in graph.nodes)
    assert not schedule.unfinished


@given(graphs(), st.data())
def test_a_failure_takes_down_what_depends_on_it_and_nothing_else(graph, data):
    if not graph.nodes:
        return
    bad = data.draw(st.sampled_from([other.name for other in graph.nodes]))
    schedule = Schedule(graph, ROOMY)
    done, lost = set(), []
    queue = schedule.take_ready()
    while queue:
        name = queue.pop()
        if name == bad:
            lost = schedule.failed(name)
        else:
            done.add(name)
            schedule.done(name)
        queue += schedule.take_ready()

    assert set(lost) == descendants(graph, [bad]) - {bad}
    assert len(lost) == len(set(lost))
    assert done == {other.name for other in graph.nodes} - set(lost) - {bad}
    assert not schedule.unfinished


@given(graphs(), st.data())
def test_ancestors_and_descendants_are_each_others_mirror(graph, data):
    if not graph.nodes:
        return
    names = [other.name for other in graph.nodes]
    one, other = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names))

    assert (other in ancestors(graph, [one])) == (one in descendants(graph, [other]))


def test_nodes_come_out_in_the_graphs_order():
    schedule = Schedule(Graph(nodes=(node("c"), node("a"), node("b", "c"))), ROOMY)

    assert schedule.take_ready() == ["c", "a"]
    schedule.done("c")
    assert schedule.take_ready() == ["b"]
    assert schedule.take_ready() == []


@pytest.mark.parametrize(
    ("running", "asked", "fits"),
    [
        ([{"cpus": 1}], {"cpus": 1}, True),
        ([{"cpus": 1}, {"cpus": 1}], {"cpus": 1}, False),
        ([{"cpus": 0.5}], {"cpus": 1.5}, True),
        ([], {"cpus": 16, "memory_bytes": 10**12}, True),
        ([{"cpus": 16}], {"cpus": 0.1}, False),
        ([{"memory_bytes": 600}], {"memory_bytes": 400}, True),
        ([{"memory_bytes": 600}], {"memory_bytes": 401}, False),
        ([{"memory_bytes": 600}], {}, True),
    ],
)
def test_what_fits_beside_what_runs(running, asked, fits):
    nodes = [node(f"n{place}", **words) for place, words in enumerate([*running, asked])]
    schedule = Schedule(Graph(nodes=tuple(nodes)), Budget(cpus=2.0, memory_bytes=1000))
    for other in nodes[:-1]:
        schedule.occupy(other)

    assert schedule.fits(nodes[-1]) is fits


def test_what_ended_gives_its_share_back():
    large, small = node("large", cpus=2), node("small")
    schedule = Schedule(Graph(nodes=(large, small)), Budget(cpus=2.0))
    schedule.occupy(large)
    assert not schedule.fits(small)

    schedule.vacate("large")
    schedule.vacate("large")

    assert schedule.fits(small)
    assert not schedule.running


def test_memory_that_is_not_counted_never_stops_anything():
    one, two = node("one", memory_bytes=10**15), node("two", memory_bytes=10**15)
    schedule = Schedule(Graph(nodes=(one, two)), Budget(cpus=2.0))
    schedule.occupy(one)

    assert schedule.fits(two)
