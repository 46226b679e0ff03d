"""A search without runs: what is proposed, what is remembered, what is held back, how it is drawn."""

import pytest

from legato.domain.errors import RunFailedError
from legato.tune.pictures import svg
from legato.tune.searching import Driver, Ended
from legato.tune.space import Dimension, Search, Target, holds
from legato.tune.study import Study
from legato.tune.trials import Outcome, Trial, best_of, decode, encode, report

X = Dimension(name="a.x", kind="floats", targets=(Target(step="a", name="x"),), low=0.0, high=1.0)
K = Dimension(name="a.k", kind="choice", targets=(Target(step="a", name="k"),), wires=('"u"', '"v"'))


def searching(*space, **words):
    told = {"objective": "score", "step": "score", "metric": "", "direction": "maximize", "evaluates": False}
    return Search(space=space, part=("a",), **(told | words))


class InMemory:
    """A ledger of trials, as far as a driver sees one."""

    def __init__(self):
        self.kept = {}

    def load(self, number):
        return decode(self.kept[number]) if number in self.kept else None

    def save(self, trial):
        self.kept[trial.number] = encode(trial)


class Function:
    """Runs that are a function of the values; so many are under way at once, the last one ends first."""

    def __init__(self, value, room=1):
        self.value = value
        self.room = room
        self.started = []
        self.under_way = []
        self.stopped = False

    def start(self, number, values, _samples):
        assert values not in [other for _, other in self.under_way]
        self.started.append(dict(values))
        self.under_way.append((number, values))

    def wait(self):
        number, values = self.under_way.pop()
        value = self.value(values)
        if value is None:
            return [Ended(number=number, outcome=Outcome.FAILED, message="it broke")]
        return [Ended(number=number, outcome=Outcome.COMPLETE, value=value)]

    def stop(self):
        self.stopped = True


def run(search, runs, memory, trials):
    driver = Driver(search, runs, memory, lambda *_: None)
    driver.execute(trials, seed=7)
    return driver


def test_a_search_that_goes_on_proposes_what_it_would_have_proposed_at_once():
    search, value = searching(X), lambda values: -((float(values["a.x"]) - 0.3) ** 2)
    whole, parts = InMemory(), InMemory()
    run(search, Function(value), whole, 16)
    run(search, Function(value), parts, 11)

    run(search, Function(value), parts, 16)

    assert parts.kept == whole.kept


def test_values_that_are_known_or_under_way_are_not_run_twice():
    runs = Function(lambda values: 1.0 if values["a.k"] == '"v"' else 0.0, room=4)

    driver = run(searching(K), runs, InMemory(), 12)

    assert sorted(one["a.k"] for one in runs.started) == ['"u"', '"v"']
    assert len(driver.done) == 12
    assert best_of(searching(K), driver.done.values()).values == {"a.k": '"v"'}


def test_a_search_whose_first_trials_all_fail_ends_with_the_first_reason():
    runs = Function(lambda _: None)

    with pytest.raises(RunFailedError, match="trial 0: it broke"):
        run(searching(X), runs, InMemory(), 50)

    assert len(runs.started) == 3
    assert runs.stopped


def test_the_first_trial_is_what_the_parameters_are_without_a_search():
    inside = Dimension(name="a.x", kind="floats", targets=X.targets, low=0.0, high=1.0, default="0.25")
    outside = Dimension(name="a.x", kind="floats", targets=X.targets, low=0.5, high=1.0, default="0.25")

    first = Study(searching(inside), 7).ask(0)

    assert first == {"a.x": "0.25"}
    assert float(Study(searching(outside), 7).ask(0)["a.x"]) >= 0.5


def test_a_trial_that_lags_behind_the_median_is_given_up():
    known = [
        Trial(number=n, outcome=Outcome.COMPLETE, values={"a.x": "0.5"}, value=1.0, samples={1: 0.9, 2: 1.0})
        for n in range(6)
    ]
    study = Study(searching(X, pruner="median"), 7, known)
    patient = Study(searching(X), 7, known)
    study.ask(6)
    patient.ask(6)

    assert study.gives_up(6, 1, 0.1)
    assert not patient.gives_up(6, 1, 0.1)


@pytest.mark.parametrize(
    ("dimension", "wire", "inside"),
    [
        (X, "0.5", True),
        (X, "1.5", False),
        (X, '"text"', False),
        (K, '"u"', True),
        (K, '"w"', False),
        (Dimension(name="n", kind="ints", targets=(), low=2, high=8, step=2), "5", False),
        (Dimension(name="n", kind="ints", targets=(), low=2, high=8, step=2), "6", True),
    ],
)
def test_a_default_is_tried_only_where_it_lies_in_the_space(dimension, wire, inside):
    found = holds(dimension, wire)

    assert found is inside


def test_the_picture_of_a_search_says_nothing_that_a_page_would_run():
    trial = Trial(number=0, outcome=Outcome.COMPLETE, values={"a.k": '"<script>"'}, value=0.5)
    found = report(searching(K), [trial], trial, {"a.k": 1.0})

    drawn = svg(found)

    assert "<script>" not in drawn
    assert drawn.count("<circle") == 1
