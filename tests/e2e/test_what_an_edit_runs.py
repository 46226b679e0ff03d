"""What each kind of edit runs again, and which cause is named for it.

Rule: every edit is made to a project that was up to date.
"""

import sys

import pytest


def chain_with_helper(project):
    """A chain of ten in which `s5` uses a helper of another module."""
    project.chain(10)
    project.edit("pipeline.py", "import legato as lg\n", "import legato as lg\nimport helper\n")
    project.edit("pipeline.py", "return s4 + 1", "return helper.more(s4)  # one more")
    project.write("helper.py", "def more(x):\n    return x + 1\n")
    project.run()


def test_a_comment_runs_nothing(project):
    chain_with_helper(project)
    project.edit("pipeline.py", "# one more", "# and one more")
    project.edit("pipeline.py", "return s7 + 1", "return (s7 +\n        1)")

    assert project.computed() == []


def test_the_same_output_stops_there(project):
    chain_with_helper(project)
    project.edit("pipeline.py", "return helper.more(s4)", "return helper.more(s4) + 0")
    plan = project.plan()

    assert plan["s5"]["decision"] == "run"
    assert {plan[f"s{n}"]["decision"] for n in range(6, 10)} == {"may run"}
    assert project.computed() == ["s5"]


def test_a_real_change_runs_what_depends_on_it(project):
    chain_with_helper(project)
    project.edit("pipeline.py", "return helper.more(s4)", "return helper.more(s4) + 1")

    assert project.computed() == ["s5", "s6", "s7", "s8", "s9"]


def test_a_helper_in_another_module_runs_what_depends_on_it(project):
    chain_with_helper(project)
    project.edit("helper.py", "x + 1", "x + 2")
    told = project.legato("why", "s5").out
    planned = project.legato("plan").out

    assert "helper.py:more" in told
    assert "helper.py:more" in planned
    assert project.computed() == ["s5", "s6", "s7", "s8", "s9"]


def test_an_edit_that_keeps_size_and_second_is_seen(project):
    project.pipeline("import helper\n\n@lg.step\ndef number() -> int:\n    return helper.number()\n")
    for value in (1, 2, 3, 4):
        project.write("helper.py", f"def number():\n    return {value}\n")
        project.run()

        assert project.got("number") == str(value)


def test_renaming_a_step_and_moving_its_code_runs_nothing(project):
    project.pipeline(
        """
        @lg.step
        def old_name() -> int:
            return 41

        @lg.step
        def answer(old_name: int) -> int:
            return old_name + 1
        """
    )
    project.run()
    project.write("steps.py", "import legato as lg\n\n@lg.step\ndef new_name() -> int:\n    return 41\n")
    project.pipeline(
        """
        from steps import new_name

        @lg.step
        def answer(new_name: int) -> int:
            return new_name + 1
        """
    )

    states = project.run()

    assert states["new_name"] == "reused"


def test_one_byte_of_data_runs_what_reads_it(project):
    project.write("data/table.csv", "a\n1\n")
    project.pipeline(
        """
        from pathlib import Path

        table = lg.dataset("data/table.csv")

        @lg.step
        def size(table: Path) -> int:
            return len(table.read_bytes())

        @lg.step
        def double(size: int) -> int:
            return 2 * size
        """
    )
    project.run()
    project.write("data/table.csv", "a\n2\n")

    assert "table" in project.legato("why", "table").out
    assert project.computed() == ["table", "size"]


def test_a_declared_variable_is_part_of_the_key_and_others_are_not_seen(project):
    project.pipeline(
        """
        import os

        @lg.step(env=["REGION"])
        def region() -> str:
            return os.environ.get("REGION", "none") + os.environ.get("UNDECLARED", "")
        """
    )

    assert project.computed(env={"REGION": "eu", "UNDECLARED": "x"}) == ["region"]
    assert project.computed(env={"REGION": "eu", "UNDECLARED": "y"}) == []
    assert project.computed(env={"REGION": "us"}) == ["region"]
    assert project.got("region", "--run", "1") == "eu"


def test_a_file_that_a_step_opens_is_part_of_its_key(project):
    project.write("words.txt", "one")
    project.pipeline(
        """
        from pathlib import Path

        @lg.step
        def words() -> str:
            with open(Path(__file__).parent / "words.txt") as source:
                return source.read()
        """
    )
    project.run()
    assert project.computed() == []
    project.write("words.txt", "two")
    told = project.legato("why", "words").out

    assert "file words.txt changed" in told
    assert project.computed() == ["words"]
    project.write("words.txt", "one")
    assert project.computed() == []


def test_a_folder_that_a_step_lists_is_part_of_its_key(project):
    project.write("parts/a.txt", "a")
    project.pipeline(
        """
        import os
        from pathlib import Path

        @lg.step
        def names() -> list:
            return sorted(os.listdir(Path(__file__).parent / "parts"))
        """
    )
    project.run()
    project.write("parts/b.txt", "b")

    assert "folder parts/ changed" in project.legato("why", "names").out
    assert project.computed() == ["names"]


def test_a_file_that_was_looked_for_and_appears_is_noticed(project):
    project.pipeline(
        """
        from pathlib import Path

        @lg.step
        def setting() -> str:
            try:
                with open(Path(__file__).parent / "local.cfg") as source:
                    return source.read()
            except FileNotFoundError:
                return "default"
        """
    )
    project.run()
    project.write("local.cfg", "mine")

    assert project.computed() == ["setting"]
    assert project.got("setting") == "mine"


def test_a_module_imported_only_while_running_is_part_of_the_key(project):
    project.write("plugins/__init__.py", "")
    project.write("plugins/one.py", "VALUE = 1\n")
    project.pipeline(
        """
        import importlib

        @lg.step
        def value(*, name: str = "one") -> int:
            return importlib.import_module(f"plugins.{name}").VALUE
        """
    )
    project.run()
    assert project.computed() == []
    project.write("plugins/one.py", "VALUE = 2\n")

    assert project.computed() == ["value"]
    assert project.got("value") == "2"


def test_uses_adds_files_to_the_key(project):
    project.write("grammar/rules.txt", "a")
    project.pipeline('@lg.step(uses=["grammar/rules.txt"])\ndef parsed() -> int:\n    return 1\n')
    project.run()
    project.write("grammar/rules.txt", "b")

    assert "grammar/rules.txt" in project.legato("why", "parsed").out
    assert project.computed() == ["parsed"]


def test_a_method_of_an_inputs_class_runs_what_takes_it(project):
    project.write(
        "shapes.py",
        """
        class Square:
            def __init__(self, side):
                self.side = side

            def area(self):
                return self.side * self.side
        """,
    )
    project.pipeline(
        """
        from shapes import Square

        @lg.step
        def shape() -> lg.Pickled[Square]:
            return Square(3)

        @lg.step
        def area(shape) -> int:
            return shape.area()
        """
    )
    project.run()
    project.edit("shapes.py", "self.side * self.side", "2 * self.side * self.side")

    computed = project.computed()

    assert "area" in computed
    assert project.got("area") == "18"


def test_a_parameter_is_part_of_the_key(project):
    project.pipeline("@lg.step\ndef depth(*, levels: int = 4) -> int:\n    return levels\n")

    assert project.computed() == ["depth"]
    assert project.computed("-p", "depth.levels=8") == ["depth"]
    assert project.computed("-p", "depth.levels=4") == []
    assert "-> 9" in project.legato("plan", "-p", "depth.levels=9").out


def test_a_package_upgrade_runs_what_reaches_it(project, tmp_path):
    library = tmp_path / "site-packages"
    project.pipeline(
        """
        import tinylib

        @lg.step
        def number() -> int:
            return tinylib.number()

        @lg.step
        def other() -> int:
            return 7
        """
    )
    environment = {"PYTHONPATH": str(library)}

    def install(version):
        for old in library.glob("tinylib-*"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        for compiled in library.glob("__pycache__/*"):  # as pip does: Python trusts its size and second
            compiled.unlink()
        info = library / f"tinylib-{version}.dist-info"
        info.mkdir(parents=True)
        (library / "tinylib.py").write_text(f"def number():\n    return {version[0]}\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tinylib\nVersion: {version}\n")
        (info / "RECORD").write_text(f"tinylib.py,,\ntinylib-{version}.dist-info/METADATA,,\n")
        (info / "INSTALLER").write_text("pip\n")

    install("1.0")
    project.run(env=environment)
    assert project.computed(env=environment) == []
    install("2.0")

    assert "tinylib" in project.legato("why", "number", env=environment).out
    assert project.computed(env=environment) == ["number"]
    assert project.got("number") == "2"


def test_again_and_from_run_what_nothing_changed_for(project):
    project.chain(4)
    project.run()

    assert project.computed("--again", "s1") == ["s1"]
    assert project.computed("--from", "s2") == ["s2", "s3"]
    assert list(project.run("--only", "s1")) == ["s0", "s1"]
    assert "asked for it" in project.legato("plan", "--again", "s1").out


def test_a_step_that_is_never_cached_runs_each_time(project):
    project.pipeline(
        """
        @lg.step(cache=False)
        def always() -> int:
            return 1

        @lg.step
        def after(always: int) -> int:
            return always
        """
    )
    project.run()

    assert project.computed() == ["always"]
    assert project.legato("run").code == 0
    assert project.computed() == ["always"]


@pytest.mark.parametrize("text", ["depth.levels", "levls=3", "other.levels=3", "depth.levels=many"])
def test_a_parameter_that_cannot_be_set_is_refused(project, text):
    project.pipeline("@lg.step\ndef depth(*, levels: int = 4) -> int:\n    return levels\n")

    ran = project.legato("run", "-p", text, code=2)

    assert text.split("=", maxsplit=1)[0].split(".")[-1] in ran.err
    assert "hint:" in ran.err


def test_parameters_come_from_files_and_configuration_in_their_order(project):
    project.pipeline("@lg.step\ndef depth(*, levels: int = 4) -> int:\n    return levels\n")
    project.write("legato.toml", "[environments.local.parameters]\n'depth.levels' = 5\n")
    project.write("params.json", '{"depth": {"levels": 6}}')
    project.write("params.toml", "[depth]\nlevels = 7\n")
    seen = []

    for words in (
        [],
        ["--params", "params.json"],
        ["--params", "params.toml"],
        ["--params", "params.json", "-p", "depth.levels=8"],
    ):
        project.run(*words)
        seen.append(project.got("depth"))

    assert seen == ["5", "6", "7", "8"]


def test_python_itself_is_the_one_that_runs_steps(project):
    project.pipeline("import sys\n\n@lg.step\ndef python() -> str:\n    return sys.executable\n")
    project.run()

    assert project.got("python").strip('"') == sys.executable
