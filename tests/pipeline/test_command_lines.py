import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Setting
from legato.pipeline.programs import Line, argv
from legato.pipeline.values import wire_of

TRAIN = """
from pathlib import Path
@lg.step
def wine() -> list: ...

train = lg.command("train", "python train.py {wine} --lr {lr} -o {out.model}", params={"lr": 0.1},
                   outputs={"metrics": Path("out/metrics.json")}, cpus=2)
@lg.step
def last(model: object, metrics: object) -> int: ...
"""


def setting(name, value):
    return Setting(name=name, wire=wire_of(value), shown=repr(value))


def filled(line, *, paths=None, outs=None, **values):
    detail = {"arguments": list(Line(line).arguments)}
    return argv(detail, paths or {}, outs or {}, [setting(name, value) for name, value in values.items()])


def test_a_command_is_a_node_with_inputs_outputs_and_parameters(studio):
    graph = studio.collect(TRAIN).graph
    node = graph.node("train")

    assert [(i.parameter, i.artifact) for i in node.inputs] == [("wine", "wine")]
    assert [(o.artifact, o.field, o.path) for o in node.outputs] == [
        ("metrics", "metrics", "out/metrics.json"),
        ("model", "model", ""),
    ]
    assert node.settings[0].wire == "0.1"
    assert node.words.cpus == 2.0
    assert node.detail["script"] == "train.py"
    assert node.detail["arguments"] == ["python", "train.py", "{wine}", "--lr", "{lr}", "-o", "{out.model}"]


def test_a_command_without_variable_is_collected_by_its_own_name(studio):
    graph = studio.collect('lg.command("lint", "ruff check {out.report}", code=["src/**"])\n').graph

    assert graph.node("lint").detail["code"] == ["src/**"]


def test_typed_outputs_are_written_where_the_line_says(studio):
    graph = studio.collect(
        'fit = lg.command("fit", "fit {out.scores}", outputs={"scores": lg.Evaluation})\n'
        "@lg.step\ndef weights() -> dict: ...\nm = lg.model('m', weights, fit.output('scores'))\n"
    ).graph

    assert graph.node("fit").outputs[0].type == "legato.Evaluation"
    assert graph.node("m.gates").inputs[0].artifact == "scores"


def test_values_are_filled_in_as_arguments():
    found = filled(
        "train {rows} --lr={lr} '{a b}' {{x}} --names {names} {flag}".replace("{a b}", "a b"),
        paths={"rows": "/in/rows"},
        lr=0.1,
        names=("a", "b"),
        flag=True,
    )

    assert found == ["train", "/in/rows", "--lr=0.1", "a b", "{x}", "--names", "a,b", "true"]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_value_never_becomes_another_argument(text):
    assert filled("run --name {name} last", name=text) == ["run", "--name", text, "last"]


@pytest.mark.parametrize(
    "text",
    [
        'zzz";echo${IFS}"hello";#',
        "$(touch canary)",
        "`id`",
        "a b\nc",
        "{out.model}",
        "--x=1 -y",
        "; rm -rf .",
    ],
)
def test_hostile_values_reach_the_program_as_they_are(text, tmp_path):
    arguments = filled("PY -c 'import sys; sys.stdout.write(sys.argv[1])' {name}", name=text)

    done = subprocess.run(
        [sys.executable, *arguments[1:]], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout == text
    assert list(tmp_path.iterdir()) == []


def test_a_nul_is_refused():
    with pytest.raises(ConfigurationError, match="NUL"):
        filled("run {name}", name="a\0b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('c = lg.command("c", "make \'open")', "cannot be split"),
        ('c = lg.command("c", "awk \'{print $1}\'")', "names no input"),
        ('c = lg.command("c", "make {}")', "names no input"),
        ('c = lg.command("c", "make {x")', "names no input"),
        ('c = lg.command("c", "{program} x", params={"program": "rm"})', "takes its program from {program}"),
        ('c = lg.command("c", "make", params={"x": 1})', "parameter `x` is not in the line"),
        ('c = lg.command("c", "make", outputs={"m": int})', "nothing says where its output `m`"),
        (
            'from pathlib import Path\nc = lg.command("c", "make", outputs={"m": Path("/etc/m")})',
            "lies outside",
        ),
        (
            'from pathlib import Path\nc = lg.command("c", "make", outputs={"m": Path("a/../../m")})',
            "lies outside",
        ),
        ('c = lg.command("c", "make {m}")', "`c` takes `m`, which nothing makes"),
        ('c = lg.command("c", "make", params={"x": 1}, outputs={"a-b": int})', "no name for an output"),
        ('c = lg.command("c", "make")\nc2 = lg.command("c", "make")', "two things are called `c`"),
    ],
)
def test_a_line_that_cannot_be_run_is_refused(studio, text, message):
    error = studio.refused(text + "\n")

    assert message in f"{error}\n{error.hint}"
    assert error.where.startswith("pipeline.py:")
