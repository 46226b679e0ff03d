import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError, MissingError
from legato.pipeline.order import CycleError, closure, guard, in_order
from legato.pipeline.select import select

DIAMOND = """
@lg.step
def rows() -> list: ...

@lg.check
def rows_are_full(rows: list) -> None: ...

@lg.step
def left(rows: list) -> int: ...

@lg.step
def right(rows: list) -> int: ...

@lg.check
def left_is_small(left: int, rows: list) -> None: ...

@lg.step
def both(left: int, right: int) -> int: ...

@lg.check
def sides_agree(left: int, right: int) -> None: ...
"""


def names(graph):
    return [node.name for node in graph.nodes]


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 12))
    edges = {f"n{i}": [f"n{j}" for j in range(i) if draw(st.booleans())] for i in range(size)}
    return {name: edges[name] for name in draw(st.permutations(sorted(edges)))}


@given(graphs())
def test_each_node_follows_what_it_needs(needs):
    order = in_order(needs)

    assert sorted(order) == sorted(needs)
    assert all(order.index(need) < order.index(node) for node, some in needs.items() for need in some)


def test_a_cycle_is_told_as_a_path():
    with pytest.raises(CycleError) as caught:
        in_order({"a": [], "b": ["a", "d"], "c": ["b"], "d": ["c"]})
    assert caught.value.path == ("b", "d", "c", "b")


def test_a_long_chain_needs_no_deep_stack():
    needs = {f"n{i}": [f"n{i + 1}"] for i in range(20_000)} | {"n20000": []}

    assert in_order(needs)[0] == "n20000"


def test_a_check_comes_before_what_takes_the_artifacts_it_judged(studio):
    graph = studio.collect(DIAMOND).graph

    assert graph.node("left").after == ("rows_are_full",)
    assert graph.node("right").after == ("rows_are_full", "left_is_small")
    assert graph.node("both").after == ("left_is_small", "sides_agree")
    assert names(graph).index("sides_agree") < names(graph).index("both")


def test_a_check_does_not_stop_what_it_depends_on(studio):
    graph = studio.collect(
        "@lg.step\ndef rows() -> list: ...\n@lg.step\ndef n(rows: list) -> int: ...\n"
        "@lg.check\ndef fine(rows: list, n: int) -> None: ...\n"
    ).graph

    assert graph.node("n").after == ()


def test_a_check_does_not_stop_another_check(studio):
    graph = studio.collect(DIAMOND).graph

    assert all(node.after == () for node in graph.nodes if node.kind == "check")


def test_two_checks_that_would_wait_for_each_other_do_not():
    needs = {"x": [], "a": ["x"], "b": ["x"], "k1": ["x", "b"], "k2": ["x", "a"]}

    added = guard(needs, {"k1": ["a", "b"], "k2": ["a", "b"]})

    assert added == {"a": ["k1"]}
    assert in_order({node: [*some, *added.get(node, [])] for node, some in needs.items()})


@given(graphs(), st.data())
def test_guarding_never_makes_a_cycle_and_gives_up_no_edge_that_one_check_could_have(needs, data):
    checks = {}
    for number in range(data.draw(st.integers(1, 4))):
        judged = data.draw(st.sets(st.sampled_from(sorted(needs)), min_size=1, max_size=3))
        checks[f"k{number}"] = sorted(judged)
    whole = {**needs, **checks}
    takers = {
        check: [node for node, some in needs.items() if set(some) & set(judged)]
        for check, judged in checks.items()
    }

    added = guard(whole, takers)

    order = in_order({node: [*some, *added.get(node, [])] for node, some in whole.items()})
    assert sorted(order) == sorted(whole)
    if len(checks) == 1:
        wanted = {node for node in takers["k0"] if node not in closure(whole, ["k0"])}
        assert {node for node, some in added.items() if some} == wanted


def test_a_part_is_what_its_targets_need_with_the_checks_of_it(studio):
    graph = studio.collect(DIAMOND).graph

    assert names(select(graph, ["left"])) == ["rows", "rows_are_full", "left", "left_is_small"]
    assert set(names(select(graph, ["rows"]))) == {"rows", "rows_are_full"}
    assert names(select(graph, [])) == names(graph)
    assert names(select(graph, ["sides_agree", "left"]))[-1] == "sides_agree"


def test_a_target_may_be_an_artifact(studio):
    graph = studio.collect(
        "class A(NamedTuple):\n    x: int\n    y: int\n@lg.step\n"
        "def pair() -> A: ...\n@lg.step\ndef other() -> int: ...\n"
    ).graph

    assert names(select(graph, ["y"])) == ["pair"]


def test_an_unknown_target_is_refused_with_the_nearest(studio):
    with pytest.raises(MissingError, match="no step or artifact 'lft'") as caught:
        select(studio.collect(DIAMOND).graph, ["lft"])
    assert caught.value.hint == "did you mean `left`?"


def test_a_part_without_a_needed_value_is_refused(studio):
    graph = studio.collect(
        "import datetime\nas_of = lg.parameter(datetime.date)\n@lg.step\ndef a() -> int: ...\n"
        "@lg.step\ndef b(a: int, *, as_of: datetime.date) -> int: ...\n"
        "@lg.step\ndef c(*, n: int) -> int: ...\n"
    ).graph

    assert names(select(graph, ["a"])) == ["a"]
    for target, hint in [("b", "-p as_of=VALUE"), ("c", "-p c.n=VALUE")]:
        with pytest.raises(ConfigurationError, match="has no value") as caught:
            select(graph, [target])
        assert hint in caught.value.hint
        assert caught.value.where.startswith("pipeline.py:")
