"""`lg.command`: programs as steps, in a private checkout, keyed by the code that they are made of.

Rule: a program sees only what its key holds.
"""

import pytest


@pytest.fixture
def scripted(project):
    project.write(
        "train.py",
        """
        import sys
        from model import fit

        with open(sys.argv[1]) as source, open(sys.argv[2], "w") as target:
            target.write(fit(source.read(), float(sys.argv[3])))
        """,
    )
    project.write("model.py", "def fit(text, rate):\n    return f'{len(text)} at {rate}'\n")
    project.write("unrelated.py", "x = 1\n")
    project.write("data.csv", "abc")
    project.pipeline(
        """
        from pathlib import Path

        table = lg.dataset("data.csv")
        train = lg.command(
            "train", "python train.py {table} {out.model} {rate}", params={"rate": 0.1}, outputs={"model": Path}
        )

        @lg.step
        def words(model: Path) -> int:
            return len(model.read_text().split())
        """
    )
    return project


def test_a_script_is_followed_like_a_step(scripted):
    assert scripted.computed() == ["table", "train", "words"]
    assert scripted.got("model") == "3 at 0.1"
    assert scripted.computed() == []
    scripted.write("unrelated.py", "x = 2\n")
    assert scripted.computed() == []
    scripted.edit("model.py", "at {rate}", "with {rate}")

    assert "model.py" in scripted.legato("why", "train").out
    assert scripted.computed() == ["train", "words"]


def test_a_parameter_of_a_script_is_part_of_its_key(scripted):
    scripted.run()

    assert scripted.computed("-p", "train.rate=0.5") == ["train", "words"]
    assert scripted.got("model") == "3 at 0.5"


def test_a_hostile_value_stays_one_argument(scripted):
    scripted.edit("train.py", "float(sys.argv[3])", "0.0")
    scripted.edit("pipeline.py", 'params={"rate": 0.1}', 'params={"rate": "a; touch owned $(touch owned)"}')

    scripted.run()

    assert not list(scripted.root.rglob("owned"))


def test_a_shell_tool_depends_on_its_code(project):
    project.write("scripts/count.sh", '#!/bin/sh\nwc -c < "$1" | tr -d \' \\n\' > "$2"\n').chmod(0o755)
    project.write("data.csv", "abcd")
    project.write("README.md", "one")
    project.pipeline(
        """
        from pathlib import Path

        table = lg.dataset("data.csv")
        size = lg.command(
            "size", "sh scripts/count.sh {table} {out.size}", outputs={"size": Path}, code=["scripts/*.sh"]
        )
        """
    )

    project.run()
    assert project.got("size") == "4"
    project.write("README.md", "two")
    assert project.computed() == []
    project.edit("scripts/count.sh", "wc -c", "wc -w")

    assert project.computed() == ["size"]
    assert project.got("size") == "1"


def test_a_script_may_keep_its_fixed_path(project):
    project.write(
        "make.py",
        "from pathlib import Path\nPath('models').mkdir(exist_ok=True)\nPath('models/m.txt').write_text('m')\n",
    )
    project.pipeline(
        """
        from pathlib import Path

        make = lg.command("make", "python make.py", outputs={"made": Path("models/m.txt")})
        """
    )

    project.run()

    assert project.got("made") == "m"
    assert not (project.root / "models").exists()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import sys\nprint('last words')\nsys.exit(3)\n", "exited with code 3"),
        ("pass\n", "did not write its output 'made'"),
        ("import os\nos.kill(os.getpid(), 9)\n", "code -9"),
    ],
)
def test_a_program_that_fails_says_how(project, script, told):
    project.write("make.py", script)
    project.pipeline(
        'from pathlib import Path\nmake = lg.command("make", "python make.py", outputs={"made": Path("m.txt")})\n'
    )

    ran = project.legato("run", code=1)

    assert told in ran.err
    assert "hint:" in ran.err


def test_a_program_that_is_not_there_is_named(project):
    project.pipeline('make = lg.command("make", "no-such-program-anywhere -x", outputs={}, code=[])\n')

    ran = project.legato("run", code=1)

    assert "no-such-program-anywhere" in ran.err


def test_a_program_writes_an_evaluation(project):
    project.write(
        "judge.py",
        """
        import json
        import sys

        with open(sys.argv[1], "w") as target:
            json.dump({"ids": [1, 2], "labels": [0, 1], "predictions": [0, 1]}, target)
        """,
    )
    project.pipeline(
        """
        judge = lg.command("judge", "python judge.py {out.judged}", outputs={"judged": lg.Evaluation})

        @lg.step
        def right(judged: lg.Evaluation) -> int:
            return int((judged.labels == judged.predictions).sum())
        """
    )

    project.run()

    assert project.got("right") == "2"
