"""What the README shows is what a newcomer gets."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = {"CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "CIRCLECI", "TF_BUILD"}
"""A newcomer sits at a machine of their own, also where a CI service runs this test."""
README = (ROOT / "README.md").read_text(encoding="utf-8")


def legato(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "legato", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={name: value for name, value in os.environ.items() if name not in SERVICES}
        | {"HOME": str(folder)},
    )


@pytest.fixture
def wine(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "pipeline.py").write_text(block, encoding="utf-8")
    (tmp_path / "data").mkdir()
    rows = [f"{i % 17},{(i * 7) % 13},{int(i % 17 > 8)}" for i in range(600)]
    (tmp_path / "data" / "wine.csv").write_text(
        "\n".join(["acid,sugar,good", *rows]) + "\n", encoding="utf-8"
    )
    yield tmp_path
    legato(tmp_path, "serve", "--stop", "wine-quality")


def test_the_pipeline_of_the_readme_runs_serves_and_is_then_up_to_date(wine):
    first = legato(wine, "run")
    again = legato(wine, "run")
    rows = wine / "rows.csv"
    rows.write_text("acid,sugar\n15,3\n1,3\n", encoding="utf-8")
    asked = legato(wine, "predict", "wine-quality", "rows.csv")

    assert first.returncode == 0, first.stderr
    assert again.stdout.startswith("up to date"), again.stdout + again.stderr
    assert [line.split("\t")[0] for line in asked.stdout.splitlines()] == ["predictions", "1", "0"], (
        asked.stderr
    )


def test_commands_that_the_readme_names_exist():
    help_text = legato(ROOT, "--help").stdout

    named = set(re.findall(r"`legato (\w+)", README)) | set(
        re.findall(r"^legato (\w+)", README, re.MULTILINE)
    )
    missing = {name for name in named if not re.search(rf"^  {name}\b", help_text, re.MULTILINE)}
    assert named
    assert not missing
