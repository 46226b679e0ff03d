"""Where a project lies, and what `legato.toml` may say."""

import pytest

from legato.app.budgeting import budget
from legato.app.config import find_project, find_root
from legato.domain.errors import ConfigurationError, MissingError


@pytest.fixture
def root(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "pipeline.py").write_text("")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    return tmp_path


def test_the_repositorys_root_is_found_from_below(root):
    project = find_project(root / "deep" / "er")

    assert (project.root, project.pipeline, project.state) == (root, "pipeline.py", root / ".legato")


def test_the_nearest_configuration_wins_over_the_repository(root):
    (root / "deep" / "legato.toml").write_text("")
    (root / "deep" / "pipeline.py").write_text("")

    assert find_root(root / "deep" / "er") == root / "deep"


def test_a_table_in_pyproject_counts_and_another_pyproject_does_not(root):
    (root / "deep" / "pyproject.toml").write_text("[tool.other]\n")
    assert find_root(root / "deep") == root
    (root / "deep" / "pyproject.toml").write_text("[tool.legato.run]\ncpus = 3\n")
    (root / "deep" / "pipeline.py").write_text("")

    assert find_project(root / "deep").config == {"run": {"cpus": 3}}


def test_the_nearest_pipeline_shares_the_roots_state(root):
    (root / "deep" / "pipeline.py").write_text("")

    project = find_project(root / "deep" / "er")

    assert (project.pipeline, project.state) == ("deep/pipeline.py", root / ".legato")


def test_a_member_is_a_folder_or_a_file(root):
    (root / "churn").mkdir()
    (root / "churn" / "pipeline.py").write_text("")
    (root / "nightly.py").write_text("")

    assert find_project(root, "churn").pipeline == "churn/pipeline.py"
    assert find_project(root, "nightly").pipeline == "nightly.py"
    with pytest.raises(MissingError, match="nowhere"):
        find_project(root, "nowhere")


def test_a_member_outside_the_repository_is_refused(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "pipeline.py").write_text("")
    (root / "link").symlink_to(outside)

    for member in (f"../{outside.name}", "link"):
        with pytest.raises(MissingError):
            find_project(root, member)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pipline = 'x'", "did you mean 'pipeline'"),
        ("[run]\ncpu = 1", "did you mean 'cpus'"),
        ("[environments.production]\nparameter = 1", "did you mean 'parameters'"),
        ("run = 3", "write \\[run\\]"),
        ("= 3", "legato.toml is not TOML"),
    ],
)
def test_what_nobody_reads_is_an_error(root, text, told):
    (root / "legato.toml").write_text(text)

    with pytest.raises(ConfigurationError) as caught:
        find_project(root)

    assert caught.match(told) if "TOML" in told else told.replace("\\", "") in caught.value.hint


@pytest.mark.parametrize("cpus", ["0", "-1", "true", "'2'", "nan"])
def test_cores_that_are_no_number_are_refused(root, cpus):
    (root / "legato.toml").write_text(f"[run]\ncpus = {cpus}\n")

    with pytest.raises(ConfigurationError, match=r"run\.cpus"):
        budget(find_project(root))


def test_the_budget_follows_the_configuration(root):
    (root / "legato.toml").write_text('[run]\ncpus = 1.5\nmemory = "1GiB"\n')

    found = budget(find_project(root))

    assert (found.cpus, found.memory_bytes) == (1.5, 2**30)


def test_the_budget_is_what_the_machine_has(root):
    found = budget(find_project(root))

    assert found.cpus >= 1
    assert found.memory_bytes > 2**20
