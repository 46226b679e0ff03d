"""The world that every test of the engine starts from."""

import pytest
from engine_world import World


@pytest.fixture
def world(tmp_path):
    found = World(tmp_path)
    yield found
    found.ledger.close()
