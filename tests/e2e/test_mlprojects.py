"""A repository with an `MLproject` runs as it is: entry points with parameters, and what they write."""

import pytest

PROJECT = """
name: tutorial

python_env: python_env.yaml

entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      l1_ratio: {type: float, default: 0.1}
      table: {type: path, default: wine-quality.csv}
    command: "python train.py {alpha} {l1_ratio} {table}"
  say:
    parameters:
      text: {type: string, default: hello}
    command: "mkdir -p out && printf '%s' {text} > out/text.txt"
"""
TRAIN = """
import os, sys

alpha, l1_ratio = float(sys.argv[1]), float(sys.argv[2])
rows = open(sys.argv[3]).read()
assert os.path.isabs(sys.argv[3])
with open("model.txt", "w") as target:
    target.write(f"{alpha} {l1_ratio} {len(rows)}")
run = os.environ["MLFLOW_TRACKING_URI"].removeprefix("file://") + "/0/r1"
os.makedirs(run + "/metrics")
open(run + "/metrics/rmse", "w").write("1 0.9 0\\n2 0.75 1\\n")
open(run + "/meta.yaml", "w").write(f"artifact_uri: file://{run}/artifacts\\n")
"""


@pytest.fixture
def tutorial(project):
    project.write("MLproject", PROJECT)
    project.write("train.py", TRAIN)
    project.write("wine-quality.csv", "a,b\n1,2\n")
    project.write("python_env.yaml", "python: 3.11\n")
    return project


def read(project, name):
    return (project.root / name).read_text(encoding="utf-8")


def test_the_entry_point_main_runs_with_its_defaults(tutorial):
    ran = tutorial.legato("run")

    assert read(tutorial, "model.txt") == "0.5 0.1 8"
    assert "python_env.yaml, which is not made" in ran.err
    assert tutorial.run() == {"main": "reused"}


def test_parameters_come_from_the_command_line(tutorial):
    tutorial.run()

    assert tutorial.computed("main", "-p", "main.alpha=0.3") == ["main"]
    assert read(tutorial, "model.txt") == "0.3 0.1 8"
    assert "alpha" in tutorial.legato("run", "-p", "main.alpha=high", code=2).err


def test_a_file_that_a_parameter_names_counts_by_its_content(tutorial):
    tutorial.run()
    tutorial.write("wine-quality.csv", "a,b\n1,2\n3,4\n")

    assert tutorial.computed() == ["main"]
    assert read(tutorial, "model.txt") == "0.5 0.1 12"
    assert "names no file" in tutorial.legato("run", "-p", "main.table=gone.csv", code=1).err


def test_what_mlflow_tracks_is_shown_and_stays_readable(tutorial):
    ran = tutorial.legato("run")

    assert "rmse=0.75" in ran.err
    assert f"file://{tutorial.root}/mlruns/0/r1/artifacts" in read(tutorial, "mlruns/0/r1/meta.yaml")


@pytest.mark.parametrize(
    "value", ["$(touch owned)", "`touch owned`", "'; touch owned; '", '"; touch owned; "', "{text}"]
)
def test_a_hostile_value_stays_one_argument(tutorial, value):
    tutorial.run("say", "-p", f"say.text={value}")

    assert read(tutorial, "out/text.txt") == value
    assert not list(tutorial.root.rglob("owned"))


def test_one_of_several_entry_points_can_be_a_target(tutorial):
    assert tutorial.run("say") == {"say": "computed"}
    assert read(tutorial, "out/text.txt") == "hello"


def test_a_comment_in_a_followed_program_runs_nothing(tutorial):
    tutorial.run()
    tutorial.edit("train.py", "import os, sys", "import os, sys  # both")

    assert tutorial.run() == {"main": "reused"}
