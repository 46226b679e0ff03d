"""Rows, a model and saved bytes that several tests of this room share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROWS = 400


@dataclass
class SavedBytes:
    """What the formats room says of a saved model."""

    path: Path
    format: str = "sklearn/1"
    type: str = "sklearn.linear_model.LogisticRegression"
    classes: tuple[str, ...] = ()
    unsafe: bool = False


def flights(rows: int = ROWS) -> pl.DataFrame:
    """Return made rows with numbers, texts, truths and holes; `late` is what to learn."""
    generator = np.random.default_rng(3)
    distance = generator.integers(100, 3000, rows)
    carrier = generator.choice(["UA", "AA", "DL"], rows)
    temperature = generator.normal(10, 8, rows)
    late = (distance / 3000 + (carrier == "UA") + generator.normal(0, 0.4, rows)) > 0.9
    return pl.DataFrame(
        {
            "id": np.arange(rows),
            "distance": distance,
            "temperature": [None if index % 17 == 0 else float(v) for index, v in enumerate(temperature)],
            "carrier": [None if index % 29 == 0 else str(v) for index, v in enumerate(carrier)],
            "rain": generator.random(rows) < 0.3,
            "late": late.astype(int),
        }
    )


FEATURES = ["distance", "temperature", "carrier", "rain"]


def flights_model() -> Pipeline:
    """Return an unfitted pipeline on named columns."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, ["distance", "temperature", "rain"]),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["carrier"]),
        ]
    )
    return Pipeline([("columns", columns), ("model", LogisticRegression(max_iter=500))])
