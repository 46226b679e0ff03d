import datetime as dt
from pathlib import Path

import msgspec
import pytest

from legato.domain.errors import UserCodeError
from legato.domain.graph import Graph

CHAIN = """
@lg.step
def rows() -> list:
    return [1, 2]

@lg.step
def total(rows: list, *, scale: float = 1.0) -> float:
    return sum(rows) * scale
"""

SPLIT = """
class Split(NamedTuple):
    train_set: list
    test_set: list

@lg.step
def split(rows: list, *, seed: int = 7) -> Split:
    return Split(rows[1:], rows[:1])
"""


def wiring(graph: Graph) -> dict[str, dict[str, str]]:
    return {node.name: {taken.parameter: taken.artifact for taken in node.inputs} for node in graph.nodes}


def made(graph: Graph, name: str) -> list[str]:
    return [output.artifact for output in graph.node(name).outputs]


def test_steps_are_wired_by_the_names_of_their_parameters(studio):
    graph = studio.collect(CHAIN).graph

    assert wiring(graph) == {"rows": {}, "total": {"rows": "rows"}}
    assert graph.node("total").inputs[0].type == "list"
    assert graph.node("total").outputs[0].type == "float"
    assert str(graph.node("total").place) == "pipeline.py:8"


def test_a_graph_survives_the_wire(studio):
    graph = studio.collect(CHAIN + SPLIT).graph

    assert msgspec.json.decode(msgspec.json.encode(graph), type=Graph) == graph


def test_several_outputs_are_named_by_their_fields(studio):
    collected = studio.collect(CHAIN + SPLIT)

    assert made(collected.graph, "split") == ["train_set", "test_set"]
    assert collected.fields("split", collected.functions["split"]([1, 2])) == {
        "train_set": [2],
        "test_set": [1],
    }


def test_a_frozen_dataclass_stands_for_several_outputs_too(studio):
    collected = studio.collect(
        CHAIN
        + """
import dataclasses

@dataclasses.dataclass(frozen=True)
class Parts:
    head: list
    tail: list

@lg.step
def parts(rows: list) -> Parts:
    return Parts(rows[:1], rows[1:])
"""
    )

    assert made(collected.graph, "parts") == ["head", "tail"]
    assert collected.result_annotation("parts", "tail") is list


def test_a_changeable_dataclass_is_one_output(studio):
    collected = studio.collect(
        """
import dataclasses

@dataclasses.dataclass
class Report:
    text: str

@lg.step
def report() -> Report:
    return Report("fine")
"""
    )

    assert made(collected.graph, "report") == ["report"]


def test_an_evaluation_is_one_output(studio):
    graph = studio.collect("@lg.step\ndef evaluation() -> lg.Evaluation: ...\n").graph

    assert made(graph, "evaluation") == ["evaluation"]
    assert graph.node("evaluation").outputs[0].type == "legato.Evaluation"


def test_a_result_of_another_type_than_annotated_is_the_users_error(studio):
    collected = studio.collect(CHAIN + SPLIT)

    with pytest.raises(UserCodeError, match=r"split returned a tuple, not the .*Split"):
        collected.fields("split", ([1], [2]))


def test_a_derived_step_is_a_node_under_its_variables_name(studio):
    graph = studio.collect(
        CHAIN
        + """
@lg.step
def more_rows() -> list:
    return [3]

more = total.using(rows=more_rows, scale=2)
most = more.using(scale=3.0)
named = total.using(rows="more_rows")
"""
    ).graph

    assert wiring(graph)["more"] == {"rows": "more_rows"}
    assert wiring(graph)["named"] == {"rows": "more_rows"}
    (scale,) = graph.node("more").settings
    assert (scale.wire, scale.shown, scale.origin) == ("2.0", "2.0", "using")
    assert graph.node("most").settings[0].wire == "3.0"
    assert graph.node("named").settings[0].origin == "default"


def test_a_derived_step_with_several_outputs_has_them_under_its_own_name(studio):
    graph = studio.collect(
        CHAIN + SPLIT + "again = split.using(seed=3)\nscore = total.using(rows=again.output('test_set'))\n"
    ).graph

    assert made(graph, "again") == ["again.train_set", "again.test_set"]
    assert wiring(graph)["score"] == {"rows": "again.test_set"}


def test_a_variable_for_one_output_is_another_name_for_it(studio):
    graph = studio.collect(
        CHAIN
        + SPLIT
        + "held_out = split.output('test_set')\n@lg.step\ndef last(held_out: list) -> int: ...\n"
    ).graph

    assert wiring(graph)["last"] == {"held_out": "test_set"}


def test_a_step_may_live_in_another_module_and_is_called_as_it_is_imported(studio):
    studio.write("shared_steps.py", "import legato as lg\n\n@lg.step\ndef make() -> list: ...\n")
    graph = studio.collect(
        "from shared_steps import make as rows\n@lg.step\ndef n(rows: list) -> int: ...\n"
    ).graph

    assert wiring(graph) == {"rows": {}, "n": {"rows": "rows"}}
    assert str(graph.node("rows").place) == "shared_steps.py:3"


def test_an_imported_step_that_only_serves_as_a_template_is_no_node(studio):
    studio.write("shared_split.py", "import legato as lg\n\n@lg.step\ndef halve(table: list) -> list: ...\n")
    graph = studio.collect(
        CHAIN + "from shared_split import halve\nrow_halves = halve.using(table=rows)\n"
    ).graph

    assert "halve" not in wiring(graph)
    assert wiring(graph)["row_halves"] == {"table": "rows"}


def test_a_template_of_the_pipelines_own_is_noted(studio):
    collected = studio.collect(CHAIN + "@lg.step\ndef halve(table): ...\nhalves = halve.using(table=rows)\n")

    assert collected.notes == ("left out: `halve`, which would make `halve`, has no input `table`",)


def test_what_is_made_on_the_way_to_a_name_needs_none(studio):
    graph = studio.collect(
        CHAIN
        + """
more = (
    total.using(scale=2)
    .using(scale=3)
)
both = [
    total.using(scale=4),
    total.using(scale=5),
]

def scaled(by):
    return total.using(scale=by)

six = scaled(6)
scaled(7)
"""
    ).graph

    assert sorted(wiring(graph)) == ["more", "rows", "six", "total"]


def test_steps_made_by_a_function_are_called_as_they_are_bound(studio):
    collected = studio.collect(
        "def make(n):\n    @lg.step\n    def inner() -> int:\n        return n\n    return inner\n"
        "one = make(1)\ntwo = make(2)\n"
    )

    assert sorted(wiring(collected.graph)) == ["one", "two"]
    assert collected.functions["two"]() == 2


def test_positional_parameters_with_defaults_are_parameters(studio):
    graph = studio.collect(CHAIN + "@lg.step\ndef scaled(rows: list, factor: int = 3) -> list: ...\n").graph

    assert wiring(graph)["scaled"] == {"rows": "rows"}
    assert graph.node("scaled").settings[0].name == "factor"


def test_nodes_follow_what_they_need_whatever_the_order_of_the_file(studio):
    graph = studio.collect(
        "@lg.step\ndef b(a: int) -> int: ...\n@lg.step\n"
        "def c(b: int, a: int) -> int: ...\n@lg.step\ndef a() -> int: ...\n"
    ).graph

    assert [node.name for node in graph.nodes] == ["a", "b", "c"]


def test_texts_for_annotations_are_resolved(studio):
    graph = studio.collect(
        CHAIN + SPLIT,
        head="from __future__ import annotations\nfrom typing import NamedTuple\nimport legato as lg\n",
    ).graph

    assert made(graph, "split") == ["train_set", "test_set"]
    assert graph.node("split").inputs[0].type == "list"


def test_names_imported_for_type_checkers_only_are_read_from_the_tree(studio):
    collected = studio.collect(
        "@lg.step\ndef frame() -> ET.Element | None: ...\n"
        "@lg.step\ndef shape(frame: ET.Element) -> int: ...\n",
        head="from __future__ import annotations\nfrom typing import TYPE_CHECKING\nimport legato as lg\n"
        "if TYPE_CHECKING:\n    import nowhere.installed as ET\n",
    )

    assert collected.graph.node("shape").inputs[0].type == "nowhere.installed.Element"
    assert collected.annotation("shape", "frame") == "nowhere.installed.Element"


def test_a_result_imported_for_type_checkers_only_still_says_its_outputs(studio):
    studio.write(
        "my_shapes.py",
        "from typing import NamedTuple\n\nclass Pair(NamedTuple):\n    left: int\n    right: int\n",
    )
    graph = studio.collect(
        "@lg.step\ndef pair() -> Pair:\n    from my_shapes import Pair\n    return Pair(1, 2)\n",
        head="from __future__ import annotations\nfrom typing import TYPE_CHECKING\nimport legato as lg\n"
        "if TYPE_CHECKING:\n    from my_shapes import Pair\n",
    ).graph

    assert made(graph, "pair") == ["left", "right"]


def test_an_annotation_that_cannot_be_resolved_skips_the_check(studio):
    collected = studio.collect(
        "@lg.step\ndef a() -> 'Gone': ...\n@lg.step\ndef b(a: 'AlsoGone[int') -> int: ...\n"
    )

    assert collected.graph.node("b").inputs[0].type == "AlsoGone[int"
    assert collected.annotation("b", "a") is None


def test_a_step_below_another_decorator_is_called_through_it(studio):
    collected = studio.collect(
        """
import functools

def loud(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs) + 1
    return inner

@lg.step
@loud
def below(*, n: int = 1) -> int:
    return n

@loud
@lg.step
def above(*, n: int = 1) -> int:
    return n
"""
    )

    assert collected.functions["below"](n=1) == 2
    assert collected.functions["above"](n=1) == 2
    assert [s.name for s in collected.graph.node("below").settings] == ["n"]


def test_a_dataset_is_found_from_the_folder_of_its_file(studio):
    studio.write("churn/data/rows.csv", "a\n1\n")
    studio.write("churn/images/a.txt", "a")
    graph = studio.collect(
        'rows = lg.dataset("data/rows.csv")\nimages = lg.dataset("images")\nlater = lg.dataset("new/")\n',
        file="churn/pipeline.py",
    ).graph

    assert graph.node("rows").detail == {"path": "churn/data/rows.csv", "kind": "file"}
    assert graph.node("images").detail == {"path": "churn/images", "kind": "folder"}
    assert graph.node("later").detail == {"path": "churn/new", "kind": "folder"}
    assert graph.node("rows").kind == "dataset"


def test_settings_come_back_as_the_values_they_were(studio):
    collected = studio.collect(
        "import datetime, enum\nclass Mode(enum.Enum):\n    FAST = 1\n"
        "@lg.step\ndef a(*, day: datetime.date = datetime.date(2026, 11, 1), mode: Mode = Mode.FAST,"
        " size: tuple[int, ...] = (1, 2), rate=0.5) -> int: ...\n"
    )

    values = collected.settings("a", collected.graph.node("a").settings)

    assert values["day"] == dt.date(2026, 11, 1)
    assert values["mode"].name == "FAST"
    assert values["size"] == (1, 2)
    assert values["rate"] == 0.5


def test_words_and_uses_reach_the_node(studio):
    collected = studio.collect('@lg.step(cpus=2, uses=["rules.json"], env=["REGION"])\ndef a() -> int: ...\n')

    assert collected.graph.node("a").words.cpus == 2.0
    assert collected.graph.node("a").words.env == ("REGION",)
    assert collected.uses == {"a": ("rules.json",)}


def test_own_formats_are_handed_on(studio):
    module = studio.load(
        "class Thing: ...\n@lg.format(Thing)\nclass ThingFormat:\n    def save(self, value, folder): ...\n"
        "    def load(self, folder): ...\n@lg.step\ndef thing() -> Thing: ...\n"
    )
    from legato.pipeline.collect import collect

    assert (module.Thing, module.ThingFormat) in collect(module, root=studio.folder).formats


def test_foreign_objects_are_left_alone(studio):
    graph = studio.collect(
        "class Nosy:\n    def __getattr__(self, name):\n        raise RuntimeError(name)\n"
        "nosy = Nosy()\n@lg.step\ndef a() -> int: ...\n"
    ).graph

    assert wiring(graph) == {"a": {}}


def test_places_outside_the_root_keep_their_whole_path(tmp_path):
    from legato.pipeline.places import Places

    places = Places(str(tmp_path / "inner"))

    assert places.relative(str(tmp_path / "inner" / "a.py")) == "a.py"
    assert places.relative(str(tmp_path / "innermost" / "a.py")) == str(Path(tmp_path) / "innermost" / "a.py")
