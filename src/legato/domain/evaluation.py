"""Evaluations: what a model said about rows whose truth is known, as columns of equal length.

Rule: columns are kept as they are given; no library is imported here. Format: docs/formats/formats.md.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from legato.domain.errors import ConfigurationError
from legato.domain.graph import Struct

REPLICATES: Final = 200
"""How often a metric function is asked again on resampled rows, for its interval."""
SEED: Final = 7
"""Of that resampling."""
CONFIDENCE: Final = 0.95
"""Of that interval."""


class Estimate(Struct, frozen=True, kw_only=True):
    """A metric of the author's own, as it was when the evaluation was saved.

    Attributes:
        estimate: On all rows; NaN where the function gave none.
        low: Lower end of the percentile bootstrap interval (`REPLICATES` draws of rows, `CONFIDENCE`).
        high: Upper end.
    """

    estimate: float
    low: float
    high: float


class Evaluation:
    """Columns about the same rows, in the same order: who they are, the truth, and what the model said.

    Each column may be a list, a tuple, or a column of numpy, polars, pandas or pyarrow. Loaded from the
    store, every column is a numpy array, `rows` are float64, `slices` are texts, `metrics` are `Estimate`s.

    Args:
        ids: Names the rows, each once; what comparisons are paired by.
        labels: The truth, shape (n,).
        predictions: What the model answered, shape (n,).
        scores: How sure it was: shape (n,) for the positive class, or (n, k) for k classes.
        rows: Further measures of each row, `{"cost": column}`; each is a metric by its mean.
        slices: A table, or `{"color": column}`: gates can look at each value of it alone.
        metrics: `{"profit": function}`; each takes an Evaluation of numpy columns and returns a number.

    Raises:
        ConfigurationError: Both `labels` and `rows` are missing, or lengths differ.
    """

    __slots__ = ("ids", "labels", "metrics", "predictions", "rows", "scores", "slices")

    def __init__(  # noqa: PLR0913 - one keyword a kind of column, as authors write it
        self,
        *,
        ids: Any = None,  # noqa: ANN401 - any column
        labels: Any = None,  # noqa: ANN401 - any column
        predictions: Any = None,  # noqa: ANN401 - any column
        scores: Any = None,  # noqa: ANN401 - any column
        rows: Any = None,  # noqa: ANN401 - any table or mapping
        slices: Any = None,  # noqa: ANN401 - any table or mapping
        metrics: Mapping[str, Callable[["Evaluation"], float] | Estimate] | None = None,
    ) -> None:
        self.ids = ids
        self.labels = labels
        self.predictions = predictions
        self.scores = scores
        self.rows: Mapping[str, Any] = columns_of(rows, "rows")
        self.slices: Mapping[str, Any] = columns_of(slices, "slices")
        self.metrics: Mapping[str, Callable[[Evaluation], float] | Estimate] = dict(metrics or {})
        if labels is None and not self.rows:
            raise ConfigurationError(
                "an Evaluation needs `labels`, or at least one column in `rows`; it has neither",
                hint="write for example lg.Evaluation(ids=…, labels=…, predictions=…), "
                'or lg.Evaluation(rows={"cost": …})',
            )
        _refuse_other_lengths(self.columns())

    def columns(self) -> dict[str, Any]:
        """Return every column that is there by its name in messages: `labels`, `rows["cost"]`."""
        named = {name: getattr(self, name) for name in ("ids", "labels", "predictions", "scores")}
        found = {name: column for name, column in named.items() if column is not None}
        found |= {f'rows["{name}"]': column for name, column in self.rows.items()}
        found |= {f'slices["{name}"]': column for name, column in self.slices.items()}
        return found

    def __len__(self) -> int:
        """Return how many rows were judged."""
        return length_of(next(iter(self.columns().values())), "labels")

    def __repr__(self) -> str:
        """Return the row count and the columns' names."""
        return f"Evaluation({len(self)} rows: {', '.join(self.columns())})"


def columns_of(table: Any, what: str) -> dict[str, Any]:  # noqa: ANN401 - any table or mapping
    """Return the columns of a mapping or table by name; `what` names the table in errors.

    >>> columns_of({"color": ["red"]}, "slices")
    {'color': ['red']}
    """
    if table is None:
        return {}
    if isinstance(table, Mapping):
        named = dict(table)
    else:
        names = getattr(table, "column_names", None)  # pyarrow, and Series by accident of none
        if names is None:
            names = getattr(table, "columns", None)
        if names is None or callable(names) or not hasattr(table, "__getitem__"):
            raise ConfigurationError(
                f"`{what}` of an Evaluation is a {type(table).__name__}, not named columns",
                hint=f'pass a table, or a mapping: {what}={{"color": column}}',
            )
        named = {name: table[name] for name in names}
    for name in named:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(
                f"`{what}` of an Evaluation has a column called {name!r}, which is not a text",
                hint="rename the column to a non-empty text",
            )
    return named


def length_of(column: Any, what: str) -> int:  # noqa: ANN401 - any column
    """Return how many rows a column has; raises ConfigurationError when it is no column."""
    if isinstance(column, (str, bytes)) or not hasattr(column, "__len__"):
        raise ConfigurationError(
            f"`{what}` of an Evaluation is a {type(column).__name__}, not a column",
            hint="pass a list, or a column of numpy, polars, pandas or pyarrow; collect lazy ones first",
        )
    try:
        return len(column)
    except TypeError:  # a 0-d array
        raise ConfigurationError(
            f"`{what}` of an Evaluation is a single value, not a column", hint="pass one value a row"
        ) from None


def _refuse_other_lengths(columns: Mapping[str, Any]) -> None:
    lengths = {name: length_of(column, name) for name, column in columns.items()}
    first, expected = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != expected:
            raise ConfigurationError(
                f"columns of an Evaluation differ in length: `{first}` has {expected} rows, "
                f"`{name}` has {length}",
                hint="pass columns about the same rows, in the same order",
            )
