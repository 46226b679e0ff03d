"""One value of every kind that the formats room knows, made anew in each process.

Rule: a case is deterministic code; what two processes make by it is equal.
"""

import datetime as dt
import decimal
import enum
import tempfile
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


@dataclass(frozen=True)
class Point:
    x: int
    color: Color = Color.RED


class Pair(NamedTuple):
    left: int
    right: str


class Doubled(TransformerMixin, BaseEstimator):
    def fit(self, rows: Any, labels: Any = None) -> "Doubled":  # noqa: ARG002 - scikit-learn's interface
        self.seen_ = {"b", "a", "c"}
        self.frozen_ = frozenset(("x", "y", "z"))
        kept = np.arange(3)
        self.same_ = [kept, kept]
        return self

    def transform(self, rows: Any) -> Any:
        return np.asarray(rows) * 2


class Vocabulary:
    def __init__(self, words: list[str]) -> None:
        self.words = words


class VocabularyFormat:
    def save(self, value: Vocabulary, folder: Path) -> None:
        (folder / "words.txt").write_text("\n".join(value.words))

    def load(self, folder: Path) -> Vocabulary:
        return Vocabulary((folder / "words.txt").read_text().split("\n"))


def _rows() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    features = np.abs(generator.normal(size=(120, 4)))
    return features, (features[:, 0] > 0.7).astype(int)


def polars_table() -> Any:
    import polars as pl

    return pl.DataFrame(
        {
            "i": [1, None, 3],
            "f": [0.5, float("nan"), None],
            "s": ["a", None, "ü"],
            "d": [dt.date(2026, 1, 1), None, None],
            "t": pl.Series([dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None, None]).dt.convert_time_zone(
                "Europe/Berlin"
            ),
            "l": [[1, 2], [], None],
            "c": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
            "e": pl.Series(["x", None, "y"], dtype=pl.Enum(["y", "x", "unused"])),
            "r": [{"a": 1}, {"a": None}, None],
            "n": pl.Series([decimal.Decimal("1.20"), None, None]),
        }
    )


def polars_lazy() -> Any:
    return polars_table().lazy()


def polars_column() -> Any:
    return polars_table()["s"]


def pandas_table() -> Any:
    import pandas as pd

    return pd.DataFrame(
        {
            "index": [1, 2, 3],
            "Unnamed: 0": [0.5, np.nan, 1.0],
            "text": ["a", None, "ü"],
            "object": pd.Series(["a", None, "b"], dtype=object, index=["k", "l", "m"]),
            "dates": pd.Series([dt.date(2026, 1, 1), None, None], dtype=object, index=["k", "l", "m"]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "zone": pd.to_datetime(["2026-01-01", None, "2026-01-03"]).tz_localize("Europe/Berlin"),
            "ordered": pd.Categorical([3, 1, None], categories=[3, 1, 7], ordered=True),
            "category": pd.Categorical(["x", None, "y"], categories=["y", "x", "unused"]),
            "period": pd.period_range("2026-01", periods=3, freq="M"),
        },
        index=pd.Index(["k", "l", "m"], name="key"),
    )


def pandas_column() -> Any:
    return pandas_table()["category"]


def arrow_table() -> Any:
    import pyarrow as pa

    parts = [pa.table({"a": [1, None], "d": pa.array(["x", "y"]).dictionary_encode()})] * 3
    return pa.concat_tables(parts)


def array() -> Any:
    return np.asfortranarray(_rows()[0])


def records() -> Any:
    return np.array([(1, 2.0), (3, 4.0)], dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True))


def times() -> Any:
    return np.array(["2026-01-01", "NaT"], dtype="datetime64[D]")


def scalar() -> Any:
    return np.float64(2.5)


def sparse() -> Any:
    import scipy.sparse

    return scipy.sparse.csr_array(np.eye(4))


def estimator() -> Any:
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    features, labels = _rows()
    table = pd.DataFrame(
        {
            "v": features[:, 0],
            "c": np.array(["x", "y"])[labels],
            "t": [f"words {i % 5} of it" for i in range(120)],
        }
    )
    columns = ColumnTransformer(
        [
            ("c", OneHotEncoder(handle_unknown="ignore"), ["c"]),
            ("t", TfidfVectorizer(stop_words="english"), "t"),
            ("v", FunctionTransformer(np.log1p), ["v"]),
            ("w", Doubled(), ["v"]),
        ]
    )
    return Pipeline([("c", columns), ("m", RandomForestClassifier(10, random_state=1))]).fit(table, labels)


def histogram_boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=5, random_state=1).fit(*_rows())


def xgboost_wrapper() -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(*_rows())


def xgboost_booster() -> Any:
    return xgboost_wrapper().get_booster()


def nested_xgboost() -> Any:
    import xgboost
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), xgboost.XGBRegressor(n_estimators=3, n_jobs=1)).fit(*_rows())


def lightgbm_wrapper() -> Any:
    import lightgbm

    features, labels = _rows()
    return lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1).fit(
        features, np.array(["n", "y"])[labels]
    )


def lightgbm_booster() -> Any:
    return lightgbm_wrapper().booster_


def plain() -> Any:
    return {
        "tuple": (1, 2.5, None, True),
        "set": {"b", "a", "c", ("d", 1)},
        "float": [float("inf"), -0.0, 1e-300],
        "$": {1: "int key", None: b"\0"},
        "big": 10**40,
        "ordered": OrderedDict(b=1, a=2),
        "when": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.timedelta(days=-1)],
        "exact": [decimal.Decimal("1.10"), uuid.UUID(int=7)],
        "own": [Color.BLUE, Point(3), Pair(1, "z")],
        "numpy": np.float64(0.25),
    }


def plain_with_parts() -> Any:
    return {"table": polars_table(), "arrays": [np.arange(3), np.eye(2)], "figure": 3}


def text() -> Any:
    return "grüße\nzeile"


def raw() -> Any:
    return bytes(range(256))


def evaluation() -> Any:
    from legato.domain.evaluation import Evaluation

    features, labels = _rows()
    return Evaluation(
        ids=[f"row{i}" for i in range(120)],
        labels=labels,
        predictions=labels,
        scores=features[:, 0],
        rows={"cost": features[:, 1], "index": list(range(120))},
        slices={"color": np.array(["red", "white"])[labels]},
        metrics={"accuracy": lambda e: float((e.labels == e.predictions).mean())},
    )


def figure() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    drawn, axes = plt.subplots(figsize=(2, 2))
    axes.plot([1, 3, 2])
    plt.close(drawn)
    return drawn


def chart() -> Any:
    import altair as alt
    import pandas as pd

    return alt.Chart(pd.DataFrame({"a": [1, 2]})).mark_bar().encode(x="a:Q").interactive()


def file() -> Any:
    path = Path(tempfile.mkdtemp()) / "numbers.csv"
    path.write_text("a,b\n1,x\n2,y\n")
    return path


def folder() -> Any:
    path = Path(tempfile.mkdtemp()) / "model"
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "a.txt").write_text("a")
    (path / "b.bin").write_bytes(b"\1")
    return path


def own() -> Any:
    return Vocabulary(["a", "b"])


CASES: dict[str, Callable[[], Any]] = {
    case.__name__: case
    for case in (
        polars_table, polars_lazy, polars_column, pandas_table, pandas_column, arrow_table, array, records,
        times, scalar, sparse, estimator, histogram_boosting, xgboost_wrapper, xgboost_booster,
        nested_xgboost, lightgbm_wrapper, lightgbm_booster, plain, plain_with_parts, text, raw, evaluation,
        figure, chart, file, folder, own,
    )
}  # fmt: skip


def make(name: str) -> Any:
    """Return the value of a case; some libraries warn about each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CASES[name]()


def essence(value: Any) -> Any:
    """Return what makes two values equal, as plain data."""
    kind = type(value)
    root = kind.__module__.split(".")[0]
    if root in ESSENCES:
        return ESSENCES[root](value)
    if hasattr(value, "predict"):
        return _predictions(value)
    if isinstance(value, Path):
        files = [value] if value.is_file() else sorted(f for f in value.rglob("*") if f.is_file())
        return [(str(f.relative_to(value)), f.read_bytes()) for f in files]
    if kind is dict:
        return {key: essence(item) for key, item in value.items()}
    if kind is list:
        return [essence(item) for item in value]
    return value


def _predictions(model: Any) -> Any:
    import pandas as pd

    features, labels = _rows()
    names = getattr(model, "feature_names_in_", [])
    if len(names) == 3:
        features = pd.DataFrame(
            {"v": features[:, 0], "c": np.array(["x", "y"])[labels], "t": ["words 1"] * 120}
        )
    asked = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(getattr(model, "get_params", dict)()), np.asarray(asked(features)).tolist()


def _booster(value: Any) -> Any:
    if type(value).__name__ != "Booster":
        return _predictions(value)
    if type(value).__module__.startswith("xgboost"):
        return bytes(value.save_raw("ubj"))
    return value.model_to_string()


def _polars(value: Any) -> Any:
    table = value.collect() if hasattr(value, "collect") else value
    table = table.to_frame() if hasattr(table, "to_frame") else table
    return str(table.schema), [[repr(item) for item in row] for row in table.rows()], table.columns


def _pandas(value: Any) -> Any:
    frame = value.to_frame() if hasattr(value, "to_frame") else value
    index = frame.index
    kinds = [repr(kind) for kind in frame.dtypes]
    return (
        kinds,
        repr(index),
        [[repr(item) for item in frame[name]] for name in frame.columns],
        list(frame.columns),
    )


def _evaluation(value: Any) -> Any:
    from legato.domain.evaluation import Evaluation

    if not isinstance(value, Evaluation):
        return value
    return {name: np.asarray(column).tolist() for name, column in value.columns().items()}, sorted(
        value.metrics
    )


ESSENCES: dict[str, Callable[[Any], Any]] = {
    "polars": _polars,
    "pandas": _pandas,
    "pyarrow": lambda value: (value.schema.to_string(), value.to_pylist()),
    "numpy": lambda value: (value.dtype.descr, value.shape, repr(value.tolist())),
    "scipy": lambda value: (value.format, value.toarray().tolist()),
    "xgboost": _booster,
    "lightgbm": _booster,
    "legato": _evaluation,
    "altair": lambda value: value.to_dict(),
    "formats_cases": lambda value: value.words if isinstance(value, Vocabulary) else value,
}
