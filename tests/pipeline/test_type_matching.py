import collections.abc
import pathlib
from typing import Annotated, Any, Literal, NewType, Protocol, TypedDict, TypeVar

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from legato.formats import Pickled
from legato.pipeline.annotations import MISSING, Named, show
from legato.pipeline.matching import fits

T = TypeVar("T")
Kind = NewType("Kind", int)


class HasPredict(Protocol):
    def predict(self, rows: object) -> object: ...


class Row(TypedDict):
    a: int


class Own: ...


class Special(Own): ...


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        (pl.DataFrame, pd.DataFrame),
        (pl.DataFrame, pa.Table),
        (pl.DataFrame, pl.LazyFrame),
        (pl.LazyFrame, pl.DataFrame),
        (pd.DataFrame, ds.Dataset),
        (pl.DataFrame, pathlib.Path),
        (Own, pathlib.Path),
        (pl.Series, pd.Series),
        (np.ndarray, pl.Series),
        (Any, int),
        (int, Any),
        (object, int),
        (MISSING, int),
        (int, MISSING),
        (T, int),
        (Named("x.Y"), int),
        (int, Named("x.Y")),
        (Named("polars.DataFrame"), pd.DataFrame),
        (pl.DataFrame, Named("pandas.DataFrame")),
        (int, float),
        (bool, int),
        (int, int | None),
        (int | None, int),
        (int | str, str),
        (Special, Own),
        (Own, Special),
        (BaseEstimator, RandomForestClassifier),
        (RandomForestClassifier, ClassifierMixin),
        (list[int], collections.abc.Sequence[int]),
        (list[int], list),
        (dict, dict[str, int]),
        (dict[str, int], collections.abc.Mapping[str, float]),
        (RandomForestClassifier, HasPredict),
        (Annotated[int, "x"], int),
        (Pickled[Own], Own),
        (Kind, int),
        (int, Kind),
        (Literal["a"], str),
        (str, Literal["a"]),
        (Row, dict),
        (dict, Row),
        (tuple[int, ...], collections.abc.Sequence[int]),
        (np.float64, float),
        (collections.abc.Callable[[int], int], collections.abc.Callable),
    ],
)
def test_what_may_fit_passes(made, taken):
    assert fits(made, taken)


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        (int, str),
        (float, int),
        (pl.DataFrame, RandomForestClassifier),
        (RandomForestClassifier, pl.DataFrame),
        (str, int | None),
        (list[int], list[str]),
        (list, dict),
        (RandomForestClassifier, LogisticRegression),
        (pl.DataFrame, pl.Series),
        (dict[str, int], list[int]),
        (type(None), int),
        (int, type(None)),
        (Own, str),
        (Kind, str),
        (Literal["a"], int),
        (Row, list),
        (int | None, str),
        (list[list[int]], list[list[str]]),
        (Named("polars.DataFrame"), pl.Series),
        (pathlib.Path, str),
    ],
)
def test_what_surely_does_not_fit_fails(made, taken):
    assert not fits(made, taken)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (pl.DataFrame, "polars.DataFrame"),
        (pd.DataFrame, "pandas.DataFrame"),
        (pa.Table, "pyarrow.Table"),
        (int | None, "int | None"),
        (RandomForestClassifier, "sklearn.ensemble.RandomForestClassifier"),
        (dict[str, pl.DataFrame], "dict[str, polars.DataFrame]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Any, "Any"),
        (None, "None"),
        (Named("a.B"), "a.B"),
        (Literal["a"], "Literal['a']"),
        (collections.abc.Callable[[int], str], "collections.abc.Callable[[int], str]"),
        (MISSING, ""),
        (Kind, "int"),
    ],
)
def test_annotations_are_shown_as_people_write_them(annotation, text):
    assert show(annotation) == text
