"""Models packaged once for all tests of this room."""

from pathlib import Path

import numpy as np
import pytest
from serve_cases import FEATURES, SavedBytes, flights, flights_model
from sklearn.linear_model import LogisticRegression

from legato.serve.package import package


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedBytes:
    path = tmp_path_factory.mktemp("saved") / "value.skops"
    path.write_bytes(b"the model's own bytes")
    return SavedBytes(path)


@pytest.fixture(scope="session")
def named(tmp_path_factory: pytest.TempPathFactory, saved: SavedBytes) -> Path:
    """Return a servable of named columns with holes."""
    folder = tmp_path_factory.mktemp("named")
    table = flights()
    package(
        flights_model().fit(table.select(FEATURES), table["late"]), {"test_set": table}, folder, native=saved
    )
    return folder


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory, saved: SavedBytes) -> Path:
    """Return a servable without column names, four numbers a row."""
    folder = tmp_path_factory.mktemp("matrix")
    features = np.random.default_rng(1).normal(size=(200, 4))
    model = LogisticRegression().fit(features, (features[:, 0] > 0).astype(int))
    package(model, {"features": features}, folder, native=saved)
    return folder
