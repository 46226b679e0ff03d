"""The words that authors write gates with: what they return, and what they refuse by name."""

import math

import pytest

from legato.domain.errors import ConfigurationError
from legato.domain.gates import at_least, at_most, no_worse_than_champion
from legato.domain.verdicts import Gate


def test_words_return_gates_as_data():
    gates = [
        at_least("recall", 0.7, on_slice="color", min_rows=30),
        at_most("rmse", 3, confidence=0.9),
        no_worse_than_champion("f1", margin=0.01, rule="estimate"),
    ]

    assert gates == [
        Gate(kind="at_least", metric="recall", bound=0.7, on_slice="color", min_rows=30),
        Gate(kind="at_most", metric="rmse", bound=3.0, confidence=0.9),
        Gate(kind="no_worse_than_champion", metric="f1", margin=0.01, rule="estimate"),
    ]


@pytest.mark.parametrize(
    ("write", "value"),
    [
        (lambda: at_least(0.8, 0.8), "metric=0.8"),
        (lambda: at_least("", 0.8), "metric=''"),
        (lambda: at_least("f1", math.nan), "bound=nan"),
        (lambda: at_most("f1", math.inf), "bound=inf"),
        (lambda: at_most("f1", "0.8"), "bound='0.8'"),
        (lambda: at_most("f1", bound=True), "bound=True"),
        (lambda: no_worse_than_champion("f1", margin=-0.01), "margin=-0.01"),
        (lambda: no_worse_than_champion("f1", margin=math.nan), "margin=nan"),
        (lambda: at_least("f1", 0.8, confidence=0.5), "confidence=0.5"),
        (lambda: at_least("f1", 0.8, confidence=95), "confidence=95"),
        (lambda: at_least("f1", 0.8, min_rows=0), "min_rows=0"),
        (lambda: at_least("f1", 0.8, replicates=10), "replicates=10"),
        (lambda: at_least("f1", 0.8, seed=-1), "seed=-1"),
        (lambda: at_least("f1", 0.8, rule="mean"), "rule='mean'"),
        (lambda: at_least("f1", 0.8, on_slice=3), "on_slice=3"),
        (lambda: at_least("f1", 0.8, margin=0.1), "margin="),
    ],
)
def test_an_argument_that_could_not_be_judged_is_refused_by_its_value(write, value):
    with pytest.raises(ConfigurationError) as refusal:
        write()

    assert value in refusal.value.message
    assert refusal.value.hint
