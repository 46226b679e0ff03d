"""Trials as facts: what was tried, and what came of it.

Rule: a trial that is over is stored once under its search and number; a study is made of these and of nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from legato.domain.graph import Struct
from legato.domain.keys import Ingredient, Recipe
from legato.tune.space import Search

TRIAL_FORMAT = "1"


class Outcome(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class Trial(Struct, frozen=True, kw_only=True):
    """One trial that is over.

    Attributes:
        values: By dimension, as canonical JSON.
        value: What is maximised or minimised; of a pruned trial the last that it logged.
        samples: What it logged, by step.
        message: Why it failed.
        run: Its run; 0 where every step of it was known.
    """

    number: int
    outcome: Outcome
    values: Mapping[str, str]
    value: float | None = None
    samples: Mapping[int, float] = {}
    message: str = ""
    run: int = 0


def trial_recipe(study: str, number: int) -> Recipe:
    """Return what a trial's fact is known by: the key of its study, and its number."""
    return (
        Ingredient("kind", "", f"trial/{TRIAL_FORMAT}"),
        Ingredient("input", "study", study),
        Ingredient("parameter", "number", str(number), str(number)),
    )


def encode(trial: Trial) -> bytes:
    """Return a trial as plain JSON."""
    return msgspec.json.encode(trial) + b"\n"


def decode(data: bytes) -> Trial:
    """Return the trial that `encode` wrote; raises `msgspec.DecodeError`."""
    return msgspec.json.decode(data, type=Trial)


def best_of(search: Search, trials: Iterable[Trial]) -> Trial | None:
    """Return the best trial that is complete, the earliest of equals; None where there is none."""
    best: Trial | None = None
    for trial in sorted(trials, key=lambda trial: trial.number):
        if trial.outcome is not Outcome.COMPLETE or trial.value is None:
            continue
        if best is None or best.value is None or search.better(trial.value, best.value):
            best = trial
    return best


def report(
    search: Search, trials: Sequence[Trial], best: Trial, importance: Mapping[str, float]
) -> dict[str, Any]:
    """Return the result of a search as plain data; equal trials make equal bytes."""
    return {
        "goal": search.goal,
        "direction": search.direction,
        "best": {"trial": best.number, "value": best.value, "parameters": _told(best.values)},
        "importance": dict(importance),
        "trials": [
            {
                "trial": trial.number,
                "state": str(trial.outcome),
                "value": trial.value,
                "parameters": _told(trial.values),
                **({"message": trial.message} if trial.message else {}),
            }
            for trial in sorted(trials, key=lambda trial: trial.number)
        ],
    }


def _told(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: told(wire) for name, wire in values.items()}


def told(wire: str) -> Any:  # noqa: ANN401 - plain data
    """Return a value as JSON and TOML know it: a tuple is a list there.

    >>> told('{"tuple":[64,32]}'), told("0.5")
    ([64, 32], 0.5)
    """
    return _untagged(msgspec.json.decode(wire))


def _untagged(plain: Any) -> Any:  # noqa: ANN401 - plain data
    if isinstance(plain, dict) and set(plain) == {"tuple"}:
        return [_untagged(item) for item in plain["tuple"]]
    if isinstance(plain, dict) and set(plain) == {"float"}:
        return float(plain["float"])
    return plain
