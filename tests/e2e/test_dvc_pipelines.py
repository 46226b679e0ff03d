"""A repository with a `dvc.yaml` runs as it is: what runs after which edit, and where its outputs go.

Rule: projects are shaped like those that people have; where `dvc` itself is installed, both must run the same stages.
"""

import json
import os
import shutil
import subprocess

import pytest

LITE = '''
def load(path):
    """Sections of `name: number` lines, so that the example needs no library."""
    found, section = {}, None
    for line in open(path):
        name, _, value = line.partition(":")
        if not line.strip():
            continue
        if not line.startswith(" "):
            section = found[name.strip()] = {}
        else:
            section[name.strip()] = float(value)
    return found
'''
PREPARE = """
import os, random, sys
import lite

params = lite.load("params.yaml")["prepare"]
random.seed(params["seed"])
rows = open(sys.argv[1]).read().split()
cut = int(len(rows) * (1 - params["split"]))
os.makedirs("data/prepared", exist_ok=True)
open("data/prepared/train.txt", "w").write(" ".join(rows[:cut]))
open("data/prepared/test.txt", "w").write(" ".join(rows[cut:]))
"""
FEATURIZE = """
import os, sys
import lite

most = lite.load("params.yaml")["featurize"]["max_features"]
os.makedirs(sys.argv[2], exist_ok=True)
for name in ("train", "test"):
    words = open(f"{sys.argv[1]}/{name}.txt").read().split()
    open(f"{sys.argv[2]}/{name}.txt", "w").write(" ".join(words[: int(most)]))
"""
TRAIN = """
import sys
import lite

trees = lite.load("params.yaml")["train"]["trees"]
open(sys.argv[2], "w").write(f"{len(open(sys.argv[1] + '/train.txt').read())} rows, {trees:g} trees")
"""
EVALUATE = """
import json, os, sys

model = open(sys.argv[1]).read()
os.makedirs("eval", exist_ok=True)
json.dump({"avg_prec": {"train": 0.9, "test": len(model) / 100}}, open("eval/metrics.json", "w"))
open("eval/importance.csv", "w").write("name,weight\\na,1\\n")
"""
STAGES = """
stages:
  prepare:
    cmd: python src/prepare.py data/data.txt
    deps:
      - data/data.txt
      - src/prepare.py
    params:
      - prepare.seed
      - prepare.split
    outs:
      - data/prepared
  featurize:
    cmd: python src/featurization.py data/prepared data/features
    deps:
      - data/prepared
      - src/featurization.py
    params:
      - featurize.max_features
    outs:
      - data/features
  train:
    cmd: python src/train.py data/features model.txt
    deps:
      - data/features
      - src/train.py
    params:
      - train.trees
    outs:
      - model.txt
  evaluate:
    cmd: python src/evaluate.py model.txt data/features
    deps:
      - data/features
      - model.txt
      - src/evaluate.py
    metrics:
      - eval/metrics.json:
          cache: false
    plots:
      - eval/importance.csv:
          x: name
          y: weight
"""
PARAMS = """
prepare:
  split: 0.2
  seed: 7
featurize:
  max_features: 100
train:
  trees: 50
  verbose: 0
"""


@pytest.fixture
def started(project):
    """The shape of the best-known example: prepare, featurize, train, evaluate."""
    for name, text in {
        "src/lite.py": LITE,
        "src/prepare.py": PREPARE,
        "src/featurization.py": FEATURIZE,
        "src/train.py": TRAIN,
        "src/evaluate.py": EVALUATE,
        "dvc.yaml": STAGES,
        "params.yaml": PARAMS,
        "data/data.txt": " ".join(map(str, range(50))),
        ".gitignore": "/data\nmodel.txt\n/eval/importance.csv\n",
    }.items():
        project.write(name, text)
    git(project, "init", "-q", ".")
    git(project, "add", "-A")
    commit(project)
    return project


def git(project, *words):
    subprocess.run(["git", *words], cwd=project.root, check=True, capture_output=True)


def commit(project):
    git(project, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "x")


def read(project, name):
    return (project.root / name).read_text(encoding="utf-8")


def test_it_runs_without_a_pipeline_of_its_own(started):
    assert "avg_prec.test=" in started.legato("run").err
    assert started.computed() == []
    assert read(started, "model.txt") == "109 rows, 50 trees"
    assert started.got("model.txt") == "109 rows, 50 trees"
    assert json.loads(read(started, "eval/metrics.json"))["avg_prec"]["train"] == 0.9


def test_an_up_to_date_run_is_answered_from_stats(started):
    started.run()
    started.run()

    record = (started.state / "fresh.bin").read_bytes()

    assert b"params.yaml" in record
    assert b"model.txt" in record
    assert "up to date: 5 steps" in started.legato("run").out
    started.edit("params.yaml", "trees: 50", "trees: 51")
    assert "parameter train.trees changed: 50 -> 51" in started.legato("why", "train").out
    assert started.computed() == ["train", "evaluate"]
    assert read(started, "model.txt") == "109 rows, 51 trees"


EDITS = [
    ("params.yaml", "verbose: 0", "verbose: 1", []),
    ("src/train.py", "import lite", "import lite  # a comment", []),
    ("src/train.py", " rows, ", " of them, ", ["train", "evaluate"]),
    ("src/lite.py", "return found", "return dict(found)", ["prepare", "featurize", "train"]),
    ("dvc.yaml", "src/train.py data/features model", "-u src/train.py data/features model", ["train"]),
    ("data/data.txt", "0 1 2 3", "7 7 7", ["data/data.txt", "prepare", "featurize", "train", "evaluate"]),
]


def test_an_edit_runs_what_depends_on_it(started):
    started.run()

    for file, old, new, computed in EDITS:
        started.edit(file, old, new)
        assert started.computed() == computed, (file, new)


def test_a_stage_is_a_target_and_so_is_a_path(started):
    assert started.computed("featurize") == ["data/data.txt", "prepare", "featurize"]
    assert not (started.root / "model.txt").exists()
    assert started.computed("model.txt") == ["train"]


def test_a_parameter_from_the_command_line_reaches_the_program(started):
    started.run()

    assert started.plan("-p", "train.trees=99")["featurize"]["decision"] == "reuse"
    assert started.computed("-p", "train.trees=99") == ["train", "evaluate"]
    assert read(started, "model.txt") == "109 rows, 99 trees"
    assert "trees: 50" in read(started, "params.yaml")
    assert "no parameter `leaves`" in started.legato("run", "-p", "train.leaves=9", code=2).err


# -- outputs in the work tree ------------------------------------------------------------------------------------


def test_a_lost_output_is_put_back_without_running(started):
    started.run()
    shutil.rmtree(started.root / "data/features")
    (started.root / "model.txt").unlink()

    assert started.computed() == []
    assert read(started, "model.txt") == "109 rows, 50 trees"
    assert (started.root / "data/features/train.txt").exists()


def test_an_output_that_a_person_changed_is_kept(started):
    started.run("train")
    started.write("model.txt", "mine")
    started.edit("params.yaml", "trees: 50", "trees: 60")

    ran = started.legato("run", "train")

    assert read(started, "model.txt") == "mine"
    assert "kept model.txt" in ran.err
    assert started.got("model.txt") == "109 rows, 60 trees"
    (started.root / "model.txt").unlink()
    started.run("train")
    assert read(started, "model.txt") == "109 rows, 60 trees"


def test_an_output_that_git_holds_is_replaced(started):
    started.run()
    git(started, "add", "-f", "eval/metrics.json")
    commit(started)
    shutil.rmtree(started.state)
    started.write("src/evaluate.py", EVALUATE.replace("0.9", "0.8"))

    started.run()

    assert json.loads(read(started, "eval/metrics.json"))["avg_prec"]["train"] == 0.8


def test_a_file_that_a_stage_writes_no_longer_is_taken_away(started):
    started.run("featurize")
    started.edit("src/featurization.py", '("train", "test")', '("train",)')
    started.write("data/features/mine.txt", "mine")

    started.run("featurize")

    assert sorted(path.name for path in (started.root / "data/features").iterdir()) == [
        "mine.txt",
        "train.txt",
    ]


def test_no_output_is_written_through_a_link_that_leaves_the_repository(started, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (started.root / "eval").symlink_to(outside)

    started.run()

    assert not list(outside.iterdir())


# -- what a program may see --------------------------------------------------------------------------------------


def test_a_tracked_file_that_is_read_undeclared_counts(started):
    started.write("settings.ini", "one")
    git(started, "add", "settings.ini")
    started.edit("dvc.yaml", "python src/train.py", "cat settings.ini && python src/train.py")
    started.run()
    assert started.computed() == []
    started.write("README.md", "other")
    git(started, "add", "README.md")
    assert started.computed() == []
    started.write("settings.ini", "two")

    assert started.computed() == ["train"]
    started.write("settings.ini", "three")
    assert "settings.ini" in started.legato("why", "train").out


def test_a_file_that_nobody_declared_or_tracks_is_not_seen(started):
    started.write("data/secret.txt", "x")
    started.edit("dvc.yaml", "python src/train.py", "cat data/secret.txt && python src/train.py")

    ran = started.legato("run", code=1)

    assert "deps" in ran.err
    assert "'train' exited with code 1" in ran.err


def test_a_stage_that_does_not_write_its_output_says_so(started):
    started.edit(
        "dvc.yaml", "      - model.txt\n  evaluate", "      - model.txt\n      - gone.txt\n  evaluate"
    )

    assert "did not write its output 'gone.txt'" in started.legato("run", code=1).err


def test_a_stage_ends_at_its_first_failing_command(project):
    project.write(
        "dvc.yaml",
        "stages:\n  a:\n    cmd:\n    - echo 1 > x\n    - 'false'\n    - echo 2 > x\n    outs: [x]\n",
    )

    ran = project.legato("run", code=1)

    assert "exited with code 1: false" in ran.err
    assert not (project.root / "x").exists()


# -- other shapes ------------------------------------------------------------------------------------------------


def test_loops_matrix_vars_and_working_folders(project):
    project.write("params.yaml", "models:\n  us: {thresh: 10}\n  de: {thresh: 20}\nnames: [a, b]\nlr: 1e-3\n")
    project.write("more.json", '{"settings": {"root": "out"}}')
    project.write(
        "dvc.yaml",
        """
        vars:
          - more.json
          - suffix: txt
        stages:
          build:
            foreach: ${models}
            do:
              cmd: mkdir -p ${settings.root} && echo ${key} ${item.thresh} > ${settings.root}/${key}.${suffix}
              outs:
                - ${settings.root}/${key}.${suffix}
          each:
            foreach: ${names}
            do:
              cmd: echo ${item} ${lr} > ${item}.txt
              outs: ["${item}.txt"]
          grid:
            matrix:
              depth: [4, 8]
              model: [x, y]
            cmd: echo ${item.depth} ${item.model} > ${key}.txt
            outs: ["${key}.txt"]
          gather:
            wdir: work
            cmd:
              - cat ../out/us.txt ../out/de.txt > all.txt
              - cat ../a.txt ../4-x.txt >> all.txt
            deps: [../out/us.txt, ../out/de.txt, ../a.txt, ../4-x.txt]
            outs: [all.txt]
        """,
    )

    found = project.run()

    assert set(found) == {
        *(
            "build@us",
            "build@de",
            "each@a",
            "each@b",
            "grid@4-x",
            "grid@4-y",
            "grid@8-x",
            "grid@8-y",
            "gather",
        )
    }
    assert read(project, "work/all.txt") == "us 10\nde 20\na 0.001\n4 x\n"
    project.edit("params.yaml", "thresh: 20", "thresh: 30")
    assert project.computed() == ["build@de", "gather"]
    assert project.run("build") == {"build@us": "reused", "build@de": "reused"}


def test_parameters_in_python_toml_and_json(project):
    project.write("settings.py", "RATE = 0.5\n\nclass Train:\n    epochs = 3  # not many\n")
    project.write("settings.toml", '[net]\nlayers = [8, 4]\nname = "small"\n')
    project.write("settings.json", '{"seed": 7, "unused": 1}')
    project.write("show.py", "import json, settings, tomllib\nfrom pathlib import Path\n"
        "net = tomllib.loads(Path('settings.toml').read_text())['net']\n"
        "seed = json.loads(Path('settings.json').read_text())['seed']\n"
        "Path('shown.txt').write_text(f'{settings.RATE} {settings.Train.epochs} {net} {seed}')\n")  # fmt: skip
    project.write(
        "dvc.yaml",
        """
        stages:
          show:
            cmd: python show.py
            deps: [show.py]
            params:
              - settings.py: [RATE, Train.epochs]
              - settings.toml:
              - settings.json: [seed]
            outs: [shown.txt]
        """,
    )
    project.run()
    assert read(project, "shown.txt") == "0.5 3 {'layers': [8, 4], 'name': 'small'} 7"

    assert project.computed("-p", "Train.epochs=9", "-p", "net.name=big", "-p", "seed=1") == ["show"]
    assert read(project, "shown.txt") == "0.5 9 {'layers': [8, 4], 'name': 'big'} 1"
    project.edit("settings.json", '"unused": 1', '"unused": 2')
    assert project.computed() == []


def test_frozen_stages_and_stages_that_always_run(project):
    project.write("table.txt", "as it is")
    project.write(
        "dvc.yaml",
        """
        stages:
          fetch: {cmd: exit 1, outs: [table.txt], frozen: true}
          size: {cmd: wc -c < table.txt > size.txt, deps: [table.txt], outs: [size.txt]}
          clock: {cmd: date > now.txt, outs: [now.txt], always_changed: true}
        """,
    )

    assert sorted(project.computed()) == ["clock", "size", "table.txt"]
    assert project.computed() == ["clock"]


def test_a_stage_may_depend_on_another_files_stage(project):
    project.write(
        "data/dvc.yaml", "stages:\n  get: {cmd: echo 7 > raw.txt, outs: [raw.txt]}\n  other: {cmd: exit 1}\n"
    )
    project.write(
        "dvc.yaml", "stages:\n  use: {cmd: cat data/raw.txt > u, deps: [data/raw.txt], outs: [u]}\n"
    )

    assert project.computed() == ["data/get", "use"]
    assert read(project, "u") == "7\n"


def test_stages_stand_beside_steps(project):
    project.write(
        "dvc.yaml",
        """
        stages:
          train: {cmd: echo 7 > models/m.txt, outs: [models/m.txt]}
          last: {cmd: cat made.txt > last.txt, deps: [made.txt], outs: [last.txt]}
        """,
    )
    project.pipeline(
        """
        from pathlib import Path

        stages = lg.dvc("dvc.yaml")
        make = lg.command("make", "bash -c 'echo made > made.txt'", outputs={"made": Path("made.txt")}, code=[])

        @lg.step
        def doubled(m: Path) -> int:
            return 2 * int(m.read_text())

        @lg.step
        def length(text: Path) -> int:
            return len(text.read_text())

        total = length.using(text="models/m.txt")
        """
    )

    assert set(project.computed()) == {"train", "make", "last", "doubled", "total"}
    assert project.got("doubled") == "14"
    assert project.got("total") == "2"
    assert read(project, "last.txt") == "made\n"


def test_words_of_ours_stand_in_meta(project):
    project.write(
        "dvc.yaml", "stages:\n  a: {cmd: 'echo $REGION > x', outs: [x], meta: {legato: {env: [REGION]}}}\n"
    )

    project.run(env={"REGION": "north"})

    assert read(project, "x") == "north\n"
    assert project.computed(env={"REGION": "south"}) == ["a"]


def test_init_turns_stages_into_commands_that_compute_the_same(started):
    started.run()
    before = read(started, "model.txt")

    assert "--from dvc" in started.legato("init").out
    assert started.computed() == []
    (started.root / "pipeline.py").unlink()
    assert "4 stages" in started.legato("init", "--from", "dvc").out
    (started.root / "dvc.yaml").unlink()

    assert started.computed() == ["prepare", "featurize", "train", "evaluate"]
    assert started.got("model") == before
    started.edit("src/train.py", "import lite", "import lite  # a comment")
    assert started.computed() == []


# -- beside the real one -----------------------------------------------------------------------------------------


def dvc(project, *words):
    home = {"HOME": str(project.root.parent), "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    ran = subprocess.run(
        ["dvc", *words], cwd=project.root, env=os.environ | home, capture_output=True, check=True
    )
    return ran.stdout.decode()


def ran_by_dvc(project):
    lines = dvc(project, "repro").splitlines()
    return [line.partition("'")[2].partition("'")[0] for line in lines if line.startswith("Running stage")]


@pytest.mark.skipif(shutil.which("dvc") is None, reason="needs dvc on the PATH: pip install dvc")
@pytest.mark.timeout(120)
def test_the_same_stages_run_as_with_dvc(started):
    dvc(started, "init", "-q")
    edits = [
        ("data/data.txt", "0 1 2 3", "7 7 7"),
        ("params.yaml", "trees: 50", "trees: 60"),
        ("params.yaml", "verbose: 0", "verbose: 1"),
        ("src/train.py", " rows, ", " of them, "),
        ("src/featurization.py", "words[:", "words[0:"),
        ("dvc.yaml", "python src/evaluate.py", "python -u src/evaluate.py"),
    ]
    theirs, ours = [ran_by_dvc(started)], [started.computed()]
    made = read(started, "model.txt")

    for edit in edits:
        started.edit(*edit)
        theirs.append(ran_by_dvc(started))
        ours.append(started.computed())

    assert [[name for name in names if name != "data/data.txt"] for names in ours] == theirs
    assert made
