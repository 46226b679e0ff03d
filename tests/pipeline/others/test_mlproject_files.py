"""An `MLproject`: its entry points become commands; what is wrong is named with its line."""

import pytest

from legato.domain.errors import LegatoError
from legato.domain.messages import Override
from legato.pipeline.collect import collect
from legato.pipeline.others.describing import module_of
from legato.pipeline.select import select

ELASTIC_NET = """
name: tutorial
python_env: python_env.yaml
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      l1_ratio: {type: float, default: 1}
      name: string
      table: {type: path, default: wine.csv}
    command: "python train.py {alpha} {l1_ratio} {name} {table}"
  validate:
    command: python validate.py
"""


def collected(folder, text, *overrides):
    (folder / "MLproject").write_text(text, encoding="utf-8")
    return collect(module_of(str(folder / "MLproject")), root=folder, overrides=overrides)


def test_an_entry_point_is_a_command_with_typed_parameters(tmp_path):
    found = collected(tmp_path, ELASTIC_NET, Override(step="main", name="alpha", text="2"))
    node = found.graph.node("main")

    assert [(one.name, one.wire, one.type) for one in node.settings] == [
        ("alpha", "2.0", "float"),
        ("l1_ratio", "1.0", "float"),
        ("name", "", "str"),
        ("table", '"wine.csv"', "str"),
    ]
    assert str(node.place) == "MLproject:5"
    assert "python_env.yaml" in found.described.programs["main"].notes[0]


def test_main_runs_unless_another_is_asked_for(tmp_path):
    graph = collected(tmp_path, ELASTIC_NET, Override(step="", name="name", text="x")).graph

    assert [node.name for node in select(graph, []).nodes] == ["main"]
    assert [node.name for node in select(graph, ["validate"]).nodes] == ["validate"]


def test_where_none_is_main_one_has_to_be_named(tmp_path):
    graph = collected(tmp_path, "entry_points: {a: {command: x}, b: {command: y}}").graph

    with pytest.raises(LegatoError) as caught:
        select(graph, [])

    assert "a, b" in caught.value.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("entry_point: {}", "MLproject:1: the key entry_point is not supported"),
        ("name: x", "MLproject has no entry point"),
        ("name: x\ndocker_env: {image: y}", "MLproject:2: the key docker_env is not supported"),
        ("entry_points: {main: {command: 'x {gone}'}}", "{gone}, which is no parameter"),
        ("entry_points: {main: {comand: x}}", "entry_points.main.comand is not supported"),
        ("entry_points: {main: {parameters: {a: float}}}", "has no command"),
        (
            "entry_points: {main: {parameters: {a: {type: float, default: x}}, command: y}}",
            "is 'x', no float",
        ),
        ("entry_points: {main: {parameters: {a: {kind: float}}, command: y}}", "a.kind is not supported"),
        ("entry_points: {'a b': {command: y}}", "'a b' is no name for an entry point"),
        ("entry_points: {main: {parameters: {a: float}, command: \"sh -c 'echo {a}'\"}}", "read as code"),
        ("[", "it is not YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, told):
    with pytest.raises(LegatoError) as caught:
        collected(tmp_path, text)

    assert told in str(caught.value)
    assert caught.value.hint
