"""`lg.load` and `lg.runs`: what a notebook sees of what runs made.

Rule: a notebook is a plain Python process in the project's folder.
"""

import subprocess
import sys


def notebook(project, code):
    """Run code as a cell and return what it printed."""
    ended = subprocess.run(
        [sys.executable, "-c", "import legato as lg\n" + code],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in ended.stderr or "legato.domain.errors" in ended.stderr, ended.stderr
    return ended.stdout.strip() or ended.stderr.strip()


def test_a_notebook_loads_what_runs_made(project):
    project.write("shapes.py", "class Square:\n    def __init__(self, side):\n        self.side = side\n")
    project.pipeline(
        """
        from pathlib import Path
        import polars as pl
        from shapes import Square

        @lg.step
        def table(*, rows: int = 3) -> pl.DataFrame:
            return pl.DataFrame({"a": list(range(rows))})

        @lg.step
        def square() -> lg.Pickled[Square]:
            return Square(4)

        @lg.step
        def folder() -> Path:
            out = lg.out_folder()
            (out / "a.txt").write_text("hello")
            return out
        """
    )
    project.run()
    project.run("-p", "table.rows=5")

    assert notebook(project, 'print(lg.load("table").height, lg.load("table", run=1).height)') == "5 3"
    assert (
        notebook(project, 'import polars as pl\nprint(type(lg.load("table", form=pl.LazyFrame)).__name__)')
        == "LazyFrame"
    )
    assert notebook(project, 'print((lg.load("folder") / "a.txt").read_text())') == "hello"
    assert notebook(project, 'print(lg.load("square", allow_unsafe=True).side)') == "4"
    assert "is a pickle" in notebook(project, 'lg.load("square")')
    assert (
        notebook(project, "print([run.number for run in lg.runs()], lg.runs()[0].state)")
        == "[2, 1] succeeded"
    )
    assert "did you mean 'table'" in notebook(
        project, 'try:\n    lg.load("tabel")\nexcept Exception as error:\n    print(error.hint)'
    )


def test_steps_are_functions_outside_a_run(project):
    project.pipeline(
        """
        @lg.step
        def doubled(x: int, *, by: int = 2) -> int:
            lg.log(loss=0.5, step=1)
            assert lg.out_folder().is_dir()
            return x * by
        """
    )

    assert notebook(project, "import pipeline\nprint(pipeline.doubled(4))").endswith("8")


def test_a_notebook_needs_to_import_nothing_of_the_users_own(project):
    project.write(
        "words.py",
        """
        import legato as lg

        class Words:
            def __init__(self, words):
                self.words = words

        @lg.format(Words)
        class WordsFormat:
            def save(self, value, folder):
                (folder / "words.txt").write_text(" ".join(value.words))

            def load(self, folder):
                return Words((folder / "words.txt").read_text().split())
        """,
    )
    project.pipeline(
        """
        from collections import OrderedDict
        from words import Words

        @lg.step
        def words() -> Words:
            return Words(["a", "b"])

        @lg.step
        def ordered() -> lg.Pickled[OrderedDict]:
            return OrderedDict(a=1)
        """
    )
    project.run()

    assert notebook(project, 'print(lg.load("words").words)') == "['a', 'b']"
    assert notebook(project, 'print(dict(lg.load("ordered", allow_unsafe=True)))') == "{'a': 1}"


def test_two_runs_are_compared(project):
    project.pipeline(
        """
        @lg.step
        def total(*, factor: int = 2) -> int:
            return 21 * factor
        """
    )
    project.legato("run")
    project.legato("run", "-p", "total.factor=3")

    told = notebook(project, "print(lg.diff('run:1', 'latest').parameters)")

    assert "total.factor" in told
    assert "total.factor" in project.legato("diff", "1", "2").out
