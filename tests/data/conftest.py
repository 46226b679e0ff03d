"""What tests of the data room start from."""

import pytest
from data_room import Room


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path / "project")
