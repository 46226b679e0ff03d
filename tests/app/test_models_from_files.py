"""Models whose evaluation reads a dataset's file are packaged and served; programs write evaluations as tables."""

import os
import subprocess
import sys
import textwrap

import pytest

from legato.app.commands import read_evaluation


@pytest.mark.parametrize("names", ["id,label,prediction", "ids,labels,predictions"])
def test_a_program_may_name_columns_in_the_singular(names, tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(f"{names},cost,colour\n1,0,1,2.5,red\n2,1,1,0.5,blue\n")

    found = read_evaluation(path)

    assert (found.ids, found.labels, found.predictions) == ([1, 2], [0, 1], [1, 1])
    assert (dict(found.rows), dict(found.slices)) == ({"cost": [2.5, 0.5]}, {"colour": ["red", "blue"]})


def legato(folder, *words):
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    return subprocess.run(
        [sys.executable, "-m", "legato", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


PIPELINE = """
    import legato as lg
    import {library} as tables
    from sklearn.tree import DecisionTreeClassifier

    rows = lg.dataset("rows.csv")

    @lg.step
    def tree(rows: tables.{form}) -> DecisionTreeClassifier:
        return DecisionTreeClassifier().fit(rows{eager}[["a", "b"]], rows{eager}["y"])

    @lg.step
    def evaluation(tree: DecisionTreeClassifier, rows: tables.{form}) -> lg.Evaluation:
        return lg.Evaluation(labels=rows{eager}["y"], predictions=tree.predict(rows{eager}[["a", "b"]]))

    model = lg.model("tree", tree, evaluation, gates=[])
"""


@pytest.mark.parametrize(
    ("library", "form", "eager"),
    [("pandas", "DataFrame", ""), ("polars", "DataFrame", ""), ("polars", "LazyFrame", ".collect()")],
)
def test_the_rows_of_a_dataset_show_what_requests_look_like(library, form, eager, tmp_path):
    lines = [f"{a},{b},{int(a > b)}" for a in range(5) for b in range(5)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (tmp_path / "pipeline.py").write_text(
        textwrap.dedent(PIPELINE.format(library=library, form=form, eager=eager))
    )

    ran = legato(tmp_path, "run")

    assert ran.returncode == 0, ran.stderr
    assert "tree:1 is champion" in ran.stderr


@pytest.mark.parametrize("target", [".", ".."])
def test_a_folder_that_holds_the_project_is_never_replaced(target, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pipeline.py").write_text(
        "import legato as lg\n\n@lg.step\ndef files() -> lg.Pickled[list]:\n    return [1]\n\n@lg.step\n"
        "def folder() -> object:\n    made = lg.out_folder()\n    (made / 'x').write_text('x')\n    return made\n"
    )
    legato(folder, "run")

    refused = legato(folder, "get", "folder", "-o", target, "--force")
    inside = legato(folder, "get", "folder", "-o", "new/")
    file = legato(folder, "get", "files", "-o", "new/")

    assert refused.returncode == 2
    assert "--force would remove it" in refused.stderr
    assert (folder / "new" / "folder" / "x").is_file(), inside.stderr
    assert (folder / "new" / "files.pkl").is_file(), file.stderr
