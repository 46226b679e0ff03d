"""Installed packages in a key: what is reached, with what it requires."""
# ruff: noqa: E501 - small programs read best with one statement a line

import sys
from pathlib import Path

import pytest
from fingerprint_repository import Repository, changes, key, keyed

STEP = {"pipeline.py": "import fancy\n\n\ndef step(a):\n    return fancy.go(a)\n"}


def _install(
    site: Path,
    name: str,
    version: str,
    *,
    requires: str = "",
    url: str = "",
    body: str = "def go(x):\n    return x\n",
) -> None:
    (site / f"{name}.py").write_text(body)
    for old in site.glob(f"{name}-*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {requires}\n" if requires else ""
    )
    (info / "METADATA").write_text(lines + "\nText\n")
    (info / "RECORD").write_text(f"{name}.py,sha256={hash(body)},3\n")
    if url:
        (info / "direct_url.json").write_text(url)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repo", STEP)
    made.site = tmp_path / "site-packages"
    made.site.mkdir()
    _install(made.site, "fancy", "1.0")
    return made


def test_an_upgrade_of_a_package_changes_the_key_and_is_named(repository: Repository) -> None:
    before = repository.fingerprint()
    _install(repository.site, "fancy", "1.1")
    after = repository.fingerprint()

    assert [str(cause) for cause in changes(before, after)] == ["package fancy changed: 1.0 -> 1.1"]
    assert key(before) != key(after)


def test_an_upgrade_of_what_a_package_requires_changes_the_key(repository: Repository) -> None:
    _install(repository.site, "fancy", "1.0", requires='deep>=1; python_version > "3"')
    _install(repository.site, "deep", "2.0")
    before = repository.fingerprint()
    _install(repository.site, "deep", "2.1")

    assert [str(cause) for cause in changes(before, repository.fingerprint())] == [
        "package deep changed: 2.0 -> 2.1"
    ]


def test_a_requirement_of_an_extra_that_nobody_asked_for_does_not_count(repository: Repository) -> None:
    _install(repository.site, "fancy", "1.0", requires='deep>=1; extra == "more"')
    _install(repository.site, "deep", "2.0")

    assert ("package", "deep") not in keyed(repository.fingerprint())


def test_a_package_that_is_not_reached_does_not_count(repository: Repository) -> None:
    before = repository.fingerprint()
    _install(repository.site, "other", "1.0")

    assert key(before) == key(repository.fingerprint())


def test_a_package_installed_from_a_folder_counts_by_content(repository: Repository) -> None:
    url = '{"url": "file:///src/fancy", "dir_info": {}}'
    _install(repository.site, "fancy", "1.0", url=url)
    before = repository.fingerprint()
    _install(repository.site, "fancy", "1.0", url=url, body="def go(x):\n    return -x\n")

    assert key(before) != key(repository.fingerprint())


def test_a_module_without_distribution_counts_by_content(repository: Repository) -> None:
    (repository.site / "loose.py").write_text("def go(x):\n    return 1\n")
    repository.write({"pipeline.py": STEP["pipeline.py"].replace("fancy", "loose")})
    before = repository.fingerprint()
    (repository.site / "loose.py").write_text("def go(x):\n    return 22\n")

    assert key(before) != key(repository.fingerprint())


def test_an_editable_install_counts_as_the_users_own_code(repository: Repository, tmp_path: Path) -> None:
    source = tmp_path / "elsewhere"
    source.mkdir()
    (source / "mylib.py").write_text("def go(x):\n    return 1\ndef unused():\n    return 1\n")
    repository.write(
        {
            "pipeline.py": f"import sys\nsys.path.append({str(source)!r})\nimport mylib\ndef step(a):\n    return mylib.go(a)\n"
        }
    )
    before = repository.fingerprint()
    _forget("mylib")
    (source / "mylib.py").write_text("def go(x):\n    return 1\ndef unused():\n    return 2\n")
    same = repository.fingerprint()
    _forget("mylib")
    (source / "mylib.py").write_text("def go(x):\n    return 2\ndef unused():\n    return 2\n")
    after = repository.fingerprint()
    _forget("mylib")

    assert key(before) == key(same) != key(after)
    assert [str(cause) for cause in changes(before, after)] == ["code mylib.py:go changed"]


def _forget(module: str) -> None:
    sys.modules.pop(module, None)


def test_machine_code_brings_the_platform_into_the_key(tmp_path: Path) -> None:
    plain = Repository(tmp_path / "a", {"pipeline.py": "def step(a):\n    return a\n"}).fingerprint()
    native = Repository(
        tmp_path / "b", {"pipeline.py": "import numpy\ndef step(a):\n    return numpy.sum(a)\n"}
    ).fingerprint()

    assert ("platform", "python") in keyed(plain)
    assert ("platform", "native") not in keyed(plain)
    assert ("platform", "native") in keyed(native)
    assert ("package", "numpy") in keyed(native)
