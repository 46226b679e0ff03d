"""Searches: what a `tune` node is to the engine, and how its trials become runs.

Rule: a trial is an ordinary run of the part of the graph that its values reach, with everything else given to it;
what came of it is a fact of the ledger before the next one is asked for.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from legato.app.budgeting import budget
from legato.app.config import Project
from legato.app.kinds import Sources
from legato.app.leftovers import make_own
from legato.app.origin import Origin
from legato.app.processes import actor, owner_name
from legato.app.trial_graphs import GIVEN, GivenKind, TrialGraph, score_of, share_of
from legato.app.turns import Lane, Shared, Turns
from legato.domain.artifacts import Artifact, Result
from legato.domain.digests import canonical, digest_of
from legato.domain.errors import ConfigurationError, LegatoError
from legato.domain.events import CancelAsked, RunStarted, StepFailed, StepFinished
from legato.domain.graph import Graph, Node
from legato.domain.keys import Ingredient, Recipe, base_key
from legato.domain.progress import AnyProgress, Sampled, State, Summary
from legato.domain.verdicts import Judgement
from legato.engine.kinds import Acted, Action, Call, Inputs, Kind
from legato.engine.logs import Logs
from legato.engine.results import Results
from legato.engine.run import LEASE_S, Run
from legato.engine.schedule import Budget
from legato.engine.settings import Coming, Settings, Tools
from legato.ledger import Ledger
from legato.scm import describe
from legato.store import Store
from legato.tune.searching import Driver, Ended, Samples
from legato.tune.space import Search, read_search
from legato.tune.trials import Outcome, Trial, best_of, decode, encode, report, told, trial_recipe

if TYPE_CHECKING:
    from legato.tune.study import Study

PLAIN: Final = "plain/1"
TRIAL: Final = "trial"
_JUDGEMENT: Final = msgspec.json.Decoder(Judgement)
_RENEW_S: Final = LEASE_S / 4


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What searches share with the run that they belong to."""

    graph: Graph
    ledger: Ledger
    store: Store
    results: Results
    kinds: Mapping[str, Kind]
    platform: Shared
    environment: Callable[[Node], Mapping[str, str]]
    secrets: Callable[[Node], Iterable[str]]
    bring: Callable[[Sequence[Artifact]], Coming]
    say: Callable[[str], None]
    project: Project
    origin: Origin
    effects: str
    machine: str

    @property
    def work(self) -> str:
        """Folder for the private folders of executions."""
        return str(make_own(self.project.state / "work"))

    def started(self) -> RunStarted:
        """Return the event that opens the run of a trial, as far as all have it in common."""
        commit = describe(self.project.root)
        return RunStarted(
            number=0,
            targets=(),
            pipeline=self.project.pipeline,
            environment=self.effects,
            commit=commit.id,
            dirty=commit.dirty,
            branch=commit.branch or self.origin.branch,
            actor=self.origin.actor or actor(),
            maker=self.origin.maker,
            owner=owner_name(),
        )


class TuneKind:
    """A search: keyed by its space, its budget of trials and all that the trials depend on."""

    def __init__(self, bench: Callable[[], Bench], sources: Sources, graph: Graph) -> None:
        self._bench = bench
        self._sources = sources
        self._graph = graph

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the search with its recipe."""
        recipe = self._recipe(node, inputs)

        def act(action: Action) -> Acted:
            return search(self._bench(), node, inputs, action)

        return Call(recipe=recipe, inputs=inputs, act=act)

    def _recipe(self, node: Node, inputs: Inputs) -> Recipe:
        read = read_search(node.detail)
        space = tuple(msgspec.structs.replace(one, default="") for one in read.space)  # only where to begin
        goal = digest_of(canonical(msgspec.structs.replace(read, space=space)))
        found = [*self._sources.recipe(node, inputs), Ingredient("kind", "search", goal)]
        tuned = {(target.step, target.name) for dimension in read.space for target in dimension.targets}
        for name in read.part:
            found += self._of(self._graph.node(name), tuned)
        return tuple(found)

    def _of(self, node: Node, tuned: set[tuple[str, str]]) -> Iterable[Ingredient]:
        """Yield what one step of each trial adds: all of its recipe but what is tuned, and its inputs' wiring."""
        fixed = tuple(one for one in node.settings if (node.name, one.name) not in tuned)
        bare = msgspec.structs.replace(node, settings=fixed)
        for one in self._sources.recipe(bare, {}):
            yield Ingredient(one.kind, f"{node.name}: {one.name}".removesuffix(": "), one.digest, one.shown)
        wiring = {item.parameter: item.artifact for item in node.inputs}
        yield Ingredient(
            "kind", f"{node.name}: wiring", digest_of(canonical([wiring, node.detail, node.axes, node.when]))
        )


def search(bench: Bench, node: Node, inputs: Inputs, action: Action) -> Acted:
    """Run the trials of a search that are not known yet, and return its result.

    Raises:
        LegatoError: No trial gave a number, or the metric is not there.
    """
    read = read_search(node.detail)
    settings = {setting.name: msgspec.json.decode(setting.wire) for setting in node.settings}
    number = action.run()
    study = base_key(i for i in action.recipe if (i.kind, i.name) != ("parameter", "trials"))
    facts = Facts(bench, node.name, study, number)
    runs = TrialRuns(bench, node, read, inputs, Renewal(bench, action.key, number))
    telling = Telling(node.name, read, int(settings["trials"]), bench.say)
    driver = Driver(read, runs, facts, telling)
    found = driver.execute(int(settings["trials"]), int(settings["seed"]))
    return _acted(bench, read, driver, found)


def _acted(bench: Bench, read: Search, driver: Driver, study: "Study") -> Acted:
    trials = list(driver.done.values())
    best = best_of(read, trials)
    assert best is not None  # noqa: S101 - the driver refuses a search without one
    outputs = {"": _plain(bench, report(read, trials, best, study.importance()), "dict")}
    for name, wire in best.values.items():
        outputs[name] = _value(bench, wire)
    shown = ", ".join(f"{name}={told(wire)}" for name, wire in best.values.items())
    note = f"best of {len(trials)}: {read.goal}={best.value:.6g} with {shown}"
    return Acted(outputs=outputs, notes=(note,))


def _plain(bench: Bench, value: object, type_: str) -> Artifact:
    kept = bench.results.keep(msgspec.json.encode(value) + b"\n", PLAIN)
    return msgspec.structs.replace(kept, type=type_)


def _value(bench: Bench, wire: str) -> Artifact:
    """Return a found value as an artifact that a step can take; its wire form is what keys see."""
    from legato.formats.plain_types import encode as as_plain  # what a value that JSON lacks looks like there
    from legato.pipeline.values import untagged

    value = untagged(msgspec.json.decode(wire))
    made = _plain(bench, as_plain(value, None, "a value"), type(value).__name__)  # type: ignore[arg-type]
    return msgspec.structs.replace(made, about={"wire": wire, "shown": str(value)})


class Telling:
    """Says a line a trial: its value, the best so far, what was tried."""

    def __init__(self, name: str, read: Search, trials: int, say: Callable[[str], None]) -> None:
        self._name = name
        self._read = read
        self._trials = trials
        self._say = say

    def __call__(self, trial: Trial, best: Trial | None, done: int) -> None:
        """Say one."""
        match trial.outcome:
            case Outcome.COMPLETE:
                what = f"{self._read.goal}={trial.value:.6g}"
            case Outcome.PRUNED:
                what = (
                    f"pruned at {self._read.goal}={trial.value:.6g}" if trial.value is not None else "pruned"
                )
            case _:
                what = f"failed: {trial.message}"
        so_far = f"best {best.value:.6g} (trial {best.number})" if best is not None else "none yet"
        tried = " ".join(f"{name}={_short(told(wire))}" for name, wire in trial.values.items())
        self._say(f"{self._name} {done}/{self._trials}  trial {trial.number}: {what}  {so_far}  {tried}")


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


class Facts:
    """The trials of a study in the ledger; see `Memory`."""

    def __init__(self, bench: Bench, name: str, study: str, run: int) -> None:
        self._bench = bench
        self._name = name
        self._study = study
        self._run = run

    def load(self, number: int) -> Trial | None:
        """Return a trial that is known; one that failed is tried again."""
        found = self._bench.results.find(base_key(trial_recipe(self._study, number)))
        if found is None:
            return None
        try:
            with self._bench.store.open(found.outputs[""].digest) as source:
                return decode(source.read())
        except (LegatoError, msgspec.DecodeError):
            return None

    def save(self, trial: Trial) -> None:
        """Write the fact."""
        step = f"{self._name}[trial={trial.number}]"
        recipe = trial_recipe(self._study, trial.number)
        key = base_key(recipe)
        if trial.outcome is Outcome.FAILED:
            failed = StepFailed(
                run=self._run, step=step, kind=TRIAL, reason="raised", message=trial.message, key=key
            )
            self._bench.ledger.append([failed])
            return
        result = Result(
            key=key,
            base=key,
            step=step,
            run=self._run,
            outputs={"": self._bench.results.keep(encode(trial), PLAIN)},
            recipe=recipe,
            maker=self._bench.origin.maker,
            platform=self._bench.machine,
            finished_at=time.time(),
        )
        note = f"run {trial.run}" if trial.run else ""
        self._bench.ledger.append([StepFinished(kind=TRIAL, result=result, notes=(note,) if note else ())])


class Renewal:
    """Keeps the lease of a search, and hears whether someone wants its run to end."""

    def __init__(self, bench: Bench, key: str, run: int) -> None:
        self._bench = bench
        self._key = key
        self._run = run
        self._renewed = time.monotonic()

    def look(self) -> None:
        """Renew where it is time; raises KeyboardInterrupt where an end was asked for."""
        now = time.monotonic()
        if now - self._renewed > _RENEW_S:
            self._renewed = now
            self._bench.ledger.acquire([self._key], owner_name(), LEASE_S)
        if self._bench.ledger.query("cancel_asked", run=self._run):
            raise KeyboardInterrupt


class _Going:
    """A trial under way."""

    def __init__(self, number: int, lane: Lane) -> None:
        self.number = number
        self.lane = lane
        self.ended: Ended | None = None


class TrialRuns:
    """Runs trials side by side; see `Runs`."""

    def __init__(self, bench: Bench, node: Node, read: Search, inputs: Inputs, renewal: Renewal) -> None:
        self._bench = bench
        self._node = node
        self._read = read
        self._renewal = renewal
        self._plan = TrialGraph(bench.graph, node, read, inputs)
        self._turns = Turns(bench.platform, time.monotonic)
        self._budget = budget(bench.project)
        self._started = bench.started()
        self.room = self._plan.side_by_side(self._budget)
        self._slots = list(range(self.room))
        self._going: dict[Lane, _Going] = {}

    def start(self, number: int, values: Mapping[str, str], samples: Samples) -> None:
        """Begin a trial."""
        slot = self._slots.pop()
        trial = _TrialRun(self._bench, self._node, self._read, (number, self._started), samples)
        graph = self._plan.of(number, values)
        share = share_of(self._budget, slot, self.room)
        going: _Going

        def work(lane: Lane) -> None:
            try:
                going.ended = trial.execute(lane, graph, share, self._plan.shown(values))
            finally:
                self._slots.append(slot)

        going = _Going(number, self._turns.add(work))
        self._going[going.lane] = going

    def wait(self) -> list[Ended]:
        """Return the trials that have ended."""
        while self._going:
            self._renewal.look()
            over = [self._going.pop(lane) for lane in self._turns.turn()]
            for going in over:
                if going.lane.error is not None:
                    raise going.lane.error
            ended = [going.ended for going in over if going.ended is not None]
            if ended:
                return ended
        return []

    def stop(self) -> None:
        """End all trials."""
        self._turns.stop()
        self._going.clear()


class _PrunedError(KeyboardInterrupt):
    """A trial is not worth going on with: its run ends as if someone had asked for it."""


class _TrialRun:
    """One trial as a run."""

    def __init__(
        self, bench: Bench, node: Node, read: Search, trial: tuple[int, RunStarted], samples: Samples
    ) -> None:
        self._bench = bench
        self._node = node
        self._read = read
        self._number, self._first = trial
        self._samples = samples
        self._run = 0
        self._pruned = False

    def execute(self, lane: Lane, graph: Graph, share: Budget, shown: Mapping[str, str]) -> Ended:
        """Run it and return its value."""
        bench = self._bench
        settings = Settings(
            started=lambda: self._started(graph, shown),
            environment=bench.effects,
            owner=owner_name(),
            budget=share,
            work=bench.work,
            root=str(bench.project.root),
            maker=bench.origin.maker,
            platform=bench.machine,
        )
        tools = Tools(
            ledger=bench.ledger,
            results=bench.results,
            platform=_Numbered(lane, self._learn),
            kinds={**bench.kinds, GIVEN: GivenKind()},
            logs=Logs(bench.project.state / "logs"),
            environment=bench.environment,
            secrets=bench.secrets,
            report=self._heard,
            clock=time.time,
            monotonic=time.monotonic,
            bring=bench.bring,
        )
        return self._ended(Run(graph, settings, tools).execute())

    def _learn(self, job: str) -> None:
        self._run = int(job.partition("-")[0])

    def _started(self, graph: Graph, shown: Mapping[str, str]) -> RunStarted:
        return msgspec.structs.replace(
            self._first,
            targets=(self._read.step,),
            parameters={**shown, self._node.name: f"trial {self._number}"},
            owner=owner_name(),
            overrides=(),
            steps=tuple(node.name for node in graph.nodes if node.kind != GIVEN),
        )

    def _heard(self, progress: AnyProgress) -> None:
        """Tell the study what a step logged; the run of a trial that it gives up ends here."""
        if not isinstance(progress, Sampled) or self._pruned or progress.at is None:
            return
        value = progress.values.get(self._read.goal)
        if value is not None and self._samples(self._number, progress.at, float(value)):
            self._pruned = True
            why = f"{self._node.name}: pruned at step {progress.at}, {self._read.goal}={value:.6g}"
            self._bench.ledger.append([CancelAsked(run=self._run, actor=why)])
            raise _PrunedError

    def _ended(self, summary: Summary) -> Ended:
        if summary.state == "cancelled":
            if not self._pruned and self._run and self._bench.ledger.query("cancel_asked", run=self._run):
                return self._failed(f"its run was cancelled by {summary.cancelled_by}", summary.number)
            if not self._pruned:
                raise KeyboardInterrupt
            return Ended(number=self._number, outcome=Outcome.PRUNED, run=summary.number)
        run = summary.number
        if summary.state != "succeeded":
            failed = next((step for step in summary.steps if step.state is State.FAILED), summary.steps[-1])
            name = failed.name.partition("[")[0]
            return self._failed(f"{name}: {failed.message}", run)
        value = self._value(summary)
        if value is None or not math.isfinite(value):
            shown = "NaN" if value is None else value
            return self._failed(f"{self._read.goal} is {shown}", run)
        return Ended(number=self._number, outcome=Outcome.COMPLETE, value=value, run=run)

    def _failed(self, message: str, run: int) -> Ended:
        return Ended(number=self._number, outcome=Outcome.FAILED, message=message, run=run)

    def _value(self, summary: Summary) -> float | None:
        wanted = score_of(self._node) if self._read.evaluates else self._read.objective
        artifact = next(step.outputs[wanted] for step in summary.steps if wanted in step.outputs)
        with self._bench.store.open(artifact.digest) as source:
            data = source.read()
        if self._read.evaluates:
            return self._metric(_JUDGEMENT.decode(data).metrics)
        return _number(data, self._read, self._node)

    def _metric(self, metrics: Mapping[str, float | None]) -> float | None:
        if self._read.metric in metrics:
            return metrics[self._read.metric]
        raise _no_metric(self._read, metrics, self._node)


def _no_metric(read: Search, metrics: Iterable[str], node: Node) -> ConfigurationError:
    from legato.pipeline.nearest import did_you_mean

    return ConfigurationError(
        f"{node.name} is to {read.direction} {read.metric!r}, but {read.objective} has no such metric",
        hint=did_you_mean(read.metric, metrics, "metrics"),
        where=str(node.place),
    )


def _number(data: bytes, read: Search, node: Node) -> float | None:
    """Return the number that an artifact is, or that it holds under the metric's name."""
    try:
        found: Any = msgspec.json.decode(data)
    except msgspec.DecodeError:
        found = None
    if isinstance(found, dict) and "$" not in found:
        if read.metric not in found:
            raise _no_metric(read, found, node)
        found = found[read.metric]
    if isinstance(found, dict) and found.get("$") in {"float", "numpy"}:
        found = found["v"]["v"] if isinstance(found["v"], dict) else found["v"]
        return float(found)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ConfigurationError(
            f"{node.name} is to {read.direction} {read.objective}, which holds no number",
            hint="return an lg.Evaluation, a float, or a dict of floats from it",
            where=str(node.place),
        )
    return float(found)


class _Numbered:
    """A lane that tells the number of the run whose first job it starts."""

    def __init__(self, lane: Lane, learn: Callable[[str], None]) -> None:
        self._lane = lane
        self._learn = learn
        self.traits = lane.traits
        self.poll = lane.poll
        self.cancel = lane.cancel
        self.close = lane.close

    def start(self, job: Any) -> None:  # noqa: ANN401 - a job
        """Hand a job over."""
        self._learn(job.id)
        self._lane.start(job)
