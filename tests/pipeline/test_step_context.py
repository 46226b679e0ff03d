from pathlib import Path

import numpy as np
import pytest

import legato as lg
from legato.domain.errors import ConfigurationError
from legato.pipeline.context import Context, Running, install


@pytest.fixture
def said(tmp_path):
    found = []
    before = install(
        Context(
            Running(17, "k1:abc", "classifier", 2, "local"),
            lambda values, step: found.append((dict(values), step)),
            lambda: tmp_path,
        )
    )
    yield found
    install(before)


def test_outside_a_run_everything_works(capsys):
    lg.log(loss=0.25, step=4)
    lg.log(accuracy=0.5)
    folder = lg.out_folder()

    assert capsys.readouterr().out == "step 4: loss=0.25\naccuracy=0.5\n"
    assert list(folder.iterdir()) == []
    assert (lg.run().number, lg.run().key) == (0, "")
    folder.rmdir()


def test_inside_a_run_the_worker_hears(said, tmp_path):
    lg.log(loss=np.float32(0.5), hits=3, step=np.int64(2))
    lg.log(flag=True)

    assert said == [({"loss": 0.5, "hits": 3.0}, 2), ({"flag": 1.0}, None)]
    assert lg.run() == Running(17, "k1:abc", "classifier", 2, "local")
    assert lg.out_folder() == Path(tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "0.3"}, "loss='0.3'"),
        ({"loss": None}, "loss=None"),
        ({"loss": [1]}, "not a number"),
        ({"loss": 1, "step": 0.5}, "step=0.5"),
        ({"step": True}, "step=True"),
    ],
)
def test_what_is_no_number_is_refused(said, values, message):
    with pytest.raises(ConfigurationError, match=message):
        lg.log(**values)
    assert said == []
