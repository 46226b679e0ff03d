"""What every end-to-end test starts from: an empty project in a folder of its own.

Rule: a test leaves no process behind.
"""

import pytest
from project_folder import Project


@pytest.fixture
def project(tmp_path):
    found = Project(tmp_path / "project")
    yield found
    left = found.wait_until_quiet()
    assert not left, f"processes are left in the project: {left}"


def pytest_collection_modifyitems(items):
    """Give every test of this folder that names no time limit one."""
    for item in items:
        if "/e2e/" in str(item.path) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(120))
