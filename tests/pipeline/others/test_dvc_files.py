"""What is wrong with a `dvc.yaml` is said with file, line and key; what is right becomes nodes."""

import pytest

from legato.domain.errors import ConfigurationError, LegatoError
from legato.domain.messages import Override
from legato.pipeline.collect import collect
from legato.pipeline.others.describing import module_of
from legato.pipeline.select import select


@pytest.fixture
def folder(tmp_path):
    def write(text, **files):
        (tmp_path / "dvc.yaml").write_text(text, encoding="utf-8")
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return tmp_path

    return write


def collected(root, *overrides):
    return collect(module_of(str(root / "dvc.yaml")), root=root, overrides=overrides)


def refused(root):
    with pytest.raises(LegatoError) as caught:
        collected(root)
    return caught.value


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("live: x", "dvc.yaml:4: the key stages.a.live is not supported"),
        ("outs: [{x: {chache: true}}]", "the key stages.a.outs[0].x.chache is not supported"),
        ("outs: [{x: {checkpoint: true}}]", "checkpoint is not supported"),
        ("outs: [s3://bucket/x]", "outside the repository"),
        ("outs: [/etc/x]", "outside the repository"),
        ("outs: [../x]", "which is not inside the repository"),
        ("deps: [ds://x]", "outside the repository"),
        ("deps: [{x: 1}]", "dvc.yaml:4: stages.a.deps[0] is {'x': 1}, not a path"),
        ("deps: x", "stages.a.deps is a text, not a list"),
        ("frozen: maybe", "stages.a.frozen is a text, not true or false"),
        ("wdir: ../..", "outside the repository"),
        ("deps: ['${gone}']", "stages.a.deps[0]: ${gone} has no value"),
        ("vars: [gone.yaml]", "stages.a.vars[0] loads gone.yaml, which is not there"),
        ("vars: [{x: '${y}'}]", "holds the template"),
        ("params: [lr]", "it names parameters of params.yaml, which is not there"),
        ("params: [{p.yaml: lr}]", "is 'lr'"),
        ("meta: {legato: 3}", "meta.legato is no mapping"),
        ("meta: {legato: {cpu: 3}}", "knows no word cpu="),
    ],
)
def test_what_is_not_supported_is_named_with_its_line(folder, line, told):
    error = refused(folder(f"stages:\n  a:\n    cmd: echo\n    {line}\n"))

    assert told in str(error)
    assert "dvc.yaml:" in str(error)
    assert error.hint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stage: {}", "dvc.yaml:1: the key stage is not supported"),
        ("stages: []", "stages is a list, not a mapping"),
        ("stages: {a: {outs: [x]}}", "stages.a has no cmd:"),
        ("stages: {a: {cmd: ''}}", "stages.a.cmd is empty"),
        ("stages: {'a/b': {cmd: x}}", "'a/b' is no name for a stage"),
        ("stages: {a: {foreach: 3, do: {cmd: x}}}", "stages.a.foreach is"),
        ("stages: {a: {foreach: [1]}}", "has no do:"),
        ("stages: {a: {foreach: [1], cmd: x}}", "the key stages.a.cmd is not supported"),
        ("stages: {a: {matrix: {x: 1}, cmd: x}}", "is no mapping of lists"),
        ("stages: {a: {cmd: x, outs: [o]}, b: {cmd: y, outs: [o/p]}}", "two stages write o/p"),
        ("stages: {a: {cmd: x, outs: [o], deps: [p]}, b: {cmd: y, outs: [p], deps: [o]}}", "need each other"),
        ("- 1", "the file is a list, not a mapping"),
        ("vars: [{a: 1}, {a: 2}]", "has a value already"),
        ("stages: {a: {cmd: 'x ${b}'}}", "${b} has no value"),
    ],
)
def test_what_is_wrong_with_the_file_is_named(folder, text, told):
    assert told in str(refused(folder(text)))


def test_a_missing_parameter_names_its_neighbours(folder):
    error = refused(folder("stages: {a: {cmd: x, params: [train.lrr]}}", params_dot_yaml="train: {lr: 1}"))

    assert "params.yaml has no parameter 'train.lrr'" in str(error)
    assert "train.lr" in error.hint


def test_a_stage_becomes_a_command_with_what_it_declares(folder):
    root = folder(
        """
stages:
  train:
    cmd: python src/train.py --lr ${train.lr}
    deps: [data/x.csv, src, raw]
    params: [train, other.toml: [net.size]]
    outs: [models/m.pkl]
    metrics: [{metrics.json: {cache: false}}]
    plots: [{plots.csv: [{x: a, y: b}, {x: c}]}]
    desc: trains
plots: [{one: {x: a}}]
metrics: [metrics.json]
artifacts: {m: {path: models/m.pkl, type: model}}
""",
        params_dot_yaml="train: {lr: 1e-3}\nunused: 1",
        other_dot_toml="[net]\nsize = 3\n",
        src__train_dot_py="import helper\n",
        raw__a_dot_bin="x",
    )

    found = collected(root)
    node = found.graph.node("train")

    assert node.kind == "command"
    assert str(node.place) == "dvc.yaml:3"
    assert node.detail["shell"] == ["python src/train.py --lr 0.001"]
    assert {one.parameter: one.artifact for one in node.inputs} == {"data/x.csv": "data/x.csv", "raw": "raw"}
    assert [output.path for output in node.outputs] == ["models/m.pkl", "metrics.json", "plots.csv"]
    assert [(one.name, one.wire) for one in node.settings] == [
        ("train", '{"dict":{"lr":0.001}}'),
        ("other.toml:net.size", "3"),
    ]
    program = found.described.programs["train"]
    assert program.code == ("src",)
    assert program.followed == (("python", "src/train.py"),)
    assert program.metrics == ("metrics.json",)
    assert str(root / "params.yaml") in found.described.seen


def test_a_value_from_outside_is_what_templates_and_settings_see(folder):
    root = folder("stages: {a: {cmd: 'x ${lr}', params: [lr]}}", params_dot_yaml="lr: 0.1")

    node = collected(root, Override(step="", name="lr", text="2")).graph.node("a")

    assert node.detail["shell"] == ["x 2.0"]
    assert (node.settings[0].wire, node.settings[0].origin) == ("2.0", "option")


def test_what_a_path_holds_or_lies_in_is_a_dependency(folder):
    root = folder(
        "stages:\n  a: {cmd: x, outs: [out]}\n  b: {cmd: y, deps: [out/part.txt]}\n  c: {cmd: z, deps: [.]}\n"
    )

    with pytest.raises(ConfigurationError):
        collected(root)

    graph = collected(
        folder(
            "stages:\n  a: {cmd: x, outs: [d/out]}\n  b: {cmd: y, deps: [d/out/p]}\n  c: {cmd: z, deps: [d]}\n"
        )
    ).graph
    assert [[one.artifact for one in graph.node(name).inputs] for name in "bc"] == [["d/out"], ["d/out"]]


def test_a_name_without_its_key_means_all_of_them(folder):
    graph = collected(folder("stages: {a: {foreach: [x, y], do: {cmd: 'echo ${item}'}}, b: {cmd: z}}")).graph

    assert [node.name for node in select(graph, ["a"]).nodes] == ["a@x", "a@y"]
    assert [node.name for node in select(graph, ["a@y"]).nodes] == ["a@y"]


def test_a_dependency_that_another_file_writes_is_found(folder):
    root = folder(
        "stages: {use: {cmd: x, deps: [deep/er/raw.txt]}}",
        deep__dvc_dot_yaml="stages: {get: {cmd: y, outs: [er/raw.txt]}, more: {cmd: z}}",
    )

    assert {node.name for node in collected(root).graph.nodes} == {"deep/get", "use"}


def test_an_output_called_like_a_stage_keeps_its_path(folder):
    found = collected(folder("stages: {model: {cmd: x, deps: [a]}, train: {cmd: y, outs: [model]}}"))

    assert [output.artifact for output in found.graph.node("train").outputs] == ["./model"]
