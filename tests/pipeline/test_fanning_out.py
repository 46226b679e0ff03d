"""`matrix=`, `each=`, `lg.Gathered`, `when=`, `tolerate=`: how they become axes, and what is refused."""

import msgspec
import pytest

import legato as lg
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Graph
from legato.pipeline.select import select

STORES = """
@lg.step
def stores() -> list[str]:
    return ["berlin"]

@lg.step(each={"store": "stores"})
def rows(store: str) -> list[int]:
    return []
"""
TRAINING = (
    STORES
    + """
@lg.step(matrix={"depth": [4, 8]})
def training(rows: list[int], *, depth: int = 1) -> float:
    return 0.5
"""
)


def axes(graph, name):
    return [axis.name for axis in graph.node(name).axes]


def test_each_makes_a_node_of_elements_and_an_axis(studio):
    graph = studio.collect(STORES).graph

    assert [node.name for node in graph.nodes] == ["stores", "stores.elements", "rows"]
    assert graph.node("stores.elements").kind == "elements"
    (axis,) = graph.node("rows").axes
    assert (axis.name, axis.source) == ("store", "stores.elements")
    (taken,) = graph.node("rows").inputs
    assert (taken.artifact, taken.part) == ("stores.elements", "element")


def test_one_artifact_is_taken_apart_once_however_many_run_over_it(studio):
    graph = studio.collect(
        STORES + "\n@lg.step(each={'shop': stores})\ndef other(shop: str) -> int: ...\n"
    ).graph

    assert [node.kind for node in graph.nodes].count("elements") == 1


def test_a_matrix_is_an_axis_of_values(studio):
    graph = studio.collect(
        "@lg.step(matrix={'depth': [4, 8], 'kind': ['a', 'b']})\n"
        "def training(*, depth: float = 1, kind: str = 'a') -> int: ...\n"
    ).graph

    depth, kind = graph.node("training").axes
    assert [(v.key, v.wire, v.shown) for v in depth.values] == [("4.0", "4.0", "4.0"), ("8.0", "8.0", "8.0")]
    assert [v.key for v in kind.values] == ["a", "b"]
    assert [setting.origin for setting in graph.node("training").settings] == ["matrix", "matrix"]


def test_axes_flow_to_what_takes_the_artifact_and_end_where_it_is_gathered(studio):
    graph = studio.collect(
        TRAINING
        + """
@lg.step
def score(training: float, rows: list[int]) -> float: ...

@lg.check
def sane(training: float) -> None: ...

@lg.step(tolerate=0.1)
def report(score: lg.Gathered[float]) -> dict: ...

@lg.step
def done(report: dict) -> int: ...
"""
    ).graph

    assert axes(graph, "training") == axes(graph, "score") == axes(graph, "sane") == ["store", "depth"]
    assert axes(graph, "report") == axes(graph, "done") == []
    assert graph.node("report").inputs[0].part == "gathered"
    assert graph.node("report").words.tolerate == 0.1
    assert graph.node("score").after == ("sane",)


def test_a_text_annotation_gathers_too(studio):
    graph = studio.collect(
        TRAINING + "@lg.step\ndef report(training: 'lg.Gathered[nowhere.Model]') -> int: ...\n"
    ).graph

    assert graph.node("report").inputs[0].part == "gathered"


def test_a_variant_keeps_the_axes_that_it_does_not_fix(studio):
    text = """
@lg.step
def first() -> str: ...

again = training.using(rows="rows")
fixed = training.using(depth=3)
one = rows.using(store=first)
"""

    graph = studio.collect(TRAINING + text).graph

    assert axes(graph, "again") == ["store", "depth"]
    assert axes(graph, "fixed") == ["store"]
    assert axes(graph, "one") == []
    assert graph.node("fixed").settings[0].wire == "3"


def test_a_fanned_out_graph_survives_the_wire(studio):
    graph = studio.collect(TRAINING).graph

    assert msgspec.json.decode(msgspec.json.encode(graph), type=Graph) == graph


def test_a_command_may_be_fanned_out(studio):
    graph = studio.collect(
        STORES
        + "lg.command('fit', 'Rscript fit.R {rows} {out.model} {lr}', params={'lr': 0.1}, code=['fit.R'],"
        " matrix={'lr': [0.1, 0.2]})\n"
    ).graph

    assert axes(graph, "fit") == ["store", "lr"]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("matrix={'dept': [1]}", "runs over `dept`, which is no parameter", "`depth`"),
        ("matrix={'rows': [1]}", "runs over `rows`, which is no parameter", "each="),
        ("matrix={'depth': []}", "no value for `depth`", "matrix="),
        ("matrix={'depth': 'abc'}", "depth='abc', which is no list", "matrix="),
        ("matrix={'depth': 3}", "depth=3, which is no list", "matrix="),
        ("matrix={}", "matrix= is empty", "leave it out"),
        ("matrix=[1]", "matrix=[1] is not a mapping", "matrix="),
        ("matrix={'depth': [4, 'x']}", "whole number", ""),
        ("matrix={'depth': [4, 4]}", "twice there is depth=4", "leave one"),
        ("matrix={'depth': [[1]]}", "depth", ""),
        ("matrix={'depth': range(200_000)}", "200000 elements", "loop"),
        ("each={'row': 'rows'}", "runs over `row`, which is no input", "`rows`"),
        ("each={'depth': 'stores'}", "runs over `depth`, which is no input", "matrix="),
        ("each={'rows': 'shops'}", "`shops`, which nothing makes", "stores"),
        ("each=['rows']", "is not a mapping", "each="),
        ("each={'rows': 'stores'}, matrix={'rows': [1]}", "in matrix= and in each=", ""),
        ("tolerate=0.1", "tolerate=0.1, but gathers nothing", "lg.Gathered"),
        ("tolerate=2", "not a share from 0 to 1", ""),
        ("tolerate=float('nan')", "not a share from 0 to 1", ""),
        ("when='stores'", "is a list[str], not a bool", "True or False"),
        ("when='nothing'", "`nothing`, which nothing makes", ""),
        ("when=3", "no artifact", ""),
        ("gpus=-1", "gpus=-1", ""),
        ("gpus=True", "gpus=True", ""),
        ("pool=3", "pool=3", "[pools]"),
        ("retries=lg.retries(2, on=['timout'])", "'timout'", "`timeout`"),
        ("retries=lg.retries(2, on='timeout')", "is a text", "on=['timeout']"),
        ("retries=lg.retries(-1)", "-1", ""),
        ("retries=lg.retries(1, backoff='soon')", "soon", ""),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(studio, words, message, hint):
    text = STORES + f"@lg.step({words})\ndef training(rows: object, *, depth: int = 1) -> int: ...\n"

    error = studio.refused(text)

    assert message in str(error)
    assert hint in error.hint


def test_the_place_of_a_refusal_is_the_step(studio):
    error = studio.refused(
        "@lg.step(matrix={'depth': [4, 'x']})\ndef training(*, depth: int = 1) -> int: ...\n"
    )

    assert error.where == "pipeline.py:3"


def test_a_plain_parameter_that_wants_them_all_is_told_of_gathered(studio):
    error = studio.refused(TRAINING + "@lg.step\ndef report(training: dict[str, float]) -> int: ...\n")

    assert "takes `training` as dict[str, float]" in error.message
    assert error.hint == "take all elements of `training`: annotate it lg.Gathered[float]"


def test_gathering_something_else_than_the_elements_are_is_refused(studio):
    error = studio.refused(TRAINING + "@lg.step\ndef report(training: lg.Gathered[str]) -> int: ...\n")

    assert "legato.Gathered[str]" in error.message


def test_an_element_that_is_not_of_the_sources_type_is_refused(studio):
    error = studio.refused(
        "@lg.step\ndef stores() -> dict[str, int]: ...\n"
        "@lg.step(each={'store': 'stores'})\ndef rows(store: str) -> int: ...\n"
    )

    assert "takes `store` as str" in error.message


def test_gathering_what_is_not_fanned_out_is_refused(studio):
    error = studio.refused(STORES + "@lg.step\ndef report(stores: lg.Gathered[str]) -> int: ...\n")

    assert "`stores` is not fanned out" in error.message
    assert "matrix= or each=" in error.hint


def test_running_over_what_is_fanned_out_itself_is_refused(studio):
    error = studio.refused(STORES + "@lg.step(each={'row': 'rows'})\ndef deep(row: int) -> int: ...\n")

    assert "each= runs over `rows`, which is itself fanned out over store" in error.message
    assert "gather it first" in error.hint


def test_a_model_of_a_fanned_out_artifact_is_refused_once(studio):
    error = studio.refused(
        TRAINING
        + "@lg.step\ndef evaluation(training: float) -> lg.Evaluation: ...\n"
        + "m = lg.model('m', training, evaluation, gates=[lg.at_least('accuracy', 0.5)])\n"
    )

    assert "the model `m` takes `training`, which is fanned out over store, depth" in error.message
    assert "lg.Gathered[…]" in error.hint
    assert "also:" not in error.hint


def test_two_axes_of_one_name_that_differ_are_refused(studio):
    error = studio.refused(
        "@lg.step(matrix={'depth': [1, 2]})\ndef a(*, depth: int) -> int: ...\n"
        "@lg.step(matrix={'depth': [3]})\ndef b(a: int, *, depth: int) -> int: ...\n"
    )

    assert "two different `depth`" in error.message
    assert "another name" in error.hint


def test_a_value_from_outside_for_a_parameter_of_a_matrix_is_refused(studio, override):
    error = studio.refused(TRAINING, override("training.depth=6"))

    assert "`training.depth` runs over a matrix (4, 8)" in error.message
    assert error.hint == "run one of its elements: legato run 'training[depth=4]'"


# -- conditions ----------------------------------------------------------------------------------------------

FLAG = "mail = lg.parameter(bool, default=True)\n@lg.step(when=mail)\ndef send() -> int: ...\n"


def test_a_condition_is_an_artifact_that_comes_first(studio):
    graph = studio.collect(
        "@lg.step\ndef monday() -> bool: ...\n@lg.step(when=monday)\ndef send() -> int: ...\n"
    ).graph

    assert graph.node("send").when == "monday"
    assert [node.name for node in select(graph, ["send"]).nodes] == ["monday", "send"]


def test_a_condition_may_stand_below_the_step(studio):
    graph = studio.collect(
        "@lg.step(when='monday')\ndef send() -> int: ...\n@lg.step\ndef monday() -> bool: ...\n"
    ).graph

    assert [node.name for node in graph.nodes] == ["monday", "send"]


def test_a_condition_may_be_a_parameter(studio, override):
    assert studio.collect(FLAG).graph.node("send").wanted
    assert not studio.collect(FLAG, override("mail=false")).graph.node("send").wanted
    assert (
        not studio.collect(FLAG.replace("when=mail", "when='mail'"), override("mail=no"))
        .graph.node("send")
        .wanted
    )


def test_a_condition_without_a_value_is_refused(studio):
    error = studio.refused(FLAG.replace(", default=True", ""))

    assert "neither True nor False" in error.message


def test_a_condition_that_needs_the_step_is_a_circle(studio):
    error = studio.refused(
        "@lg.step(when='late')\ndef send() -> int: ...\n@lg.step\ndef late(send: int) -> bool: ...\n"
    )

    assert "need each other" in error.message


def test_what_is_included_with_a_prefix_keeps_its_axes_and_conditions(studio):
    module = (
        "import legato as lg\n"
        "@lg.step\ndef stores() -> list[str]: ...\n"
        "@lg.step\ndef monday() -> bool: ...\n"
        "@lg.step(each={'store': stores}, when='monday')\ndef rows(store: str) -> int: ...\n"
        "@lg.step\ndef report(rows: lg.Gathered[int]) -> int: ...\n"
    )
    studio.write("shared_shops.py", module)

    graph = studio.collect("import shared_shops\nlg.include(shared_shops, prefix='x_')\n").graph

    assert [axis.source for axis in graph.node("x_rows").axes] == ["x_stores.elements"]
    assert graph.node("x_rows").when == "x_monday"
    assert graph.node("x_report").inputs[0].part == "gathered"


# -- choosing ------------------------------------------------------------------------------------------------


def test_a_target_chooses_its_elements_and_theirs(studio):
    graph = select(studio.collect(TRAINING).graph, ["training[store=berlin,depth=4]"])

    assert graph.node("training").chosen == {"store": ("berlin",), "depth": ("4",)}
    assert graph.node("rows").chosen == {"store": ("berlin",)}


def test_what_another_target_needs_wholly_is_not_narrowed(studio):
    graph = select(studio.collect(TRAINING).graph, ["training[store=berlin]", "rows"])

    assert graph.node("training").chosen == {"store": ("berlin",)}
    assert graph.node("rows").chosen == {}


def test_two_elements_of_one_step_are_both_chosen(studio):
    graph = select(studio.collect(TRAINING).graph, ["training[store=rome]", "training[store=berlin]"])

    assert graph.node("rows").chosen == {"store": ("berlin", "rome")}


def test_what_is_gathered_on_the_way_is_needed_wholly(studio):
    graph = select(
        studio.collect(
            TRAINING
            + "@lg.step\ndef scale(rows: lg.Gathered[list[int]]) -> float: ...\n"
            + "@lg.step\ndef scaled(training: float, scale: float) -> float: ...\n"
        ).graph,
        ["scaled[store=berlin]"],
    )

    assert graph.node("training").chosen == {"store": ("berlin",)}
    assert graph.node("rows").chosen == {}


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        ("training[depth=5]", "has no element depth=5", "4, 8"),
        ("training[deph=4]", "not fanned out over 'deph'", "`depth`"),
        ("stores[store=a]", "stores is not fanned out", "legato run stores"),
        ("training[]", "names no element", "training[store=…]"),
        ("trainin[depth=4]", "no step or artifact 'trainin[depth=4]'", ""),
    ],
)
def test_a_target_that_is_not_there_is_refused(studio, target, message, hint):
    graph = studio.collect(TRAINING).graph

    with pytest.raises(MissingError) as caught:
        select(graph, [target])

    assert message in caught.value.message
    assert hint in caught.value.hint


# -- the mapping that a gathering step gets -------------------------------------------------------------------


def test_a_gathering_step_is_tested_with_a_mapping_made_by_hand():
    found = lg.Gathered({"berlin": 1, "rome": 2}, missing=["oslo"])

    assert dict(found) == {"berlin": 1, "rome": 2}
    assert "berlin" in found
    assert len(found) == 2
    assert found.missing == ("oslo",)
    assert repr(found) == "Gathered(2 elements, missing ['oslo'])"


def test_retries_are_read_by_kind_and_exception():
    assert lg.retries(3, on=["timeout", ConnectionError, "OSError"], backoff="10s") == (
        3,
        ("timeout", "ConnectionError", "OSError"),
        10.0,
    )


def test_retries_that_are_no_number_are_refused():
    with pytest.raises(ConfigurationError, match="not a whole number"):
        lg.retries("3")
