"""Hooks keep data in step with git, let other hooks be, and never fail a checkout."""

import subprocess
import sys

import pytest

from legato.domain.errors import ConfigurationError, MissingError
from legato.scm.hooks import KEPT, NAMES, install_hooks

LEGATO = [sys.executable, "-m", "legato", "data"]


class Repository:
    def __init__(self, root):
        self.root = root
        root.mkdir(exist_ok=True)
        self.git("init", "-q", "-b", "main", ".")

    def git(self, *words, code=0):
        command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *words]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def data(self, *words, at="."):
        subprocess.run([*LEGATO, *words], cwd=self.root / at, check=True, capture_output=True)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)

    def commit(self, text):
        self.git("add", "-A")
        self.git("commit", "-qm", text)


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


@pytest.fixture
def two_versions(repository):
    """Branch `main` has the second version of a dataset, `old` the first."""
    repository.write("data/a.csv", "first")
    repository.data("add", "data/a.csv")
    repository.commit("one")
    repository.git("branch", "old")
    repository.write("data/a.csv", "second")
    repository.data("add", "data/a.csv")
    repository.commit("two")
    install_hooks(repository.root, sys.executable)
    return repository


def test_data_follows_branches(two_versions):
    two_versions.git("checkout", "-q", "old")
    first = (two_versions.root / "data/a.csv").read_text()
    two_versions.git("merge", "-q", "main")

    assert first == "first"
    assert (two_versions.root / "data/a.csv").read_text() == "second"


def test_work_that_is_saved_nowhere_is_left_and_said_and_the_checkout_succeeds(two_versions):
    two_versions.write("data/a.csv", "unsaved")

    said = two_versions.git("checkout", "-q", "old")

    assert "left as it is" in said
    assert (two_versions.root / "data/a.csv").read_text() == "unsaved"


def test_a_project_below_the_repositorys_root_is_found(repository):
    repository.write("team/legato.toml", "")
    repository.write("team/data/a.csv", "first")
    repository.data("add", "data/a.csv", at="team")
    repository.commit("one")
    repository.git("branch", "old")
    repository.write("team/data/a.csv", "second")
    repository.data("add", "data/a.csv", at="team")
    repository.commit("two")
    install_hooks(repository.root / "team", sys.executable)

    repository.git("checkout", "-q", "old")

    assert (repository.root / "team/data/a.csv").read_text() == "first"


def test_another_hook_is_called_first_and_its_exit_code_counts(two_versions):
    hooks = two_versions.root / ".git" / "hooks"
    for name in NAMES:
        (hooks / name).unlink()
    (hooks / "post-checkout").write_text('#!/bin/sh\necho "theirs $3"\nexit 7\n')
    (hooks / "post-checkout").chmod(0o755)
    done = install_hooks(two_versions.root, sys.executable)
    again = install_hooks(two_versions.root, sys.executable)

    said = two_versions.git("checkout", "-q", "old", code=1)  # what git makes of 7

    assert "theirs 1" in said
    assert (two_versions.root / "data/a.csv").read_text() == "first"
    assert "called first" in done[0]
    assert again == ["the git hook post-checkout is installed", "the git hook post-merge is installed"]


def test_two_foreign_hooks_are_for_a_person_to_join(repository):
    hooks = repository.root / ".git" / "hooks"
    for name in ("post-checkout", "post-checkout" + KEPT):
        (hooks / name).write_text("#!/bin/sh\n")

    with pytest.raises(ConfigurationError, match="neither is Legato's"):
        install_hooks(repository.root, sys.executable)

    assert (hooks / "post-checkout").read_text() == "#!/bin/sh\n"


def test_shared_hooks_are_not_touched(repository):
    repository.write(".hooks/post-checkout", "#!/bin/sh\n")
    repository.git("config", "core.hooksPath", ".hooks")

    with pytest.raises(ConfigurationError, match="others may share") as caught:
        install_hooks(repository.root, sys.executable)

    assert "legato data checkout --hook" in caught.value.hint
    assert [path.name for path in (repository.root / ".hooks").iterdir()] == ["post-checkout"]


def test_without_a_repository_there_is_nothing_to_hook(tmp_path):
    with pytest.raises(MissingError, match="in no git repository"):
        install_hooks(tmp_path, sys.executable)
