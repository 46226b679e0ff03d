"""The second `legato run`: nothing runs, no user code is imported, and every change is still noticed.

Rule: the plain words `legato run` are typed, since only those may be answered from file stats.
"""

import shutil
import sqlite3

import pytest

IMPORTED = """
    from pathlib import Path
    with Path({marker!r}).open("a") as marker:
        marker.write("x")

    import features

    @lg.step
    def first() -> int:
        return features.FIRST

    @lg.step
    def second(first: int) -> int:
        return first + 1
"""


@pytest.fixture
def counted(project, tmp_path):
    """A pipeline that leaves a mark outside the project whenever it is imported."""
    marker = tmp_path / "imported"
    project.pipeline(IMPORTED.format(marker=str(marker)))
    project.write("features.py", "import os\nFIRST = 1\nREGION = os.environ.get('REGION')\n")
    project.write("data.csv", "a\n1\n")
    return project, lambda: marker.stat().st_size


def test_a_chain_is_computed_once_and_then_reused(project):
    project.chain(10)

    assert "10 computed" in project.legato("run").out
    assert project.legato("run").out == "up to date: 10 steps reused\n"
    assert set(project.run().values()) == {"reused"}
    assert project.got("s9") == "9"


def test_an_up_to_date_run_imports_no_user_code(counted):
    project, imports = counted
    project.legato("run")
    project.legato("run")
    before = imports()

    assert project.legato("run").out == "up to date: 2 steps reused\n"
    assert imports() == before


def settled(counted):
    """Return a project whose next `legato run` would be answered without an import."""
    project, imports = counted
    project.legato("run")
    project.legato("run")
    before = imports()
    project.legato("run")
    assert imports() == before
    return project, lambda: imports() > before


def test_an_edited_module_is_noticed(counted):
    project, imported = settled(counted)
    project.edit("features.py", "FIRST = 1", "FIRST = 2")

    ran = project.legato("run")

    assert imported()
    assert "2 computed" in ran.out


def test_a_new_file_that_shadows_a_module_is_noticed(counted):
    project, imported = settled(counted)
    project.write("features/__init__.py", "FIRST = 5\n")

    ran = project.legato("run")

    assert imported()
    assert "2 computed" in ran.out
    assert project.got("second") == "6"


def test_a_variable_read_at_import_is_noticed(counted):
    project, imported = settled(counted)

    project.legato("run", env={"REGION": "eu"})

    assert imported()


def test_a_deleted_object_is_computed_again(counted):
    project, imported = settled(counted)
    for path in (project.state / "store" / "objects").rglob("*"):
        if path.is_file():
            path.unlink()

    ran = project.legato("run")

    assert imported()
    assert "2 computed" in ran.out


def test_a_flipped_object_is_computed_again(counted):
    project, imported = settled(counted)
    for path in (project.state / "store" / "objects").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            path.chmod(0o644)
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])

    ran = project.legato("run")

    assert imported()
    assert "2 computed" in ran.out
    assert project.got("second") == "2"


def test_a_ledger_that_has_moved_is_noticed(counted):
    project, imported = settled(counted)
    project.legato("run", "--again", "first")

    project.legato("run")

    assert imported()


def test_configuration_that_appears_is_noticed(counted):
    project, _imported = settled(counted)
    project.write("legato.toml", "pipline = 'x.py'\n")

    ran = project.legato("run", code=2)

    assert "did you mean 'pipeline'" in ran.err


def test_another_target_is_another_question(counted):
    project, _imported = settled(counted)

    assert project.legato("run", "first").out == "up to date: 1 step reused\n"
    assert "no step or artifact 'frist'" in project.legato("run", "frist", code=4).err


def test_data_that_changed_is_noticed(project):
    project.write("data.csv", "a\n1\n")
    project.pipeline(
        """
        from pathlib import Path

        table = lg.dataset("data.csv")

        @lg.step
        def rows(table: Path) -> int:
            return len(table.read_text().splitlines())
        """
    )
    for _ in range(3):
        ran = project.legato("run")
    assert ran.out == "up to date: 2 steps reused\n"
    project.write("data.csv", "a\n2\n")

    ran = project.legato("run")

    assert "1 computed" not in ran.out
    assert "2 computed" in ran.out


def test_a_file_that_a_step_reads_is_noticed(project):
    project.write("numbers.txt", "1")
    project.pipeline(
        """
        from pathlib import Path

        @lg.step
        def number() -> int:
            return int((Path(__file__).parent / "numbers.txt").read_text())
        """
    )
    for _ in range(3):
        ran = project.legato("run")
    assert ran.out == "up to date: 1 step reused\n"
    project.write("numbers.txt", "2")

    project.legato("run")

    assert project.got("number") == "2"


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\xff" * 300])
def test_damaged_records_of_freshness_are_not_believed(counted, damage):
    project, imported = settled(counted)
    (project.state / "fresh.bin").write_bytes(damage)

    ran = project.legato("run")

    assert imported()
    assert ran.out == "up to date: 2 steps reused\n"


def test_damaged_records_of_files_are_not_believed(counted):
    project, _imported = settled(counted)
    for name in ("fresh.bin", "files.bin"):
        (project.state / name).write_bytes(b"\x00\x01garbage")

    assert project.legato("run").out == "up to date: 2 steps reused\n"


def test_a_run_that_is_killed_leaves_no_record_that_lies(counted):
    project, _imported = settled(counted)
    with sqlite3.connect(project.state / "ledger.db") as ledger:
        ledger.execute("pragma wal_checkpoint(truncate)")

    assert project.legato("run").out == "up to date: 2 steps reused\n"


def test_a_link_to_another_file_is_noticed(project):
    project.write("one.txt", "1")
    project.write("two.txt", "2")
    (project.root / "chosen.txt").symlink_to("one.txt")
    project.pipeline(
        """
        from pathlib import Path

        chosen = lg.dataset("chosen.txt")

        @lg.step
        def number(chosen: Path) -> int:
            return int(chosen.read_text())
        """
    )
    for _ in range(3):
        project.legato("run")
    (project.root / "chosen.txt").unlink()
    (project.root / "chosen.txt").symlink_to("two.txt")

    project.legato("run")

    assert project.got("number") == "2"


def test_a_declared_variable_is_noticed(project):
    project.pipeline(
        """
        import os

        @lg.step(env=["REGION"])
        def region() -> str:
            return os.environ["REGION"]
        """
    )
    for _ in range(3):
        project.legato("run", env={"REGION": "eu"})

    assert "1 computed" in project.legato("run", env={"REGION": "us"}).out


def test_another_search_path_is_noticed(project, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tiny.py").write_text(f"WORD = {name!r}\n", encoding="utf-8")
    project.pipeline("import tiny\n\n@lg.step\ndef word() -> str:\n    return tiny.WORD\n")
    for _ in range(3):
        project.legato("run", env={"PYTHONPATH": str(tmp_path / "one")})

    project.legato("run", env={"PYTHONPATH": str(tmp_path / "two")})

    assert project.got("word") == "two"


def test_the_version_is_answered_without_a_project(project):
    ran = project.legato("--version")

    assert ran.out.startswith("legato ")
    assert not project.state.exists()


def install(library, version):
    """Put a version of a tiny package into a folder, as pip would."""
    for old in library.glob("tinylib-*"):
        shutil.rmtree(old)
    info = library / f"tinylib-{version}.dist-info"
    info.mkdir(parents=True)
    (library / "tinylib.py").write_text("def number():\n    return 1\n", encoding="utf-8")
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: tinylib\nVersion: {version}\n", encoding="utf-8"
    )
    (info / "RECORD").write_text(f"tinylib.py,,\ntinylib-{version}.dist-info/METADATA,,\n", encoding="utf-8")


def test_whatever_is_part_of_a_key_is_noticed(project, tmp_path):
    library = tmp_path / "site-packages"
    install(library, "1.0")
    project.write("grammar/rules.txt", "a")
    project.write("tree/deep/a.txt", "a")
    project.write("plugins/one.py", "VALUE = 1\n")
    project.write("parts/a.txt", "a")
    project.write("train.py", "import model\nprint(model.X)\n")
    project.write("model.py", "X = 1\n")
    project.write("scripts/tool.sh", "true\n")
    project.pipeline(
        """
        import importlib
        import os
        from pathlib import Path

        import tinylib

        tree = lg.dataset("tree")
        train = lg.command("train", "python train.py", outputs={})
        tool = lg.command("tool", "sh scripts/tool.sh", outputs={}, code=["scripts/*"])

        @lg.step
        def packaged() -> int:
            return tinylib.number()

        @lg.step(uses=["grammar"])
        def parsed() -> int:
            return 1

        @lg.step
        def plugged() -> int:
            return importlib.import_module("plugins.one").VALUE

        @lg.step
        def listed() -> list:
            return sorted(os.listdir(Path(__file__).parent / "parts"))

        @lg.step
        def grown(tree: Path) -> int:
            return len(list(tree.rglob("*")))
        """
    )
    edits = {
        "a file of uses=": lambda: project.write("grammar/rules.txt", "b"),
        "a new file of uses=": lambda: project.write("grammar/more.txt", "b"),
        "a file of a folder": lambda: project.write("tree/deep/a.txt", "b"),
        "a new file deep in a folder": lambda: project.write("tree/deep/b.txt", "b"),
        "a file gone from a folder": (project.root / "tree/deep/a.txt").unlink,
        "a module imported while running": lambda: project.write("plugins/one.py", "VALUE = 2\n"),
        "a listed folder": lambda: project.write("parts/b.txt", "b"),
        "a module of a script": lambda: project.write("model.py", "X = 2\n"),
        "code of a tool": lambda: project.write("scripts/tool.sh", "true ok\n"),
        "new code of a tool": lambda: project.write("scripts/more.sh", "true\n"),
        "an upgraded package": lambda: install(library, "2.0"),
    }
    environment = {"PYTHONPATH": str(library)}
    for _ in range(2):
        project.legato("run", env=environment)
    missed = []
    for name, edit in edits.items():
        edit()
        if " computed" not in project.legato("run", env=environment).out:
            missed.append(name)
        project.legato("run", env=environment)

    assert ", ".join(missed) == ""
