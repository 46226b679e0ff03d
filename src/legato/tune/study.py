"""Optuna's side of a search: what to try next, when to give a trial up, what mattered.

Rule: a study lives in memory and is made anew from facts; what it proposes for a number follows from the seed and
from the trials that are over, so that a search which was killed goes on as if it had not been.
"""

import math
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from legato.domain.digests import canonical, digest_of
from legato.domain.errors import MissingError
from legato.tune.space import Dimension, Search, holds, plain_of, wire_of
from legato.tune.trials import Outcome, Trial

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial as OptunaTrial

_LEAST_FOR_IMPORTANCE: Final = 4
_SEED_DIGITS: Final = 8


class Study:
    """A search as Optuna sees it. One thread at a time.

    Args:
        search: What is searched.
        seed: Of every proposal.
        known: The trials that are over already.

    Raises:
        MissingError: Optuna is not installed.
    """

    def __init__(self, search: Search, seed: int, known: Iterable[Trial] = ()) -> None:
        optuna = _optuna()
        self._search = search
        self._seed = seed
        self._distributions = {d.name: _distribution(d) for d in search.space}
        self._dimensions = {d.name: d for d in search.space}
        with _quiet():
            self._study: OptunaStudy = optuna.create_study(
                direction=search.direction, sampler=_sampler(search, seed), pruner=_pruner(search)
            )
        self._asked: dict[int, OptunaTrial] = {}
        for trial in known:
            self._add(trial)

    def _add(self, trial: Trial) -> None:
        optuna = _optuna()
        states = optuna.trial.TrialState
        state = {Outcome.COMPLETE: states.COMPLETE, Outcome.PRUNED: states.PRUNED}.get(
            trial.outcome, states.FAIL
        )
        with _quiet():
            self._study.add_trial(
                optuna.trial.create_trial(
                    state=state,
                    value=trial.value if trial.outcome is Outcome.COMPLETE else None,
                    params={n: plain_of(self._dimensions[n], wire) for n, wire in trial.values.items()},
                    distributions=self._distributions,
                    intermediate_values=dict(trial.samples),
                )
            )

    def ask(self, number: int) -> dict[str, str]:
        """Return what to try as trial `number`; the first is what the parameters are without a search."""
        if number == 0 and (first := self._defaults()) is not None:
            self._study.enqueue_trial(first)
        self._study.sampler = _sampler(self._search, _seed_of(self._seed, number))
        with _quiet():
            trial = self._study.ask(self._distributions)
        self._asked[number] = trial
        return {name: wire_of(self._dimensions[name], value) for name, value in trial.params.items()}

    def _defaults(self) -> dict[str, Any] | None:
        dimensions = self._search.space
        if all(d.default and holds(d, d.default) for d in dimensions):
            return {d.name: plain_of(d, d.default) for d in dimensions}
        return None

    def gives_up(self, number: int, step: int, value: float) -> bool:
        """Take note of a sample of a trial under way; say whether it is not worth going on with."""
        trial = self._asked[number]
        if not math.isfinite(value) or not self._search.pruner:
            return False
        with _quiet():
            trial.report(value, step)
            return trial.should_prune()

    def tell(self, trial: Trial) -> None:
        """Take note of how a trial that was asked for ended."""
        states = _optuna().trial.TrialState
        state = {Outcome.COMPLETE: states.COMPLETE, Outcome.PRUNED: states.PRUNED}.get(
            trial.outcome, states.FAIL
        )
        value = trial.value if trial.outcome is Outcome.COMPLETE else None
        with _quiet():
            self._study.tell(self._asked.pop(trial.number), value, state)

    def importance(self) -> dict[str, float]:
        """Return which share of the differences each dimension explains, most first; empty where few trials tell."""
        states = _optuna().trial.TrialState
        complete = self._study.get_trials(deepcopy=False, states=(states.COMPLETE,))
        if len(complete) < _LEAST_FOR_IMPORTANCE or len({trial.value for trial in complete}) == 1:
            return {}
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

        with _quiet():
            found = get_param_importances(self._study, evaluator=PedAnovaImportanceEvaluator())
        return {name: float(share) for name, share in found.items() if math.isfinite(share)}


def _optuna() -> Any:  # noqa: ANN401 - the module
    try:
        import optuna
    except ImportError:
        raise MissingError(
            "a search needs the package 'optuna', which is not installed", hint="pip install 'legato[tune]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def require() -> None:
    """Raise MissingError where Optuna is not installed."""
    _optuna()


def _quiet() -> warnings.catch_warnings:
    """Keep what Optuna calls experimental or repeated from a person who asked for neither."""
    return warnings.catch_warnings(action="ignore")


def _distribution(dimension: Dimension) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.kind == "choice":
        return CategoricalDistribution(dimension.wires)
    if dimension.kind == "ints":
        step = int(dimension.step) or 1
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log, step=step)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step or None)


def _sampler(search: Search, seed: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler, TPESampler

    if search.sampler == "random":
        return RandomSampler(seed=seed)
    with _quiet():
        return TPESampler(seed=seed, constant_liar=True)


def _pruner(search: Search) -> "BasePruner":
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    pruners: Mapping[str, type[BasePruner]] = {"median": MedianPruner, "hyperband": HyperbandPruner}
    return pruners.get(search.pruner, NopPruner)()


def _seed_of(seed: int, number: int) -> int:
    return int(digest_of(canonical([seed, number]))[7 : 7 + _SEED_DIGITS], 16)
