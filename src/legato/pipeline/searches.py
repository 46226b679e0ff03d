"""The words by which authors ask for a search: `lg.tune`, and what it may try.

Rule: a space that no value lies in is refused where it is written; whether it fits the steps is seen when all is
collected.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from legato.pipeline.handles import Handle, Spot, refuse, spot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from legato.pipeline.handles import Command, OneOutput, Step

SAMPLERS: Final = ("tpe", "random")
PRUNERS: Final = ("median", "hyperband")


class Range:
    """Values that are tried: `floats`, `ints` or a `choice`."""

    __slots__ = ("high", "kind", "log", "low", "step", "values")

    def __init__(
        self,
        kind: str,
        *,
        low: float = 0,
        high: float = 0,
        log: bool = False,
        step: float = 0,
        values: tuple[object, ...] = (),
    ) -> None:
        self.kind = kind
        self.low = low
        self.high = high
        self.log = log
        self.step = step
        self.values = values


class Tune(Handle):
    """A search: the artifact that it judges, which values it tries, and how often."""

    __slots__ = ("direction", "metric", "objective", "pruner", "sampler", "seed", "space", "trials")
    word = "search"

    def __init__(
        self, objective: object, goal: tuple[str, str], space: Mapping[str, Range], where: Spot
    ) -> None:
        super().__init__(where)
        self.objective = objective
        self.direction, self.metric = goal
        self.space = dict(space)
        self.trials = 0
        self.seed = 0
        self.sampler = ""
        self.pruner = ""


def floats(low: float, high: float, /, *, log: bool = False, step: float = 0) -> Range:
    """Try numbers from `low` to `high`.

    Args:
        low: The least.
        high: The greatest.
        log: Search the exponent: as many between 0.001 and 0.01 as between 0.01 and 0.1.
        step: Only `low`, `low + step`, and so on.

    Raises:
        ConfigurationError: There is no such range.
    """
    where = spot(1)
    given: tuple[object, ...] = (low, high, step)
    for value in given:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise refuse(f"lg.floats: {value!r} is not a finite number", where, "write lg.floats(0.1, 1.0)")
    _refuse_range("floats", low, high, where, log=log, step=step)
    return Range("floats", low=float(low), high=float(high), log=log, step=float(step))


def ints(low: int, high: int, /, *, log: bool = False, step: int = 1) -> Range:
    """Try whole numbers from `low` to `high`, both included.

    Args:
        low: The least.
        high: The greatest.
        log: Search the exponent.
        step: Only `low`, `low + step`, and so on.

    Raises:
        ConfigurationError: There is no such range.
    """
    where = spot(1)
    given: tuple[object, ...] = (low, high, step)
    for value in given:
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse(f"lg.ints: {value!r} is not a whole number", where, "write lg.ints(2, 12)")
    if step < 1:
        raise refuse(f"lg.ints: step={step} is below 1", where, "leave it out for every whole number")
    _refuse_range("ints", low, high, where, log=log, step=0 if step == 1 else step)
    return Range("ints", low=low, high=high, log=log, step=step)


def choice(*values: object) -> Range:
    """Try each of some values: bool, int, float, str, None, or tuples of them.

    Raises:
        ConfigurationError: There are none, or one of them is twice there or no such value.
    """
    where = spot(1)
    if not values:
        raise refuse("lg.choice() has nothing to choose from", where, 'write lg.choice("a", "b")')
    for at, value in enumerate(values):
        if not _is_plain(value):
            hint = "choose between bool, int, float, str, None or tuples of them"
            if len(values) == 1 and isinstance(value, list | set | frozenset):
                hint = "write the values one by one: lg.choice(1, 2)"
            raise refuse(f"lg.choice: {value!r:.80} cannot be tried", where, hint)
        if any(type(value) is type(other) and value == other for other in values[:at]):
            raise refuse(f"lg.choice: {value!r} is there twice", where, "leave one of them out")
    return Range("choice", values=values)


def _is_plain(value: object) -> bool:
    if type(value) is tuple:
        return all(_is_plain(item) for item in value)
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in {bool, int, str}


def _refuse_range(what: str, low: float, high: float, where: Spot, *, log: bool, step: float) -> None:
    if low > high:
        raise refuse(f"lg.{what}({low}, {high}): the first is greater", where, "write the least value first")
    if log and low <= 0:
        raise refuse(
            f"lg.{what}({low}, {high}, log=True): a logarithm needs values above 0", where, "raise the first"
        )
    if log and step:
        raise refuse(f"lg.{what}: log= and step= do not go together", where, "leave one of them out")
    if step < 0:
        raise refuse(f"lg.{what}: step={step} is below 0", where, "leave step= out")


def tune(  # noqa: PLR0913 - one keyword a word of the interface
    objective: Step[..., Any] | OneOutput | Command | str,
    /,
    *,
    space: Mapping[str, Range],
    maximize: str | bool = False,
    minimize: str | bool = False,
    trials: int = 50,
    seed: int = 7,
    sampler: str = "tpe",
    pruner: str | None = None,
) -> Tune:
    """Search the values of parameters under which an evaluation is best.

    What it finds is used by `best = training.using(params=search)`.

    Args:
        objective: The step that returns an `lg.Evaluation` of rows that no gate reads, a number, or a dict of numbers.
        space: By `step.parameter`, or by the name of an `lg.parameter`: `lg.floats`, `lg.ints` or `lg.choice`.
        maximize: The metric of which more is better; True where the objective is the number itself.
        minimize: The metric of which less is better.
        trials: How many values are tried.
        seed: Of what is proposed.
        sampler: `tpe`, which learns from the trials before, or `random`.
        pruner: `median` or `hyperband`: a trial that logs the metric (`lg.log(f1=…, step=n)`) is given up when
            others were better by then.

    Raises:
        ConfigurationError: A word cannot be followed.
    """
    where = spot(1)
    if bool(maximize) == bool(minimize):
        given = "both" if maximize else "neither"
        raise refuse(
            f"lg.tune is given {given} of maximize= and minimize=", where, 'write for example maximize="f1"'
        )
    goal: object = maximize or minimize
    if not isinstance(goal, str | bool):
        raise refuse(f"{goal!r} names no metric", where, 'write for example maximize="f1"')
    counts: tuple[tuple[str, object], ...] = (("trials", trials), ("seed", seed))
    for name, value in counts:
        least = 1 if name == "trials" else 0
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise refuse(
                f"{name}={value!r} is not a whole number of at least {least}", where, f"write {name}=50"
            )
    _refuse_words(space, sampler, pruner, where)
    direction, metric = "maximize" if maximize else "minimize", goal if isinstance(goal, str) else ""
    made = Tune(objective, (direction, metric), space, where)
    made.trials, made.seed, made.sampler, made.pruner = trials, seed, sampler, pruner or ""
    return made


def _refuse_words(space: object, sampler: object, pruner: object, where: Spot) -> None:
    example = 'space={"training.lr": lg.floats(1e-5, 1e-2, log=True)}'
    if not isinstance(space, dict) or not space:
        raise refuse(f"space={space!r:.80} holds nothing to search", where, f"write {example}")
    for name, found in space.items():
        if not isinstance(found, Range) or not isinstance(name, str):
            raise refuse(f"the space of {name!r} is {found!r:.80}", where, f"write {example}")
    if sampler not in SAMPLERS:
        raise refuse(f"sampler={sampler!r} is not known", where, f"one of {', '.join(SAMPLERS)}")
    if pruner is not None and pruner not in PRUNERS:
        raise refuse(
            f"pruner={pruner!r} is not known", where, f"one of {', '.join(PRUNERS)}, or leave it out"
        )
