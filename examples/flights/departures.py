"""Turns the tables of flights and of weather into one row a departure, with what is known when it is due.

Rule: a column that is only known after the scheduled departure never leaves this file, save the target.
"""

from typing import Final

import polars as pl

LATE_MINUTES: Final = 15
"""A flight is late when it arrives this many minutes, or more, after its time."""

WORDS: Final = ["carrier", "origin", "dest"]
FIGURES: Final = [
    "departs", "distance", "weekday", "temp", "humid", "wind_speed", "precip", "pressure", "visib",
]  # fmt: skip
KNOWN: Final = WORDS + FIGURES
"""What a caller sends: all of it is known at the scheduled departure."""

HINDSIGHT: Final = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
"""What only the flight itself reveals. `dep_delay` alone would give a wonderful and useless model."""

WEATHER_KEY: Final = ["origin", "time_hour"]
"""`time_hour` is UTC. By the local hour, 3 November has six rows of weather for three airport-hours."""


def flight_id() -> pl.Expr:
    """Return what names a flight for good: day, carrier, number and origin."""
    return pl.format("{}/{}{}/{}", pl.col("date"), pl.col("carrier"), pl.col("flight"), pl.col("origin"))


def with_weather(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """Join each flight with the weather at its airport in the hour in which it is due to leave.

    Flights without a row of weather stay: the model fills in what is missing.

    Args:
        flights: One row a flight, as published.
        weather: One row an airport and hour; degrees Fahrenheit, miles an hour, inches, millibar, miles.

    Raises:
        polars.exceptions.ComputeError: An airport and hour has two rows of weather.
    """
    observed = weather.select(*WEATHER_KEY, "temp", "humid", "wind_speed", "precip", "pressure", "visib")
    return flights.join(observed, on=WEATHER_KEY, how="left", validate="m:1", maintain_order="left")


def with_schedule(flights: pl.DataFrame) -> pl.DataFrame:
    """Add the date, the weekday (Monday is 1) and `departs`, the minute of the day when it should leave."""
    date = pl.date("year", "month", "day")
    return flights.with_columns(
        date=date, weekday=date.dt.weekday(), departs=pl.col("hour") * 60 + pl.col("minute")
    )


def with_target(flights: pl.DataFrame) -> pl.DataFrame:
    """Keep the flights that arrived, and say of each whether it was `late` (1) or not (0)."""
    arrived = flights.filter(pl.col("arr_delay").is_not_null())
    return arrived.with_columns(late=(pl.col("arr_delay") >= LATE_MINUTES).cast(pl.Int64))


def departures_of(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """Return one row a flight that arrived: `id`, `date`, the columns of `KNOWN` and `late`."""
    rows = with_target(with_schedule(with_weather(flights, weather)))
    return rows.select(flight_id().alias("id"), "date", *WORDS, pl.col(FIGURES).cast(pl.Float64), "late")
