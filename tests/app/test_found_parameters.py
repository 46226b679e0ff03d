"""Found values in a configuration: what stands in the file before and after."""

import tomllib

import pytest

from legato.app.found import changed
from legato.domain.errors import ConfigurationError

TABLE = "environments.local.parameters"


def test_a_table_is_added_behind_what_is_there():
    text = changed("[run]\ncpus = 2\n", TABLE, {"training.lr": 0.1, "training.sizes": [64, 32]})

    assert text == (
        '[run]\ncpus = 2\n\n[environments.local.parameters]\n"training.lr" = 0.1\n"training.sizes" = [64, 32]\n'
    )


def test_other_parameters_and_tables_stay_and_old_values_go():
    before = "[environments.local.parameters]\ntraining.lr = 0.5\nas_of = 1 # kept\n\n[run]\ncpus = 2\n"

    text = changed(before, TABLE, {"training.lr": 0.1})

    assert "as_of = 1 # kept" in text
    assert tomllib.loads(text)["environments"]["local"]["parameters"] == {"as_of": 1, "training.lr": 0.1}
    assert tomllib.loads(text)["run"] == {"cpus": 2}


def test_parameters_in_another_form_are_left_alone():
    with pytest.raises(ConfigurationError) as refused:
        changed("[environments.local]\nparameters = { a = 1 }\n", TABLE, {"training.lr": 0.1})

    assert '"training.lr" = 0.1' in refused.value.hint


def test_none_cannot_be_written():
    with pytest.raises(ConfigurationError, match="None"):
        changed("", TABLE, {"training.depth": None})
