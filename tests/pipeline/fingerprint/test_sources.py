"""The import hook: code is what was fingerprinted, and what loading read is known."""
# ruff: noqa: E501 - small programs read best with one statement a line

import os
import sys
from pathlib import Path

import pytest
from fingerprint_repository import Repository, key

from legato.domain.errors import ConfigurationError
from legato.pipeline.fingerprint import Sources


def _load(root: Path, cache: Path | None) -> object:
    sources = Sources(root, cache)
    sources.install()
    try:
        return sources.load("pipeline", root / "pipeline.py")
    finally:
        sources.uninstall()
        sys.modules.pop("pipeline", None)
        sys.modules.pop("stale_lib", None)


def test_an_edit_of_the_same_size_and_second_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    library = tmp_path / "stale_lib.py"
    (tmp_path / "pipeline.py").write_text("from stale_lib import VALUE\n")
    library.write_text("VALUE = 1\n")
    os.utime(library, (1_700_000_000, 1_700_000_000))
    __import__("stale_lib")  # Python itself leaves a .pyc that size and second will vouch for
    del sys.modules["stale_lib"]
    library.write_text("VALUE = 2\n")
    os.utime(library, (1_700_000_000, 1_700_000_000))

    assert _load(tmp_path, tmp_path / "cache").VALUE == 2
    assert _load(tmp_path, None).VALUE == 2


def test_compiled_code_is_kept_by_content_and_a_broken_cache_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text("VALUE = 1\n")
    cache = tmp_path / "cache"
    _load(tmp_path, cache)
    kept = list(cache.glob("*.code"))
    kept[0].write_bytes(b"not marshal")
    again = _load(tmp_path, cache)

    assert len(kept) == 1
    assert again.VALUE == 1
    assert not list(tmp_path.rglob("*.pyc"))


def test_a_broken_index_in_the_cache_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text("VALUE = 1\n")
    cache = tmp_path / "cache"
    first = Sources(tmp_path, cache).module_digest("pipeline.py")
    for kept in cache.glob("*.index"):
        kept.write_bytes(kept.read_bytes()[:20])

    assert Sources(tmp_path, cache).module_digest("pipeline.py") == first


def test_loading_names_the_files_folders_and_variables_that_it_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGION", "eu")
    text = (
        "import os, pathlib\nREGION = os.environ['REGION']\nMISSING = os.environ.get('NOT_THERE_AT_ALL')\n"
        "WORDS = open(pathlib.Path(__file__).parent / 'words.txt').read()\nFILES = os.listdir(pathlib.Path(__file__).parent / 'sql')\n"
        "import pkg.lib\n"
    )
    files = {
        "pipeline.py": text.replace("open(", "pathlib.Path.read_text(").replace(").read()", ")"),
        "words.txt": "x",
        "sql/a.sql": "x",
    }
    repository = Repository(tmp_path, {**files, "pkg/__init__.py": "", "pkg/lib.py": ""})
    repository.load()
    watched = repository.sources.watched()
    repository.forget()

    assert {
        str(tmp_path / name) for name in ("pipeline.py", "words.txt", "pkg/__init__.py", "pkg/lib.py")
    } <= set(watched.files)
    assert {str(tmp_path), str(tmp_path / "sql"), str(tmp_path / "pkg")} <= set(watched.folders)
    assert set(watched.variables) == {"REGION", "NOT_THERE_AT_ALL"}
    assert watched.variables["NOT_THERE_AT_ALL"] == ""


def test_a_class_has_a_digest_that_follows_its_methods(tmp_path: Path) -> None:
    repository = Repository(
        tmp_path, {"pipeline.py": "class Model:\n    def predict(self, rows):\n        return 1\n"}
    )
    seen = []
    for new in ("return 1", "return 2"):
        repository.edit("pipeline.py", "return 1", new)
        repository.load()
        seen.append(repository.fingerprints().of_class("pipeline:Model"))
        gone = repository.fingerprints().of_class("pipeline:Nothing")
        repository.forget()

    assert seen[0] != seen[1]
    assert seen[0].startswith("sha256:")
    assert gone == ""


def test_a_python_script_is_followed_and_not_run(tmp_path: Path) -> None:
    repository = Repository(
        tmp_path,
        {
            "pipeline.py": "",
            "scripts/train.py": "import helper\nopen('ran', 'w')\n",
            "scripts/helper.py": "X = 1\n",
            "scripts/other.py": "",
        },
    )
    repository.load()
    seen = []
    for name, text in (
        ("other.py", "Y = 1\n"),
        ("train.py", "import helper # c\nopen('ran', 'w')\n"),
        ("helper.py", "X = 2\n"),
    ):
        seen.append(
            key(Repository.fingerprints(repository).of_command(["python", "scripts/train.py", "--lr", "1"]))
        )
        (tmp_path / "scripts" / name).write_text(text)
        repository.sources = Sources(tmp_path, None)
    seen.append(key(repository.fingerprints().of_command(["python3.11", "-u", "scripts/train.py"])))
    repository.sources.uninstall()

    assert seen[0] == seen[1] == seen[2] != seen[3]
    assert not (tmp_path / "ran").exists()


def test_a_python_module_as_command_is_followed(tmp_path: Path) -> None:
    repository = Repository(
        tmp_path,
        {
            "pipeline.py": "",
            "pkg/__init__.py": "",
            "pkg/__main__.py": "from pkg import lib\n",
            "pkg/lib.py": "X = 1\n",
        },
    )
    found = repository.fingerprints().of_command(["python", "-m", "pkg"])

    assert set(found.modules) == {"pkg/__init__.py", "pkg/__main__.py", "pkg/lib.py"}


def test_another_command_counts_the_files_that_it_is_given(tmp_path: Path) -> None:
    repository = Repository(tmp_path, {"pipeline.py": "", "R/a.R": "x", "R/b.R": "y"})
    before = repository.fingerprints().of_command(["Rscript", "R/a.R"], ["R/**"])
    repository.write({"R/b.R": "z"})
    after = repository.fingerprints().of_command(["Rscript", "R/a.R"], ["R/**"])

    assert key(before) != key(after)


def test_uses_counts_files_folders_and_objects(tmp_path: Path) -> None:
    files = {
        "pipeline.py": "LIMITS = {'a': 1}\ndef step(a):\n    return a\n",
        "q.sql": "select 1",
        "sql/a.sql": "x",
        "other.txt": "x",
    }
    repository = Repository(tmp_path, files)
    uses = ("q.sql", Path("sql"), "*.txt")
    keys = [key(repository.fingerprint(uses=uses))]
    for name in ("q.sql", "sql/a.sql", "other.txt"):
        repository.write({name: "changed"})
        keys.append(key(repository.fingerprint(uses=uses)))

    assert len(set(keys)) == 4
    assert key(repository.fingerprint(uses=({"a": 1},))) != key(repository.fingerprint(uses=({"a": 2},)))


def test_uses_of_a_path_that_leads_to_nothing_is_refused(tmp_path: Path) -> None:
    repository = Repository(tmp_path, {"pipeline.py": "def step(a):\n    return a\n"})

    with pytest.raises(ConfigurationError, match=r"nothing\.sql"):
        repository.fingerprint(uses=("nothing.sql",))
